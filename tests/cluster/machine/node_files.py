"""The configuration files of one node's containerd, container network, kubelet and kube-proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cluster.machine.images import reference
from cluster.machine.network import pod_subnet
from cluster.machine.pins import PAUSE
from cluster.machine.places import DNS, PODS, Places

CNI_PROGRAMS = Path("/usr/lib/cni")


def write_node_files(places: Places, name: str, number: int) -> None:
    folder = places.node(name)
    networks = folder / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    (networks / "10-pods.conflist").write_text(json.dumps(_pod_network(folder, number), indent=1))
    (folder / "containerd.toml").write_text(_containerd(folder, networks))
    for file, content in (("kubelet.yaml", _kubelet(places, name)), ("kube-proxy.yaml", _kube_proxy(places))):
        (folder / file).write_text(json.dumps(content, indent=1))


def _containerd(folder: Path, networks: Path) -> str:
    # A process that may not lower its oom_score_adj cannot start a sandbox without restrict_oom_score_adj.
    return f"""version = 2
root = "{folder / "containerd"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{reference(PAUSE)}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PROGRAMS}"
    conf_dir = "{networks}"
"""


def _pod_network(folder: Path, number: int) -> dict[str, Any]:
    """Every pod has a cable of its own and is routed: what it sends to a neighbour passes the node's rules, too."""
    addresses = {
        "type": "host-local",
        "dataDir": str(folder / "addresses"),
        "ranges": [[{"subnet": pod_subnet(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    cable = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [cable, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _kubelet(places: Places, name: str) -> dict[str, Any]:
    certificates = places.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates / f"{name}.crt"),
        "tlsPrivateKeyFile": str(certificates / f"{name}.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/stilts-{name}",
        "failSwapOn": False,
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(places.resolver),
        # renewed every two seconds, well within the controller manager's grace period of ten
        "nodeLeaseDurationSeconds": 8,
        "nodeStatusUpdateFrequency": "2s",
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 110,
    }


def _kube_proxy(places: Places) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(places.certificates / "proxy.conf")},
        "mode": "iptables",
        "clusterCIDR": f"{PODS}.0.0/16",
        "conntrack": {"maxPerCore": 0, "min": 0},  # its settings belong to the machine and are not writable in a node
    }
