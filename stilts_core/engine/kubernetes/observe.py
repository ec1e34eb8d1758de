"""From the objects of a cluster to what the driver hears of every attempt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stilts_core.engine.backend import Observation
from stilts_core.engine.kubernetes.kinds import JOB_SETS, JOBS, Kind
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import (
    Index,
    Key,
    condition,
    created,
    deleting_since,
    owner_of,
    stored_attempt,
    when,
)
from stilts_core.engine.kubernetes.pod_state import (
    Wait,
    end_of,
    has_ended,
    has_succeeded,
    lost_since,
    node_of,
    running_since,
    short,
    silent_node,
    wait_of,
)
from stilts_core.engine.kubernetes.queueing import explain_suspension
from stilts_core.engine.kubernetes.verdict import Verdict, judge_failure
from stilts_core.engine.labels import moment
from stilts_core.engine.look import SILENCE_SECONDS
from stilts_core.errors import Budget
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Heartbeat, Outcome
from stilts_core.storage.manifest import Attempt


@dataclass(frozen=True, slots=True)
class Objects:
    """What was listed of a study.

    Attributes:
        gone: pods as they were last seen before they were deleted.
        events: warnings about Jobs.
        workloads: Kueue's, of the whole namespace.
    """

    jobs: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    gone: Sequence[Object] = ()
    job_sets: Sequence[Object] = ()
    events: Sequence[Object] = ()
    workloads: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What the store has of an attempt.

    Attributes:
        stored: the name under which it keeps things there.
    """

    stored: Attempt
    heartbeat: Heartbeat | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An attempt as it was seen.

    Attributes:
        observation: for the driver.
        kind, name, uid: of the object that stands for the attempt; the name is empty where only its pods are left.
        anchor: uid of the anchor that owns it.
        lost: it was given up because of its node; its objects are still there.
        pods: how many of its pods there are, and which (to know when they are others).
    """

    observation: Observation
    kind: Kind = JOBS
    name: str = ""
    uid: str = ""
    anchor: str = ""
    lost: bool = False
    pods: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.observation.fingerprint, self.observation.attempt


def observe(
    objects: Objects,
    fingerprints: Iterable[str],
    records: Mapping[Key, Record],
    *,
    lost_after: float,
    now: float,
) -> list[Seen]:
    """Every attempt at stages of a plan that has objects in the cluster.

    An attempt has ended once its Job has, or once a node has not given back a pod for so long that nobody will wait
    for it. That it succeeded is never said here: whether a stage is done only its manifest decides.

    Args:
        objects: of the study.
        fingerprints: of the plan's stages; what belongs to others is left out.
        records: what the store has of attempts, as far as it was read.
        lost_after: seconds after which a pod that should be gone is given up.
        now: seconds since the epoch.
    """
    groups = _group(objects, Index.of(fingerprints))
    events, workloads = _failures_to_create(objects.events), objects.workloads
    found = (_Look(group, records.get(key), events, workloads, lost_after, now).see() for key, group in groups.items())
    return [seen for seen in found if seen is not None]


@dataclass
class _Group:
    """The objects of one attempt."""

    key: Key
    job: Object | None = None
    job_set: Object | None = None
    pods: list[Object] = field(default_factory=list)
    gone: list[Object] = field(default_factory=list)


def _group(objects: Objects, index: Index) -> dict[Key, _Group]:
    groups: dict[Key, _Group] = {}

    def group(found: Object) -> _Group | None:
        key = index.key(found)
        return None if key is None else groups.setdefault(key, _Group(key))

    for found in objects.job_sets:
        if (its := group(found)) is not None:
            its.job_set = found
    for found in objects.jobs:
        if (its := group(found)) is not None:
            its.job = found
    for found in objects.pods:
        if (its := group(found)) is not None:
            its.pods.append(found)
    for found in objects.gone:
        key = index.key(found)
        if key in groups:
            groups[key].gone.append(found)
    return groups


def _failures_to_create(events: Iterable[Object]) -> dict[str, Object]:
    """The uid of a Job → the latest event that says why its pods could not be created."""
    latest: dict[str, Object] = {}
    for event in events:
        if event.get("reason") != "FailedCreate":
            continue
        uid = str((event.get("involvedObject") or {}).get("uid", ""))
        if uid not in latest or _event_time(event) >= _event_time(latest[uid]):
            latest[uid] = event
    return latest


def _event_time(event: Object) -> float:
    series = event.get("series") or {}
    return when(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")) or 0.0


@dataclass
class _Look:
    group: _Group
    record: Record | None
    events: Mapping[str, Object]
    workloads: Sequence[Object]
    lost_after: float
    now: float

    def see(self) -> Seen | None:
        group = self.group
        handle = group.job_set or group.job
        observation = self._lost() or self._over(handle) or self._live(handle)
        if observation is None:
            return None
        stored = observation.stored or (self.record.stored if self.record else None)
        if stored is None and handle is not None:
            stored = stored_attempt(handle)
        observation = replace(observation, stored=stored)
        pods = tuple(sorted(pod["metadata"]["uid"] for pod in group.pods))
        if handle is None:
            return Seen(observation, pods=pods, lost=self._given_up() is not None)
        return Seen(
            observation,
            kind=JOB_SETS if group.job_set else JOBS,
            name=handle["metadata"]["name"],
            uid=handle["metadata"]["uid"],
            anchor=owner_of(handle, "ConfigMap"),
            lost=self._given_up() is not None and _end_condition(handle) is None,
            pods=pods,
        )

    def _given_up(self) -> Object | None:
        """A pod that should have been gone for too long."""
        for pod in self.group.pods:
            since = lost_since(pod)
            if since is not None and self.now > since + self.lost_after:
                return pod
        return None

    def _lost(self) -> Observation | None:
        pod = self._given_up()
        if pod is None:
            return None
        since = (lost_since(pod) or 0.0) + self.lost_after
        node = node_of(pod)
        where = f"the node {node} is gone: " if node else ""
        reason = f"{where}its pod has not ended in time, and is not waited for"
        return self._ended(Verdict(None, reason, Budget.INFRASTRUCTURE, since))

    def _over(self, handle: Object | None) -> Observation | None:
        """The attempt's end, once no process of it can run any more."""
        if handle is None:
            return None
        pods = self.group.pods
        if any(not has_ended(pod) for pod in pods):
            return None
        ended = _end_condition(self.group.job) if self.group.job is not None else None
        ended = ended or _end_condition(handle)
        if ended is None:
            wanted = int(((self.group.job or {}).get("spec") or {}).get("completions") or 1)
            if _suspended(handle) or len(pods) < wanted or not all(has_succeeded(pod) for pod in pods):
                return None
            # The Job will say so in a moment; its children need not wait for that.
            return self._ended(Verdict(0, "", None, max(end_of(pod).at for pod in pods)))
        if ended["type"] in ("Complete", "SuccessCriteriaMet", "Completed"):
            at = when(ended.get("lastTransitionTime")) or self.now
            return self._ended(Verdict(0, "", None, at))
        ends = [end_of(pod) for pod in (*pods, *self.group.gone)]
        outcome = self.record.outcome if self.record else None
        return self._ended(judge_failure(ended, ends, outcome, created(handle)))

    def _ended(self, verdict: Verdict) -> Observation:
        fingerprint, number = self.group.key
        return Observation(
            fingerprint,
            number,
            Phase.ENDED,
            verdict.at,
            exit_code=verdict.code,
            budget=verdict.budget,
            reason=verdict.reason,
            progress=verdict.progress or self._progress(),
            stored=verdict.stored,
        )

    def _live(self, handle: Object | None) -> Observation | None:
        pods = [pod for pod in self.group.pods if not has_ended(pod)]
        if handle is None:
            # Its Job was deleted; as long as a pod is there, another attempt would have it beside itself.
            return self._at(Phase.RUNNING, "its Job was deleted, and its pods are ending", pods) if pods else None
        if deleting_since(handle) is not None:
            if pods:
                return self._at(Phase.RUNNING, "it is being deleted", pods)
            return self._observation(Phase.QUEUED, "its Job is being deleted", deleting_since(handle) or self.now)
        if _suspended(handle):
            return self._suspended(handle, pods)
        if not self.group.pods:
            return self._without_pods(handle)
        if len(pods) < len(self.group.pods):
            return self._at(Phase.RUNNING, "it has ended, and the cluster is about to say how", self.group.pods)
        waits = [wait_of(pod) for pod in pods if running_since(pod) is None]
        if waits:
            return self._waiting(waits, len(pods))
        return self._running(pods)

    def _suspended(self, handle: Object, pods: Sequence[Object]) -> Observation:
        suspension = explain_suspension(handle, self.workloads)
        ran = bool(pods) or (self.record is not None and self.record.heartbeat is not None)
        phase = Phase.EVICTED if suspension.evicted or ran else Phase.QUEUED
        why = f"{suspension.why}; its pods are ending" if pods else suspension.why
        return self._observation(phase, why, suspension.since or created(handle))

    def _without_pods(self, handle: Object) -> Observation:
        job = self.group.job or handle
        event = self.events.get(job["metadata"]["uid"])
        if event is None:
            return self._observation(Phase.QUEUED, "for its pods", created(handle))
        said = short(event.get("message")).removeprefix("Error creating: ")
        return self._observation(Phase.QUEUED, f"its pods cannot be created: {said}", created(handle))

    def _waiting(self, waits: Sequence[Wait], pods: int) -> Observation:
        first = min(waits, key=lambda wait: (wait.phase is not Phase.QUEUED, wait.since))
        more = f" ({len(waits)} of its {pods} pods wait)" if pods > 1 else ""
        return self._observation(first.phase, first.why + more, first.since)

    def _running(self, pods: Sequence[Object]) -> Observation:
        started = max(running_since(pod) or 0.0 for pod in pods)
        silent = [node for pod in pods if (node := silent_node(pod))]
        if silent:
            return self._observation(Phase.RUNNING, f"the node {silent[0]} does not answer", started)
        beat = self.record.heartbeat if self.record else None
        if beat is None or beat.updated.timestamp() < started:
            return self._observation(Phase.STARTING, "its pod has started", started)
        since = beat.since.timestamp() if beat.since else started
        quiet = self.now - beat.updated.timestamp() > SILENCE_SECONDS
        reason = f"no word from it since {moment(beat.updated.timestamp())}" if quiet else ""
        return self._observation(Phase.RUNNING, reason, since)

    def _at(self, phase: Phase, reason: str, pods: Sequence[Object]) -> Observation:
        since = max(deleting_since(pod) or running_since(pod) or created(pod) for pod in pods)
        return self._observation(phase, reason, since)

    def _observation(self, phase: Phase, reason: str, since: float) -> Observation:
        fingerprint, number = self.group.key
        return Observation(fingerprint, number, phase, since, reason=reason, progress=self._progress())

    def _progress(self) -> Progress | None:
        beat = self.record.heartbeat if self.record else None
        return None if beat is None else Progress(**beat.model_dump(exclude={"updated", "since"}))


def _suspended(handle: Object) -> bool:
    return bool((handle.get("spec") or {}).get("suspend"))


_ENDS = ("Failed", "Complete", "Completed", "FailureTarget", "SuccessCriteriaMet")


def _end_condition(found: Object) -> Object | None:
    return next((end for kind in _ENDS if (end := condition(found, kind))), None)
