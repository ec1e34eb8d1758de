"""Everything of a study that a driver watches, and whether it can be relied on."""

from __future__ import annotations

from collections.abc import Callable

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import EVENTS, JOB_SETS, JOBS, KUEUE_GROUP, PODS, Kind, workloads
from stilts_core.engine.kubernetes.labels import Object, plan_selector
from stilts_core.engine.kubernetes.marks import slim
from stilts_core.engine.kubernetes.observe import Objects
from stilts_core.engine.kubernetes.watching import Watched
from stilts_core.errors import ClusterError
from stilts_core.spec.profile import Placement

FAILED_CREATIONS = "involvedObject.kind=Job,reason=FailedCreate"
"""Selects the events that say why a Job has no pods."""


class Sources:
    """The objects of a plan's stages, kept up to date.

    Args:
        changed: called, from any thread, whenever there is something new.
    """

    def __init__(self, cluster: Cluster, placement: Placement, plan_digest: str, changed: Callable[[], None]) -> None:
        self._cluster, self._changed = cluster, changed
        labels = plan_selector(plan_digest)
        self._jobs, self._pods = self._watched(JOBS, labels), self._watched(PODS, labels)
        self._job_sets = self._watched(JOB_SETS, labels) if placement.kubernetes.jobset else None
        self._events = self._watched(EVENTS, fields=FAILED_CREATIONS)
        self._workloads: Watched | None = None
        self._queued = placement.kubernetes.kueue is not None

    def start(self) -> None:
        """Begin to watch.

        Raises:
            ClusterError: the cluster cannot be reached.
        """
        if self._queued and (version := self._cluster.version_of(KUEUE_GROUP)):
            self._workloads = self._watched(workloads(version))
        for watched in self._all():
            watched.start()

    def stop(self) -> None:
        for watched in self._all():
            watched.stop()

    def await_listed(self, seconds: float) -> None:
        """Wait until everything has been listed.

        Raises:
            ClusterError: it cannot be, or not in that time.
        """
        for watched in self._needed():
            if not watched.ready(seconds):
                raise watched.error or ClusterError(
                    f"The {watched.kind.plural} of the study could not be listed within {seconds:g} s.",
                    hint="Look at the load of the API server, and run the same again.",
                )
        self.check()

    def check(self) -> None:
        """Raise what the cluster refuses, if nothing goes without it."""
        for watched in self._needed():
            if watched.refused is not None:
                raise watched.refused

    @property
    def trouble(self) -> ClusterError | None:
        """Why what is known may be old, while it may."""
        return next((watched.error for watched in self._needed() if watched.error is not None), None)

    @property
    def fresh(self) -> bool:
        return self.trouble is None

    def objects(self) -> Objects:
        return Objects(
            jobs=self._jobs.objects(),
            pods=self._pods.objects(),
            gone=self._pods.gone(),
            job_sets=_objects(self._job_sets),
            events=self._events.objects(),
            workloads=_objects(self._workloads),
        )

    def has_seen(self, kind: Kind, found: Object) -> bool:
        """Whether what is known is as new as an object that a call has brought."""
        watched = self._job_sets if kind == JOB_SETS and self._job_sets is not None else self._jobs
        return watched.has_seen(found)

    def _watched(self, kind: Kind, labels: str = "", fields: str = "") -> Watched:
        return Watched(self._cluster, kind, labels=labels, fields=fields, keep=slim, changed=self._changed)

    def _needed(self) -> list[Watched]:
        return [self._jobs, self._pods, *([self._job_sets] if self._job_sets else [])]

    def _all(self) -> list[Watched]:
        return [*self._needed(), self._events, *([self._workloads] if self._workloads else [])]


def _objects(watched: Watched | None) -> list[Object]:
    return watched.objects() if watched is not None else []
