"""Ending what was submitted: the driver first, so that it makes nothing more, then the anchor and all that it owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOB_SET_GROUP, JOB_SETS, JOBS, PODS, SERVICES, Kind
from stilts_core.engine.kubernetes.labels import DRIVER, Object, anchor_selector
from stilts_core.engine.kubernetes.marks import deleting_since
from stilts_core.engine.kubernetes.pod_state import node_of
from stilts_core.engine.kubernetes.submissions import Submitted
from stilts_core.errors import ClusterError
from stilts_core.spec.kubernetes import Kubernetes

_PAUSE_SECONDS = 1.0
_BEYOND_GRACE_SECONDS = 60.0


def cancel(
    cluster: Cluster,
    submitted: Submitted,
    told: Callable[[str], None] = lambda text: None,
    *,
    save: bool = True,
    patience: float | None = None,
) -> None:
    """Delete the anchor and all that it owns, and wait until it is gone. The store is not touched.

    What no driver has seen does not name the anchor as its owner, so everything is deleted by its label, too.

    Args:
        save: stages have their grace period, in which trainings save where they are; else they are killed.
        told: hears what is still there, whenever that changes.
        patience: seconds to wait; None: as long as stages have to save, and a minute.

    Raises:
        ClusterError: the cluster refuses, or something stays.
    """
    labels = anchor_selector(submitted.name)
    kinds = _kinds(cluster, submitted)
    deadline, before = time.monotonic() + (_patience(submitted) if patience is None else patience), ""
    _delete(cluster, JOBS, cluster.list(JOBS, labels=anchor_selector(submitted.name, DRIVER)).items)
    _delete(cluster, SERVICES, cluster.list(SERVICES, labels=labels).items)
    cluster.delete(CONFIG_MAPS, submitted.name, uid=submitted.uid)
    while True:
        left = {kind: cluster.list(kind, labels=labels).items for kind in (*kinds, PODS)}
        for kind in kinds:
            _delete(cluster, kind, left[kind])
        if not save:
            for pod in left[PODS]:
                cluster.delete(PODS, pod["metadata"]["name"], uid=pod["metadata"]["uid"], grace=0)
        said = describe(left)
        if not said:
            return
        if said != before:
            told(said)
            before = said
        if time.monotonic() >= deadline:
            raise ClusterError(f"Not everything of {submitted.name} is gone: {said}.", hint=_advice(left[PODS]))
        time.sleep(_PAUSE_SECONDS)


def describe(left: Mapping[Kind, Sequence[Object]]) -> str:
    """How many objects of which kind there are: ``1 job, 3 pods``; empty where there are none."""
    counts = [(kind, len(found)) for kind, found in left.items() if found]
    return ", ".join(f"{count} {kind.singular if count == 1 else kind.plural}" for kind, count in counts)


def _delete(cluster: Cluster, kind: Kind, found: Sequence[Object]) -> None:
    for each in found:
        if deleting_since(each) is None:
            cluster.delete(kind, each["metadata"]["name"], uid=each["metadata"]["uid"])


def _kinds(cluster: Cluster, submitted: Submitted) -> list[Kind]:
    """What has to be gone, besides the pods."""
    try:
        sets = submitted.placement().kubernetes.jobset
    except ClusterError:
        sets = cluster.version_of(JOB_SET_GROUP) is not None
    return [JOBS, *([JOB_SETS] if sets else []), SERVICES]


def _patience(submitted: Submitted) -> float:
    try:
        grace = submitted.placement().kubernetes.grace_seconds
    except ClusterError:
        grace = Kubernetes().grace_seconds
    return grace + _BEYOND_GRACE_SECONDS


def _advice(pods: Sequence[Object]) -> str:
    nodes = sorted({node_of(pod) for pod in pods if node_of(pod)})
    if not nodes:
        return "See what holds it with kubectl describe, and cancel again."
    return (
        f"A pod on a node that does not answer stays until the node is back or is removed from the cluster; look at "
        f"{', '.join(nodes)}. What it still does counts for nothing."
    )
