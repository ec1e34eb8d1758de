"""Where things are: folders of the cache and of the running cluster, addresses, names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "stilts0"
UNDERLAY = "10.243.0"  # node k is .(10+k); the machine is .1
PODS = "10.244"  # node k has .k.0/24
SERVICES = "10.96"
MACHINE = f"{UNDERLAY}.1"
DNS = f"{SERVICES}.0.10"
API_PORT = 6443
MAX_NODES = 9


def cache_folder() -> Path:
    """What is worth keeping between clusters: programs, image archives, the store of images."""
    named = os.environ.get("STILTS_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stilts-cluster"


@dataclass(frozen=True)
class Places:
    """The folders of one cluster.

    Attributes:
        cache: outlives the cluster.
        state: certificates, etcd, disks, logs, process ids; gone when the cluster is down. On the file system of the
            cache, since the disks of the nodes begin as links into its store of images.
    """

    cache: Path
    state: Path

    @classmethod
    def of_environment(cls) -> Places:
        cache = cache_folder()
        return cls(cache, cache / "state")

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    @property
    def kubeconfig(self) -> Path:
        return self.certificates / "admin.conf"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def resolver(self) -> Path:
        """An empty resolv.conf: what is not in the cluster has no name there."""
        return self.state / "resolv.conf"

    @property
    def images(self) -> Path:
        return self.cache / "images"

    @property
    def archives(self) -> Path:
        return self.cache / "archives"

    def node(self, name: str) -> Path:
        return self.state / name
