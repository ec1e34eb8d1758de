"""One node of the cluster: its own network, mount and process namespaces, with containerd, kubelet and kube-proxy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import ClusterError, run, wait_until
from cluster.machine import network, node_init
from cluster.machine.api import MERGE, Api
from cluster.machine.cgroups import make_group, remove_group
from cluster.machine.images import NAMESPACE, is_current, layers, make_disk
from cluster.machine.node_files import write_node_files
from cluster.machine.places import Places
from cluster.machine.processes import Processes

GPU = "nvidia.com/gpu"
# for what must outlive a test: tests cut off the other nodes, here and in kind
_FIRST = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1", "stilts-test-worker"]}
SAFE_NODE = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [_FIRST]}},
        ]
    }
}
# kubelet and the container network have these in their programs; the node's own folders are mounted over them
TARGETS = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers")
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Node:
    """A node by its number, from 1.

    Attributes:
        programs: where kubelet and kube-proxy are.
    """

    number: int
    places: Places
    processes: Processes
    programs: dict[str, Path]

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return network.node_address(self.number)

    @property
    def folder(self) -> Path:
        return self.places.node(self.name)

    @property
    def disk(self) -> Path:
        return self.folder / "containerd"

    def is_on(self) -> bool:
        return self.processes.pid(f"{self.name}.init") is not None

    def power_on(self) -> None:
        """Namespaces, cable, disk and containerd; what runs already is left alone."""
        if not self.is_on():
            self._forget()
            if not is_current(self.places, self.disk):
                make_disk(self.places, self.disk)
        make_group(self._group)
        write_node_files(self.places, self.name, self.number)
        self._start_init()
        network.connect(self.name, self.number, self._init())
        self._start("containerd", ["containerd", "--config", self.folder / "containerd.toml"])

        def answers() -> bool:
            return self.run("ctr", "version", check=False).returncode == 0

        wait_until(answers, f"containerd of {self.name}", _START_SECONDS)

    def join(self, api: Api) -> None:
        """Start what makes it a node of the cluster.

        The Node object comes first: subnets of pods would otherwise depend on which kubelet registers first.
        """
        status, answer = api.ask("POST", "/api/v1/nodes", self._object())
        if status not in (201, 409):
            raise ClusterError(f"{self.name} cannot be made: {status} {answer}")
        certificates = self.places.certificates
        config = (f"--config={self.folder}/kubelet.yaml", f"--kubeconfig={certificates}/{self.name}.conf")
        names = (f"--node-ip={self.address}", f"--hostname-override={self.name}")
        self._start("kubelet", [self.programs["kubelet"], *config, *names])
        proxy = (self.programs["kube-proxy"], f"--config={self.folder}/kube-proxy.yaml", names[1])
        self._start("kube-proxy", proxy)

    def power_off(self) -> None:
        """A power cut: SIGKILL to the node's first process, so to every process in it. Its disk is kept."""
        pid = self.processes.pid(f"{self.name}.init")
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.is_on(), f"the end of {self.name}", _START_SECONDS, pause=0.02)
        self._forget()

    def cut(self) -> None:
        """Unplug the cable."""
        network.cut(self.name)

    def restore(self) -> None:
        """Plug the cable in again."""
        network.restore(self.name)

    def freeze(self) -> None:
        """Stop kubelet in its tracks: the node is lost to the cluster, its pods and its network go on."""
        self.processes.signal(f"{self.name}.kubelet", signal.SIGSTOP)

    def thaw(self) -> None:
        self.processes.signal(f"{self.name}.kubelet", signal.SIGCONT)

    def pretend_gpus(self, api: Api, count: int) -> None:
        """Advertise GPUs that are not there: the scheduler counts them, kubelet starts pods that ask for them."""
        change = {"status": {part: {GPU: str(count)} for part in ("capacity", "allocatable")}}
        status, answer = api.ask("PATCH", f"/api/v1/nodes/{self.name}/status", change, MERGE)
        if status != 200:
            raise ClusterError(f"{self.name} cannot advertise GPUs: {status} {answer}")

    def run(self, *command: str | Path, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program inside the node."""
        return run(*self._inside(), *command, check=check, text=text)

    def import_image(self, archive: Path) -> None:
        self.run("ctr", "--namespace", NAMESPACE, "images", "import", archive)

    def remove(self) -> None:
        """Take the node away with its disk."""
        self.power_off()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _group(self) -> str:
        return f"stilts-{self.name}"

    def _init(self) -> int:
        pid = self.processes.pid(f"{self.name}.init")
        if pid is None:
            raise ClusterError(f"{self.name} is off")
        return pid

    def _inside(self) -> tuple[str, ...]:
        # not `ip netns exec`: every command would have a mount namespace of its own, without kubelet's mounts
        return ("nsenter", "-t", str(self._init()), "-m", "-n", "-p")

    def _start(self, program: str, command: Sequence[str | Path]) -> None:
        self.processes.start(f"{self.name}.{program}", [*self._inside(), *command], child=True)

    def _start_init(self) -> None:
        """The namespaces, held by a first process that is known by its id on the machine."""
        if self.is_on():
            return
        mounts = [(str(layer), str(target)) for layer, target in layers(self.places, self.disk)]
        (self.folder / node_init.LAYERS).write_text(json.dumps(mounts))
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        command += [sys.executable, "-I", node_init.__file__, str(self.folder), *TARGETS]
        pid = self.processes.start(f"{self.name}.init", command, child=True)
        ready = Path(f"/proc/{pid}/root/run") / node_init.READY

        def mounted() -> bool:
            if not self.is_on():
                raise ClusterError(f"{self.name} ended: {self.processes.last_words(f'{self.name}.init')}")
            return ready.exists()

        wait_until(mounted, f"the mounts of {self.name}", _START_SECONDS, pause=0.02)

    def _forget(self) -> None:
        """What a node without power leaves on the machine."""
        self.processes.forget(f"{self.name}.")
        remove_group(self._group)

    def _object(self) -> dict[str, object]:
        subnet = network.pod_subnet(self.number)
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}},
            "spec": {"podCIDR": subnet, "podCIDRs": [subnet]},
        }
