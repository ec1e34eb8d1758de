"""A data root that is a prefix of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from stilts_core.data.index import INDEX, DigestMemory, FileDigest, Index, IndexEntry, write_atomically
from stilts_core.data.root import changed, check_pattern, matcher, missing
from stilts_core.errors import StorageError
from stilts_core.storage.base import ObjectInfo, Store


class BucketRoot:
    """See `root.DataRoot`. Without an index a file's digest costs one download by each process that asks for it."""

    def __init__(self, store: Store, cache: Path) -> None:
        self.uri = store.uri
        self._store = store
        self._objects_folder = cache / "objects"
        self._memory = DigestMemory(cache / "digests")
        self._seen: dict[str, FileDigest] = {}

    def find(self, pattern: str) -> list[str]:
        check_pattern(pattern)
        if "*" not in pattern:
            return [pattern] if pattern in self._objects else []
        shape = matcher(pattern)
        return sorted(key for key in self._objects if shape.fullmatch(key))

    def digest(self, path: str) -> FileDigest:
        info = self._info(path)
        entry = self._index.files.get(path)
        if entry and entry.size == info.size:
            return FileDigest(entry.sha256, entry.size)
        if info.sha256:
            return FileDigest(info.sha256, info.size)
        if path not in self._seen:
            self._seen[path] = self._download(path)
        return self._seen[path]

    def fetch(self, path: str, sha256: str | None = None) -> Path:
        found = self.digest(path)
        if sha256 is not None and found.sha256 != sha256:
            raise changed(self.uri, path)
        local = self._place(found.sha256)
        if local.is_file() and self._memory.digest(local) == found:
            return local
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            self._store.download(path, local, sha256=found.sha256, size=found.size)
        except OSError as error:
            raise _full(local, error) from error
        return local

    def write_index(self, report: Callable[[str], None] | None = None) -> Index:
        entries: dict[str, IndexEntry] = {}
        for path in sorted(self._objects):
            if path == INDEX or any(part.startswith(".") for part in path.split("/")):
                continue
            if report:
                report(path)
            found = self._download(path)
            self._seen[path] = found
            entries[path] = IndexEntry(sha256=found.sha256, size=found.size)
        index = Index(files=entries)
        self._store.put(INDEX, index.render())
        self.__dict__["_index"] = index
        return index

    @cached_property
    def _objects(self) -> dict[str, ObjectInfo]:
        return {info.key: info for info in self._store.list("")}

    @cached_property
    def _index(self) -> Index:
        if INDEX not in self._objects:
            return Index(files={})
        return Index.parse(self._store.read(INDEX), f"{self.uri}/{INDEX}")

    def _info(self, path: str) -> ObjectInfo:
        check_pattern(path)
        info = self._objects.get(path)
        if info is None:
            folder = path.rpartition("/")[0]
            raise missing(
                self.uri, path, (key.rpartition("/")[2] for key in self._objects if key.rpartition("/")[0] == folder)
            )
        return info

    def _download(self, path: str) -> FileDigest:
        """Read an object whose digest nobody knows, and keep it under its digest."""
        from stilts_core.storage.hashing import record_of

        data = self._store.read(path)
        record = record_of(data)
        local = self._place(record.sha256)
        if not (local.is_file() and local.stat().st_size == record.size):
            try:
                write_atomically(local, data)
            except OSError as error:
                raise _full(local, error) from error
        return FileDigest(record.sha256, record.size)

    def _place(self, sha256: str) -> Path:
        return self._objects_folder / sha256[:2] / sha256


def _full(local: Path, error: OSError) -> StorageError:
    return StorageError(
        f"A data file cannot be kept in the cache at {local.parent}: {error.strerror}.",
        hint="Make room there, or name another folder with XDG_CACHE_HOME.",
    )
