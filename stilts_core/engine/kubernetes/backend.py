"""Stages as Jobs of a cluster.

Nothing is kept here that cannot be seen again: in the cluster's objects, and in the store for attempts whose objects
are gone. A second driver makes Jobs of the same names, so that one of the two comes first.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from stilts_core.engine.backend import Observation
from stilts_core.engine.kubernetes.beginning import Beginner, Begun
from stilts_core.engine.kubernetes.calls import Calls
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.history import Records, Wanted
from stilts_core.engine.kubernetes.kinds import PODS
from stilts_core.engine.kubernetes.labels import STAGE, Object
from stilts_core.engine.kubernetes.marks import Index, Key, condition, deleting_since
from stilts_core.engine.kubernetes.observe import Objects, Seen, observe
from stilts_core.engine.kubernetes.own_job import CancelledError
from stilts_core.engine.kubernetes.pod_state import end_of, has_ended
from stilts_core.engine.kubernetes.refusals import ForbiddenError
from stilts_core.engine.kubernetes.render import Submission
from stilts_core.engine.kubernetes.sources import Sources
from stilts_core.engine.kubernetes.verdict import culprit_of
from stilts_core.errors import StiltsError
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import Placement
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest

_WORKERS = 8  # calls at once
_SETTLE_SECONDS = 0.02  # events come in flocks
_LISTING_SECONDS = 60.0
_ASK_SECONDS = 5.0  # between two requests to stop the same attempt
_LEAVE_SECONDS = 30.0  # for an attempt to end by itself once its stage has committed


@dataclass
class _Pending:
    """An attempt that is being made.

    Attributes:
        number: that it was asked for; the one that it gets may be higher.
        known: the stage's attempts by which the driver decided to have another one.
        flying: a thread works on it.
        retry_at: when to try again, seconds since the epoch.
        begun: what came of it, once the cluster has it.
        unwanted: it was stopped before it was there, and is not tried again; what has been made meanwhile, by
            whomever, is stopped once it is seen.
    """

    stage: Stage
    number: int
    known: dict[int, Observation]
    since: float
    why: str = ""
    flying: bool = True
    retry_at: float = 0.0
    begun: Begun | None = None
    unwanted: bool = False


class KubernetesBackend:
    """The `engine.backend.Backend` of a cluster.

    Args:
        stages: of the plan.
        forgiven: fingerprint → number of the last attempt whose failure does not count.
        note: takes what a person should know, in a clause.
        period: seconds between two looks at the heartbeats in the store.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        cluster: Cluster,
        stages: Iterable[Stage],
        submission: Submission,
        placement: Placement,
        store: Store,
        *,
        forgiven: Mapping[str, int] = MappingProxyType({}),
        note: Callable[[str], None] = lambda text: None,
        period: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._forgiven = forgiven
        self._fingerprints = [stage.fingerprint for stage in stages]
        self._index = Index.of(self._fingerprints)
        self._cluster, self._submission, self._placement = cluster, submission, placement
        self._store, self._note, self._clock = store, note, clock
        self._lost_after = float(placement.kubernetes.lost_node_seconds)
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._ended: dict[Key, Observation] = {}  # for good; their objects need not be looked at again
        self._seen: dict[Key, Seen] = {}
        self._asked: dict[tuple[Key, bool], tuple[float, float]] = {}  # first and last time
        self._fatal: Exception | None = None
        self._forbidden_since: float | None = None
        self._trouble = False
        self._sources = Sources(cluster, placement, submission.plan_digest, self.wake)
        self._records = Records(store, self.wake, period)
        self._beginner = Beginner(cluster, store, submission, placement)
        self._calls = Calls(_WORKERS)
        self._started = False

    def open(self) -> None:
        """Begin to watch, and wait until everything has been listed.

        Raises:
            ClusterError: the cluster cannot be reached, or a right is missing.
        """
        self._started = True
        self._sources.start()
        self._records.start()
        self._sources.await_listed(_LISTING_SECONDS)

    def observe(self) -> list[Observation]:
        """Every attempt of the plan, whoever made it.

        Raises:
            ClusterError: a right is missing.
            CancelledError: the study was cancelled.
        """
        if self._fatal is not None:
            raise self._fatal
        self._sources.check()
        self._tell_trouble()
        now = self._clock()
        # What was seen before the connection broke says nothing about how long a pod has been ending.
        lost_after = self._lost_after if self._sources.fresh else float("inf")
        objects = self._unsettled(self._sources.objects())
        records = self._records.found()
        seen = {
            each.key: each
            for each in observe(objects, self._fingerprints, records, lost_after=lost_after, now=now)
            if self._counts(each)
        }
        self._records.want(_wanted(seen.values()))
        seen = {key: self._until_read(each) for key, each in seen.items()}
        self._seen = seen
        with self._lock:
            self._settle(seen, objects)
            pending = self._go_on(seen, now)
            found = {**self._ended, **{key: each.observation for key, each in seen.items()}}
        return [*(found[key] for key in sorted(found) if self._is_held_against(found[key])), *pending]

    def start(self, stage: Stage, attempt: int) -> None:
        """Make an attempt, in the background; it may get a higher number, where the store has this one already."""
        with self._lock:
            if stage.fingerprint in self._pending:
                return
            known = self._known(stage.fingerprint)
            self._pending[stage.fingerprint] = pending = _Pending(stage, attempt, known, self._clock())
        self._calls.submit(partial(self._begin, pending))

    def stop(self, fingerprint: str, attempt: int, *, kill: bool = False) -> None:
        key = (fingerprint, attempt)
        with self._lock:
            pending = self._pending.get(fingerprint)
            if pending is not None:
                pending.unwanted = True
                if not pending.flying and pending.begun is None:
                    del self._pending[fingerprint]
            seen, now = self._seen.get(key), self._clock()
            first, last = self._asked.get((key, kill), (now, 0.0))
            if seen is None or now - last < _ASK_SECONDS:
                return
            self._asked[key, kill] = (first, now)
        self._calls.submit(partial(self._end, seen, kill, now - first))

    def log(self, fingerprint: str, attempt: int) -> bytes | None:
        key = (fingerprint, attempt)
        pods = [pod for pod in self._sources.objects().pods if self._index.key(pod) == key and has_ended(pod)]
        culprit = culprit_of([end_of(pod) for pod in pods])
        return None if culprit is None else self._cluster.log(culprit.pod, STAGE)

    def wait(self, timeout: float | None) -> None:
        with self._lock:
            retries = [each.retry_at for each in self._pending.values() if not each.flying and each.begun is None]
        if retries:
            soon = max(0.0, min(retries) - self._clock())
            timeout = soon if timeout is None else min(timeout, soon)
        try:
            self._woken.get(timeout=timeout)
        except queue.Empty:
            return
        time.sleep(_SETTLE_SECONDS)
        while not self._woken.empty():
            self._woken.get()

    def wake(self) -> None:
        self._woken.put(None)  # may be called in a signal handler: this queue's put can be interrupted by itself

    def close(self) -> None:
        """Look no more. What runs goes on: the next driver finds it."""
        self._calls.close()
        if self._started:
            self._sources.stop()
            self._records.stop()

    def _is_held_against(self, observation: Observation) -> bool:
        """Whether the driver is to know of an attempt, which it is not of a failure that somebody has forgiven."""
        pardoned = self._forgiven.get(observation.fingerprint, 0)
        return observation.phase is not Phase.ENDED or observation.attempt > pardoned

    def _counts(self, seen: Seen) -> bool:
        """Whether an attempt matters: what another submission left behind, or what has ended for good, does not."""
        if not seen.name:
            return seen.key not in self._ended
        foreign = bool(seen.anchor) and seen.anchor != self._submission.anchor_uid
        return not (foreign and seen.observation.phase is Phase.ENDED)

    def _unsettled(self, objects: Objects) -> Objects:
        def rest(found: Iterable[Object]) -> list[Object]:
            return [each for each in found if self._index.key(each) not in self._ended]

        return replace(
            objects,
            jobs=rest(objects.jobs),
            pods=rest(objects.pods),
            gone=rest(objects.gone),
            job_sets=rest(objects.job_sets),
        )

    def _until_read(self, seen: Seen) -> Seen:
        """An end that only the attempt's own record can explain is believed once that was looked for."""
        observation = seen.observation
        unexplained = observation.exit_code is None and not seen.lost and seen.name and observation.stored is not None
        if observation.phase is not Phase.ENDED or not unexplained or self._records.has_read_end(seen.key):
            return seen
        asking = "it has ended, and the store is asked how"
        return replace(seen, observation=replace(observation, phase=Phase.RUNNING, reason=asking, budget=None))

    def _settle(self, seen: dict[Key, Seen], objects: Objects) -> None:
        concluded = {
            self._index.key(found)
            for found in (*objects.jobs, *objects.job_sets)
            if any(condition(found, kind) for kind in ("Complete", "Completed", "Failed"))
        }
        for key, each in seen.items():
            if each.observation.phase is not Phase.ENDED:
                continue
            if each.lost:
                self._beginner.bury_before_next(each)
            if each.lost or key in concluded:
                self._ended[key] = each.observation

    def _go_on(self, seen: dict[Key, Seen], now: float) -> list[Observation]:
        """Look after the attempts that are being made; gives those that are not to be seen yet."""
        shown = []
        for fingerprint, pending in list(self._pending.items()):
            begun = pending.begun
            live = any(
                key[0] == fingerprint and each.observation.phase is not Phase.ENDED for key, each in seen.items()
            )
            there = begun is not None and begun.made is not None and self._sources.has_seen(begun.kind, begun.made)
            waits = begun is None and not pending.flying
            # Where there is news of the stage, the driver decides anew.
            if there or (waits and (live or self._known(fingerprint).keys() != pending.known.keys())):
                del self._pending[fingerprint]
                continue
            if not pending.flying and begun is None and now >= pending.retry_at:
                pending.flying = True
                self._calls.submit(partial(self._begin, pending))
            if live:
                continue
            number = begun.number if begun is not None else pending.number
            why = pending.why or "its Job is being made"
            shown.append(Observation(fingerprint, number, Phase.QUEUED, pending.since, reason=why))
        return shown

    def _known(self, fingerprint: str) -> dict[int, Observation]:
        """The attempts at a stage that were observed last, by number."""
        found = {**self._ended, **{key: seen.observation for key, seen in self._seen.items()}}
        return {key[1]: observation for key, observation in found.items() if key[0] == fingerprint}

    def _begin(self, pending: _Pending) -> None:
        fingerprint = pending.stage.fingerprint
        try:
            begun = self._beginner.begin(pending.stage, pending.number, pending.known)
        except CancelledError as error:
            self._fatal = error
        except StiltsError as error:
            with self._lock:
                now = self._clock()
                if not isinstance(error, ForbiddenError):
                    self._forbidden_since = None
                elif self._forbidden_since is None:
                    self._forbidden_since = now
                elif now - self._forbidden_since >= self._cluster.patience.refusal:
                    self._fatal = error
                pending.why, pending.flying = error.message, False
                pending.retry_at = now + self._cluster.patience.backoff_cap / 2
                if pending.unwanted:
                    self._pending.pop(fingerprint, None)
        except Exception as error:  # noqa: BLE001 (raised again where somebody hears it)
            self._fatal = error
        else:
            self._begun(pending, begun)
        self.wake()

    def _begun(self, pending: _Pending, begun: Begun) -> None:
        fingerprint = pending.stage.fingerprint
        with self._lock:
            pending.flying, self._forbidden_since = False, None
            for end in begun.ends:
                end = replace(end, since=end.since or self._clock())
                self._ended.setdefault((fingerprint, end.attempt), end)
            if begun.later and not pending.unwanted:
                pending.why, pending.retry_at = begun.later, self._clock() + 1.0
            elif begun.made is None:
                self._pending.pop(fingerprint, None)
            else:
                pending.begun, pending.why = begun, ""

    def _end(self, seen: Seen, kill: bool, asked_for: float) -> None:
        try:
            if not kill and asked_for < _LEAVE_SECONDS and self._has_committed(seen):
                return  # its pods are keeping their logs, and are about to end
            if seen.name:
                self._cluster.delete(seen.kind, seen.name, uid=seen.uid)
            if kill:
                for pod in self._sources.objects().pods:
                    if self._index.key(pod) == seen.key and deleting_since(pod) is None:
                        self._cluster.delete(PODS, pod["metadata"]["name"], grace=0)
        except StiltsError as error:
            self._note(error.message)  # it is asked again

    def _has_committed(self, seen: Seen) -> bool:
        """Whether it was this attempt that committed: any other one runs on for nothing."""
        manifest = read_manifest(self._store, seen.key[0])
        return manifest is not None and manifest.attempt.number == seen.key[1]

    def _tell_trouble(self) -> None:
        trouble = self._sources.trouble
        if (trouble is not None) != self._trouble:
            self._trouble = trouble is not None
            self._note(trouble.message if trouble else "the API server answers again")


def _wanted(seen: Iterable[Seen]) -> dict[Key, Wanted]:
    wanted = {}
    for each in seen:
        observation = each.observation
        if observation.stored is not None and not each.lost:
            ended = observation.phase is Phase.ENDED or not each.pods
            wanted[each.key] = Wanted(observation.stored, each.pods, ended)
    return wanted
