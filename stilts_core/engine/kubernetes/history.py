"""What the store says of attempts: the truth about those whose Jobs are gone, and signs of life of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stilts_core.engine.backend import Observation
from stilts_core.engine.kubernetes.marks import Key
from stilts_core.engine.kubernetes.observe import Record
from stilts_core.errors import StiltsError
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Outcome, list_attempts, read_heartbeat, read_outcome
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.parallel import bounded_map

_READERS = 8
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Past:
    """A stage's attempts in the store.

    Attributes:
        highest: their highest number; 0 where there is none.
        ends: number → how that attempt of the submission failed.
    """

    highest: int
    ends: Mapping[int, Observation]


def read_past(store: Store, fingerprint: str, submission: str) -> Past:
    """What the store has of a stage's attempts.

    Attempts go on where the store stops, so that a number means the same in the store, in the name of a Job and to a
    person, and so that a driver that begins anew does not give a stage its budgets back.

    Args:
        submission: whose failures count.

    Raises:
        StorageError: the store cannot be read.
    """
    attempts = list_attempts(store, fingerprint)
    highest = attempts[-1].number if attempts else 0
    ends: dict[int, Observation] = {}
    # By number and token: of several pods that took their turns under one number, the last one counts.
    outcomes = bounded_map(lambda attempt: read_outcome(store, fingerprint, attempt), attempts, _READERS)
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        if outcome is not None and outcome.submission == submission and _failed(outcome):
            ends[attempt.number] = _end(fingerprint, attempt, outcome)
    return Past(highest, ends)


def _failed(outcome: Outcome) -> bool:
    """Whether an attempt left no manifest.

    One that committed, and whose manifest somebody has deleted since to have it run again, did not fail; one that
    ended with 0 and had not committed has a message that says so.
    """
    return bool(outcome.exit_code or outcome.message)


def _end(fingerprint: str, attempt: Attempt, outcome: Outcome) -> Observation:
    return Observation(
        fingerprint,
        attempt.number,
        Phase.ENDED,
        outcome.finished.timestamp() if outcome.finished else 0.0,
        exit_code=outcome.exit_code,
        budget=outcome.budget,
        reason=outcome.message,
        progress=Progress(step=outcome.last_step),
        stored=attempt,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read of an attempt.

    Attributes:
        stored: the name that its Job gave it; its pods may have added to it.
        pods: by which it is seen that others have taken over.
        ended: its outcome, not its heartbeat.
    """

    stored: Attempt
    pods: tuple[str, ...]
    ended: bool


def read_record(
    store: Store, fingerprint: str, base: Attempt, *, ended: bool, family: list[Attempt] | None = None
) -> Record:
    """What the store has of an attempt now.

    Args:
        base: the name that its Job gave it.
        ended: its outcome is wanted, too.
        family: the names that its pods took; None: they are looked up.

    Raises:
        StorageError: the store cannot be read.
    """
    names = family or _family(store, fingerprint, base)
    beats = [(read_heartbeat(store, fingerprint, each), each) for each in names]
    latest, stored = max(beats, key=lambda pair: (pair[0] is not None, pair[0].updated if pair[0] else _NEVER))
    if not ended:
        return Record(stored, latest)
    outcomes = [found for each in names if (found := read_outcome(store, fingerprint, each)) is not None]
    return Record(stored, latest, max(outcomes, key=lambda outcome: outcome.finished or _NEVER, default=None))


def _family(store: Store, fingerprint: str, base: Attempt) -> list[Attempt]:
    """The names under which the pods of an attempt keep things: those that begin again add to the first one."""
    named = [
        attempt
        for attempt in list_attempts(store, fingerprint)
        if attempt.number == base.number and attempt.token.startswith(base.token)
    ]
    return named or [base]


class Records:
    """Reads heartbeats of live attempts from time to time, and outcomes of ended ones once, in a thread.

    Args:
        changed: called when there is something new.
        period: seconds between two heartbeats.
    """

    def __init__(self, store: Store, changed: Callable[[], None], period: float = 10.0) -> None:
        self._store, self._changed, self._period = store, changed, period
        self._lock, self._news, self._over = threading.Lock(), threading.Event(), False
        self._wanted: Mapping[Key, Wanted] = {}
        self._found: dict[Key, tuple[Wanted, Record]] = {}
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over = True
        self._news.set()

    def want(self, wanted: Mapping[Key, Wanted]) -> None:
        """From now on, read these."""
        with self._lock:
            new = any(self._wanted.get(key) != each for key, each in wanted.items())
            self._wanted = dict(wanted)
            for key in self._found.keys() - wanted.keys():
                del self._found[key]
        if new:
            self._news.set()

    def found(self) -> dict[Key, Record]:
        """What has been read."""
        with self._lock:
            return {key: record for key, (_, record) in self._found.items()}

    def has_read_end(self, key: Key) -> bool:
        """Whether the store was asked how an attempt ended, after its end."""
        with self._lock:
            found = self._found.get(key)
            return found is not None and found[0].ended

    def _run(self) -> None:
        while not self._over:
            self._news.wait(self._period)
            self._news.clear()
            with self._lock:
                before = dict(self._found)
                due = {
                    key: each
                    for key, each in self._wanted.items()
                    if not (each.ended and key in before and before[key][0].ended)
                }
            if due and not self._over:
                self._read(due, before)

    def _read(self, due: Mapping[Key, Wanted], before: Mapping[Key, tuple[Wanted, Record]]) -> None:
        try:
            fresh = bounded_map(lambda key: self._one(key, due[key], before.get(key)), list(due), _READERS)
        except StiltsError:
            return  # nothing rests on it, and the driver itself says that the store fails
        with self._lock:
            news = {
                key: (due[key], record)
                for key, record in zip(due, fresh, strict=True)
                if key in self._wanted and self._found.get(key) != (due[key], record)
            }
            self._found.update(news)
        if news:
            self._changed()

    def _one(self, key: Key, wanted: Wanted, before: tuple[Wanted, Record] | None) -> Record:
        same = before is not None and before[0] == wanted and before[1].heartbeat is not None
        known = [before[1].stored] if same and before is not None else None
        return read_record(self._store, key[0], wanted.stored, ended=wanted.ended, family=known)
