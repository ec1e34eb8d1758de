"""Parts of an unfinished stage that it need not do again: a language, a file, a run of batches.

    stages/<fp[:2]>/<fp>/parts/<name>/<attempt>/…    files of one attempt, never overwritten
    stages/<fp[:2]>/<fp>/parts/<name>/manifest.json  create-only, written last: the part is whole

As with a stage, the first manifest wins. Parts go when their stage has committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.model import API_VERSION, Frozen
from stilts_core.storage.base import Store
from stilts_core.storage.keys import check_key
from stilts_core.storage.manifest import Attempt, FileRecord, stage_prefix
from stilts_core.storage.verified import bring

_MANIFEST = "manifest.json"


class PartManifest(Frozen):
    """A whole part.

    Attributes:
        identity: what has to be the same for the part to be the one that would be made now.
        files: name → size and SHA-256.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Part"] = "Part"
    fingerprint: str
    name: str
    attempt: Attempt
    identity: dict[str, Any]
    files: dict[str, FileRecord]


def parts_prefix(fingerprint: str) -> str:
    """Where the parts of a stage lie."""
    return f"{stage_prefix(fingerprint)}parts/"


class Parts:
    """The parts of one stage, as one attempt sees them. Nothing that goes wrong here ends the attempt.

    Args:
        identity: see `PartManifest`, JSON.
        scratch: a folder of the attempt alone.
        say: takes what goes wrong.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        attempt: Attempt,
        identity: dict[str, Any],
        scratch: Path,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._store, self._fingerprint, self._attempt = store, fingerprint, attempt
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))
        self._scratch, self._say = scratch, say

    def names(self) -> list[str]:
        """The whole parts that are there, by name."""
        prefix = parts_prefix(self._fingerprint)
        try:
            found = [each.key.removeprefix(prefix).split("/") for each in self._store.list(prefix)]
        except StorageError as error:
            self._say(f"parts of earlier attempts are not looked for: {error.message}")
            return []
        return sorted(name for name, *rest in found if rest == [_MANIFEST])

    def fetch(self, name: str) -> dict[str, Path] | None:
        """The files of a part, verified; they must not be changed. None where it is not there, or is not to be used."""
        key = self._key(name, _MANIFEST)
        try:
            manifest = PartManifest.model_validate_json(self._store.read(key))
            if manifest.identity != self._identity or (manifest.fingerprint, manifest.name) != (
                self._fingerprint,
                name,
            ):
                return None
            return {file: self._bring(manifest, file, record) for file, record in manifest.files.items()}
        except MissingInputError:
            return None
        except (StorageError, ValidationError) as error:
            self._say(f"the part {name} of an earlier attempt is damaged, and is made again: {_first_line(error)}")
            try:
                self._store.delete(key)
            except StorageError:
                return None
        return None

    def commit(self, name: str, files: dict[str, Path]) -> bool:
        """Keep a part; True if it is kept and is this attempt's."""
        try:
            records: dict[str, FileRecord] = {}
            for file, path in files.items():
                info = self._store.put(self._key(name, f"{self._attempt.folder}/{check_key(file)}"), path)
                records[file] = FileRecord(sha256=info.sha256 or "", size=info.size)
            manifest = PartManifest(
                fingerprint=self._fingerprint,
                name=name,
                attempt=self._attempt,
                identity=self._identity,
                files=records,
            )
            text = json.dumps(manifest.model_dump(), indent=1, sort_keys=True, allow_nan=False)
            return self._store.create(self._key(name, _MANIFEST), f"{text}\n".encode())
        except StorageError as error:
            self._say(f"the part {name} is not kept: {error.message}")
            return False

    def _bring(self, manifest: PartManifest, file: str, wanted: FileRecord) -> Path:
        key = self._key(manifest.name, f"{manifest.attempt.folder}/{check_key(file)}")
        return bring(self._store, key, wanted, self._scratch / manifest.name / file)

    def _key(self, name: str, file: str) -> str:
        return f"{parts_prefix(self._fingerprint)}{name}/{file}"


def discard_parts(store: Store, fingerprint: str) -> int:
    """Delete all parts of a stage, which has committed; the number of objects."""
    keys = [found.key for found in store.list(parts_prefix(fingerprint))]
    for key in keys:
        store.delete(key)
    return len(keys)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
