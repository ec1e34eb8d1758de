"""What a machine needs before it can be a cluster, and the sentence that says what is missing."""

from __future__ import annotations

import os
import platform
import shutil

from cluster.commands import ClusterError, run
from cluster.machine.node_files import CNI_PROGRAMS

PACKAGES = (
    "etcd-server",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "iproute2",
    "procps",
    "util-linux",
    "mount",
    "openssl",
    "podman",  # for the images that the nodes are given
    "debootstrap",
)
_PROGRAMS = (
    *("etcd", "containerd", "ctr", "runc", "iptables", "iptables-restore", "iptables-save"),
    *("ip", "sysctl", "nsenter", "unshare", "mount", "openssl"),
)
_NETWORKS = ("ptp", "host-local", "portmap", "loopback")


def check_machine() -> None:
    """Raise with one sentence if this machine cannot be a cluster."""
    if platform.system() != "Linux":
        raise ClusterError("the test cluster needs Linux; set KUBECONFIG to test on another cluster")
    if os.geteuid() != 0:
        raise ClusterError(
            "the test cluster makes namespaces and needs root; set KUBECONFIG to test on another cluster"
        )
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    missing += [f"{CNI_PROGRAMS}/{name}" for name in _NETWORKS if not (CNI_PROGRAMS / name).exists()]
    if missing:
        raise ClusterError(f"{', '.join(missing)} missing: install them with `make cluster-packages`")


def install_packages() -> None:
    """Install what is missing, as root on a Debian machine."""
    if shutil.which("apt-get") is None:
        raise ClusterError(f"there is no apt-get here; install what Debian calls {' '.join(PACKAGES)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", environment=quiet)
    run("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES, environment=quiet)
