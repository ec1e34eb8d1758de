"""Which bytes a data file holds: the index beside the data, and what this user's machine remembers."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from stilts_core.errors import DataError
from stilts_core.model import Frozen, canonical_json
from stilts_core.storage.hashing import record_of

INDEX = "stilts-index.json"
_SETTLED = 2 * 10**9  # ns; coarser than the time stamps of any file system in use


class FileDigest(NamedTuple):
    """The SHA-256 of a file, in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


class IndexEntry(Frozen):
    """A file of the index.

    Attributes:
        mtime_ns: when it was last changed, on a file system; an entry whose file has another time, or that has none
            because the file had changed only just before, is not believed there.
    """

    sha256: str
    size: int
    mtime_ns: int | None = None


class Index(Frozen):
    """``stilts-index.json``: every file of a data root by its relative path."""

    format: Literal[1] = 1
    files: dict[str, IndexEntry]

    @classmethod
    def parse(cls, data: bytes, where: str) -> Index:
        """The index in ``data``.

        Raises:
            DataError: it is none; ``where`` names it.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise DataError(
                f"{where} is not a data index: {error.errors()[0]['msg']}.",
                hint="Write it again with `stilts data index ROOT`.",
            ) from error

    def render(self) -> bytes:
        """The bytes of the file: equal indexes give equal bytes."""
        return (self.model_dump_json(indent=1, exclude_none=True) + "\n").encode()


class DigestMemory:
    """The digests of local files that were computed before, one small file each, so that processes can share it.

    A file is known again by its path, size and time of change. Nothing is remembered of a file that changed within the
    last two seconds: it could change once more and keep all three.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def digest(self, path: Path) -> FileDigest:
        """The digest of a file.

        Raises:
            OSError: the file cannot be read.
        """
        status = path.stat()
        stamp = [str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ino]
        note = self._folder / f"{hashlib.sha256(canonical_json(stamp).encode()).hexdigest()}"
        try:
            sha256 = note.read_text(encoding="ascii")
            if len(sha256) == 64:
                return FileDigest(sha256, status.st_size)
        except (OSError, UnicodeDecodeError):
            pass
        record = record_of(path)
        if record.size == status.st_size and settled(status.st_mtime_ns):
            self._remember(note, record.sha256)
        return FileDigest(record.sha256, record.size)

    def _remember(self, note: Path, sha256: str) -> None:
        try:
            write_atomically(note, sha256.encode())
        except OSError:
            return  # a cache that cannot be written costs time, nothing else


def settled(mtime_ns: int) -> bool:
    """Whether a change from now on would give the file another time stamp."""
    return time.time_ns() - mtime_ns > _SETTLED


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is never seen half-written.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
