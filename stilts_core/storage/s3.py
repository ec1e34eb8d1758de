"""A store in an S3-compatible object storage."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.storage.base import ContentError, ObjectInfo
from stilts_core.storage.failures import folder_failure
from stilts_core.storage.hashing import describe, record_of
from stilts_core.storage.keys import check_key, check_prefix
from stilts_core.storage.manifest import FileRecord
from stilts_core.storage.retry import Backoff
from stilts_core.storage.s3_client import connect, display
from stilts_core.storage.s3_failures import (
    SDK_ERRORS,
    DamagedError,
    Place,
    code_of,
    is_transient,
    s3_failure,
    status_of,
)
from stilts_core.storage.s3_transfer import LARGE, fetch, upload_parts
from stilts_core.storage.settings import S3Settings

Result = TypeVar("Result")

_SHA256 = "stilts-sha256"
_WRITER = "stilts-writer"
_NO_KEY = frozenset({"NoSuchKey", "NotFound", "404"})
_WHOLE_DOWNLOADS = 2  # damage that two downloads agree on is in the object


class S3Store:
    """Objects of a bucket under a prefix.

    Each object carries its SHA-256 and a token of the call that wrote it as metadata; a write has succeeded when a
    HEAD shows both and the size. Threads may share a store; a forked process opens its own.

    Args:
        prefix: without a ``/`` at its ends; may be empty.
        backoff: the waits between tries; default: by ``settings.attempts``.

    Raises:
        StorageError: the machine's AWS configuration cannot be used.
        SpecError: the settings cannot be right.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        settings: S3Settings | None = None,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        settings = settings or S3Settings()
        self._base = f"{check_key(prefix)}/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        self._backoff = backoff or Backoff(settings.attempts)
        self._largest_part = settings.part_mib << 20
        self._client, self._sdk_checksums = connect(bucket, settings)
        self._place = Place(bucket, display(self._client.meta.endpoint_url))
        self._bucket_seen = False

    def put(self, key: str, source: Path | bytes) -> ObjectInfo:
        doing, where = f"write {self._show(key)}", self._where(key)
        try:
            if isinstance(source, Path) and source.stat().st_size >= LARGE:
                record = self._put_large(doing, where, source)
            else:
                record = self._put_small(doing, where, source if isinstance(source, bytes) else source.read_bytes())
        except OSError as error:
            raise folder_failure(error, "read", Path(str(source))) from error
        return ObjectInfo(key, record.size, record.sha256)

    def create(self, key: str, data: bytes) -> bool:
        where, record, writer = self._where(key), record_of(data), secrets.token_hex(16)
        tries = 0

        def attempt() -> bool:
            nonlocal tries
            written, tries = True, tries + 1
            try:
                self._client.put_object(**where, Body=data, Metadata=_metadata(record, writer), IfNoneMatch="*")
            except ClientError as error:
                if status_of(error) != 412:
                    raise
                written = False
            # A refusal may be due to an earlier try of this very call whose answer was lost: the token knows.
            answer = self._head_after_write(where)
            found = _lower(answer).get(_WRITER)
            if found is None and (written or tries > 1):
                raise self._no_metadata()
            if found != writer:
                return False
            self._compare(answer, record)
            return True

        return self._run(f"create {self._show(key)}", attempt)

    def read(self, key: str) -> bytes:
        where = self._where(key)

        def attempt() -> bytes | None:
            try:
                answer = self._client.get_object(**where)
            except ClientError as error:
                if code_of(error) in _NO_KEY:
                    return None
                raise
            with contextlib.closing(answer["Body"]) as body:
                data: bytes = body.read()
            sha256 = _lower(answer).get(_SHA256)
            if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
                raise DamagedError(f"its {len(data):,} bytes do not have the SHA-256 with which they were written")
            return data

        data = self._run(f"read {self._show(key)}", attempt)
        if data is None:
            raise self._missing(key)
        return data

    def download(self, key: str, target: Path, *, sha256: str, size: int) -> None:
        doing, wanted = f"read {self._show(key)}", FileRecord(sha256=sha256, size=size)
        found = self.info(key)
        if found is None:
            raise self._missing(key)
        if found.size != size:
            raise ContentError(f"{self._show(key)} has {found.size:,} bytes, where {describe(wanted)} was expected.")
        partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")

        def call(operation: Callable[[], Result]) -> Result:
            return self._run(doing, operation)

        def attempt() -> None:
            with partial.open("wb", buffering=0) as file:
                file.truncate(size)
                fetch(self._client, self._where(key), file.fileno(), size, self._largest_part, call)
            record = record_of(partial)
            if record != wanted:
                raise DamagedError(f"it has {describe(record)}, where {describe(wanted)} was expected")

        whole = Backoff(_WHOLE_DOWNLOADS, self._backoff.first, self._backoff.longest)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            whole.run(attempt, lambda error: isinstance(error, DamagedError))
            partial.replace(target)
        except DamagedError as error:
            raise s3_failure(error, doing, self._place) from error
        except OSError as error:
            raise folder_failure(error, "write", target) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    def info(self, key: str) -> ObjectInfo | None:
        where = self._where(key)
        answer = self._run(f"look at {self._show(key)}", lambda: self._head(where))
        if answer is None:
            self._require_bucket()
            return None
        self._bucket_seen = True
        return ObjectInfo(key, int(answer["ContentLength"]), _lower(answer).get(_SHA256))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        request = {"Bucket": self._place.bucket, "Prefix": self._base + check_prefix(prefix)}
        while True:
            page = self._run(f"list {self.uri}/{prefix}", lambda: self._client.list_objects_v2(**request))
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):  # some programs make objects that stand for folders
                    yield ObjectInfo(found["Key"].removeprefix(self._base), int(found["Size"]))
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        where = self._where(key)

        def attempt() -> None:
            try:
                self._client.delete_object(**where)
            except ClientError as error:
                if code_of(error) not in _NO_KEY:
                    raise

        self._run(f"delete {self._show(key)}", attempt)

    def _put_small(self, doing: str, where: dict[str, str], data: bytes) -> FileRecord:
        record = record_of(data)

        def attempt() -> None:
            self._client.put_object(**where, Body=data, Metadata=_metadata(record, secrets.token_hex(16)))
            self._verify(where, record)

        self._run(doing, attempt)
        return record

    def _put_large(self, doing: str, where: dict[str, str], path: Path) -> FileRecord:
        before = _state(path)
        record = record_of(path)

        def check_unchanged() -> None:
            if _state(path) != before:
                raise StorageError(f"{path} changed while it was being written to {self.uri}.", hint="Try again.")

        upload_parts(
            self._client,
            where,
            path,
            size=record.size,
            largest_part=self._largest_part,
            metadata=_metadata(record, secrets.token_hex(16)),
            sdk_checksums=self._sdk_checksums,
            call=lambda operation: self._run(doing, operation),
            before_completion=check_unchanged,
        )
        self._run(doing, lambda: self._verify(where, record))
        return record

    def _head(self, where: dict[str, str]) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self._client.head_object(**where)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise
        return answer

    def _verify(self, where: dict[str, str], record: FileRecord) -> None:
        self._compare(self._head_after_write(where), record)

    def _head_after_write(self, where: dict[str, str]) -> dict[str, Any]:
        answer = self._head(where)
        if answer is None:
            raise DamagedError("the object is not there after it was written")
        return answer

    def _compare(self, answer: dict[str, Any], record: FileRecord) -> None:
        sha256 = _lower(answer).get(_SHA256)
        if sha256 is None:
            raise self._no_metadata()
        found = FileRecord(sha256=sha256, size=int(answer["ContentLength"]))
        if found != record:
            raise DamagedError(f"{describe(record)} was written, but {describe(found)} is there")

    def _require_bucket(self) -> None:
        """Tell a missing bucket or a refused user from a missing key: the 404 of a HEAD gives no reason."""
        if self._bucket_seen:
            return

        def attempt() -> None:
            try:
                self._client.list_objects_v2(Bucket=self._place.bucket, Prefix=self._base, MaxKeys=1)
            except ClientError as error:
                if code_of(error) != "AccessDenied":  # rights on the objects alone are enough
                    raise

        self._run(f"use {self.uri}", attempt)
        self._bucket_seen = True

    def _run(self, doing: str, operation: Callable[[], Result]) -> Result:
        try:
            return self._backoff.run(operation, is_transient)
        except (*SDK_ERRORS, DamagedError) as error:
            raise s3_failure(error, doing, self._place) from error

    def _no_metadata(self) -> StorageError:
        return StorageError(
            f"{self._place.endpoint} does not keep the metadata of an object, so that no write to it can be verified.",
            hint="Use a server that keeps x-amz-meta-* headers, and check that no proxy removes them.",
        )

    def _missing(self, key: str) -> MissingInputError:
        return MissingInputError(f"{key} is not in the store {self.uri}.")

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": self._base + check_key(key)}

    def _show(self, key: str) -> str:
        return f"{self.uri}/{key}"


def _metadata(record: FileRecord, writer: str) -> dict[str, str]:
    return {_SHA256: record.sha256, _WRITER: writer}


def _lower(answer: dict[str, Any]) -> dict[str, str]:
    """An object's metadata; some servers change the case of their names."""
    return {name.lower(): value for name, value in answer.get("Metadata", {}).items()}


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
