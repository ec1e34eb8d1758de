"""Resume state in a store: what a training needs to go on after an interruption. Short-lived, unlike what it commits.

    stages/<fp[:2]>/<fp>/resume/<step>-<attempt>/…              files of one state, never overwritten
    stages/<fp[:2]>/<fp>/resume/<step>-<attempt>/manifest.json  create-only, written last: the state is whole

Every attempt at the stage may read it, and each writes under keys of its own, so that one that was given up and wakes
up later can spoil nothing. What has no manifest is a leftover and is never read.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Literal

from pydantic import ValidationError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.model import API_VERSION, Frozen
from stilts_core.storage.attempts import list_attempts
from stilts_core.storage.base import Store
from stilts_core.storage.keys import check_key
from stilts_core.storage.manifest import Attempt, FileRecord, stage_prefix

KEPT = 2
"""States of a stage that are kept: the newest, and one to fall back on."""

_MANIFEST = "manifest.json"
_FOLDER = re.compile(r"(\d{9})-(\d{3,})-([0-9a-z]+)")


class ResumeManifest(Frozen):
    """A whole state, between two optimiser steps.

    Attributes:
        fingerprint: of the stage.
        attempt: that wrote it.
        step: optimiser steps done.
        ranks, zero_stage: of the training that wrote it.
        files: key below the stage's resume prefix → size and SHA-256. A file that has not changed since an earlier
            state lies in the folder of that one.
        state: what is small (`training.checkpoint`).
        identity: what has to be the same for the state to fit a training.
        versions: what has to be the same for the bits to be.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["ResumeState"] = "ResumeState"
    fingerprint: str
    attempt: Attempt
    step: int
    ranks: int
    zero_stage: int
    files: dict[str, FileRecord]
    state: dict[str, Any]
    identity: dict[str, Any]
    versions: dict[str, Any]

    @property
    def folder(self) -> str:
        return state_folder(self.step, self.attempt)


def resume_prefix(fingerprint: str) -> str:
    """Where the states of a stage lie."""
    return f"{stage_prefix(fingerprint)}resume/"


def state_folder(step: int, attempt: Attempt) -> str:
    """The folder of a state below the stage's resume prefix."""
    return f"{step:09d}-{attempt.folder}"


def publish_state(store: Store, manifest: ResumeManifest) -> bool:
    """Make a state whole whose files are all there; False if it was already.

    Raises:
        ValueError: the state holds what JSON cannot.
    """
    document = json.dumps(manifest.model_dump(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return store.create(_manifest_key(manifest.fingerprint, manifest.folder), f"{document}\n".encode())


def list_states(store: Store, fingerprint: str) -> list[str]:
    """The folders of the states that have a manifest, the furthest first, and of these the latest attempt's."""
    prefix = resume_prefix(fingerprint)
    found = (key.key.removeprefix(prefix).split("/") for key in store.list(prefix))
    folders = [parts[0] for parts in found if parts[1:] == [_MANIFEST] and _FOLDER.fullmatch(parts[0])]
    return sorted(folders, key=_order, reverse=True)


def furthest_step(store: Store, fingerprint: str, attempt: Attempt | None = None) -> int:
    """Optimiser steps in the furthest state of a stage; 0 where there is none.

    Args:
        attempt: leaves out what later ones have saved; None: leaves out nothing.
    """
    orders = (_order(folder) for folder in list_states(store, fingerprint))
    return max((step for step, number, _ in orders if attempt is None or number <= attempt.number), default=0)


def read_state(store: Store, fingerprint: str, folder: str) -> ResumeManifest:
    """The manifest of a state.

    Raises:
        StorageError: it cannot be read, or is damaged.
        MissingInputError: it has gone.
    """
    key = _manifest_key(fingerprint, folder)
    try:
        manifest = ResumeManifest.model_validate_json(store.read(key))
    except ValidationError as error:
        raise StorageError(f"{store.uri}/{key} is not the manifest of a resume state.") from error
    if manifest.fingerprint != fingerprint or manifest.folder != folder:
        raise StorageError(f"{store.uri}/{key} is the manifest of another state, {manifest.folder}.")
    for name in manifest.files:
        check_key(name)
    return manifest


def prune_states(store: Store, fingerprint: str, attempt: Attempt, keep: int = KEPT) -> int:
    """Delete what is older than the last ``keep`` whole states, and what they do not need of it.

    Nothing is deleted once a later attempt has begun: deleting is that one's then. Manifests go first, so that what is
    half deleted is never taken for whole.

    Returns:
        How many objects were deleted.
    """
    if any(other.number > attempt.number for other in list_attempts(store, fingerprint)):
        return 0
    kept: list[ResumeManifest] = []
    for folder in list_states(store, fingerprint):
        # A damaged one counts for nothing: it could not be gone on from.
        with suppress(StorageError, MissingInputError):
            kept.append(read_state(store, fingerprint, folder))
        if len(kept) == keep:
            break
    else:
        return 0
    needed = {name for manifest in kept for name in manifest.files}
    prefix, oldest = resume_prefix(fingerprint), _order(kept[-1].folder)
    names = [found.key.removeprefix(prefix) for found in store.list(prefix)]
    return _delete(store, prefix, [name for name in names if name not in needed and _older(name, oldest)])


def discard_states(store: Store, fingerprint: str) -> int:
    """Delete all resume state of a stage, which has committed; the number of objects."""
    prefix = resume_prefix(fingerprint)
    return _delete(store, prefix, [found.key.removeprefix(prefix) for found in store.list(prefix)])


def _manifest_key(fingerprint: str, folder: str) -> str:
    return f"{resume_prefix(fingerprint)}{folder}/{_MANIFEST}"


def _order(folder: str) -> tuple[int, int, str]:
    step, number, token = folder.split("-")
    return int(step), int(number), token


def _older(name: str, oldest: tuple[int, int, str]) -> bool:
    folder = name.partition("/")[0]
    return _FOLDER.fullmatch(folder) is not None and _order(folder) < oldest


def _delete(store: Store, prefix: str, names: list[str]) -> int:
    for name in sorted(names, key=lambda name: not name.endswith(f"/{_MANIFEST}")):
        store.delete(prefix + name)
    return len(names)
