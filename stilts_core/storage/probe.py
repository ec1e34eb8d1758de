"""What a store can really do, tried out on objects of our own."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.hashing import record_of
from stilts_core.storage.parallel import bounded_map

_RACERS = 8
_ROUNDS = 3
_BIG_MIB = 17  # over the size from which an S3 store moves an object in parts


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried.

    Attributes:
        name: what, in a few words.
        ok: it works as a store must.
        detail: what was seen.
        follows: what it means for a study if it is not ok; else empty.
    """

    name: str
    ok: bool
    detail: str
    follows: str = ""


class _Failed(Exception):  # noqa: N818 (an answer within this module)
    """What was seen is not what a store promises."""


@dataclass(frozen=True, slots=True)
class _Trial:
    name: str
    run: Callable[[Store, str], str]
    follows: str


def probe(store: Store) -> list[Finding]:
    """Try what a study needs of a store, under keys of our own that are deleted again.

    The first trial that fails for want of the store itself (no bucket, no rights, no connection) ends the list:
    nothing else could be said.
    """
    prefix = f"probe/{secrets.token_hex(8)}/"
    findings: list[Finding] = []
    for trial in _TRIALS:
        try:
            findings.append(Finding(trial.name, ok=True, detail=trial.run(store, prefix)))
        except (StorageError, MissingInputError, _Failed) as error:
            findings.append(Finding(trial.name, ok=False, detail=str(error), follows=trial.follows))
            if not findings[0].ok:
                break
    findings.append(_clean(store, prefix, written=findings[0].ok))
    return [finding for finding in findings if finding.name]


def _write_and_read(store: Store, prefix: str) -> str:
    data = secrets.token_bytes(1000)
    store.put(f"{prefix}small", data)
    if store.read(f"{prefix}small") != data:
        raise _Failed("what was read is not what was written")
    store.put(f"{prefix}small", data[:500])
    found = store.info(f"{prefix}small")
    if found is None or found.size != 500 or store.read(f"{prefix}small") != data[:500]:
        raise _Failed("after writing a second time, the first version is read")
    return "an object was written, read and replaced"


def _create_only(store: Store, prefix: str) -> str:
    first, second = secrets.token_bytes(32), secrets.token_bytes(32)
    if not store.create(f"{prefix}once", first):
        raise _Failed("a new key was said to be taken")
    if store.create(f"{prefix}once", second) or store.read(f"{prefix}once") != first:
        raise _Failed("a second create-only write replaced the first")
    return "a second create-only write was refused"


def _race(store: Store, prefix: str) -> str:
    for round_ in range(_ROUNDS):
        key, start = f"{prefix}race-{round_}", threading.Barrier(_RACERS)
        entries = [secrets.token_bytes(32) for _ in range(_RACERS)]

        def enter(data: bytes, key: str = key, start: threading.Barrier = start) -> bool:
            start.wait()
            return store.create(key, data)

        won = [data for data, winner in zip(entries, bounded_map(enter, entries, _RACERS), strict=True) if winner]
        if len(won) != 1:
            raise _Failed(f"{len(won)} of {_RACERS} simultaneous creators were told that they were first")
        if store.read(key) != won[0]:
            raise _Failed("the object is not that of the creator who was told to be first")
    return f"of {_RACERS} simultaneous creators one was first, {_ROUNDS} times of {_ROUNDS}"


def _listing(store: Store, prefix: str) -> str:
    keys = [f"{prefix}list/{name}" for name in ("a", "a-b", "b/c", "b0")]
    for key in reversed(keys):
        store.put(key, b"x")
    if [found.key for found in store.list(f"{prefix}list/")] != keys:
        raise _Failed("new objects were not listed at once, each once and in order")
    store.delete(keys[0])
    if [found.key for found in store.list(f"{prefix}list/")] != keys[1:]:
        raise _Failed("a deleted object was still listed")
    return "new objects were listed at once and in order, deleted ones no more"


def _large(store: Store, prefix: str) -> str:
    with tempfile.TemporaryDirectory(prefix="stilts-probe-") as scratch:
        source, target = Path(scratch) / "up", Path(scratch) / "down"
        source.write_bytes(secrets.token_bytes(1 << 20) * _BIG_MIB)
        record, start = record_of(source), time.monotonic()
        store.put(f"{prefix}large", source)
        written = time.monotonic()
        store.download(f"{prefix}large", target, sha256=record.sha256, size=record.size)
        read = time.monotonic()
    return f"{_BIG_MIB} MiB written in {written - start:.1f} s and read in {read - written:.1f} s, intact"


_TRIALS = (
    _Trial("write and read", _write_and_read, "No study can run on this store."),
    _Trial(
        "create-only write",
        _create_only,
        "Two attempts at a stage could both commit: run one driver at a time on this store, or choose another.",
    ),
    _Trial(
        "create-only race",
        _race,
        "Two attempts at a stage could both commit: run one driver at a time on this store, or choose another.",
    ),
    _Trial("listing", _listing, "Attempts, logs and results may be overlooked; nothing that is committed is wrong."),
    _Trial("large object", _large, "Checkpoints cannot be kept here: check proxies, limits and `s3.checksums`."),
)


def _clean(store: Store, prefix: str, *, written: bool) -> Finding:
    try:
        for found in list(store.list(prefix)):
            store.delete(found.key)
        left = sum(1 for _ in store.list(prefix))
    except StorageError as error:
        if not written:
            return Finding("", ok=False, detail="")
        return Finding(
            "delete", ok=False, detail=str(error), follows=f"Objects under {prefix} stay; delete them by hand."
        )
    if left:
        detail = f"{left} objects are still there"
        return Finding("delete", ok=False, detail=detail, follows=f"Objects under {prefix} stay; delete them by hand.")
    return Finding("delete", ok=True, detail="the probe's objects were deleted") if written else Finding("", True, "")
