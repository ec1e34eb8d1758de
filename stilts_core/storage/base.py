"""What a store promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from stilts_core.errors import StorageError


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object of a store: its key and its size in bytes.

    Attributes:
        sha256: of its bytes, in hexadecimal, where the store has it at hand; always after a `Store.put`.
    """

    key: str
    size: int
    sha256: str | None = field(default=None, compare=False)


class ContentError(StorageError):
    """The store can be read, and what it gives, again and again, is not what was written."""


@runtime_checkable
class Store(Protocol):
    """Objects under keys. A key is a relative path with ``/``; no key is the folder of another key.

    Every method raises `errors.StorageError` when the store cannot be used, after its own retries, and
    `errors.MissingInputError` where a key that should be there is not. None of them takes a failure for success.
    """

    uri: str

    def put(self, key: str, source: Path | bytes) -> ObjectInfo:
        """Write an object, replacing what is there, and verify that it arrived whole."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless the key is taken; True if this call wrote it. Atomic among all writers."""

    def read(self, key: str) -> bytes:
        """The bytes of a small object."""

    def download(self, key: str, target: Path, *, sha256: str, size: int) -> None:
        """Copy an object to a file that appears only when its size and SHA-256 are right."""

    def local_path(self, key: str) -> Path | None:
        """The object as a file of this machine, where the store is one (a folder); it must not be changed."""

    def info(self, key: str) -> ObjectInfo | None:
        """The object's size, or None where there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with the prefix, in the order of their keys."""

    def delete(self, key: str) -> None:
        """Remove an object; no error where there is none."""
