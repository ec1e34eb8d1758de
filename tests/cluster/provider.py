"""Which cluster the tests run on: the one of ``KUBECONFIG``, else kind where Docker is, else one of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cluster.commands import ClusterError, run
from cluster.machine.build import program, programs
from cluster.machine.cluster import MachineCluster
from cluster.machine.pins import HELM, KUBERNETES
from cluster.machine.places import Places


class NotHereError(ClusterError):
    """This kind of cluster cannot do that."""


class Provider(Protocol):
    """A cluster, and what can be done to it from outside. Nodes go by their names."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def programs(self) -> dict[str, Path]:
        """``kubectl`` and ``helm``, at least."""
        ...

    def up(self, archives: Sequence[Path] = ()) -> None:
        """Bring it up with these images, or start what is missing of it."""
        ...

    def down(self) -> None: ...

    def load(self, archives: Sequence[Path]) -> None:
        """Bring images (``podman save``, ``docker save``) to every node."""
        ...

    def pretend_gpus(self, name: str, count: int) -> None:
        """Advertise ``nvidia.com/gpu`` on a node."""
        ...

    def cut(self, name: str) -> None:
        """Unplug a node's cable."""
        ...

    def restore(self, name: str) -> None:
        """Plug it in again."""
        ...

    def freeze(self, name: str) -> None:
        """Stop kubelet in its tracks; pods go on."""
        ...

    def thaw(self, name: str) -> None: ...

    def power_off(self, name: str) -> None:
        """End everything on a node at once."""
        ...

    def power_on(self, name: str) -> None: ...


class GivenCluster:
    """The cluster of ``KUBECONFIG``: used as it is, never changed but in namespaces of the tests."""

    def __init__(self, kubeconfig: Path, say: Callable[[str], None]) -> None:
        self.kubeconfig = kubeconfig
        self._say = say

    @property
    def programs(self) -> dict[str, Path]:
        return client_programs(self._say)

    def up(self, archives: Sequence[Path] = ()) -> None:
        """Only look whether it answers."""
        if archives:
            self.load(archives)
        run(self.programs["kubectl"], f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz", timeout=30)

    def down(self) -> None:
        self._say(f"{self.kubeconfig} is not ours to take down")

    def load(self, archives: Sequence[Path]) -> None:
        raise NotHereError(
            "images cannot be loaded into the cluster of KUBECONFIG: push them to a registry it can read"
        )

    def pretend_gpus(self, name: str, count: int) -> None:
        raise NotHereError("the nodes of KUBECONFIG advertise what they have")

    def _node(self, name: str) -> None:
        raise NotHereError(f"tests do nothing to {name}, a node of the cluster of KUBECONFIG")

    cut = restore = freeze = thaw = power_off = power_on = _node


def choose_provider(say: Callable[[str], None]) -> Provider:
    """The cluster that the environment asks for."""
    from cluster.kind import KindCluster, has_docker

    places = Places.of_environment()
    named = os.environ.get("KUBECONFIG")
    if named and Path(named).absolute() not in {places.kubeconfig, KindCluster.kubeconfig_in(places)}:
        if not Path(named).is_file():
            raise ClusterError(f"KUBECONFIG names {named}, and there is no such file")
        return GivenCluster(Path(named).absolute(), say)
    if has_docker():
        return KindCluster(places, say)
    return MachineCluster(places, say)


def client_programs(say: Callable[[str], None]) -> dict[str, Path]:
    """kubectl and helm: those that are installed, else built."""
    cache = Places.of_environment().cache
    found = {name: Path(path) for name in ("kubectl", "helm") if (path := shutil.which(name))}
    if "kubectl" not in found:
        found["kubectl"] = programs(KUBERNETES, cache, say)["kubectl"]
    if "helm" not in found:
        found["helm"] = program(HELM, cache, say)
    return found
