"""What a cluster can do for a study, as far as it can be seen from outside of its pods."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stilts_core.engine.check import Check
from stilts_core.engine.kubernetes.check_rights import check_researcher
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import JOB_SET_GROUP, KUEUE_GROUP, NAMESPACES, NODES, Kind
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import condition
from stilts_core.engine.kubernetes.refusals import ForbiddenError
from stilts_core.engine.kubernetes.sizing import stage_sizing
from stilts_core.errors import SpecError
from stilts_core.planning.plan import StageKind
from stilts_core.spec.profile import Placement

_OLDEST = (1, 31)
_ENFORCE = "pod-security.kubernetes.io/enforce"


def check_cluster(cluster: Cluster, placement: Placement) -> Iterator[Check]:
    """Version, namespace, rights, pod security, GPUs, and what the profile asks for.

    Raises:
        ClusterError: the cluster cannot be asked.
    """
    yield _version(cluster)
    yield from _namespace(cluster)
    yield check_researcher(cluster, placement)
    yield from _gpus(cluster, placement)
    yield from _extensions(cluster, placement)


def _version(cluster: Cluster) -> Check:
    version = cluster.server_version()
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    detail = f"Kubernetes {version} at {cluster.url}"
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Check("cluster", detail, f"Kubernetes {oldest} or newer is needed.", blocks=True)
    return Check("cluster", detail)


def _namespace(cluster: Cluster) -> Iterator[Check]:
    name = cluster.namespace
    try:
        found = cluster.get(NAMESPACES, name)
    except ForbiddenError:
        yield Check("namespace", f"{name}; what it enforces cannot be read with your rights")
        return
    if found is None:
        advice = f"Name another with --namespace, or make it: kubectl create namespace {name}"
        yield Check("namespace", f"there is no {name}", advice, blocks=True)
        return
    yield Check("namespace", name)
    level = (found["metadata"].get("labels") or {}).get(_ENFORCE)
    if level == "restricted":
        yield Check("pod security", "the restricted standard is enforced, and pods of studies keep to it")
    else:
        said = f"the standard {level} is enforced" if level else "no standard is enforced"
        advice = f"Pods of studies keep to the restricted one: kubectl label namespace {name} {_ENFORCE}=restricted"
        yield Check("pod security", said, advice)


def _gpus(cluster: Cluster, placement: Placement) -> Iterator[Check]:
    resource = placement.kubernetes.gpu_resource
    try:
        sizing = stage_sizing(StageKind.TRAIN, placement)
    except SpecError as error:
        yield Check("profile", error.message, error.hint or "Change the profile.", blocks=True)
        return
    if not sizing.gpus:
        yield Check("GPUs", "the profile asks for none: stages run on processors")
        return
    try:
        nodes = cluster.list(NODES).items
    except ForbiddenError:
        yield Check("GPUs", f"nodes cannot be read with your rights, so whether any has {resource} is not known")
        return
    fitting = [
        node
        for node in nodes
        if _allocatable(node, resource) >= sizing.gpus
        and condition(node, "Ready") is not None
        and sizing.scheduling.node_selector.items() <= (node["metadata"].get("labels") or {}).items()
    ]
    detail = f"{len(fitting)} of {len(nodes)} nodes are ready and have {sizing.gpus} {resource}"
    if placement.kubernetes.nodes > len(fitting):
        advice = (
            f"A training takes {placement.kubernetes.nodes} of them: lower `kubernetes.nodes` or `gpus_per_node`, "
            "check `gpu_resource` and `gpu_pods.node_selector`, or see that the device plugin runs. (Nodes that a "
            "cluster adds when they are needed are not seen.)"
        )
        yield Check("GPUs", detail, advice)
    else:
        yield Check("GPUs", detail)


def _allocatable(node: Object, resource: str) -> int:
    text = str(((node.get("status") or {}).get("allocatable") or {}).get(resource, "0"))
    return int(text) if text.isdecimal() else 0


def _extensions(cluster: Cluster, placement: Placement) -> Iterator[Check]:
    kubernetes = placement.kubernetes
    if kubernetes.jobset:
        version = cluster.version_of(JOB_SET_GROUP)
        if version is None:
            advice = "Install its controller, or leave `kubernetes.jobset` out: plain Jobs do the same."
            yield Check("JobSet", "the cluster has none", advice, blocks=True)
        else:
            yield Check("JobSet", version)
    if kubernetes.kueue is None:
        return
    version = cluster.version_of(KUEUE_GROUP)
    if version is None:
        advice = "Install it, or leave `kubernetes.kueue` out: Jobs are then scheduled at once."
        yield Check("Kueue", "the cluster has none", advice, blocks=True)
        return
    queue = kubernetes.kueue.queue
    try:
        found = cluster.get(Kind(KUEUE_GROUP, version, "localqueues"), queue)
    except ForbiddenError:
        yield Check("Kueue", f"{version}; whether there is a queue {queue} cannot be read with your rights")
        return
    if found is None:
        advice = "Name another in `kubernetes.kueue.queue`, or make a LocalQueue; kubectl get localqueues lists them."
        yield Check("Kueue", f"there is no queue {queue} in namespace {cluster.namespace}", advice, blocks=True)
    else:
        yield Check("Kueue", f"{version}, queue {queue}")
