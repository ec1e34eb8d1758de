"""The cluster itself: what every other test takes for granted."""

from __future__ import annotations

import urllib.request

import boto3
import pytest

from cluster.commands import ClusterError, run
from cluster.kubernetes import Kubernetes, has_condition
from cluster.machine.cluster import MachineCluster
from cluster.pods import indexed_job, pod, probe_pod
from cluster.provider import NotHereError, Provider
from cluster.s3 import PORT, ClusterS3

pytestmark = pytest.mark.alone

GPU = "nvidia.com/gpu"


def test_two_nodes_or_more_are_ready_and_have_a_gpu(kubernetes: Kubernetes) -> None:
    nodes = [node for node in kubernetes.get("nodes")["items"] if GPU in node["status"]["allocatable"]]
    assert len(nodes) >= 2
    assert all(has_condition(node, "Ready") for node in nodes)


def test_two_pods_of_an_indexed_job_find_each_other_by_name(namespace: Kubernetes) -> None:
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"job": "pair"}}
    namespace.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pair"}, "spec": service})
    names = [f"pair-{index}.pair" for index in range(2)]
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"job": "pair"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    namespace.apply(indexed_job("pair", 2, probe_pod("lookup", *names, subdomain="pair", affinity=affinity)))
    namespace.wait("job", "pair", until=lambda job: has_condition(job, "Complete"))


def test_a_request_for_gpus_is_scheduled_and_one_for_too_many_waits(namespace: Kubernetes) -> None:
    one, many = ({"limits": {GPU: count, "memory": "64Mi"}} for count in (1, 999))
    namespace.apply(
        pod("one", probe_pod("exit", "0", resources=one)), pod("many", probe_pod("exit", "0", resources=many))
    )
    namespace.wait("pod", "one", until=lambda found: found["status"]["phase"] == "Succeeded")
    waiting = namespace.wait("pod", "many", until=lambda found: bool(found["status"].get("conditions")))
    assert f"Insufficient {GPU}" in waiting["status"]["conditions"][0]["message"]


def test_the_restricted_standard_is_enforced(namespace: Kubernetes) -> None:
    spec = probe_pod("exit", "0", hostNetwork=True)
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        namespace.accepts(pod("privileged", spec))


def test_a_pod_and_this_machine_reach_the_s3_server(namespace: Kubernetes, s3: ClusterS3) -> None:
    s3.server.make_bucket("smoke")
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=s3.server.endpoint,
        aws_access_key_id=s3.server.access_key,
        aws_secret_access_key=s3.server.secret_key,
        region_name=s3.server.region,
    )
    client.put_object(Bucket="smoke", Key="a/b", Body=b"kept")
    host = s3.in_cluster.endpoint.removeprefix("http://").removesuffix(f":{PORT}")
    namespace.apply(pod("client", probe_pod("connect", f"{host}:{PORT}")))
    namespace.wait("pod", "client", until=lambda found: found["status"]["phase"] == "Succeeded")
    assert namespace.kubectl("logs", "client").split()[0] == "open"
    with s3.outage(), pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        urllib.request.urlopen(s3.server.endpoint, timeout=2)
    assert client.get_object(Bucket="smoke", Key="a/b")["Body"].read() == b"kept"


def test_no_packet_finds_a_way_out_of_the_machine(provider: Provider) -> None:
    if not isinstance(provider, MachineCluster):
        raise NotHereError("the network of this cluster is not ours")
    for node in provider.nodes():
        assert not node.run("ip", "route", "show", "default").stdout
    for subnet in ("10.96.0.0/16", "10.244.0.0/16"):
        assert f"unreachable {subnet}" in run("ip", "route", "show").stdout


def test_a_network_policy_is_enforced(namespace: Kubernetes, s3: ClusterS3) -> None:
    allowed = [
        {
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"port": 53, "protocol": "UDP"}],
        },
        {"to": [{"podSelector": {"matchLabels": {"app": "open"}}}], "ports": [{"port": 8000}]},
    ]
    policy = {"podSelector": {"matchLabels": {"app": "confined"}}, "policyTypes": ["Egress"], "egress": allowed}
    namespace.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "confined"},
            "spec": policy,
        },
        pod("open", probe_pod("listen", "8000"), app="open"),
        pod("closed", probe_pod("listen", "8000"), app="closed"),
    )
    peers = namespace.wait(
        "pods", until=lambda found: all(has_condition(peer, "Ready") for peer in found["items"]), seconds=60
    )["items"]
    address = {peer["metadata"]["name"]: f"{peer['status']['podIP']}:8000" for peer in peers}
    host = s3.in_cluster.endpoint.removeprefix("http://")
    asked = [address["closed"], address["open"], host]
    namespace.apply(
        pod("confined", probe_pod("closes", *asked), app="confined"),
        pod("free", probe_pod("connect", *asked), app="free"),
    )
    for name, states in (("confined", ["closed", "open", "closed"]), ("free", ["open", "open", "open"])):
        namespace.wait("pod", name, until=lambda found: found["status"]["phase"] == "Succeeded")
        lines = namespace.kubectl("logs", name).splitlines()
        assert [line.split()[0] for line in lines] == states, f"{name}: {lines}"


def last_node(kubernetes: Kubernetes) -> str:
    """The node that tests may do anything to."""
    nodes = kubernetes.get("nodes")["items"]
    return max(node["metadata"]["name"] for node in nodes if GPU in node["status"]["allocatable"])


def test_a_node_that_is_cut_off_is_lost_and_comes_back(provider: Provider, kubernetes: Kubernetes) -> None:
    name = last_node(kubernetes)
    provider.cut(name)
    try:
        kubernetes.wait("node", name, until=lambda node: not has_condition(node, "Ready"))
    finally:
        provider.restore(name)
    kubernetes.wait("node", name, until=lambda node: has_condition(node, "Ready"))


def test_a_node_that_loses_its_power_comes_back(provider: Provider, kubernetes: Kubernetes) -> None:
    name = last_node(kubernetes)
    provider.power_off(name)
    try:
        kubernetes.wait("node", name, until=lambda node: not has_condition(node, "Ready"))
    finally:
        provider.power_on(name)
    assert kubernetes.get("node", name)["status"]["allocatable"][GPU] == "1"
