"""A store in a folder of this machine or of a shared file system."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.storage.base import ContentError, ObjectInfo
from stilts_core.storage.failures import folder_failure
from stilts_core.storage.hashing import chunks, describe
from stilts_core.storage.keys import INCOMING, check_key, check_prefix
from stilts_core.storage.manifest import FileRecord

_STALE_SECONDS = 24 * 3600  # an unfinished file this long untouched has lost its writer
_PLACING_TRIES = 20


class FolderStore:
    """Objects as read-only files under a root folder, which the first write makes.

    A file is written beside the objects, synced, and appears whole: by a rename, or by a hard link where it must be
    the first. Files outlive a power cut once `put` or `create` has returned.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.uri = str(self.root)
        self._swept = False

    def put(self, key: str, source: Path | bytes) -> ObjectInfo:
        target = self._path(key)
        incoming, record = self._receive(source)
        try:
            _place(incoming, target, os.replace)
        except OSError as error:
            raise folder_failure(error, "write", target) from error
        finally:
            incoming.unlink(missing_ok=True)
        return ObjectInfo(key, record.size, record.sha256)

    def create(self, key: str, data: bytes) -> bool:
        target = self._path(key)
        incoming, _ = self._receive(data)
        try:
            _place(incoming, target, os.link)
        except FileExistsError as error:
            if not target.is_file():
                raise folder_failure(error, "write", target) from error
            # NFS may answer "exists" to a repeated request whose first answer was lost: the link count knows.
            return incoming.stat().st_nlink > 1
        except OSError as error:
            raise _cannot_link(error, target) from error
        finally:
            incoming.unlink(missing_ok=True)
        return True

    def read(self, key: str) -> bytes:
        path = self._path(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._reading(error, key, path) from error

    def download(self, key: str, target: Path, *, sha256: str, size: int) -> None:
        source = self._path(key)
        partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")
        try:
            reader = chunks(source)
            first = next(reader, b"")
        except OSError as error:
            raise self._reading(error, key, source) from error
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            found = _write(partial, first, reader)
            wanted = FileRecord(sha256=sha256, size=size)
            if found != wanted:
                raise ContentError(f"{source} has {describe(found)}, where {describe(wanted)} was expected.")
            partial.replace(target)
        except OSError as error:
            raise folder_failure(error, "write", target) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def info(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_root(error)
            return None
        except OSError as error:
            raise folder_failure(error, "read", path) from error
        return ObjectInfo(key, found.st_size) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder, _, _ = check_prefix(prefix).rpartition("/")
        yield from self._walk(self.root / folder, f"{folder}/" if folder else "", prefix)

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise folder_failure(error, "delete", path) from error
        with contextlib.suppress(OSError):  # the first folder that still holds something ends it
            for parent in path.parents:
                if parent == self.root:
                    break
                parent.rmdir()

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _reading(self, error: OSError, key: str, path: Path) -> StorageError | MissingInputError:
        self._check_root(error)
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return MissingInputError(f"{key} is not in the store {self.uri}.")
        return folder_failure(error, "read", path)

    def _check_root(self, error: OSError) -> None:
        """A file where the store should be, or a folder above it, is no empty store."""
        if isinstance(error, NotADirectoryError) and not self.root.is_dir():
            raise folder_failure(error, "read", self.root) from error

    def _walk(self, folder: Path, key: str, prefix: str) -> Iterator[ObjectInfo]:
        try:
            with os.scandir(folder) as found:
                entries = [(f"{entry.name}/" if entry.is_dir() else entry.name, entry) for entry in found]
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_root(error)
            return
        except OSError as error:
            raise folder_failure(error, "list", folder) from error
        # Sorted with the `/` of folders, so that keys come in the order in which S3 lists them.
        for name, entry in sorted(entries, key=lambda pair: os.fsencode(pair[0])):
            path = key + name
            if name.endswith("/"):
                if (path.startswith(prefix) or prefix.startswith(path)) and path != f"{INCOMING}/":
                    yield from self._walk(folder / entry.name, path, prefix)
            elif path.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):  # deleted while listing
                    yield ObjectInfo(path, entry.stat().st_size)

    def _receive(self, source: Path | bytes) -> tuple[Path, FileRecord]:
        """A synced file of the store that has no key yet, and what was written to it."""
        try:
            reader = chunks(source)
            first = next(reader, b"")
        except OSError as error:
            raise folder_failure(error, "read", Path(str(source))) from error
        folder = self.root / INCOMING
        path = folder / secrets.token_hex(16)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._sweep(folder)
            return path, _write(path, first, reader, sync=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise folder_failure(error, "write to the store", self.root) from error

    def _sweep(self, folder: Path) -> None:
        if self._swept:
            return
        self._swept = True
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < time.time() - _STALE_SECONDS:
                        Path(entry).unlink()


def _write(path: Path, first: bytes, rest: Iterator[bytes], *, sync: bool = False) -> FileRecord:
    sha, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        piece: bytes | None = first
        while piece:
            sha.update(piece)
            size += len(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
            piece = next(rest, None)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return FileRecord(sha256=sha.hexdigest(), size=size)


def _place(incoming: Path, target: Path, move: Callable[[Path, Path], None]) -> None:
    """Give a file its key, in folders that another process's `delete` may remove as long as they are empty."""
    for _ in range(_PLACING_TRIES):
        try:
            _make_folders(target.parent)
            move(incoming, target)
        except FileNotFoundError:
            continue
        with contextlib.suppress(FileNotFoundError):  # deleted by now
            _sync_folder(target.parent)
        return
    raise FileNotFoundError(errno.ENOENT, "the folder vanishes again and again")


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    else:
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_link(error: OSError, target: Path) -> StorageError:
    failure = folder_failure(error, "write", target)
    if error.errno in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
        failure.hint = "The file system may have no hard links, which a store needs to be safe; choose another one."
    return failure
