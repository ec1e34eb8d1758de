"""Reading everything that a store holds of committed stages, to find what is no longer what was committed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stilts_core.errors import StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.commit import materialise, read_manifest

_MANIFEST = re.compile(r"stages/[0-9a-f]{2}/([0-9a-f]{64})/manifest\.json")


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of one committed stage.

    Attributes:
        problem: names what is wrong, and where; None where nothing is. Only a `DamagedStageError` is one of the files,
            which running the stage again repairs (`storage.withdraw`).
    """

    fingerprint: str
    files: int
    bytes: int
    problem: StorageError | None = None


def audit(store: Store) -> Iterator[Audit]:
    """Every committed stage, its files read and held against their SHA-256; one at a time, with room for one.

    Raises:
        StorageError: the store cannot be listed.
    """
    found = [match[1] for each in store.list("stages/") if (match := _MANIFEST.fullmatch(each.key))]
    for fingerprint in found:
        files = size = 0
        try:
            manifest = read_manifest(store, fingerprint)
            if manifest is None:  # it has just gone
                continue
            files, size = len(manifest.files), sum(record.size for record in manifest.files.values())
            with tempfile.TemporaryDirectory(prefix="stilts-audit-") as cache:
                materialise(store, manifest, Path(cache))
        except StorageError as error:
            yield Audit(fingerprint, files, size, error)
        else:
            yield Audit(fingerprint, files, size)
