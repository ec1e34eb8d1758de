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
    """For each query the row of ``index`` with the highest cosine, the first one of equals; exact, in blocks.

    Args:
        queries: (n, hidden).
        index: (m, hidden), m at least 1.

    Returns:
        (n,) int64. Memory beyond the inputs' normalised copies is bounded, whatever n and m.
    """
    return neighbours.nearest(normalised(queries), normalised(index), 1).rows[:, 0]


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
