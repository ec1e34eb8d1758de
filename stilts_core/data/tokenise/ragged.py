"""Rows of different lengths in one flat array, and new rows pieced together from them by a single gather."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Row i is ``values[offsets[i]:offsets[i + 1]]``."""

    values: npt.NDArray[np.int32]
    offsets: Ints

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Ragged:
        rows = list(rows)
        return cls(
            np.fromiter((value for row in rows for value in row), dtype=np.int32),
            offsets_of(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))),
        )

    @property
    def starts(self) -> Ints:
        return self.offsets[:-1]

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


def offsets_of(lengths: Ints) -> Ints:
    """Where rows of these lengths begin, and the end of the last: (N + 1,)."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def gather_index(starts: Ints, lengths: Ints) -> Ints:
    """Indices of the pieces ``starts[i] .. starts[i] + lengths[i]``, one piece after another."""
    begins = offsets_of(lengths)
    return np.repeat(starts - begins[:-1], lengths) + np.arange(begins[-1])


@dataclass(frozen=True, slots=True)
class Pieces:
    """Features made of the same number of pieces each, all from one pool of values.

    Attributes:
        starts, lengths: of the pieces in the pool, (F, P).
    """

    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, *columns: tuple[Ints | int, Ints | int]) -> Pieces:
        """From (start, length) by piece: arrays over the features, or one number for all of them."""
        starts = np.broadcast_arrays(*(np.asarray(start, dtype=np.int64) for start, _ in columns))
        lengths = np.broadcast_arrays(*(np.asarray(length, dtype=np.int64) for _, length in columns))
        return cls(np.stack(starts, axis=-1), np.stack(lengths, axis=-1))

    @property
    def index(self) -> Ints:
        """Where in the pool each value of the features comes from, (T,)."""
        return gather_index(self.starts.ravel(), self.lengths.ravel())

    @property
    def offsets(self) -> Ints:
        """Of the features, (F + 1,)."""
        return offsets_of(self.lengths.sum(axis=1))
