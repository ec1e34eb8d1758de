"""From an address to a store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stilts_core.errors import SpecError
from stilts_core.storage.base import Store
from stilts_core.storage.settings import S3Settings

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_FORMS = "A store is a folder (results/store, file:///data/store) or s3://bucket/prefix."


def open_store(uri: str, s3: S3Settings = S3Settings()) -> Store:  # noqa: B008 (frozen)
    """The store at a folder's path, a ``file://`` address, or ``s3://bucket/prefix``. Nothing is read or made yet.

    Raises:
        SpecError: the address is none of these.
        StorageError: the S3 settings cannot be used.
    """
    scheme, separator, rest = uri.partition("://")
    if not uri:
        raise SpecError("The address of the store is empty.", hint=_FORMS)
    if not separator:
        return _folder(Path(uri))
    if scheme == "file":
        parts = urlsplit(uri)
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise SpecError(f"{uri} names no folder of this machine.", hint="Write file:///absolute/path.")
        return _folder(Path(unquote(parts.path)))
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise SpecError(f"{uri} has no valid bucket name.", hint="Write s3://bucket/prefix.")
        from stilts_core.storage.s3 import S3Store

        return S3Store(bucket, prefix.strip("/"), s3)
    raise SpecError(f"{uri} has the unknown scheme {scheme}://.", hint=_FORMS)


def _folder(path: Path) -> Store:
    from stilts_core.storage.folder import FolderStore

    return FolderStore(path)
