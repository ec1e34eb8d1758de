"""A file of a store on this machine, verified."""

from __future__ import annotations

from pathlib import Path

from stilts_core.errors import StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.hashing import describe, record_of
from stilts_core.storage.manifest import FileRecord


def bring(store: Store, key: str, wanted: FileRecord, target: Path) -> Path:
    """The file where it lies in a folder store, else downloaded to ``target``. It must not be changed.

    Raises:
        MissingInputError: the store has nothing there.
        StorageError: it is something else than what is wanted, or cannot be read.
    """
    local = store.local_path(key)
    if local is None:
        store.download(key, target, sha256=wanted.sha256, size=wanted.size)
        return target
    try:
        found = record_of(local)
    except OSError as error:
        raise StorageError(f"{local} cannot be read: {error.strerror}") from error
    if found != wanted:
        raise StorageError(f"{local} should be {describe(wanted)}, but {describe(found)} is there.")
    return local
