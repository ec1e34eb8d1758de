"""The commit protocol: an attempt's files under keys of its own, verified; then, created and last, the manifest.

Several attempts at a stage may reach the commit. The first manifest wins, and who comes later gets the one that won.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
from stilts_core.storage.base import ContentError, Store
from stilts_core.storage.failures import folder_failure
from stilts_core.storage.generations import committed, encode, read_head, read_manifest, read_manifests, sealed
from stilts_core.storage.hashing import describe, record_of
from stilts_core.storage.keys import check_key
from stilts_core.storage.manifest import Attempt, FileRecord, Manifest, attempt_prefix, manifest_key
from stilts_core.storage.parallel import bounded_map
from stilts_core.storage.repair import DamagedStageError, compare, how_to_repair
from stilts_core.storage.retry import tried_again

__all__ = [
    "Heartbeat",
    "Outcome",
    "commit_stage",
    "committed",
    "download_committed",
    "list_attempts",
    "materialise",
    "new_attempt",
    "put_log",
    "read_committed",
    "read_heartbeat",
    "read_log",
    "read_manifest",
    "read_manifests",
    "read_outcomes",
    "record_outcome",
    "write_heartbeat",
]

_MOVERS = 4  # files at once


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
        run: as in `Manifest`; when the files were there, how long that took, and how many calls to stores this process
            has repeated by then, is added.

    Returns:
        The manifest of the stage: of this attempt, or of another one that committed first.

    Raises:
        StorageError: the store failed, or ``folder`` has what cannot be committed. The stage is not committed then.
        ValueError: ``metrics``, ``run`` or ``stage`` is no JSON (a NaN, say).
    """
    draft = Manifest(fingerprint=fingerprint, stage=stage, attempt=attempt, files={}, metrics=metrics, run=run)
    encode(draft)  # before any upload: a NaN must not cost one
    head = read_head(store, fingerprint)
    first = head.require(store)
    if first is not None:
        return first
    prefix = attempt_prefix(fingerprint, attempt)

    def upload(name: str) -> tuple[str, FileRecord]:
        info = store.put(prefix + name, folder / name)
        return name, FileRecord(sha256=info.sha256 or "", size=info.size)

    began = time.monotonic()
    files = dict(bounded_map(upload, _names(folder), _MOVERS))
    taken = {
        "store_retries": tried_again(),
        "upload_seconds": round(time.monotonic() - began, 3),
        "uploaded": datetime.now(UTC).isoformat(),
    }
    whole = draft.model_copy(update={"files": files, "run": {**run, **taken}})
    while True:
        manifest = sealed(compare(whole, head.withdrawn))
        if store.create(manifest_key(fingerprint, head.generation), encode(manifest)):
            return manifest
        before, head = head, read_head(store, fingerprint)
        winner = head.require(store)
        if winner is not None:
            return winner
        if head.generation == before.generation:
            raise StorageError(
                f"{store.uri}/{manifest_key(fingerprint, head.generation)} could not be created, and is not there "
                "either.",
                hint="Something deletes from the store, or it has no create-only writes: run `stilts doctor`.",
            )


def materialise(store: Store, manifest: Manifest, cache: Path) -> Path:
    """A folder of this machine with the files of a manifest, each verified by size and SHA-256.

    In a folder store that is the attempt's own folder; else files are downloaded to
    ``cache/<fingerprint>/<attempt>/``, unless they are there and right. Several processes may do so at once.
    The files must not be changed, and beside them others may lie.

    Raises:
        DamagedStageError: files are missing, or are not what was committed.
        StorageError: they cannot be read now.
    """
    prefix = attempt_prefix(manifest.fingerprint, manifest.attempt)
    home = store.local_path(prefix.rstrip("/")) if manifest.files else None
    folder = home if home is not None else cache / manifest.fingerprint / manifest.attempt.folder

    def check_in_place(name: str) -> str | None:
        found = _record_at(folder / name)
        return None if found == manifest.files[name] else (describe(found) if found else "no file")

    if home is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise folder_failure(error, "make", folder) from error
        download_committed(store, manifest, {name: folder / name for name in manifest.files})
        return folder
    names = sorted(manifest.files)
    _refuse(store, manifest, names, bounded_map(check_in_place, names, _MOVERS))
    return folder


def download_committed(store: Store, manifest: Manifest, targets: Mapping[str, Path]) -> None:
    """Copy files of a manifest, unless they are there and right; each appears only when its size and SHA-256 are right.

    Args:
        targets: name in the manifest → where the file goes.

    Raises:
        DamagedStageError: files are missing, or are not what was committed.
        StorageError: they cannot be read now.
    """
    prefix = attempt_prefix(manifest.fingerprint, manifest.attempt)

    def bring(name: str) -> str | None:
        wanted, target = manifest.files[name], targets[name]
        if _record_at(target) == wanted:
            return None
        try:
            store.download(prefix + name, target, sha256=wanted.sha256, size=wanted.size)
        except MissingInputError:
            return "no object"
        except ContentError as error:
            return _other(error)
        except StorageError as error:
            raise StorageError(f"{_title(manifest)}, {name}: {error.message}", hint=error.hint) from error
        return None

    names = sorted(targets)
    _refuse(store, manifest, names, bounded_map(bring, names, _MOVERS))


def read_committed(store: Store, manifest: Manifest, name: str) -> bytes:
    """A small file of a manifest, verified by size and SHA-256.

    Raises:
        DamagedStageError: it is missing, or is not what was committed.
        StorageError: the stage committed no such file, or it cannot be read now.
    """
    wanted = manifest.files.get(name)
    if wanted is None:
        raise StorageError(f"{_title(manifest)} committed no {name}.")
    try:
        data = store.read(attempt_prefix(manifest.fingerprint, manifest.attempt) + name)
    except MissingInputError as error:
        raise damaged_files(store, manifest, {name: "no file"}) from error
    except ContentError as error:
        raise damaged_files(store, manifest, {name: _other(error)}) from error
    found = record_of(data)
    if found != wanted:
        raise damaged_files(store, manifest, {name: describe(found)})
    return data


def _refuse(store: Store, manifest: Manifest, names: Sequence[str], states: Sequence[str | None]) -> None:
    """Raise where something else than the file lies in its place.

    Args:
        states: what lies there; None where that is the file.
    """
    damaged = {name: state for name, state in zip(names, states, strict=True) if state is not None}
    if damaged:
        raise damaged_files(store, manifest, damaged)


def _other(error: ContentError) -> str:
    return f"something else ({error.message.rstrip('.')})"


def damaged_files(store: Store, manifest: Manifest, found: Mapping[str, str]) -> DamagedStageError:
    """The error of a stage of which files are not what was committed.

    Args:
        found: file → what is there.
    """
    name, state = next(iter(found.items()))
    where = f"{store.uri}/{attempt_prefix(manifest.fingerprint, manifest.attempt)}{name}"
    more = f"; {len(found) - 1} more of its files are damaged" if len(found) > 1 else ""
    return DamagedStageError(
        f"{_title(manifest)}: {where} should be {describe(manifest.files[name])}, but {state} is there{more}.",
        fingerprint=manifest.fingerprint,
        attempt=manifest.attempt,
        found=found,
        hint=how_to_repair(store.uri),
    )


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


def _record_at(path: Path) -> FileRecord | None:
    try:
        return record_of(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise folder_failure(error, "read", path) from error


def _title(manifest: Manifest) -> str:
    label = manifest.stage.get("label") or manifest.stage.get("kind") or ""
    return f"Stage {manifest.fingerprint[:12]}" + (f" ({label})" if label else "")
