"""The whole cluster on this machine: up, down, and what is done to it in between."""

from __future__ import annotations

import fcntl
import json
import shutil
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError, run, wait_until
from cluster.machine import enforcer, network, resolve
from cluster.machine.api import Api
from cluster.machine.build import program, programs
from cluster.machine.certificates import make_certificates
from cluster.machine.control_plane import start_api_server, start_controllers, stop_control_plane
from cluster.machine.images import add_to_store, lay_code, make_store, reference
from cluster.machine.node import Node
from cluster.machine.pins import COREDNS, HELM, KUBERNETES
from cluster.machine.places import DNS, MAX_NODES, Places
from cluster.machine.processes import Processes
from cluster.machine.requirements import check_machine
from cluster.machine.residue import put_back, remember, residue
from cluster.machine.storage import volumes

NODES = 3
GPUS = 1
GRACE_SECONDS = 10
_MANIFESTS = Path(__file__).parent / "manifests"
_TESTS = Path(__file__).parents[2]
_START_SECONDS = 90.0
_CLEAN_SECONDS = 10.0
_LARGE_ARCHIVE = 256 << 20


class MachineCluster:
    """Kubernetes on this machine, of ``NODES`` nodes with one pretended GPU each."""

    def __init__(self, places: Places, say: Callable[[str], None]) -> None:
        self.places = places
        self._say = say
        self.processes = Processes(places.state / "processes", places.logs)

    @property
    def kubeconfig(self) -> Path:
        return self.places.kubeconfig

    @property
    def programs(self) -> dict[str, Path]:
        """kubectl, helm and the parts of Kubernetes; built where they are not there yet."""
        found = programs(KUBERNETES, self.places.cache, self._say)
        return {**found, "helm": program(HELM, self.places.cache, self._say)}

    def nodes(self) -> list[Node]:
        """The nodes that this cluster was started with."""
        try:
            count = int((self.places.state / "nodes").read_text())
        except FileNotFoundError:
            raise ClusterError("the test cluster is down: make cluster-up") from None
        found = self.programs
        return [Node(number, self.places, self.processes, found) for number in range(1, count + 1)]

    def node(self, name: str) -> Node:
        for node in self.nodes():
            if node.name == name:
                return node
        raise ClusterError(f"the test cluster has no node {name!r}")

    def api(self) -> Api:
        return Api(self.kubeconfig)

    def kubectl(self, *arguments: str, text: str = "", check: bool = True) -> str:
        """What kubectl prints as the cluster's administrator."""
        options = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.places.state / 'discovered'}")
        return run(self.programs["kubectl"], *options, *arguments, text=text, check=check).stdout

    def up(self, archives: Sequence[Path] = (), *, count: int = NODES) -> None:
        """Bring the cluster up, or start what is missing of it.

        Args:
            archives: images that every node has from its start.

        Raises:
            ClusterError: the machine lacks something, or a part did not start.
        """
        if not 1 <= count <= MAX_NODES:
            raise ClusterError(f"a cluster has 1 to {MAX_NODES} nodes")
        check_machine()
        self.load(archives)
        self.places.cache.mkdir(parents=True, exist_ok=True)
        with self._locked():
            found = self.programs
            begun = time.monotonic()
            self.places.state.mkdir(exist_ok=True)
            remember(self.places)
            count = max(count, self._count())
            (self.places.state / "nodes").write_text(f"{count}\n")
            self.places.resolver.touch()
            nodes = self.nodes()
            make_certificates(self.places, {node.name: node.number for node in nodes})
            network.make_bridge()
            since = datetime.now(UTC)
            with ThreadPoolExecutor(count) as pool:
                powered = [pool.submit(node.power_on) for node in nodes]
                api = start_api_server(self.places, self.processes, found)
                start_controllers(self.places, self.processes, found, GRACE_SECONDS)
                for future in powered:
                    future.result()
                list(pool.map(lambda node: node.join(api), nodes))
            self._install(nodes)
            search = f"PYTHONPATH={_TESTS}"
            self.processes.start("network-policies", ["env", search, sys.executable, "-m", enforcer.__name__])
            self._wait_for(nodes, api, since)
            self._say(f"{count} nodes are up after {time.monotonic() - begun:.1f} s")

    def down(self) -> None:
        """Take everything away but the cache.

        Raises:
            ClusterError: something is left on the machine.
        """
        with self._locked():
            if self.places.state.is_dir():
                for name in self.processes.names():
                    if "." not in name and name not in {"etcd", "kube-apiserver"}:
                        self.processes.stop(name)
                for number in range(1, self._count() + 1):
                    Node(number, self.places, self.processes, {}).remove()
                stop_control_plane(self.processes)
                network.remove_bridge()
                put_back(self.places)
                shutil.rmtree(self.places.state)
            # what the kernel takes away on its own is gone a moment later
            try:
                wait_until(lambda: not residue(self.places), "a clean machine", _CLEAN_SECONDS)
            except ClusterError:
                left = "\n".join(residue(self.places))
                raise ClusterError(f"the cluster left something behind:\n{left}") from None
        self._say("the cluster is down")

    def load(self, archives: Sequence[Path]) -> None:
        """Bring images into the store and into every node that runs.

        Small ones are imported into the nodes as they are. For large ones, each node is started anew from the store:
        seconds, and no second copy on the disk; its pods end, so load them before anything else.
        """
        check_machine()
        with self._locked():
            make_store(self.places, self._say)
            if not add_to_store(self.places, archives) or not self.places.state.is_dir():
                return
            nodes = [node for node in self.nodes() if node.is_on()]
            if not nodes:
                return
            api = self.api()
            since = datetime.now(UTC)
            if sum(archive.stat().st_size for archive in archives) < _LARGE_ARCHIVE:
                for node in nodes:
                    for archive in archives:
                        node.import_image(archive)
                return
            for node in nodes:
                node.power_off()
                node.power_on()
                node.join(api)
            self._wait_for(nodes, api, since)

    def refresh(self, package: Path, names: Sequence[str]) -> None:
        """Lay the newest code over images that the nodes have; seconds, and no pod that runs hears of it."""
        with self._locked():
            running = [node for node in self.nodes() if node.is_on()] if self._count() else []
            for name in lay_code(self.places, package, names, [_printed_in(node) for node in running]):
                self._say(f"{name} has the newest code")

    def set_grace(self, seconds: int) -> None:
        """Start the controllers again with another patience for silent nodes; ``GRACE_SECONDS`` is the usual one."""
        self.processes.stop("kube-controller-manager")
        start_controllers(self.places, self.processes, self.programs, seconds)

    def pretend_gpus(self, name: str, count: int) -> None:
        self.node(name).pretend_gpus(self.api(), count)

    def cut(self, name: str) -> None:
        self.node(name).cut()

    def restore(self, name: str) -> None:
        self.node(name).restore()

    def freeze(self, name: str) -> None:
        self.node(name).freeze()

    def thaw(self, name: str) -> None:
        self.node(name).thaw()

    def power_off(self, name: str) -> None:
        self.node(name).power_off()

    def power_on(self, name: str) -> None:
        """Start a node that lost its power, and wait until it is ready."""
        since, node, api = datetime.now(UTC), self.node(name), self.api()
        node.power_on()
        node.join(api)
        self._wait_for([node], api, since)

    def _install(self, nodes: list[Node]) -> None:
        """Cluster DNS and storage."""
        manifest = string.Template((_MANIFESTS / "dns.yaml").read_text())
        self.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--filename", "-"),
            text=manifest.substitute(address=DNS, image=reference(COREDNS)),
        )
        storage = {"apiVersion": "v1", "kind": "List", "items": volumes(nodes)}
        self.kubectl("apply", "--server-side", "--filename", "-", text=json.dumps(storage))

    def _wait_for(self, nodes: list[Node], api: Api, since: datetime) -> None:
        """Wait until the nodes are ready, have their GPUs, and resolve names."""
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until(lambda: api.answers(account), "the default service account", _START_SECONDS)
        for node in nodes:
            wait_until(partial(self._is_ready, node, api, since), f"{node.name} to be ready", _START_SECONDS)
            node.pretend_gpus(api, GPUS)
        for node in nodes:
            wait_until(partial(self._resolves, node), f"names on {node.name}", _START_SECONDS)

    @staticmethod
    def _resolves(node: Node) -> bool:
        """Whether cluster DNS answers there: that its pod is ready comes before the Service's rules in every node."""
        question = (sys.executable, "-I", resolve.__file__, DNS, "kubernetes.default.svc.cluster.local")
        return node.run(*question, check=False).returncode == 0

    @staticmethod
    def _is_ready(node: Node, api: Api, since: datetime) -> bool:
        """Ready by a lease renewed since then; what etcd kept may be the condition of a node that is long gone."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node.name}"
        try:
            status, lease = api.ask("GET", path)
        except OSError:
            return False
        if status != 200 or datetime.fromisoformat(lease["spec"]["renewTime"]) < since:
            return False
        conditions: list[dict[str, Any]] = api.get(f"/api/v1/nodes/{node.name}")["status"].get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _count(self) -> int:
        try:
            return int((self.places.state / "nodes").read_text())
        except FileNotFoundError:
            return 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.places.cache.mkdir(parents=True, exist_ok=True)
        with (self.places.cache / "cluster.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _printed_in(node: Node) -> Callable[..., str]:
    return lambda *command: node.run(*command).stdout
