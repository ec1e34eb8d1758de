"""A data root that is a folder of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from stilts_core.data.index import INDEX, DigestMemory, FileDigest, Index, IndexEntry, settled, write_atomically
from stilts_core.data.root import changed, check_pattern, matcher, missing
from stilts_core.errors import DataError, MissingInputError, StorageError


class FolderRoot:
    """See `root.DataRoot`. What a folder lists is read once; what a file holds is looked at each time."""

    def __init__(self, folder: Path, cache: Path, uri: str | None = None) -> None:
        """Open a folder.

        Raises:
            MissingInputError: there is no such folder.
        """
        self.uri = uri or str(folder)
        if not folder.is_dir():
            raise MissingInputError(
                f"The data root {self.uri} is not a folder.",
                hint="Name the folder that holds the data with --data, or in the study under spec.data.root.",
            )
        self._folder = folder.absolute()
        self._memory = DigestMemory(cache / "digests")
        self._listings: dict[Path, dict[str, bool]] = {}
        self._index: Index | None = None

    def find(self, pattern: str) -> list[str]:
        *folders, name = check_pattern(pattern)
        here = [""]
        for part in folders:
            here = [f"{prefix}{found}/" for prefix in here for found in self._names(prefix, part, folders=True)]
        return sorted(prefix + found for prefix in here for found in self._names(prefix, name, folders=False))

    def digest(self, path: str) -> FileDigest:
        file = self._folder.joinpath(*check_pattern(path))
        try:
            status = file.stat()
            entry = self._indexed().files.get(path)
            if entry and (entry.size, entry.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return FileDigest(entry.sha256, entry.size)
            return self._memory.digest(file)
        except (FileNotFoundError, NotADirectoryError):
            raise missing(self.uri, path, self._beside(path)) from None
        except IsADirectoryError:
            raise DataError(f"{path} of the data root {self.uri} is a folder, not a file.") from None
        except OSError as error:
            raise StorageError(f"{path} of the data root {self.uri} cannot be read: {error.strerror}.") from error

    def fetch(self, path: str, sha256: str | None = None) -> Path:
        found = self.digest(path)
        if sha256 is not None and found.sha256 != sha256:
            raise changed(self.uri, path)
        return self._folder / path

    def write_index(self, report: Callable[[str], None] | None = None) -> Index:
        entries: dict[str, IndexEntry] = {}
        for path in self._walk(""):
            if report:
                report(path)
            # The time of change is read first: a file changed while it is read is then not believed later.
            mtime = (self._folder / path).stat().st_mtime_ns
            found = self._memory.digest(self._folder / path)
            entries[path] = IndexEntry(sha256=found.sha256, size=found.size, mtime_ns=mtime if settled(mtime) else None)
        index = Index(files=entries)
        try:
            write_atomically(self._folder / INDEX, index.render())
        except OSError as error:
            raise StorageError(
                f"The index of {self.uri} cannot be written: {error.strerror}.",
                hint="It is only a help for others: the digests are remembered in your own cache already.",
            ) from error
        self._index = index
        return index

    def _indexed(self) -> Index:
        if self._index is None:
            file = self._folder / INDEX
            self._index = Index.parse(file.read_bytes(), str(file)) if file.is_file() else Index(files={})
        return self._index

    def _names(self, prefix: str, part: str, *, folders: bool) -> list[str]:
        listing = self._listing(self._folder / prefix)
        if "*" not in part:
            return [part] if listing.get(part) is folders else []
        shape = matcher(part)
        return [name for name, is_folder in listing.items() if is_folder is folders and shape.fullmatch(name)]

    def _listing(self, folder: Path) -> dict[str, bool]:
        """Name → whether it is a folder."""
        if folder not in self._listings:
            try:
                self._listings[folder] = {entry.name: entry.is_dir() for entry in folder.iterdir()}
            except (FileNotFoundError, NotADirectoryError):
                self._listings[folder] = {}
            except OSError as error:
                raise StorageError(f"The folder {folder} cannot be read: {error.strerror}.") from error
        return self._listings[folder]

    def _walk(self, prefix: str) -> Iterator[str]:
        for name, is_folder in sorted(self._listing(self._folder / prefix).items()):
            if name.startswith(".") or (not prefix and name == INDEX):
                continue
            if is_folder:
                yield from self._walk(f"{prefix}{name}/")
            elif (self._folder / prefix / name).is_file():
                yield prefix + name

    def _beside(self, path: str) -> Iterator[str]:
        folder = path.rpartition("/")[0]
        return (name for name in self._listing(self._folder / folder) if not name.startswith("."))
