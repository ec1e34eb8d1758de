"""Nodes that a test may lose, and those that it must not: the one where the store is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.kubernetes import Kubernetes, has_condition

_LABEL = "stilts-tests/can-be-lost"


@dataclass(frozen=True)
class Losable:
    """Where pods go: those that ask for GPUs to nodes that can be lost, all others to where the store is.

    Attributes:
        kept: the node of the store.
        others: that can be lost.
    """

    kubernetes: Kubernetes
    kept: str
    others: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """Of a profile's ``kubernetes``."""
        cpu, gpu = {"kubernetes.io/hostname": self.kept}, {_LABEL: "true"}
        return {"gpus_per_node": 1, "cpu_pods": {"node_selector": cpu}, "gpu_pods": {"node_selector": gpu}}

    def take_kept_too(self) -> None:
        """From now on pods that ask for GPUs may go to the node of the store, too."""
        self.kubernetes.kubectl("label", "nodes", self.kept, f"{_LABEL}=true", "--overwrite")


@contextmanager
def losable(kubernetes: Kubernetes) -> Iterator[Losable]:
    """The nodes of a cluster, told apart."""
    (server,) = kubernetes.get("pods", "--namespace=stilts-s3")["items"]
    kept = server["spec"]["nodeName"]
    others = tuple(
        node["metadata"]["name"]
        for node in kubernetes.get("nodes")["items"]
        if node["metadata"]["name"] != kept and has_condition(node, "Ready")
    )
    kubernetes.kubectl("label", "nodes", *others, f"{_LABEL}=true", "--overwrite")
    try:
        yield Losable(kubernetes, kept, others)
    finally:
        kubernetes.kubectl("label", "nodes", kept, *others, f"{_LABEL}-")
