"""Pods and Jobs of the probe, as the restricted pod security standard wants them."""

from __future__ import annotations

from typing import Any

from cluster.machine.images import reference
from cluster.machine.pins import PROBE


def probe_pod(*arguments: str, **settings: Any) -> dict[str, Any]:
    """The specification of a pod that runs the probe once; ``settings`` are further fields of it."""
    resources = settings.pop("resources", {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}})
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": PROBE.name,
                "image": reference(PROBE),
                "imagePullPolicy": "IfNotPresent",
                "args": list(arguments),
                "resources": resources,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        **settings,
    }


def pod(name: str, spec: dict[str, Any], **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def indexed_job(name: str, pods: int, spec: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """An Indexed Job of ``pods`` pods; ``settings`` are further fields of it."""
    template = {"metadata": {"labels": {"job": name}}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimit": 0,
            "template": template,
            **settings,
        },
    }
