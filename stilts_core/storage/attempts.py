"""What an attempt leaves beside its files: a heartbeat while it runs, a log, and how it ended.

None of this decides whether a stage is done; only a manifest does. Heartbeat and log alone are ever overwritten, and
only by their own attempt. Where several nodes share an attempt, each has a log and a claim of its own.
"""

from __future__ import annotations

import itertools
import re
import secrets
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from stilts_core.errors import Budget, MissingInputError, SpecError, StorageError
from stilts_core.model import Frozen
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt, attempt_prefix, stage_prefix
from stilts_core.storage.parallel import bounded_map

OUTCOME, HEARTBEAT, LOG, CLAIM = "outcome.json", "heartbeat.json", "log.txt", "claim.json"

_RECORD = re.compile(r"outcome\.json|heartbeat\.json|log(-\d+)?\.txt|claim(-\d+)?\.json")
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
        budget: which budget it is charged to, where whoever recorded it knew better than the exit code does.
    """

    exit_code: int
    message: str = ""
    started: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    host: str = ""
    submission: str = ""
    last_step: int = 0
    budget: Budget | None = None


class Heartbeat(Frozen):
    """How far a running attempt is: the fields of `stages.context.Progress`.

    Attributes:
        updated: when it was written, UTC.
        since: when the attempt began, UTC.
    """

    updated: AwareDatetime
    since: AwareDatetime | None = None
    step: int = 0
    total: int = 0
    activity: str = ""
    loss: float | None = None
    examples_per_second: float | None = None


class Claim(Frozen):
    """Whose folder of an attempt it is.

    Attributes:
        host: the process that writes there runs on it.
        claimed: UTC.
    """

    host: str
    claimed: AwareDatetime


def is_record(name: str) -> bool:
    """The name, in an attempt's folder, is kept for its records: no file of a stage may have it."""
    return _RECORD.fullmatch(name) is not None


def parse_attempt(text: str) -> Attempt:
    """The attempt that `Attempt.folder` wrote.

    Raises:
        SpecError: the text is no ``NUMBER-TOKEN``.
    """
    match = _FOLDER.fullmatch(text)
    if match is None:
        raise SpecError(f"{text!r} names no attempt.", hint="Write NUMBER-TOKEN, such as 001-3fa9c1.")
    return Attempt(number=int(match[1]), token=match[2])


def claim_attempt(store: Store, fingerprint: str, attempt: Attempt, claim: Claim, node: int = 0) -> Attempt:
    """Make an attempt this process's own, or one of the same number where another process has been before.

    A place may start the same attempt again (a pod that was evicted, a queue that gave its quota away). Whatever the
    first process still writes, it cannot write under the keys of the second.

    Args:
        node: of the nodes that share the attempt, from 0.
    """
    for again in itertools.count():
        own = attempt if not again else attempt.model_copy(update={"token": f"{attempt.token}r{again:02d}"})
        if store.create(_key(fingerprint, own, _of_node(CLAIM, node)), _encode(claim)):
            break
    return own


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


def read_outcome(store: Store, fingerprint: str, attempt: Attempt) -> Outcome | None:
    """How an attempt ended; None where that is not recorded, or where the record is damaged."""
    data = _read(store, _key(fingerprint, attempt, OUTCOME))
    try:
        return None if data is None else Outcome.model_validate_json(data)
    except ValidationError:
        return None


def put_log(store: Store, fingerprint: str, attempt: Attempt, source: Path | bytes, node: int = 0) -> None:
    """Keep what an attempt printed on a node, UTF-8."""
    store.put(_key(fingerprint, attempt, _of_node(LOG, node)), source)


def read_log(store: Store, fingerprint: str, attempt: Attempt, node: int = 0) -> str | None:
    """What an attempt printed on a node; None where nothing was kept. Bytes that are no UTF-8 become ``�``."""
    data = _read(store, _key(fingerprint, attempt, _of_node(LOG, node)))
    return None if data is None else data.decode(errors="replace")


def _of_node(name: str, node: int) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{node}{dot}{suffix}" if node else name


def _key(fingerprint: str, attempt: Attempt, name: str) -> str:
    return attempt_prefix(fingerprint, attempt) + name


def _encode(record: Frozen) -> bytes:
    return f"{record.model_dump_json(indent=1)}\n".encode()


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except MissingInputError:
        return None
