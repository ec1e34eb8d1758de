"""The JobSet controller, from its Go module: no image, no manifest and no certificate manager from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cluster.commands import run, wait_until
from cluster.machine.images import reference
from cluster.machine.node import SAFE_NODE
from cluster.machine.pins import JOBSET

NAMESPACE = "jobset-system"
_START_SECONDS = 120.0
_PROBE = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "metadata": {"name": "probe"},
    "spec": {
        "replicatedJobs": [
            {
                "name": "a",
                "template": {
                    "spec": {
                        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "none"}]}}
                    }
                },
            }
        ]
    },
}


def install_jobset(kubectl: Callable[..., str], program: Path) -> None:
    """Install the controller; its image must be in the nodes.

    Args:
        kubectl: runs kubectl in the namespace ``NAMESPACE`` of the cluster; takes ``text`` for its standard input.
        program: kubectl itself, which has kustomize.
    """
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": _manifests(program)})
    # the definition of a JobSet is too large for what a client-side apply keeps in an annotation
    kubectl("apply", "--server-side", "--filename", "-", text=manifests)


def wait_for_jobset(kubectl: Callable[..., str]) -> None:
    """Wait until the controller's webhooks answer."""

    def accepts() -> bool:
        return bool(kubectl("create", "--dry-run=server", "--filename", "-", text=json.dumps(_PROBE), check=False))

    wait_until(accepts, "the webhooks of JobSet", _START_SECONDS, pause=0.5)


def _manifests(program: Path) -> list[dict[str, Any]]:
    """What the module itself would install, with the image that is here."""
    source = run("go", "list", "-m", "-f", "{{.Dir}}", JOBSET.source, folder=JOBSET.folder).stdout.strip()
    objects = list(yaml.safe_load_all(run(program, "kustomize", f"{source}/config/default").stdout))
    for manifest in objects:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["spec"]["affinity"] = SAFE_NODE
            for container in manifest["spec"]["template"]["spec"]["containers"]:
                container["image"], container["imagePullPolicy"] = reference(JOBSET), "Never"
                container["command"] = [f"/{JOBSET.name}"]
                for probe in ("livenessProbe", "readinessProbe"):
                    container[probe]["initialDelaySeconds"] = 1
                    container[probe]["periodSeconds"] = 2
    return objects
