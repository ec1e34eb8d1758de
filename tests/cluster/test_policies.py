"""Network policies as rules, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.machine.policies import Pod, UnsupportedPolicyError, filter_rules, selects

SPACES = {"lab": {"name": "lab"}, "system": {"name": "system"}}
TRAINER = Pod("lab", "10.244.1.2", {"role": "trainer"})
STORE = Pod("lab", "10.244.2.3", {"role": "store"})
DNS = Pod("system", "10.244.1.4", {"role": "dns"})
PODS = [TRAINER, STORE, DNS]


def policy(**spec: Any) -> list[dict[str, Any]]:
    return [{"metadata": {"namespace": "lab"}, "spec": {"podSelector": {"matchLabels": {"role": "trainer"}}, **spec}}]


def verdict(rules: str, chain: str, field: str, other: str, port: str) -> str:
    """What the first rule of a pod's chain that fits says; the rules name single addresses and ports."""
    for line in rules.splitlines():
        words = line.split()
        if words[:2] != ["-A", chain]:
            continue
        options = dict(zip(words[2:-2:2], words[3:-2:2], strict=True))
        if options.get(field, "0.0.0.0/0") in {other, "0.0.0.0/0"} and options.get("--dport", port) == port:
            return words[-1]
    return "RETURN"


def test_a_pod_that_no_policy_selects_has_no_chain() -> None:
    rules = filter_rules(policy(policyTypes=["Egress"]), [STORE, DNS], SPACES)
    assert "ST-OUT" not in rules
    assert "ST-IN" not in rules


def test_an_empty_egress_allows_nothing_and_leaves_ingress_open() -> None:
    rules = filter_rules(policy(policyTypes=["Egress"]), PODS, SPACES)
    assert verdict(rules, "ST-OUT-10.244.1.2", "-d", STORE.address, "7070") == "DROP"
    assert "ST-IN" not in rules


def test_only_the_named_peers_and_ports_are_allowed() -> None:
    egress = [
        {"to": [{"podSelector": {"matchLabels": {"role": "store"}}}], "ports": [{"port": 7070}]},
        {
            "to": [{"namespaceSelector": {"matchLabels": {"name": "system"}}}],
            "ports": [{"port": 53, "protocol": "UDP"}],
        },
    ]
    rules = filter_rules(policy(policyTypes=["Egress"], egress=egress), PODS, SPACES)
    chain = "ST-OUT-10.244.1.2"
    assert verdict(rules, chain, "-d", STORE.address, "7070") == "RETURN"
    assert verdict(rules, chain, "-d", STORE.address, "7071") == "DROP"
    assert verdict(rules, chain, "-d", DNS.address, "53") == "RETURN"
    assert verdict(rules, chain, "-d", "10.243.0.1", "6443") == "DROP"


def test_a_selector_of_pods_stays_within_the_policys_namespace() -> None:
    egress: list[dict[str, Any]] = [{"to": [{"podSelector": {}}]}]
    rules = filter_rules(policy(policyTypes=["Egress"], egress=egress), PODS, SPACES)
    assert verdict(rules, "ST-OUT-10.244.1.2", "-d", STORE.address, "1") == "RETURN"
    assert verdict(rules, "ST-OUT-10.244.1.2", "-d", DNS.address, "1") == "DROP"


def test_an_exception_of_a_block_comes_before_the_block() -> None:
    egress = [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.2.3"]}}]}]
    rules = filter_rules(policy(policyTypes=["Egress"], egress=egress), PODS, SPACES)
    assert verdict(rules, "ST-OUT-10.244.1.2", "-d", STORE.address, "1") == "DROP"
    assert verdict(rules, "ST-OUT-10.244.1.2", "-d", DNS.address, "1") == "RETURN"


@pytest.mark.parametrize("port", [{"port": "http"}, {"port": 1, "protocol": "SCTP"}])
def test_what_cannot_be_expressed_is_an_error(port: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        filter_rules(policy(policyTypes=["Egress"], egress=[{"ports": [port]}]), PODS, SPACES)


def test_selectors() -> None:
    labels = {"a": "1"}
    assert selects(None, labels)
    assert selects({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, labels)
    assert selects({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, labels)
    assert not selects({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, labels)
    assert not selects({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, labels)
