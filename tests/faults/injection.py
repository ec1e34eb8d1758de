"""Faults at the effects of processes that share a folder: every call of a folder store, and every step of a training.

`install` is called in the process that all others are forked from. What happens is noted in ``FOLDER/effects.jsonl``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults.damage import damage, read_record, watch_users
from faults.schedule import Damage, Fault, Kind
from stilts_core.engine.driver import Driver
from stilts_core.engine.local.backend import LocalBackend
from stilts_core.errors import StorageError
from stilts_core.spec.profile import StoreSettings
from stilts_core.storage import folder as folder_store
from stilts_core.storage.base import Store
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.hashing import chunks
from stilts_core.storage.open import open_store
from stilts_core.storage.s3 import S3Store

CALLS = ("put", "create", "read", "download", "info", "delete")
SLOW_SECONDS, ASLEEP_SECONDS = 0.4, 20.0
DAY = 86_400.0


class _Here:
    """This process."""

    folder = Path()
    faults: tuple[Fault, ...] = ()
    damages: tuple[Fault, ...] = ()
    direct = StoreSettings()  # the store without faults of its own
    stages: Mapping[str, str] = {}  # label → fingerprint
    role = "driver"
    pid = 0
    number = 0
    stage = ""  # where its stage's manifest will be
    clock = 0.0
    spoil: Kind | None = None  # what the write under way will come to


_unseen = threading.local()  # whether what this thread does is no effect


def install(folder: Path, faults: tuple[Fault, ...], direct: StoreSettings, stages: Mapping[str, str]) -> None:
    """From here on, this process and what it forks meet these faults, each once.

    Args:
        direct: the store, without faults of its own.
        stages: label → fingerprint.
    """
    _Here.folder, _Here.role, _Here.pid = folder, "driver", os.getpid()
    _Here.damages = tuple(fault for fault in faults if isinstance(fault.kind, Damage))
    _Here.faults = tuple(fault for fault in faults if fault not in _Here.damages)
    _Here.direct, _Here.stages = direct, stages
    (folder / "fired").mkdir(parents=True, exist_ok=True)
    watch_users(lambda: _Here.folder)
    for kind in (FolderStore, S3Store):
        for name in CALLS:
            setattr(kind, name, _watched(name, getattr(kind, name)))
    folder_store._write = _spoiled(folder_store._write)  # type: ignore[assignment]
    for place in (Driver, LocalBackend):
        place.__init__.__kwdefaults__["clock"] = now  # type: ignore[attr-defined, misc]


def now() -> float:
    """The time as this process sees it."""
    return time.time() + _Here.clock


def become(role: str, stage: str = "") -> None:
    """This process does something else from now on."""
    _Here.role, _Here.number = role, 0
    _Here.stage = stage or _Here.stage


@contextmanager
def effect(call: str, key: str = "") -> Iterator[None]:
    """What is done in the block is an effect."""
    if _Here.pid != os.getpid():  # forked meanwhile
        _Here.pid, _Here.number = os.getpid(), 0
        if _Here.role == "driver":
            _Here.role = "attempt"
    role, number = _Here.role, _Here.number
    _Here.number += 1
    due = [fault for fault in _Here.faults if (fault.role, fault.number) == (role, number)]
    note({"role": role, "number": number, "call": call, "key": key})
    for fault in _Here.damages:
        if fault.role == role and fault.number <= number:
            strike(fault, _Here.folder, _Here.direct, _Here.stages, f"{call} {key}".strip())
    for fault in due:
        if not fault.after:
            _strike(fault, call, key)
    yield
    for fault in due:
        if fault.after:
            _strike(fault, call, key)


def note(document: dict[str, Any], folder: Path | None = None) -> None:
    """Add a line to the record that all processes share."""
    line = json.dumps(document).encode() + b"\n"
    descriptor = os.open((folder or _Here.folder) / "effects.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def strike(fault: Fault, folder: Path, direct: StoreSettings, stages: Mapping[str, str], where: str = "") -> None:
    """Damage something, unless that was done or cannot be now; no effect itself."""
    if (folder / "fired" / fault.name).exists():
        return
    _unseen.on = True
    try:
        store = open_store(direct.uri or "", direct.s3)
        damage(folder, store, fault, stages[fault.stage], where, lambda document: note(document, folder))
    finally:
        _unseen.on = False


def _strike(fault: Fault, call: str, key: str) -> None:
    try:
        descriptor = os.open(_Here.folder / "fired" / fault.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(descriptor, f"{fault.describe()}: {call} {key}".encode())
    os.close(descriptor)
    driver = _Here.role == "driver"
    match fault.kind:
        case Kind.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Kind.KILL_LEADER:
            os.kill(os.getpid() if driver else os.getpgid(0), signal.SIGKILL)
        case Kind.TERM:
            os.kill(os.getpid() if driver else os.getpgid(0), signal.SIGTERM)
        case Kind.ERROR:
            raise StorageError("The store fails, since a test has it so.")
        case Kind.SLOW:
            time.sleep(SLOW_SECONDS)
        case Kind.CLOCK:
            _Here.clock += DAY if fault.forward else -DAY
        case Kind.TORN | Kind.FULL:
            _Here.spoil = fault.kind
        case Kind.SLEEP:
            deadline = time.monotonic() + ASLEEP_SECONDS
            while time.monotonic() < deadline and not _committed(_Here.stage):
                time.sleep(0.1)


def _committed(manifest: str) -> bool:
    """As the record of all processes has it, so that the look is no effect itself."""
    return any(each.get("created") == manifest for each in read_record(_Here.folder))


def _watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def watched(store: Store, key: str, *arguments: Any, **options: Any) -> Any:
        if getattr(_unseen, "on", False):
            return call(store, key, *arguments, **options)
        with effect(name, key):
            if name in ("put", "create"):
                source = options.get("source", options.get("data", arguments[0] if arguments else b""))
                note({"writes": key, "sha256": _digest(source)})
            result = call(store, key, *arguments, **options)
            if name == "read":
                note({"reads": key, "sha256": _digest(result)})
            if name == "create" and result:
                note({"created": key})
            return result

    return watched


def _digest(source: Path | bytes) -> str:
    digest = hashlib.sha256()
    for piece in chunks(source):
        digest.update(piece)
    return digest.hexdigest()


def _spoiled(write: Callable[..., Any]) -> Callable[..., Any]:
    """The store's writing of a file, which may stop half-way."""

    def spoiled(path: Path, first: bytes, rest: Iterator[bytes], *, sync: bool = False) -> Any:
        spoil, _Here.spoil = _Here.spoil, None
        if spoil is None:
            return write(path, first, rest, sync=sync)
        path.write_bytes(first[: len(first) // 2])
        if spoil is Kind.TORN:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    return spoiled
