"""Size and SHA-256 of files, in one reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from stilts_core.storage.manifest import FileRecord

CHUNK = 1 << 20


def chunks(source: Path | bytes) -> Iterator[bytes]:
    """The bytes of a file or of a text in memory, in pieces of at most 1 MiB."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            yield piece


def record_of(source: Path | bytes) -> FileRecord:
    """Size and SHA-256 of what is read, and of nothing that a directory says.

    Raises:
        OSError: the file cannot be read.
    """
    sha, size = hashlib.sha256(), 0
    for piece in chunks(source):
        sha.update(piece)
        size += len(piece)
    return FileRecord(sha256=sha.hexdigest(), size=size)


def describe(record: FileRecord) -> str:
    return f"{record.size:,} bytes with SHA-256 {record.sha256[:16]}…"
