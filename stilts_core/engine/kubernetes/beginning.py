"""Making an attempt's Job under a number that is free, whatever is in the store and in the cluster already."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from stilts_core.engine.backend import Observation
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.history import read_past
from stilts_core.engine.kubernetes.kinds import JOB_SETS, JOBS, Kind
from stilts_core.engine.kubernetes.labels import PLAN_DIGEST, WHOLE_FINGERPRINT, Object
from stilts_core.engine.kubernetes.marks import condition, deleting_since, owner_of
from stilts_core.engine.kubernetes.names import stage_name
from stilts_core.engine.kubernetes.observe import Seen
from stilts_core.engine.kubernetes.own_job import CancelledError, find_anchor
from stilts_core.engine.kubernetes.refusals import ConflictError, InvalidError
from stilts_core.engine.kubernetes.render import StageAttempt, Submission, render_stage
from stilts_core.errors import Budget, DeviceMemoryError, SpecError
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import Placement
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import new_attempt
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Begun:
    """What came of the wish for another attempt.

    Attributes:
        number: of the attempt.
        made: its Job (or JobSet), by whomever it was made; None: none was made now.
        later: why it has to be tried again; empty where it need not.
        ends: how earlier attempts of the submission ended, of which nothing was known; they are to be judged first.
    """

    number: int
    kind: Kind = JOBS
    made: Object | None = None
    later: str = ""
    ends: tuple[Observation, ...] = ()


class Beginner:
    """Makes attempts. Safe to use from several threads, for one attempt at a stage at a time."""

    def __init__(self, cluster: Cluster, store: Store, submission: Submission, placement: Placement) -> None:
        self._cluster, self._store, self._submission, self._placement = cluster, store, submission, placement
        self._lock = threading.Lock()
        self._lost: dict[str, list[Seen]] = {}

    def bury_before_next(self, seen: Seen) -> None:
        """Have the objects of an attempt that was given up deleted before the stage is tried again."""
        with self._lock:
            self._lost.setdefault(seen.key[0], []).append(seen)

    def begin(self, stage: Stage, number: int, known: Mapping[int, Observation]) -> Begun:
        """Make an attempt.

        Args:
            number: the lowest that it may have.
            known: the stage's attempts that were observed, by number.

        Raises:
            CancelledError: the anchor is gone.
            StiltsError: store or cluster cannot be used now.
        """
        if any(observation.phase is not Phase.ENDED for observation in known.values()):
            return Begun(number)
        past = read_past(self._store, stage.fingerprint, self._submission.anchor_uid)
        ends = tuple(end for attempt, end in past.ends.items() if attempt not in known)
        if ends:
            return Begun(number, ends=ends)
        if past.highest and past.highest not in known:
            # Another driver is ahead of what is seen here.
            if self._has_job(stage, past.highest):
                return Begun(past.highest, later="another driver has begun it")
            if read_manifest(self._store, stage.fingerprint) is not None:
                return Begun(past.highest, later="it has committed meanwhile")
        self._bury(stage.fingerprint)
        # The collector of garbage may take the stages' Jobs before the driver's; they must not be made again then.
        anchor = find_anchor(self._cluster, self._submission.anchor)
        if anchor.uid != self._submission.anchor_uid:
            raise CancelledError("The study was cancelled and submitted anew; another driver drives it.")
        number = max(number, past.highest + 1, *(attempt + 1 for attempt in known))
        halvings = sum(end.exit_code == DeviceMemoryError.exit_code for end in known.values())
        for candidate in range(number, number + _TRIES):
            begun = self._make(stage, candidate, retry=candidate > 1, halvings=halvings)
            if begun is not None:
                return begun
        return Begun(number, later="Jobs of earlier submissions have all of its names")

    def _make(self, stage: Stage, number: int, *, retry: bool, halvings: int) -> Begun | None:
        """The attempt of this number; None where the name is taken by something that is over."""
        attempt = StageAttempt(number, new_attempt(number), retry, halvings)
        try:
            wanted = render_stage(stage, attempt, self._submission, self._placement)
            kind = JOB_SETS if wanted["kind"] == "JobSet" else JOBS
            made = self._cluster.create(kind, wanted)
        except (InvalidError, SpecError) as error:
            return Begun(number, ends=(_refused(stage, number, error),))
        except ConflictError as error:
            return Begun(number, later=error.message)
        if made is not None:
            return Begun(number, kind, made)
        there = self._cluster.get(kind, wanted["metadata"]["name"])
        if there is None:
            return Begun(number, kind, later="a Job of its name has just gone")
        if not _same(there, wanted):
            return None
        if deleting_since(there) is not None:
            return Begun(number, kind, later="a Job of its name is being deleted")
        foreign = owner_of(there, "ConfigMap") != self._submission.anchor_uid
        return None if foreign and _is_over(there) else Begun(number, kind, there)

    def _has_job(self, stage: Stage, number: int) -> bool:
        """Whether there is an attempt of this number, of this submission or alive."""
        name = stage_name(stage, number, self._submission.study, self._submission.plan_digest)
        kinds = (JOB_SETS, JOBS) if self._placement.kubernetes.jobset else (JOBS,)
        found = [there for kind in kinds if (there := self._cluster.get(kind, name)) is not None]
        return any(
            owner_of(there, "ConfigMap") == self._submission.anchor_uid or not _is_over(there) for there in found
        )

    def _bury(self, fingerprint: str) -> None:
        with self._lock:
            lost = self._lost.pop(fingerprint, [])
        try:
            while lost:
                if lost[-1].name:
                    self._cluster.delete(lost[-1].kind, lost[-1].name, uid=lost[-1].uid)
                lost.pop()
        finally:
            for seen in lost:
                self.bury_before_next(seen)


def _same(there: Object, wanted: Object) -> bool:
    """Whether two objects stand for attempts at the same stage of the same plan."""
    found, sought = (each["metadata"].get("annotations") or {} for each in (there, wanted))
    return all(found.get(name) == sought.get(name) for name in (WHOLE_FINGERPRINT, PLAN_DIGEST))


def _is_over(found: Object) -> bool:
    return any(condition(found, kind) for kind in ("Complete", "Completed", "Failed"))


def _refused(stage: Stage, number: int, error: InvalidError | SpecError) -> Observation:
    return Observation(
        stage.fingerprint, number, Phase.ENDED, 0.0, SpecError.exit_code, budget=Budget.NONE, reason=str(error)
    )
