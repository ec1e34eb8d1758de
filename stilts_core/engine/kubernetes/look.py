"""How a study in a cluster stands, for a person: from its store and from the cluster's objects together.

Nothing is watched and nothing is changed; whoever may read the study's Jobs and pods can look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import Start, decide
from stilts_core.engine.kubernetes.anchor_notes import forgiven
from stilts_core.engine.kubernetes.client import Cluster, Listing
from stilts_core.engine.kubernetes.history import Past, read_past, read_record
from stilts_core.engine.kubernetes.kinds import (
    CONFIG_MAPS,
    EVENTS,
    JOB_SETS,
    JOBS,
    KUEUE_GROUP,
    PODS,
    Kind,
    workloads,
)
from stilts_core.engine.kubernetes.labels import Object, plan_selector
from stilts_core.engine.kubernetes.launch import graph_of, limits_of
from stilts_core.engine.kubernetes.marks import Key
from stilts_core.engine.kubernetes.observe import Objects, Record, Seen, observe
from stilts_core.engine.kubernetes.sources import FAILED_CREATIONS
from stilts_core.engine.kubernetes.submissions import Submitted, driver_job, driver_pods, driver_status
from stilts_core.engine.labels import describe_progress
from stilts_core.engine.states import FINAL, State, Status
from stilts_core.errors import ClusterError
from stilts_core.planning.plan import Plan
from stilts_core.spec.profile import Placement
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.base import Store
from stilts_core.storage.generations import manifests_of, read_heads
from stilts_core.storage.manifest import Attempt, Manifest
from stilts_core.storage.parallel import bounded_map

_READERS = 16
_NOT_THERE = "the study is not in the cluster: it was not submitted, or was cancelled"


@dataclass(frozen=True, slots=True)
class Overview:
    """How a study in a cluster stands.

    Attributes:
        statuses: fingerprint → how the stage is, in the order of the plan.
        driver: how the driver is.
        submitted: the study is in the cluster.
    """

    statuses: Mapping[str, Status]
    driver: Status
    submitted: bool

    @property
    def over(self) -> bool:
        """Nothing more will happen by itself."""
        return all(status.state in FINAL for status in self.statuses.values()) or self.driver.state in FINAL


def look(cluster: Cluster, store: Store, plan: Plan, anchor: str, placement: Placement, now: float) -> Overview:
    """How every stage of a plan is, and why and since when what waits is waiting.

    Args:
        anchor: name of the study's ConfigMap.
        now: seconds since the epoch.

    Raises:
        ClusterError: the cluster cannot be asked.
        StorageError: the store cannot be read, or holds something that is damaged.
    """
    graph = graph_of(plan)
    found = cluster.get(CONFIG_MAPS, anchor)
    uid = str(found["metadata"]["uid"]) if found else ""
    objects = list_objects(cluster, plan.digest(), placement)
    heads = read_heads(store, graph.order)
    manifests = manifests_of(store, heads)
    lost_after = float(placement.kubernetes.lost_node_seconds)
    first = observe(objects, graph.order, {}, lost_after=lost_after, now=now)
    records = _records(store, [seen for seen in first if seen.key[0] not in manifests])
    seen = [
        each
        for each in observe(objects, graph.order, records, lost_after=lost_after, now=now)
        if each.observation.phase is not Phase.ENDED or not each.anchor or each.anchor == uid
    ]
    tried = [
        name
        for name in graph.order
        if name not in manifests and all(parent in manifests for parent in graph.parents[name])
    ]
    pasts = dict(zip(tried, bounded_map(lambda name: read_past(store, name, uid), tried, _READERS), strict=True))
    pardoned = forgiven(found, graph.order) if found else {}
    observations = [
        each
        for each in _merged(pasts, seen)
        if each.phase is not Phase.ENDED or each.attempt > pardoned.get(each.fingerprint, 0)
    ]
    withdrawn = {head.fingerprint: len(head.withdrawn) for head in heads}
    decision = decide(graph, manifests.keys(), observations, limits_of(placement), now, withdrawn=withdrawn)
    driver = _driver(cluster, found, objects) if found else Status(State.CANCELLED, _NOT_THERE)
    statuses = dict(decision.statuses)
    for action in decision.actions:
        if isinstance(action, Start):
            statuses[action.fingerprint] = _to_be_started(action, observations, driver)
    for each in observations:
        status = statuses[each.fingerprint]
        if each.phase is not Phase.ENDED and each.progress is not None and not status.why:
            statuses[each.fingerprint] = replace(status, why=describe_progress(each.progress))
        elif each.phase is Phase.ENDED and status.since is None and status.attempt == each.attempt:
            statuses[each.fingerprint] = replace(status, since=each.since)
    for name, manifest in manifests.items():
        statuses[name] = Status(State.DONE, attempt=manifest.attempt.number, since=_finished(manifest))
    return Overview(statuses, driver, found is not None)


def list_objects(cluster: Cluster, plan_digest: str, placement: Placement) -> Objects:
    """The objects of a plan's stages, once. Events and Kueue's Workloads are left out where there is no right to them.

    Raises:
        ClusterError: Jobs or pods cannot be listed.
    """
    labels = plan_selector(plan_digest)

    def optional(kind: Kind, fields: str = "") -> list[Object]:
        with suppress(ClusterError):
            return cluster.list(kind, fields=fields).items
        return []

    kubernetes, kueue = placement.kubernetes, None
    if kubernetes.kueue is not None:
        with suppress(ClusterError):
            kueue = cluster.version_of(KUEUE_GROUP)
    job_sets = cluster.list(JOB_SETS, labels=labels) if kubernetes.jobset else Listing([], "")
    return Objects(
        jobs=cluster.list(JOBS, labels=labels).items,
        pods=cluster.list(PODS, labels=labels).items,
        job_sets=job_sets.items,
        events=optional(EVENTS, FAILED_CREATIONS),
        workloads=optional(workloads(kueue)) if kueue else [],
    )


def _records(store: Store, seen: Iterable[Seen]) -> dict[Key, Record]:
    def read(each: tuple[Key, Attempt, bool]) -> Record:
        key, base, ended = each
        return read_record(store, key[0], base, ended=ended)

    wanted = [
        (each.key, base, each.observation.phase is Phase.ENDED)
        for each in seen
        if (base := each.observation.stored) is not None
    ]
    found = bounded_map(read, wanted, _READERS)
    return {key: record for (key, _, _), record in zip(wanted, found, strict=True)}


def _merged(pasts: Mapping[str, Past], seen: Iterable[Seen]) -> list[Observation]:
    """What is seen in the cluster, and the ends of which only the store knows."""
    found = {(name, number): end for name, past in pasts.items() for number, end in past.ends.items()}
    found.update({each.key: each.observation for each in seen})
    return [found[key] for key in sorted(found)]


def _to_be_started(action: Start, observations: Iterable[Observation], driver: Status) -> Status:
    last = max(
        (each for each in observations if each.fingerprint == action.fingerprint),
        key=lambda each: each.attempt,
        default=None,
    )
    if driver.state is State.RUNNING:
        why = "the driver is about to make its Job"
    else:
        why = f"the driver is not at work: {driver.why or driver.state}"
    if last is None:
        return Status(State.QUEUED, why)
    return Status(State.QUEUED, why, last.attempt, since=last.since)


def _finished(manifest: Manifest) -> float | None:
    finished = manifest.run.get("finished")
    return datetime.fromisoformat(finished).timestamp() if isinstance(finished, str) else None


def _driver(cluster: Cluster, anchor: Object, objects: Objects) -> Status:
    submitted = Submitted(anchor)
    return driver_status(submitted, driver_job(cluster, submitted), driver_pods(cluster, submitted), objects.events)
