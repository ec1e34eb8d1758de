"""What only some tests need: the JobSet controller, and nodes that only exist in the API."""

from __future__ import annotations

import pytest

from cluster.kubernetes import Kubernetes, has_condition
from cluster.machine.cluster import MachineCluster
from cluster.machine.kwok import LABEL, TAINT, fake_nodes
from cluster.pods import indexed_job, probe_pod
from cluster.provider import NotHereError, Provider


@pytest.mark.usefixtures("jobset")
def test_a_jobset_completes(namespace: Kubernetes) -> None:
    job = indexed_job("unused", 2, probe_pod("lookup", "pair-worker-0-0.pair", "pair-worker-0-1.pair"))
    worker = {"name": "worker", "template": {"spec": job["spec"]}}
    namespace.apply(
        {
            "apiVersion": "jobset.x-k8s.io/v1alpha2",
            "kind": "JobSet",
            "metadata": {"name": "pair"},
            "spec": {"replicatedJobs": [worker]},
        }
    )
    namespace.wait("jobset", "pair", until=lambda found: has_condition(found, "Completed"))


def test_pods_run_on_nodes_that_are_not_there(provider: Provider, namespace: Kubernetes) -> None:
    if not isinstance(provider, MachineCluster):
        raise NotHereError("kwok runs beside the cluster of this machine only")
    with fake_nodes(provider, 20, lambda text: None):
        wide = {"limits": {"nvidia.com/gpu": 8, "memory": "1Gi"}}
        spec = probe_pod("exit", "0", resources=wide, nodeSelector=LABEL, tolerations=[{**TAINT, "operator": "Equal"}])
        namespace.apply(indexed_job("wide", 20, spec))
        namespace.wait("job", "wide", until=lambda found: has_condition(found, "Complete"))
