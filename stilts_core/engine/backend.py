"""What the driver asks of a place where stages run, and what it hears from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stilts_core.errors import Budget
from stilts_core.planning.plan import Stage
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.manifest import Attempt


@dataclass(frozen=True, slots=True)
class Observation:
    """An attempt as seen at one moment. Truth is only the store; this is a hint.

    Attributes:
        attempt: its number among the stage's attempts of this run, from 1.
        since: when it entered the phase, seconds since the epoch.
        exit_code: of an ended attempt; a negative number is the signal that ended it; None where nobody knows.
        budget: which budget its end is charged to, where the place knows better than the exit code does.
        reason: what is known of how it is, a clause for people.
        progress: the last that it reported.
        stored: the name under which it keeps things in the store, once it has one.
        saved: of an ended attempt, the optimiser steps that the next one can go on after. The driver knows.
    """

    fingerprint: str
    attempt: int
    phase: Phase
    since: float
    exit_code: int | None = None
    budget: Budget | None = None
    reason: str = ""
    progress: Progress | None = None
    stored: Attempt | None = None
    saved: int = 0


class Backend(Protocol):
    """A place where stages run. No call blocks but `wait`; none raises because an attempt is gone already."""

    def observe(self) -> list[Observation]:
        """Every attempt that the place knows of, ended ones too."""

    def start(self, stage: Stage, attempt: int) -> None:
        """Begin an attempt."""

    def stop(self, fingerprint: str, attempt: int, *, kill: bool = False) -> None:
        """Ask an attempt to stop; with ``kill``, end it at once."""

    def log(self, fingerprint: str, attempt: int) -> bytes | None:
        """What an attempt printed, as far as it can still be had here."""

    def wait(self, timeout: float | None) -> None:
        """Return when `observe` may have something new, when `wake` is called, or after the time-out (seconds)."""

    def wake(self) -> None:
        """End a `wait` now; may be called from a signal handler."""

    def close(self) -> None:
        """End everything that is still running here."""
