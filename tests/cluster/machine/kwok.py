"""Nodes that only exist in the API: kwok says that their pods run and end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.commands import wait_until
from cluster.machine.api import Api
from cluster.machine.build import program
from cluster.machine.node import GPU
from cluster.machine.pins import KWOK
from cluster.machine.places import Places
from cluster.machine.processes import Processes

LABEL = {"type": "kwok"}
ANNOTATION = "kwok.x-k8s.io/node"
TAINT = {"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}
_PARALLEL = 32  # of four, the default, pods lag behind twenty Jobs a second


def start_fake_nodes(
    places: Places,
    processes: Processes,
    api: Api,
    count: int,
    say: Callable[[str], None],
    *,
    gpus: int = 8,
    seconds: float = 60.0,
) -> None:
    """Make ``count`` nodes and wait until they are ready.

    Only pods that select ``LABEL`` and tolerate ``TAINT`` go there. With many, the controller manager's grace period
    must be far above ten seconds, since kwok writes in bursts.
    """
    config = places.state / "kwok.yaml"
    config.write_text(json.dumps(_configuration()))
    binary: Path = program(KWOK, places.cache, say)
    processes.start(
        "kwok",
        [
            *(binary, f"--config={config}", f"--kubeconfig={places.kubeconfig}", "--manage-all-nodes=false"),
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        ],
    )
    for index in range(count):
        status, answer = api.ask("POST", "/api/v1/nodes", _node(f"fake-{index:03d}", gpus))
        if status not in (201, 409):
            raise RuntimeError(f"fake-{index:03d}: {status} {answer}")

    def all_ready() -> bool:
        nodes = api.get("/api/v1/nodes?labelSelector=type%3Dkwok")["items"]
        ready = [
            node
            for node in nodes
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        return len(ready) >= count

    wait_until(all_ready, f"{count} fake nodes", seconds, pause=0.5)


def stop_fake_nodes(processes: Processes, api: Api) -> None:
    """Delete the nodes and stop kwok."""
    api.ask("DELETE", "/api/v1/nodes?labelSelector=type%3Dkwok")
    processes.stop("kwok")


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
