"""Nearest-neighbour retrieval as in Tatoeba: each English sentence looks for its translation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError
from stilts_core.evaluation import neighbours


def normalised(vectors: Array) -> Array:
    """Rows of length 1 in float32; a row of zeros stays as it is."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, np.float32(1))


def nearest(queries: Array, index: Array) -> Array:
    """For each query the nearest row of ``index``, both normalised, the first one of equals; exact, in blocks.

    That is the row with the highest cosine. A row of zeros cannot be normalised: its squared distance from a unit
    vector is 1, which is that of a cosine of one half.

    Args:
        queries: (n, hidden).
        index: (m, hidden), m at least 1.

    Returns:
        (n,) int64. Memory beyond the inputs' normalised copies is bounded, whatever n and m.
    """
    queries, index = normalised(queries), normalised(index)
    bonus = np.where(index.any(axis=1), np.float32(0), np.float32(0.5))
    if bonus.any():
        ones = np.ones(len(queries), dtype=np.float32)
        queries, index = np.column_stack((queries, ones)), np.column_stack((index, bonus))
    return neighbours.nearest(queries, index, 1).rows[:, 0]


def english_order(english: Sequence[str]) -> list[int]:
    """The rows of the English side in the order of the official files: stripped, by code point, stable."""
    return sorted(range(len(english)), key=lambda row: english[row].strip())


def accuracy(found: Array) -> float:
    """Percent of the queries whose nearest row has their own number.

    Raises:
        DataError: there is no query.
    """
    if not len(found):
        raise DataError("There is nothing to score: no sentence pair.")
    return int((found == np.arange(len(found))).sum()) / len(found) * 100
