"""An S3 server in the cluster: versitygw on a persistent volume, never with --sidecar, which is not atomic."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from servers import S3Server

from cluster.commands import wait_until
from cluster.machine.archive import USER
from cluster.machine.images import reference
from cluster.machine.node import SAFE_NODE
from cluster.machine.pins import VERSITYGW

if TYPE_CHECKING:
    from cluster.kubernetes import Kubernetes

NAMESPACE = "stilts-s3"
PORT = 7070
NODE_PORT = 30070
_NAME = "s3"
_START_SECONDS = 90.0


class ClusterS3:
    """The server, by two addresses: one for pods, one for this machine."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        kubernetes.within(NAMESPACE).apply(*_objects())
        self._wait()
        node = kubernetes.get("pods", "--namespace", NAMESPACE)["items"][0]["status"]["hostIP"]
        self.server = S3Server(f"http://{node}:{NODE_PORT}")
        self.in_cluster = S3Server(f"http://{_NAME}.{NAMESPACE}.svc.cluster.local:{PORT}")
        wait_until(self._answers, f"the S3 server at {self.server.endpoint}", _START_SECONDS)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Without the server; what it holds is there again afterwards."""
        self._scale(0)
        self._kubernetes.kubectl(
            *("--namespace", NAMESPACE, "wait", "--for=delete", "pod", f"--selector=app={_NAME}", "--timeout=60s")
        )
        try:
            yield
        finally:
            self._scale(1)
            self._wait()
            wait_until(self._answers, f"the S3 server at {self.server.endpoint}", _START_SECONDS)

    def _scale(self, replicas: int) -> None:
        self._kubernetes.kubectl("--namespace", NAMESPACE, "scale", f"deployment/{_NAME}", f"--replicas={replicas}")

    def _wait(self) -> None:
        self._kubernetes.kubectl(
            *("--namespace", NAMESPACE, "rollout", "status", f"deployment/{_NAME}"), f"--timeout={_START_SECONDS:.0f}s"
        )

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.server.endpoint, timeout=2).close()
        except urllib.error.HTTPError:  # it refuses who does not sign
            return True
        except OSError:
            return False
        return True


def _objects() -> list[dict[str, Any]]:
    user = int(USER.split(":")[0])
    labels = {"app": _NAME}
    keys = S3Server("")
    container = {
        "name": _NAME,
        "image": reference(VERSITYGW),
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port", f":{PORT}", "--access", keys.access_key, "--secret", keys.secret_key, "posix", "/data"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": SAFE_NODE,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": _NAME}}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "Recreate"},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    ports = [{"port": PORT, "nodePort": NODE_PORT}]
    service = {"type": "NodePort", "selector": labels, "ports": ports}
    named = {"name": _NAME, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named, "spec": claim},
        {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": deployment},
    ]


RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
