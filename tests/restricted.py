"""The restricted pod security standard, and what this project asks of every pod besides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def pods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod specifications of an object."""
    if document["kind"] == "Pod":
        yield document["spec"]
    elif "template" in (document.get("spec") or {}):
        yield document["spec"]["template"]["spec"]


def violations(pod: dict[str, Any]) -> list[str]:
    """What a pod does that it should not, in words."""
    security = pod.get("securityContext") or {}
    found = [f"uses {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        found.append("may run as root")
    if (security.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        found.append("has no seccomp profile")
    if pod.get("enableServiceLinks") is not False:
        found.append("gets a variable for every Service")
    for volume in pod.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            found.append(f"mounts {kinds}")
    for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
        found += [f"{container['name']} {words}" for words in _of_container(container)]
    return found


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext") or {}
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "may gain privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root"
    if any("hostPort" in port for port in container.get("ports") or []):
        yield "has a port of the node"
    if "memory" not in (container.get("resources") or {}).get("limits", {}):
        yield "has no memory limit"
    image = container["image"]
    if "@sha256:" not in image and ":" not in image.rpartition("/")[2]:
        yield f"has an image without a tag: {image}"
