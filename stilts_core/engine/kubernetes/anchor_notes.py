"""What an anchor says beyond the study and the profile: how the run ended, and which failures are forgiven."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum

from stilts_core.engine.kubernetes.labels import COUNTS, FORGIVEN, OUTCOME, Object
from stilts_core.engine.states import GOOD, Status

_DIGITS = 12
"""Of a fingerprint; ten thousand of them, each with a number, are within what annotations may hold (256 KiB)."""


class Outcome(StrEnum):
    """How a driver has brought its study to an end."""

    DONE = "done"
    FAILED = "failed"


def outcome_of(statuses: Mapping[str, Status]) -> Outcome:
    """How a study ended whose stages are all in a final state."""
    return Outcome.DONE if all(status.state in GOOD for status in statuses.values()) else Outcome.FAILED


def outcome_patch(outcome: Outcome, counts: str) -> Object:
    """Puts down on an anchor how the run ended.

    Args:
        counts: of the stages by state, for people.
    """
    return {"metadata": {"annotations": {OUTCOME: outcome.value, COUNTS: counts}}}


def no_outcome_patch() -> Object:
    """Takes off an anchor how a run ended, because another one has begun."""
    return {"metadata": {"annotations": {OUTCOME: None, COUNTS: None}}}


def read_outcome(anchor: Object) -> tuple[Outcome, str] | None:
    """How the last run ended, and the counts of its stages; None while one goes on, or where nothing is said."""
    annotations = _annotations(anchor)
    with suppress(ValueError):
        return Outcome(annotations.get(OUTCOME, "")), annotations.get(COUNTS, "")
    return None


def forgiving_patch(anchor: Object, attempts: Mapping[str, int]) -> Object:
    """Has failures of stages count no more, besides those that do not already.

    Args:
        attempts: fingerprint → number of the last attempt that is forgiven.
    """
    known = _read(anchor)
    for name, number in attempts.items():
        known[name[:_DIGITS]] = max(number, known.get(name[:_DIGITS], 0))
    text = json.dumps(known, separators=(",", ":"), sort_keys=True)
    return {"metadata": {"annotations": {FORGIVEN: text, OUTCOME: None, COUNTS: None}}}


def forgiven(anchor: Object, fingerprints: Iterable[str]) -> dict[str, int]:
    """Fingerprint → number of the last attempt whose failure does not count, for the stages that have one."""
    known = _read(anchor)
    return {name: known[name[:_DIGITS]] for name in fingerprints if name[:_DIGITS] in known}


def _read(anchor: Object) -> dict[str, int]:
    with suppress(ValueError, AttributeError):
        found = json.loads(_annotations(anchor).get(FORGIVEN, "{}"))
        return {str(name): number for name, number in found.items() if isinstance(number, int)}
    return {}


def _annotations(anchor: Object) -> dict[str, str]:
    return anchor["metadata"].get("annotations") or {}
