"""How an attempt failed, from the ends of its pods and the word of its Job. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import when
from stilts_core.engine.kubernetes.pod_state import PodEnd, short
from stilts_core.errors import Budget, RendezvousError, StoppedError
from stilts_core.stages.context import Progress
from stilts_core.storage.attempts import Outcome
from stilts_core.storage.manifest import Attempt

_EXIT_CODE = re.compile(r"failed with exit code (\d+) matching")
_FOLLOWERS = frozenset({0, RendezvousError.exit_code, StoppedError.exit_code, -15})
"""Codes of pods that end because another one of their group has."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended; see `engine.backend.Observation`."""

    code: int | None
    reason: str
    budget: Budget | None
    at: float
    stored: Attempt | None = None
    progress: Progress | None = None


def judge_failure(failed: Object, ends: Sequence[PodEnd], record: Outcome | None, at: float) -> Verdict:
    """How an attempt failed.

    Args:
        failed: the condition Failed or FailureTarget of its Job.
        ends: of those of its pods that were seen to end.
        record: what the attempt itself has put down in the store.
        at: when it ended, seconds since the epoch, where the condition does not say.
    """
    at = when(failed.get("lastTransitionTime")) or at
    if failed.get("reason") == "DeadlineExceeded":
        reason = "it ran for longer than `deadline_seconds` of the profile allows"
        return Verdict(None, reason, Budget.APPLICATION, at)
    culprit = culprit_of(ends)
    known = culprit is not None and (culprit.code is not None or culprit.reason)
    if culprit is not None and known and not (culprit.code is None and record is not None):
        return Verdict(culprit.code, culprit.reason, culprit.budget, at, culprit.stored, culprit.progress)
    if record is not None and record.exit_code:
        return Verdict(record.exit_code, record.message, None, at)
    message = str(failed.get("message") or "")
    if match := _EXIT_CODE.search(message):
        return Verdict(int(match[1]), "", None, at)
    if "DisruptionTarget" in message:
        return Verdict(None, "taken away by the cluster", Budget.INFRASTRUCTURE, at)
    if failed.get("reason") in ("BackoffLimitExceeded", "FailedJobs"):
        # What fails by itself leaves its pod to be looked at.
        return Verdict(None, "its pod was deleted before anybody saw how it ended", Budget.INFRASTRUCTURE, at)
    return Verdict(None, f"{failed.get('reason')}: {short(message)}", None, at)


def culprit_of(ends: Sequence[PodEnd]) -> PodEnd | None:
    """The pod that ended its group: the first that ended of those that did not follow another."""
    return min(ends, key=lambda end: (_follows(end), end.at, end.pod), default=None)


def _follows(end: PodEnd) -> bool:
    if end.disrupted:
        return False
    return end.code in _FOLLOWERS or (end.deleted and (end.code is None or end.code < 0))
