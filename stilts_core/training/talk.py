"""What the ranks' threads tell each other beside the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from stilts_core.errors import StiltsError, StorageError
from stilts_core.storage.manifest import FileRecord

_PATIENCE = timedelta(hours=12)  # a rank's upload may take so long; a rank that has died ends the others at once
_DIGEST_BYTES = 32


class Talk:
    """Words of all ranks over a process group of its own, so that they never mix with the training's collectives.

    To be made once the ranks have met, by all of them; all make the same calls in the same order.
    """

    def __init__(self, rank: int, ranks: int) -> None:
        self._rank, self._ranks = rank, ranks
        self._group: Any = distributed.new_group(backend="gloo", timeout=_PATIENCE) if ranks > 1 else None

    def share(self, made: Callable[[], Any]) -> Any:
        """What the first rank makes (JSON), on every rank. What it raises, all raise."""
        if self._group is None:
            return made()
        document: dict[str, Any] = {}
        if self._rank == 0:
            try:
                document = {"made": made()}
            except StiltsError as error:
                document = {"error": error.message, "hint": error.hint}
        document = json.loads(self.texts(json.dumps(document) if self._rank == 0 else "")[0])
        if "error" in document:
            raise StorageError(document["error"], hint=document["hint"])
        return document["made"]

    def texts(self, text: str) -> list[str]:
        """The texts of all ranks."""
        if self._group is None:
            return [text]
        data = text.encode()
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self._ranks)]
        distributed.all_gather(sizes, torch.tensor([len(data)]), group=self._group)
        longest = max(int(size) for size in sizes)
        padded = torch.frombuffer(bytearray(data.ljust(longest, b" ") or b" "), dtype=torch.uint8)
        parts = [torch.empty_like(padded) for _ in range(self._ranks)]
        distributed.all_gather(parts, padded, group=self._group)
        return [
            part.numpy().tobytes()[: int(size)].decode(errors="replace")
            for part, size in zip(parts, sizes, strict=True)
        ]

    def records(self, own: FileRecord | None) -> list[FileRecord] | None:
        """The records of all ranks' files; None where one of them has none."""
        if self._group is None:
            return None if own is None else [own]
        packed = torch.zeros(_DIGEST_BYTES + 8, dtype=torch.uint8)
        if own is not None:
            data = bytes.fromhex(own.sha256) + own.size.to_bytes(8, "big")
            packed = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        parts = [torch.empty_like(packed) for _ in range(self._ranks)]
        distributed.all_gather(parts, packed, group=self._group)
        found = [bytes(part.tolist()) for part in parts]
        if any(not any(data) for data in found):
            return None
        return [
            FileRecord(sha256=data[:_DIGEST_BYTES].hex(), size=int.from_bytes(data[_DIGEST_BYTES:], "big"))
            for data in found
        ]
