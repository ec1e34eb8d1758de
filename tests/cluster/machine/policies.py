"""Network policies as rules of a packet filter. Pure: objects of the API in, text for ``iptables-restore`` out.

Pods' and namespaces' selectors, address blocks with exceptions, numbers and ranges of ports, both directions. What
cannot be expressed (ports by name, SCTP) is an error and never ignored.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

HOOK = "ST-POLICY"
PREFIX = "ST-"
_EVERYWHERE = "0.0.0.0/0"


class UnsupportedPolicyError(Exception):
    """A network policy that these rules cannot express."""


@dataclass(frozen=True)
class Pod:
    namespace: str
    address: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Direction:
    """How a direction reads in a policy and in a rule."""

    kind: str
    rules: str
    peers: str
    chain: str
    own: str
    other: str


_DIRECTIONS = (
    Direction("Egress", "egress", "to", "OUT", "-s", "-d"),
    Direction("Ingress", "ingress", "from", "IN", "-d", "-s"),
)


def pods_with_address(objects: list[dict[str, Any]]) -> list[Pod]:
    """The pods that have an address of their own and may still use it."""
    return [
        Pod(pod["metadata"]["namespace"], pod["status"]["podIP"], pod["metadata"].get("labels") or {})
        for pod in objects
        if pod["status"].get("podIP")
        and pod["status"].get("phase") in {"Pending", "Running"}
        and not pod["spec"].get("hostNetwork")
    ]


def filter_rules(policies: list[dict[str, Any]], pods: list[Pod], namespaces: dict[str, dict[str, str]]) -> str:
    """The filter table of every node.

    Args:
        namespaces: name to labels.

    Returns:
        The chain ``HOOK``, which forwarded packets go through first, and two chains for each pod that is isolated.

    Raises:
        UnsupportedPolicyError: a rule cannot be expressed.
    """
    isolated: set[tuple[str, str, str]] = set()
    allowed: dict[str, None] = {}
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
        own = [pod for pod in pods if pod.namespace == namespace and selects(spec.get("podSelector"), pod.labels)]
        kinds = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
        for direction in (direction for direction in _DIRECTIONS if direction.kind in kinds):
            isolated |= {(direction.chain, direction.own, pod.address) for pod in own}
            for rule in spec.get(direction.rules) or []:
                peers = _peers(rule.get(direction.peers), namespace, pods, namespaces)
                for pod in own:
                    chain = f"{PREFIX}{direction.chain}-{pod.address}"
                    for matched in _ports(rule.get("ports")):
                        for block, exceptions in peers:
                            for exception in exceptions:
                                allowed[f"-A {chain} {direction.other} {exception}{matched} -j DROP"] = None
                            allowed[f"-A {chain} {direction.other} {block}{matched} -j RETURN"] = None
    chains = sorted(isolated)
    return "\n".join(
        [
            "*filter",
            f":{HOOK} - [0:0]",
            *(f":{PREFIX}{chain}-{address} - [0:0]" for chain, _, address in chains),
            f"-A {HOOK} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
            *(f"-A {HOOK} {own} {address} -j {PREFIX}{chain}-{address}" for chain, own, address in chains),
            *allowed,
            *(f"-A {PREFIX}{chain}-{address} -j DROP" for chain, _, address in chains),
            "COMMIT",
            "",
        ]
    )


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or []:
        value, values = labels.get(expression["key"]), expression.get("values") or []
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[expression["operator"]]:
            return False
    return True


def _peers(
    peers: list[dict[str, Any]] | None, namespace: str, pods: list[Pod], namespaces: dict[str, dict[str, str]]
) -> list[tuple[str, list[str]]]:
    """Address blocks with their exceptions; no peers at all stand for everything."""
    if not peers:
        return [(_EVERYWHERE, [])]
    blocks: list[tuple[str, list[str]]] = []
    for peer in peers:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            if ipaddress.ip_network(block["cidr"]).version == 4:
                blocks.append((block["cidr"], block.get("except") or []))
            continue
        chosen = {namespace}
        if "namespaceSelector" in peer:
            chosen = {name for name, labels in namespaces.items() if selects(peer["namespaceSelector"], labels)}
        blocks += [
            (pod.address, [])
            for pod in pods
            if pod.namespace in chosen and selects(peer.get("podSelector"), pod.labels)
        ]
    return blocks


def _ports(ports: list[dict[str, Any]] | None) -> list[str]:
    """What a rule says of ports, as matches; a rule that says nothing matches every port."""
    if not ports:
        return [""]
    matches = []
    for port in ports:
        protocol = str(port.get("protocol") or "TCP").lower()
        if protocol not in {"tcp", "udp"}:
            raise UnsupportedPolicyError(f"protocol {protocol.upper()}")
        number = port.get("port")
        if isinstance(number, str):
            raise UnsupportedPolicyError(f"a port by its name, {number!r}")
        match = f" -p {protocol}"
        if number is not None:
            match += f" --dport {number}" + (f":{port['endPort']}" if "endPort" in port else "")
        matches.append(match)
    return matches
