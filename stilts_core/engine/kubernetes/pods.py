"""A pod of the restricted security standard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stilts_core.engine.kubernetes.environment import CA_FILE, CREDENTIALS_FILE, FILES, SCRATCH, environment
from stilts_core.engine.kubernetes.images import image_reference
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.sizing import Sizing
from stilts_core.spec.kubernetes import Image, Kubernetes, Toleration

_LOST_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, slots=True)
class PodRequest:
    """What makes one pod different from another.

    Attributes:
        name: of its only container.
        command: the program and its arguments.
        anchor: the ConfigMap whose ``files`` it reads.
        files: keys of the anchor.
        account: the service account.
        token: it speaks to the API server.
        grace: seconds from SIGTERM to SIGKILL.
        shared_memory: it needs a /dev/shm of its own.
        group: the Job whose pods must be on different nodes; None: it is alone.
        service: the headless Service by which the pods of a Job find each other.
        ports: that it listens on, by name.
    """

    name: str
    image: Image
    command: tuple[str, ...]
    labels: Mapping[str, str]
    anchor: str
    files: tuple[str, ...]
    account: str
    token: bool
    grace: int
    sizing: Sizing
    shared_memory: bool = False
    group: str | None = None
    service: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)


def pod_template(request: PodRequest, kubernetes: Kubernetes) -> Object:
    """The template of a Job's pods."""
    return {"metadata": {"labels": dict(request.labels)}, "spec": _pod(request, kubernetes)}


def _pod(request: PodRequest, kubernetes: Kubernetes) -> Object:
    scheduling = request.sizing.scheduling
    spec: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": request.grace,
        "serviceAccountName": request.account,
        "automountServiceAccountToken": request.token,
        "enableServiceLinks": False,
        "securityContext": _pod_security(kubernetes),
        "containers": [_container(request, kubernetes)],
        "volumes": _volumes(request, kubernetes),
        "tolerations": _tolerations(scheduling.tolerations, kubernetes.unreachable_seconds),
    }
    if kubernetes.images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in kubernetes.images.pull_secrets]
    if scheduling.node_selector:
        spec["nodeSelector"] = dict(scheduling.node_selector)
    if scheduling.priority_class is not None:
        spec["priorityClassName"] = scheduling.priority_class
    if scheduling.runtime_class is not None:
        spec["runtimeClassName"] = scheduling.runtime_class
    if request.group is not None:
        spec["affinity"] = _apart(request.group)
    if request.service is not None:
        spec["subdomain"] = request.service
    return spec


def _pod_security(kubernetes: Kubernetes) -> Object:
    user = kubernetes.user_id
    identity = {} if user is None else {"runAsUser": user, "runAsGroup": user}
    return {"runAsNonRoot": True, **identity, "seccompProfile": {"type": "RuntimeDefault"}}


def _container(request: PodRequest, kubernetes: Kubernetes) -> Object:
    mounts = [
        {"name": "files", "mountPath": FILES, "readOnly": True},
        {"name": "scratch", "mountPath": SCRATCH},
    ]
    if request.shared_memory:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108
    container: Object = {
        "name": request.name,
        "image": image_reference(request.image, kubernetes.images),
        "imagePullPolicy": kubernetes.images.pull_policy,
        "command": list(request.command),
        "env": environment(kubernetes),
        "resources": _resources(request.sizing, kubernetes.gpu_resource),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    if request.ports:
        container["ports"] = [{"name": name, "containerPort": port} for name, port in request.ports.items()]
    return container


def _resources(sizing: Sizing, gpu_resource: str) -> Object:
    compute = sizing.compute
    requests = {"cpu": compute.cpu, "memory": compute.memory, "ephemeral-storage": compute.scratch}
    if sizing.gpus:
        requests[gpu_resource] = str(sizing.gpus)
    return {"requests": requests, "limits": {**requests, "cpu": compute.cpu_limit or compute.cpu}}


def _volumes(request: PodRequest, kubernetes: Kubernetes) -> list[Object]:
    files = [{"configMap": {"name": request.anchor, "items": [{"key": name, "path": name} for name in request.files]}}]
    bundle, credentials = kubernetes.ca_bundle, kubernetes.credentials
    if bundle is not None:
        files.append({"configMap": {"name": bundle.config_map, "items": [{"key": bundle.key, "path": CA_FILE}]}})
    if credentials is not None and credentials.file is not None:
        items = [{"key": credentials.file, "path": CREDENTIALS_FILE}]
        files.append({"secret": {"name": credentials.secret, "items": items}})
    volumes: list[Object] = [
        {"name": "files", "projected": {"sources": files}},
        {"name": "scratch", "emptyDir": {"sizeLimit": request.sizing.compute.scratch}},
    ]
    if request.shared_memory:
        # The runtime's own is 64 MiB, too little for the ranks of one node to exchange tensors.
        size = kubernetes.shared_memory
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    return volumes


def _tolerations(wanted: tuple[Toleration, ...], unreachable_seconds: int) -> list[Object]:
    named = {toleration.key for toleration in wanted}
    lost = [
        Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=unreachable_seconds)
        for key in _LOST_NODE_TAINTS
        if key not in named
    ]
    return [toleration.model_dump(mode="json", exclude_none=True) for toleration in (*wanted, *lost)]


def _apart(job: str) -> Object:
    """Each pod of a Job on a node of its own."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"batch.kubernetes.io/job-name": job}},
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
