"""Where the data lie: a folder, a prefix of a bucket, or the built-in sample benchmark, all read in one way."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from stilts_core.catalog.load import read_tasks
from stilts_core.catalog.models import Task
from stilts_core.data.index import FileDigest, Index
from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.storage.settings import S3Settings

SAMPLE = "sample://"
_FORMS = "A data root is a folder, s3://bucket/prefix, or sample:// for the built-in sample benchmark."


class DataRoot(Protocol):
    """Data files under relative paths with ``/``.

    Every method raises `MissingInputError` for a file that is not there, `DataError` for one that is not what it was,
    and `StorageError` where the place itself cannot be read.
    """

    uri: str

    def find(self, pattern: str) -> list[str]:
        """The paths that match, sorted; ``*`` stands for any part of one name between two ``/``."""

    def digest(self, path: str) -> FileDigest:
        """What the file holds, as the index says or as it was found by reading it."""

    def fetch(self, path: str, sha256: str | None = None) -> Path:
        """The file on this machine, to be read only, after a look that it holds what `digest` (or ``sha256``) says."""

    def write_index(self, report: Callable[[str], None] | None = None) -> Index:
        """Read every file, and write ``stilts-index.json`` beside them; ``report`` is told of each."""


def open_data_root(uri: str, cache: Path | None = None, s3: S3Settings = S3Settings()) -> DataRoot:  # noqa: B008 (frozen)
    """The data root at an address.

    Args:
        uri: a folder (relative to the working directory), ``s3://bucket/prefix`` or ``sample://``.
        cache: this user's folder for downloads and digests; default: `default_cache`.
        s3: how the endpoint of a bucket is spoken to.

    Raises:
        SpecError: the address is none of these.
        MissingInputError: the folder is not there.
    """
    cache = cache or default_cache()
    scheme, separator, rest = uri.partition("://")
    if uri == SAMPLE:
        return _sample(cache)
    if scheme == "s3" and separator and rest:
        from stilts_core.data.bucket_root import BucketRoot
        from stilts_core.storage.open import open_store

        return BucketRoot(open_store(uri, s3), cache)
    if separator or not uri:
        raise SpecError(f"{uri!r} is no data root.", hint=_FORMS)
    from stilts_core.data.folder_root import FolderRoot

    return FolderRoot(Path(uri).expanduser(), cache)


def overlay_for(uri: str) -> tuple[Task, ...]:
    """The tasks of a data root that has its own: they take the place of the catalogue's of the same name."""
    return read_tasks(files("stilts_core.sample") / "tasks.yaml") if uri == SAMPLE else ()


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/stilts``, or ``~/.cache/stilts``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "stilts"


def check_pattern(pattern: str) -> list[str]:
    """The parts of a relative path or pattern.

    Raises:
        SpecError: it leaves the data root, or has an empty part.
    """
    parts = pattern.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\0" in pattern or "\\" in pattern:
        raise SpecError(
            f"{pattern!r} is no path of a data file.", hint="Write a relative path such as xnli/dev-{lang}.tsv."
        )
    return parts


def matcher(part: str) -> re.Pattern[str]:
    """A regular expression for a pattern in which ``*`` is the only sign with a meaning."""
    return re.compile("[^/]*".join(re.escape(piece) for piece in part.split("*")))


def missing(uri: str, path: str, near: Iterator[str]) -> MissingInputError:
    """The error for a file that is not there; ``near`` are the files that lie where it was looked for."""
    others = sorted(near)[:5]
    seen = f"Beside it lie {', '.join(others)}." if others else "Its folder is not there either."
    return MissingInputError(f"The data root {uri} has no file {path}.", hint=seen)


def changed(uri: str, path: str) -> DataError:
    """The error for a file that is not what the index or the plan says."""
    return DataError(
        f"The file {path} of the data root {uri} has changed since its digest was taken.",
        hint=f"Run `stilts data index {uri}` if there is an index, then plan the study again.",
    )


def _sample(cache: Path) -> DataRoot:
    import shutil
    import tempfile

    from stilts_core.data.folder_root import FolderRoot
    from stilts_core.sample import VERSION
    from stilts_core.sample.generate import write_sample

    folder = cache / "sample" / VERSION
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{VERSION}.", dir=folder.parent))
        try:
            write_sample(made)
            made.chmod(0o755)
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same files
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return FolderRoot(folder, cache, uri=SAMPLE)
