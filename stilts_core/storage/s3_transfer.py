"""Large objects in parts: several at once, each tried again on its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from botocore.exceptions import ClientError
from s3transfer.utils import ReadFileChunk

from stilts_core.errors import StorageError
from stilts_core.storage.hashing import CHUNK
from stilts_core.storage.parallel import bounded_map
from stilts_core.storage.s3_failures import DamagedError, code_of

LARGE = 16 << 20
"""Bytes from which an object is moved in parts."""

_SMALLEST_PART = 5 << 20  # the least that S3 takes, the last part aside
_MOST_PARTS = 10_000
_WORKERS = 4

Result = TypeVar("Result")


class Call(Protocol):
    """Runs one call to the server, tried again as often as the store allows."""

    def __call__(self, operation: Callable[[], Result], /) -> Result: ...


def part_size(size: int, largest: int) -> int:
    """Bytes of each part but the last of an object of ``size`` bytes: equal, and few enough for S3."""
    share = -(-size // _WORKERS)
    return max(_SMALLEST_PART, min(largest, share), -(-size // _MOST_PARTS))


def upload_parts(
    client: Any,
    where: dict[str, str],
    path: Path,
    *,
    size: int,
    largest_part: int,
    metadata: dict[str, str],
    sdk_checksums: bool,
    call: Call,
    before_completion: Callable[[], None],
) -> None:
    """Upload a file in parts. On a failure, nothing of it is left where the server can still be asked.

    Args:
        client: of botocore, for S3.
        where: bucket and key.
        path: the file.
        size: its bytes.
        largest_part: bytes of one part at most, unless there were too many of them.
        metadata: of the object.
        sdk_checksums: the client sends a CRC32 with each part, which the completion must repeat.
        call: runs one call to the server.
        before_completion: raises if the file is no longer what it was.

    Raises:
        StorageError: a part, or the completion, failed for good.
    """
    length = part_size(size, largest_part)
    checksum = {"ChecksumAlgorithm": "CRC32"} if sdk_checksums else {}
    upload = call(lambda: client.create_multipart_upload(**where, Metadata=metadata, **checksum))["UploadId"]

    def send(number: int) -> dict[str, Any]:
        def attempt() -> Any:
            with ReadFileChunk.from_filename(str(path), (number - 1) * length, length) as body:
                return client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body, **checksum)

        answer = call(attempt)
        crc = {"ChecksumCRC32": answer["ChecksumCRC32"]} if sdk_checksums and "ChecksumCRC32" in answer else {}
        return {"PartNumber": number, "ETag": answer["ETag"], **crc}

    def complete(parts: list[dict[str, Any]]) -> None:
        try:
            client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":  # else an earlier try completed it; the store's HEAD decides
                raise

    try:
        parts = bounded_map(send, range(1, -(-size // length) + 1), _WORKERS)
        before_completion()
        call(lambda: complete(parts))
    except BaseException:
        with contextlib.suppress(StorageError):
            call(lambda: client.abort_multipart_upload(**where, UploadId=upload))
        raise


def fetch(client: Any, where: dict[str, str], descriptor: int, size: int, largest_part: int, call: Call) -> None:
    """Write an object of ``size`` bytes to an open file, a large one in ranges of which only broken ones are repeated.

    Raises:
        OSError: the file cannot be written.
        StorageError: a range failed for good.
    """
    length = part_size(size, largest_part) if size >= LARGE else max(size, 1)

    def receive(start: int) -> None:
        end = min(start + length, size)
        ranged = {"Range": f"bytes={start}-{end - 1}"} if (start, end) != (0, size) else {}

        def attempt() -> None:
            answer = client.get_object(**where, **ranged)
            with contextlib.closing(answer["Body"]) as body:
                if ranged and answer.get("ContentRange") != f"bytes {start}-{end - 1}/{size}":
                    raise DamagedError(f"the server gave another range than {ranged['Range']}")
                position = start
                for piece in body.iter_chunks(CHUNK):
                    if position + len(piece) > end:
                        raise DamagedError(f"more than {end - start:,} bytes came")
                    _write_at(descriptor, piece, position)
                    position += len(piece)
            if position != end:
                raise DamagedError(f"{position - start:,} of {end - start:,} bytes came")

        call(attempt)

    bounded_map(receive, range(0, max(size, 1), length), _WORKERS)


def _write_at(descriptor: int, piece: bytes, position: int) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written
