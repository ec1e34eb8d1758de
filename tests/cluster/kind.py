"""A cluster of kind, for a person who has Docker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster.commands import ClusterError, run, wait_until
from cluster.machine.api import MERGE, Api
from cluster.machine.cluster import GPUS
from cluster.machine.images import program_archive
from cluster.machine.node import GPU
from cluster.machine.pins import PROBE, VERSITYGW
from cluster.machine.places import Places

_NAME = "stilts-test"
_NETWORK = "kind"
_CONFIGURATION = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}, {"role": "worker"}],
}
_READY_SECONDS = 120.0


def has_docker() -> bool:
    """Whether kind is installed and a Docker daemon answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return run("docker", "info", check=False, timeout=30).returncode == 0


class KindCluster:
    """Three workers with one pretended GPU each."""

    def __init__(self, places: Places, say: Callable[[str], None]) -> None:
        self._places = places
        self._say = say

    @staticmethod
    def kubeconfig_in(places: Places) -> Path:
        return places.cache / "kind.conf"

    @property
    def kubeconfig(self) -> Path:
        return self.kubeconfig_in(self._places)

    @property
    def programs(self) -> dict[str, Path]:
        from cluster.provider import client_programs

        return client_programs(self._say)

    def up(self, archives: Sequence[Path] = ()) -> None:
        self._places.cache.mkdir(parents=True, exist_ok=True)
        if _NAME not in run("kind", "get", "clusters").stdout.split():
            configured = self._places.cache / "kind.json"
            configured.write_text(json.dumps(_CONFIGURATION))
            where = ("--config", str(configured), "--kubeconfig", str(self.kubeconfig))
            run("kind", "create", "cluster", "--name", _NAME, "--wait", f"{_READY_SECONDS:.0f}s", *where)
            self.load([program_archive(module, self._places.cache, self._say) for module in (VERSITYGW, PROBE)])
        self.load(archives)
        for node in run("kind", "get", "nodes", "--name", _NAME).stdout.split():
            if not node.endswith("control-plane"):
                self.pretend_gpus(node, GPUS)

    def down(self) -> None:
        run("kind", "delete", "cluster", "--name", _NAME)
        self.kubeconfig.unlink(missing_ok=True)

    def load(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            run("kind", "load", "image-archive", "--name", _NAME, archive)

    def pretend_gpus(self, name: str, count: int) -> None:
        change = {"status": {part: {GPU: str(count)} for part in ("capacity", "allocatable")}}
        status, answer = Api(self.kubeconfig).ask("PATCH", f"/api/v1/nodes/{name}/status", change, MERGE)
        if status != 200:
            raise ClusterError(f"{name} cannot advertise GPUs: {status} {answer}")

    def cut(self, name: str) -> None:
        run("docker", "network", "disconnect", _NETWORK, name)

    def restore(self, name: str) -> None:
        run("docker", "network", "connect", _NETWORK, name)

    def freeze(self, name: str) -> None:
        run("docker", "exec", name, "systemctl", "kill", "--signal=STOP", "kubelet")

    def thaw(self, name: str) -> None:
        run("docker", "exec", name, "systemctl", "kill", "--signal=CONT", "kubelet")

    def power_off(self, name: str) -> None:
        run("docker", "kill", name)

    def power_on(self, name: str) -> None:
        run("docker", "start", name)

        def ready() -> bool:
            conditions = Api(self.kubeconfig).get(f"/api/v1/nodes/{name}")["status"]["conditions"]
            return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

        wait_until(ready, f"{name} to be ready", _READY_SECONDS)
