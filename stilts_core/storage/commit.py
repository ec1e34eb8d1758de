"""The commit protocol: an attempt's files under keys of its own, verified; then, created and last, the manifest.

Several attempts at a stage may reach the commit. The first manifest wins, and who comes later gets the one that won.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.storage.attempts import (
    Heartbeat,
    Outcome,
    is_record,
    list_attempts,
    new_attempt,
    put_log,
    read_heartbeat,
    read_log,
    read_outcomes,
    record_outcome,
    write_heartbeat,
)
from stilts_core.storage.base import Store
from stilts_core.storage.failures import folder_failure
from stilts_core.storage.hashing import describe, record_of
from stilts_core.storage.keys import check_key
from stilts_core.storage.manifest import Attempt, FileRecord, Manifest, attempt_prefix, manifest_key
from stilts_core.storage.parallel import bounded_map

__all__ = [
    "Heartbeat",
    "Outcome",
    "commit_stage",
    "committed",
    "list_attempts",
    "materialise",
    "new_attempt",
    "put_log",
    "read_heartbeat",
    "read_log",
    "read_manifest",
    "read_manifests",
    "read_outcomes",
    "record_outcome",
    "write_heartbeat",
]

_MOVERS = 4  # files at once
_READERS = 16  # manifests at once


def commit_stage(
    store: Store,
    *,
    stage: dict[str, Any],
    fingerprint: str,
    attempt: Attempt,
    folder: Path,
    metrics: dict[str, Any],
    run: dict[str, Any],
) -> Manifest:
    """Upload everything in ``folder`` and commit it as what the stage made.

    Args:
        store: where to.
        stage: the stage as planned, JSON.
        fingerprint: of the stage.
        attempt: whose work it is.
        folder: its files, also in folders below it; nothing else.
        metrics: as in `Manifest`.
        run: as in `Manifest`; when the files were there, and how long that took, is added.

    Returns:
        The manifest of the stage: of this attempt, or of another one that committed first.

    Raises:
        StorageError: the store failed, or ``folder`` has what cannot be committed. The stage is not committed then.
        ValueError: ``metrics``, ``run`` or ``stage`` is no JSON (a NaN, say).
    """
    draft = Manifest(fingerprint=fingerprint, stage=stage, attempt=attempt, files={}, metrics=metrics, run=run)
    _encode(draft)  # before any upload: a NaN must not cost one
    first = read_manifest(store, fingerprint)
    if first is not None:
        return first
    prefix = attempt_prefix(fingerprint, attempt)

    def upload(name: str) -> tuple[str, FileRecord]:
        info = store.put(prefix + name, folder / name)
        return name, FileRecord(sha256=info.sha256 or "", size=info.size)

    began = time.monotonic()
    files = dict(bounded_map(upload, _names(folder), _MOVERS))
    taken = {"upload_seconds": round(time.monotonic() - began, 3), "uploaded": datetime.now(UTC).isoformat()}
    manifest = draft.model_copy(update={"files": files, "run": {**run, **taken}})
    if store.create(manifest_key(fingerprint), _encode(manifest)):
        return manifest
    winner = read_manifest(store, fingerprint)
    if winner is None:
        raise StorageError(
            f"{store.uri}/{manifest_key(fingerprint)} could not be created, and is not there either.",
            hint="Something deletes from the store, or it does not support create-only writes: run `stilts doctor`.",
        )
    return winner


def read_manifest(store: Store, fingerprint: str) -> Manifest | None:
    """The manifest of a stage; None where the stage has not committed.

    Raises:
        StorageError: what lies there is no manifest of the stage.
    """
    key = manifest_key(fingerprint)
    try:
        data = store.read(key)
    except MissingInputError:
        return None
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise _bad_manifest(store, key, "is not a manifest") from error
    if manifest.fingerprint != fingerprint:
        raise _bad_manifest(store, key, f"is the manifest of another stage, {manifest.fingerprint[:12]}")
    for name in manifest.files:
        try:
            check_key(name)
        except StorageError as error:
            raise _bad_manifest(store, key, f"names {name!r}, which is no file of an attempt") from error
    return manifest


def read_manifests(store: Store, fingerprints: Iterable[str]) -> dict[str, Manifest]:
    """The manifests of those stages that have committed, in the order given.

    Raises:
        StorageError: as `read_manifest`.
    """
    wanted = list(dict.fromkeys(fingerprints))
    found = bounded_map(lambda fingerprint: read_manifest(store, fingerprint), wanted, _workers(store))
    return {fingerprint: manifest for fingerprint, manifest in zip(wanted, found, strict=True) if manifest is not None}


def committed(store: Store, fingerprints: Iterable[str]) -> set[str]:
    """Those of the stages that are done: their manifest is there, and valid.

    Raises:
        StorageError: as `read_manifest`.
    """
    return set(read_manifests(store, fingerprints))


def materialise(store: Store, manifest: Manifest, cache: Path) -> Path:
    """A folder of this machine with the files of a manifest, each verified by size and SHA-256.

    In a folder store that is the attempt's own folder; else files are downloaded to
    ``cache/<fingerprint>/<attempt>/``, unless they are there and right. Several processes may do so at once.
    The files must not be changed, and beside them others may lie.

    Raises:
        StorageError: a file is missing or is not what was committed, or it cannot be downloaded.
    """
    prefix = attempt_prefix(manifest.fingerprint, manifest.attempt)
    home = store.local_path(prefix.rstrip("/")) if manifest.files else None
    folder = home if home is not None else cache / manifest.fingerprint / manifest.attempt.folder

    def check_in_place(item: tuple[str, FileRecord]) -> None:
        name, wanted = item
        found = _record_at(folder / name)
        if found != wanted:
            raise _bad_file(store, manifest, name, describe(found) if found else "no file")

    def bring(item: tuple[str, FileRecord]) -> None:
        name, wanted = item
        if _record_at(folder / name) == wanted:
            return
        try:
            store.download(prefix + name, folder / name, sha256=wanted.sha256, size=wanted.size)
        except MissingInputError as error:
            raise _bad_file(store, manifest, name, "no object") from error
        except StorageError as error:
            message = f"{_title(manifest)}, {name}: {error.message}"
            raise StorageError(message, hint=error.hint or _again(manifest)) from error

    if home is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise folder_failure(error, "make", folder) from error
    bounded_map(check_in_place if home is not None else bring, sorted(manifest.files.items()), _MOVERS)
    return folder


def _names(folder: Path) -> list[str]:
    names = []
    try:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if not path.is_file():
                raise StorageError(f"{path} cannot be committed: it is neither a file nor a folder.")
            if is_record(name):
                raise StorageError(f"{path} cannot be committed: its name is kept for the records of an attempt.")
            names.append(check_key(name))
    except OSError as error:
        raise folder_failure(error, "read", folder) from error
    return names


def _encode(manifest: Manifest) -> bytes:
    try:
        # Not the JSON mode of the model, which would turn a NaN into null without a word.
        text = json.dumps(manifest.model_dump(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"stage {manifest.fingerprint[:12]} measured what JSON cannot hold: {error}") from error
    return f"{text}\n".encode()


def _record_at(path: Path) -> FileRecord | None:
    try:
        return record_of(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise folder_failure(error, "read", path) from error


def _workers(store: Store) -> int:
    """Threads hide the delay of a network; on a folder they only cost."""
    return 1 if store.local_path("probe") is not None else _READERS


def _title(manifest: Manifest) -> str:
    label = manifest.stage.get("label") or manifest.stage.get("kind") or ""
    return f"Stage {manifest.fingerprint[:12]}" + (f" ({label})" if label else "")


def _again(manifest: Manifest) -> str:
    return f"Delete {manifest_key(manifest.fingerprint)} from the store to have the stage run again."


def _bad_file(store: Store, manifest: Manifest, name: str, found: str) -> StorageError:
    where = f"{store.uri}/{attempt_prefix(manifest.fingerprint, manifest.attempt)}{name}"
    wanted = describe(manifest.files[name])
    return StorageError(f"{_title(manifest)}: {where} should be {wanted}, but {found} is there.", hint=_again(manifest))


def _bad_manifest(store: Store, key: str, what: str) -> StorageError:
    return StorageError(
        f"{store.uri}/{key} {what}.", hint="Delete it to have the stage run again, or restore it from a copy."
    )
