"""What of a training's weights and optimiser state each rank keeps, whatever the ZeRO stage: pieces of parameters.

A piece is a range of one flattened parameter, with its weights and the optimiser's state of them. Ranks that read a
state take the ranges that they need from whichever pieces hold them, so that one written by any number of ranks under
any ZeRO stage can be gone on from by any other.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stilts_core.errors import IncompatibleCheckpointError

KINDS = ("weight", "exp_avg", "exp_avg_sq")
"""The tensors of a shard: what is updated, and AdamW's two moments (Loshchilov and Hutter 2019)."""

_STEP = "step"
_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.uint8: "U8"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a flattened parameter as this rank holds it.

    Attributes:
        name: of the parameter.
        start: of the range.
        weights: (n,) the range itself, a view.
        owner: what the optimiser keeps its state for; the range is a part of it.
        offset: of the range in the flattened owner.
    """

    name: str
    start: int
    weights: Tensor
    owner: Tensor
    offset: int

    @property
    def stop(self) -> int:
        return self.start + self.weights.numel()


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a piece lies in a shard.

    Attributes:
        start, stop: of the range of the flattened parameter.
        at: where it begins in the tensors of the shard.
        step: the optimiser's count of updates; None where it has no state yet.
    """

    name: str
    start: int
    stop: int
    at: int
    step: float | None


class Snapshot:
    """A copy of a rank's pieces in the host's memory, which is taken again and again into the same place."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        size = sum(piece.weights.numel() for piece in pieces)
        pinned = bool(pieces) and pieces[0].weights.device.type == "cuda"
        self.tensors = {kind: torch.zeros(size, dtype=torch.float32, pin_memory=pinned) for kind in KINDS}
        self.entries: list[Entry] = []

    def take(self, optimizer: torch.optim.Optimizer) -> None:
        """Copy everything as it is now."""
        entries, at = [], 0
        for piece in self._pieces:
            count = piece.weights.numel()
            state = optimizer.state.get(piece.owner, {})
            self.tensors["weight"][at : at + count].copy_(piece.weights, non_blocking=True)
            for kind in KINDS[1:]:
                target = self.tensors[kind][at : at + count]
                if kind in state:
                    target.copy_(state[kind].view(-1)[piece.offset : piece.offset + count], non_blocking=True)
                else:
                    target.zero_()
            step = float(state[_STEP]) if _STEP in state else None
            entries.append(Entry(piece.name, piece.start, piece.start + count, at, step))
            at += count
        if any(tensor.is_pinned() for tensor in self.tensors.values()):
            torch.cuda.synchronize()
        self.entries = entries


def write_shard(path: Path, tensors: Mapping[str, Tensor], entries: Iterable[Entry] = (), **notes: str) -> None:
    """Write tensors of the host as a safetensors file, without a second copy of them in memory.

    The library's own writer takes all bytes of all tensors at once, and holds the interpreter while it copies them.
    """
    header: dict[str, Any] = {}
    pieces = [[entry.name, entry.start, entry.stop, entry.at, entry.step] for entry in entries]
    header["__metadata__"] = {"pieces": json.dumps(pieces), **notes}
    flat: list[memoryview] = []
    at = 0
    # As the library does: the widest types first, so that each lies where its type needs it.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        data: Any = (
            tensor.detach().contiguous().view(-1).view(torch.uint8).numpy() if tensor.numel() else np.empty(0, "u1")
        )
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + data.nbytes],
        }
        flat.append(memoryview(data))
        at += data.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb", buffering=0) as file:
        for view in (memoryview(struct.pack("<Q", len(text)) + text), *flat):
            while len(view):
                view = view[file.write(view) :]


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that `write_shard` wrote, to be read in parts."""

    path: Path
    entries: tuple[Entry, ...]
    notes: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read what it holds.

        Raises:
            IncompatibleCheckpointError: it is no such file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                notes = dict(file.metadata() or {})
            entries = tuple(Entry(*fields) for fields in json.loads(notes.pop("pieces")))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise IncompatibleCheckpointError(f"{path.name} is no shard of a resume state: {error}") from error
        return cls(path, entries, notes)

    def tensors(self, names: Iterable[str] | None = None, prefix: str = "") -> dict[str, Tensor]:
        """Its tensors: some by name, or all whose name begins so."""
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            wanted = [name for name in file.keys() if name.startswith(prefix)] if names is None else names  # noqa: SIM118
            return {name: file.get_tensor(name) for name in wanted}


def load_pieces(pieces: Sequence[Piece], shards: Sequence[Shard], optimizer: torch.optim.Optimizer) -> None:
    """Fill pieces, and the optimiser's state of them, from whichever shards hold them.

    Raises:
        IncompatibleCheckpointError: a part of a piece is in none of them.
    """
    missing = [piece.weights.numel() for piece in pieces]
    for shard in shards:
        tensors: dict[str, Tensor] = {}
        for at, entry in _overlaps(pieces, shard):
            tensors = tensors or shard.tensors(KINDS)
            missing[at] -= _fill(pieces[at], entry, tensors, optimizer)
    for piece, left in zip(pieces, missing, strict=True):
        if left:
            raise IncompatibleCheckpointError(f"The resume state lacks {left} elements of {piece.name}.")


def _overlaps(pieces: Sequence[Piece], shard: Shard) -> Iterator[tuple[int, Entry]]:
    by_name: dict[str, list[Entry]] = {}
    for entry in shard.entries:
        by_name.setdefault(entry.name, []).append(entry)
    for at, piece in enumerate(pieces):
        for entry in by_name.get(piece.name, ()):
            if max(piece.start, entry.start) < min(piece.stop, entry.stop):
                yield at, entry


def _fill(piece: Piece, entry: Entry, saved: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Copy what the two have in common, and say how many elements that were."""
    start, stop = max(piece.start, entry.start), min(piece.stop, entry.stop)
    source = slice(entry.at + start - entry.start, entry.at + stop - entry.start)
    with torch.no_grad():
        piece.weights[start - piece.start : stop - piece.start].copy_(saved["weight"][source])
        if entry.step is not None:
            state = optimizer.state[piece.owner]
            if not state:
                # As torch's AdamW makes it before its first update, with `fused=True`.
                state[_STEP] = torch.zeros((), dtype=torch.float32, device=piece.owner.device)
                state.update({kind: torch.zeros_like(piece.owner) for kind in KINDS[1:]})
            state[_STEP].fill_(max(float(state[_STEP]), entry.step))
            at = piece.offset + start - piece.start
            for kind in KINDS[1:]:
                state[kind].view(-1)[at : at + stop - start].copy_(saved[kind][source])
    return stop - start
