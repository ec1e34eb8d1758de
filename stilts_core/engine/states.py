"""The states of a stage that a person sees, each with why and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"  # a parent has not committed
    QUEUED = "queued"  # could start, but for cores or a wait between attempts
    EVICTED = "evicted"  # its attempt was taken off its place and waits for another
    STARTING = "starting"
    RUNNING = "running"
    COMMITTING = "committing"
    DONE = "done"
    REUSED = "reused"  # there before this run
    FAILED = "failed"
    BLOCKED = "blocked"  # an ancestor failed
    CANCELLED = "cancelled"  # the run was stopped first


FINAL = frozenset({State.DONE, State.REUSED, State.FAILED, State.BLOCKED, State.CANCELLED})
GOOD = frozenset({State.DONE, State.REUSED})
LIVE = frozenset({State.STARTING, State.RUNNING, State.COMMITTING})


@dataclass(frozen=True, slots=True)
class Status:
    """How a stage is.

    Attributes:
        why: a clause for people; empty where the state says it all.
        attempt: the attempt it speaks of, from 1 in every run; 0 for none.
        exit_code: of the attempt that made it fail, where one did.
        blocked_by: fingerprints of the failed stages above it, in the order of the plan.
        since: seconds since the epoch, UTC; None until `stamp` sets it.
    """

    state: State
    why: str = ""
    attempt: int = 0
    exit_code: int | None = None
    blocked_by: tuple[str, ...] = ()
    since: float | None = None


def stamp(previous: Mapping[str, Status], current: Mapping[str, Status], now: float) -> dict[str, Status]:
    """The current statuses, each with the time at which its state or attempt became what it is."""
    return {name: _stamped(previous.get(name), status, now) for name, status in current.items()}


def _stamped(before: Status | None, status: Status, now: float) -> Status:
    if status.since is not None:
        return status
    same = before is not None and (before.state, before.attempt) == (status.state, status.attempt)
    since = before.since if same and before is not None else now
    return Status(status.state, status.why, status.attempt, status.exit_code, status.blocked_by, since)
