"""etcd, API server, controller manager and scheduler, as processes of the machine; none listens beyond the bridge."""

from __future__ import annotations

from pathlib import Path

from cluster.commands import ClusterError, wait_until
from cluster.machine.api import Api
from cluster.machine.places import API_PORT, MACHINE, SERVICES, Places
from cluster.machine.processes import Processes

PROCESSES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")  # in the order of their start
_ETCD = "http://127.0.0.1:12379"
_ETCD_PEERS = "http://127.0.0.1:12380"
_LIMITS = ("--kube-api-qps=200", "--kube-api-burst=400")  # tests make Jobs faster than the defaults allow
_START_SECONDS = 90.0


def start_api_server(places: Places, processes: Processes, programs: dict[str, Path]) -> Api:
    """Start etcd and the API server, and wait until it is ready."""
    keys = places.certificates
    processes.start(
        "etcd",
        [
            *("etcd", f"--data-dir={places.state / 'etcd'}", f"--listen-client-urls={_ETCD}"),
            *(f"--advertise-client-urls={_ETCD}", f"--listen-peer-urls={_ETCD_PEERS}"),
            *(f"--initial-advertise-peer-urls={_ETCD_PEERS}", f"--initial-cluster=default={_ETCD_PEERS}"),
            "--unsafe-no-fsync",
        ],
    )
    processes.start(
        "kube-apiserver",
        [
            programs["kube-apiserver"],
            *(f"--etcd-servers={_ETCD}", f"--service-cluster-ip-range={SERVICES}.0.0/16"),
            *(f"--bind-address={MACHINE}", f"--advertise-address={MACHINE}", f"--secure-port={API_PORT}"),
            *(f"--tls-cert-file={keys}/api-server.crt", f"--tls-private-key-file={keys}/api-server.key"),
            f"--client-ca-file={keys}/ca.crt",
            f"--service-account-key-file={keys}/accounts.pub",
            f"--service-account-signing-key-file={keys}/accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            f"--kubelet-certificate-authority={keys}/ca.crt",
            f"--kubelet-client-certificate={keys}/kubelet-client.crt",
            f"--kubelet-client-key={keys}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            # webhooks are called at the addresses of their pods: the machine has no kube-proxy for that of a Service
            "--enable-aggregator-routing=true",
        ],
    )
    api = Api(places.kubeconfig)

    def ready() -> bool:
        for name in ("etcd", "kube-apiserver"):
            if processes.pid(name) is None:
                raise ClusterError(f"{name} ended: {processes.last_words(name)}")
        return api.answers("/readyz")

    wait_until(ready, "the API server", _START_SECONDS)
    return api


def start_controllers(places: Places, processes: Processes, programs: dict[str, Path], grace_seconds: int) -> None:
    """Start the controller manager and the scheduler.

    Args:
        grace_seconds: how long a node may be silent before it is lost.
    """
    keys = places.certificates

    def user(name: str) -> list[str]:
        options = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [*(f"--{option}={keys}/{name}.conf" for option in options), "--bind-address=127.0.0.1"]

    processes.start(
        "kube-controller-manager",
        [
            programs["kube-controller-manager"],
            *(*user("controller-manager"), *_LIMITS, "--leader-elect=false"),
            *(f"--service-account-private-key-file={keys}/accounts.key", f"--root-ca-file={keys}/ca.crt"),
            *("--use-service-account-credentials=true", "--node-monitor-period=1s"),
            f"--node-monitor-grace-period={grace_seconds}s",
        ],
    )
    options = (*user("scheduler"), *_LIMITS, "--leader-elect=false")
    processes.start("kube-scheduler", [programs["kube-scheduler"], *options])


def stop_control_plane(processes: Processes) -> None:
    for name in reversed(PROCESSES):
        processes.stop(name)
