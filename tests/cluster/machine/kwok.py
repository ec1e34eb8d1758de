"""Nodes that only exist in the API: kwok says that their pods run and end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cluster.commands import ClusterError, wait_until
from cluster.machine.api import Api
from cluster.machine.build import program
from cluster.machine.cluster import GRACE_SECONDS, MachineCluster
from cluster.machine.node import GPU
from cluster.machine.pins import KWOK

LABEL = {"type": "kwok"}
ANNOTATION = "kwok.x-k8s.io/node"
TAINT = {"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}
_SELECTOR = "type%3Dkwok"
_GRACE_SECONDS = 120
_READY_SECONDS = 120.0
_PARALLEL = 32  # of four, the default, pods lag behind twenty Jobs a second


@contextmanager
def fake_nodes(cluster: MachineCluster, count: int, say: Callable[[str], None], *, gpus: int = 8) -> Iterator[None]:
    """A cluster with ``count`` more nodes.

    Only pods that select ``LABEL`` and tolerate ``TAINT`` go there. Silent nodes are waited for longer meanwhile, since
    kwok writes in bursts.

    Raises:
        ClusterError: they did not become ready.
    """
    places, api = cluster.places, cluster.api()
    config = places.state / "kwok.json"
    config.write_text(json.dumps(_configuration()))
    kwok = program(KWOK, places.cache, say)
    cluster.set_grace(_GRACE_SECONDS)
    cluster.processes.start(
        "kwok",
        [
            *(kwok, f"--config={config}", f"--kubeconfig={places.kubeconfig}", "--manage-all-nodes=false"),
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        ],
    )
    try:
        for index in range(count):
            status, answer = api.ask("POST", "/api/v1/nodes", _node(f"fake-{index:03d}", gpus))
            if status not in (201, 409):
                raise ClusterError(f"the node fake-{index:03d} cannot be made: {status} {answer}")
        wait_until(lambda: _ready(api) >= count, f"{count} fake nodes", _READY_SECONDS, pause=0.5)
        yield
    finally:
        api.ask("DELETE", f"/api/v1/nodes?labelSelector={_SELECTOR}")
        cluster.processes.stop("kwok")
        cluster.set_grace(GRACE_SECONDS)


def _ready(api: Api) -> int:
    conditions = [
        condition
        for node in api.get(f"/api/v1/nodes?labelSelector={_SELECTOR}")["items"]
        for condition in node["status"].get("conditions", [])
    ]
    return sum(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _configuration() -> dict[str, Any]:
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {"podPlayStageParallelism": _PARALLEL, "nodePlayStageParallelism": _PARALLEL},
    }


def _node(name: str, gpus: int) -> dict[str, Any]:
    room = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {ANNOTATION: "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {**LABEL, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "spec": {"taints": [TAINT]},
        "status": {"allocatable": room, "capacity": room},
    }
