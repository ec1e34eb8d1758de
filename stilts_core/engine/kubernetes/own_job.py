"""The driver's own place in the cluster: its Job, and the anchor that owns it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS, PODS, SERVICES, Kind
from stilts_core.engine.kubernetes.labels import Object, owned_by
from stilts_core.engine.kubernetes.marks import deleting_since
from stilts_core.errors import ClusterError, MissingInputError


class CancelledError(MissingInputError):
    """The study is in the cluster no more."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The ConfigMap that owns everything of a submission.

    Attributes:
        found: it, as it was read.
    """

    name: str
    uid: str
    found: Object

    @property
    def reference(self) -> Object:
        """It, as an owner."""
        return owned_by(self.name, self.uid)


def find_anchor(cluster: Cluster, name: str) -> Anchor:
    """The anchor of this name.

    Raises:
        CancelledError: there is none.
    """
    found = cluster.get(CONFIG_MAPS, name)
    if found is None or deleting_since(found) is not None:
        raise CancelledError(
            f"The study's ConfigMap {name} is not in namespace {cluster.namespace}: it was cancelled.",
            hint="Submit it again.",
        )
    return Anchor(name, found["metadata"]["uid"], found)


def own_job(cluster: Cluster, pod: str) -> str | None:
    """The Job of the pod that this process runs in; None where it runs in none."""
    found = cluster.get(PODS, pod)
    owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "Job"), None)


def adopt(cluster: Cluster, anchor: Anchor, job: str | None) -> None:
    """Have the driver's Job and the study's Service go when the anchor does.

    Whoever rendered them could not know the anchor's uid yet.
    """
    wanted: list[tuple[Kind, str]] = [(SERVICES, anchor.name), *([(JOBS, job)] if job else [])]
    for kind, name in wanted:
        found = cluster.get(kind, name)
        owners = list((found or {}).get("metadata", {}).get("ownerReferences") or ())
        # One that was made by a chart, say, has its owner, or belongs to a former anchor and is about to go.
        if found is not None and not any(owner.get("uid") == anchor.uid for owner in owners):
            kept = [owner for owner in owners if owner.get("name") != anchor.name]
            cluster.patch(kind, name, {"metadata": {"ownerReferences": [*kept, anchor.reference]}})


def begin_no_other(cluster: Cluster, job: str | None) -> None:
    """Have no other pod of the driver's Job follow this one: it would only fail in the same way."""
    if job is not None:
        with suppress(ClusterError):  # then others follow, and find the same
            cluster.patch(JOBS, job, {"spec": {"backoffLimit": 0}})
