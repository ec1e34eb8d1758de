"""Persistent volumes: folders on the disks of the nodes, offered by the default storage class."""

from __future__ import annotations

from typing import Any

from cluster.machine.node import Node

VOLUMES_PER_NODE = 4
_CLASS = "local"


def volumes(nodes: list[Node]) -> list[dict[str, Any]]:
    """The storage class and the volumes of these nodes; makes their folders."""
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": _CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    ]
    for node in nodes:
        for index in range(VOLUMES_PER_NODE):
            folder = node.folder / "volumes" / str(index)
            folder.mkdir(parents=True, exist_ok=True)
            objects.append(_volume(node, f"{node.name}-{index}", str(folder)))
    return objects


def _volume(node: Node, name: str, path: str) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": _CLASS,
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
