"""What an attempt leaves beside its files: a heartbeat while it runs, a log, and how it ended.

None of this decides whether a stage is done; only a manifest does. The heartbeat alone is ever overwritten, and only by
its own attempt.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.model import Frozen
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt, attempt_prefix, stage_prefix
from stilts_core.storage.parallel import bounded_map

OUTCOME, HEARTBEAT, LOG = "outcome.json", "heartbeat.json", "log.txt"
RECORDS = frozenset({OUTCOME, HEARTBEAT, LOG})
"""Names in an attempt's folder that no file of a stage may have."""

_FOLDER = re.compile(r"(\d{3,})-([0-9a-z]+)")
_READERS = 16


class Outcome(Frozen):
    """How an attempt ended.

    Attributes:
        exit_code: as in `errors.EXIT_CODES`; negative for a signal.
        message: for a person.
        started, finished: UTC.
        host: where it ran.
        submission: the run of the engine that started it.
        last_step: optimiser steps, batches or files done.
    """

    exit_code: int
    message: str = ""
    started: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    host: str = ""
    submission: str = ""
    last_step: int = 0


class Heartbeat(Frozen):
    """How far a running attempt is; the fields of `stages.context.Progress`, and when they were written (UTC)."""

    updated: AwareDatetime
    step: int = 0
    total: int = 0
    activity: str = ""
    loss: float | None = None
    examples_per_second: float | None = None


def new_attempt(number: int) -> Attempt:
    """An attempt with a token of its own, so that no other process writes under its keys."""
    return Attempt(number=number, token=secrets.token_hex(8))


def list_attempts(store: Store, fingerprint: str) -> list[Attempt]:
    """The attempts that left anything, by number."""
    prefix = f"{stage_prefix(fingerprint)}attempts/"
    folders = {found.key.removeprefix(prefix).partition("/")[0] for found in store.list(prefix)}
    matches = (_FOLDER.fullmatch(folder) for folder in folders)
    attempts = (Attempt(number=int(match[1]), token=match[2]) for match in matches if match)
    return sorted(attempts, key=lambda attempt: (attempt.number, attempt.token))


def record_outcome(store: Store, fingerprint: str, attempt: Attempt, outcome: Outcome) -> bool:
    """Record how an attempt ended, once; False if that had been recorded before, which then stays."""
    return store.create(_key(fingerprint, attempt, OUTCOME), _encode(outcome))


def read_outcomes(store: Store, fingerprint: str) -> list[tuple[Attempt, Outcome]]:
    """The recorded ends of a stage's attempts, by number.

    Raises:
        StorageError: a record is damaged.
    """

    def read(attempt: Attempt) -> tuple[Attempt, Outcome] | None:
        key = _key(fingerprint, attempt, OUTCOME)
        data = _read(store, key)
        if data is None:
            return None
        try:
            return attempt, Outcome.model_validate_json(data)
        except ValidationError as error:
            raise StorageError(
                f"{store.uri}/{key} is not the record of an attempt's end.", hint="Delete it, and run the same again."
            ) from error

    found = bounded_map(read, list_attempts(store, fingerprint), _READERS)
    return [pair for pair in found if pair is not None]


def write_heartbeat(store: Store, fingerprint: str, attempt: Attempt, heartbeat: Heartbeat) -> None:
    store.put(_key(fingerprint, attempt, HEARTBEAT), _encode(heartbeat))


def read_heartbeat(store: Store, fingerprint: str, attempt: Attempt) -> Heartbeat | None:
    """The last heartbeat; None where there is none that can be read, since nothing rests on it."""
    data = _read(store, _key(fingerprint, attempt, HEARTBEAT))
    if data is None:
        return None
    try:
        return Heartbeat.model_validate_json(data)
    except ValidationError:
        return None


def put_log(store: Store, fingerprint: str, attempt: Attempt, source: Path | bytes) -> None:
    """Keep what an attempt printed, UTF-8."""
    store.put(_key(fingerprint, attempt, LOG), source)


def read_log(store: Store, fingerprint: str, attempt: Attempt) -> str | None:
    """What an attempt printed, or None where nothing was kept; bytes that are no UTF-8 become ``�``."""
    data = _read(store, _key(fingerprint, attempt, LOG))
    return None if data is None else data.decode(errors="replace")


def _key(fingerprint: str, attempt: Attempt, name: str) -> str:
    return attempt_prefix(fingerprint, attempt) + name


def _encode(record: Frozen) -> bytes:
    return f"{record.model_dump_json(indent=1)}\n".encode()


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except MissingInputError:
        return None
