"""Sentence pairs mined from two sets of vectors by margin: BUCC.

Artetxe and Schwenk (2019), Margin-based parallel corpus mining with multilingual sentence embeddings: the score of a
pair is its cosine against the mean cosine of both sentences with their k nearest neighbours on the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.evaluation.scorers.retrieval import normalised

Margin = Literal["ratio", "distance", "absolute"]
Search = Callable[[Array, Array, int], tuple[Array, Array]]
"""(queries, keys, k) → inner products (n, k) float32, falling, and the rows of ``keys`` that have them (n, k) int64."""

NEIGHBOURS = 4
_BLOCK_BYTES = 64 * 2**20
_MARGINS: dict[Margin, Callable[[Array, Array], Array]] = {
    "ratio": lambda product, mean: product / mean,
    "distance": lambda product, mean: product - mean,
    "absolute": lambda product, mean: product,
}


@dataclass(frozen=True, slots=True)
class Mined:
    """Pairs of rows by falling score, each row once a side; (n,) each."""

    source: Array
    target: Array
    score: Array


def nearest(queries: Array, keys: Array, k: int) -> tuple[Array, Array]:
    """The k rows of ``keys`` with the highest inner product, of equal ones the first; exact, in blocks of queries.

    Args:
        queries: (n, hidden) float32.
        keys: (m, hidden) float32, m at least k.
        k: at least 1.

    Returns:
        Inner products (n, k), falling, and rows (n, k).
    """
    products = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    step = max(1, _BLOCK_BYTES // (4 * len(keys)))
    for top in range(0, len(queries), step):
        block = queries[top : top + step] @ keys.T
        order = np.argsort(-block, axis=1, kind="stable")[:, :k]
        rows[top : top + step] = order
        products[top : top + step] = np.take_along_axis(block, order, axis=1)
    return products, rows


def mine(
    source: Array, target: Array, *, neighbours: int = NEIGHBOURS, margin: Margin = "ratio", search: Search = nearest
) -> Mined:
    """The pairs with positive margin, greedily from the best one, each row in one pair at most.

    Every row's best partner among its ``neighbours`` nearest ones is a candidate, from both sides. A pair takes its
    rows away from later ones also where its own score is not positive.

    Args:
        source: (n, hidden), any length.
        target: (m, hidden).
        neighbours: k; never more than there are rows.
        margin: ``ratio``: cosine / mean; ``distance``: cosine - mean; ``absolute``: the cosine alone.
        search: the exact search to use.
    """
    source, target = normalised(source), normalised(target)
    forth_products, forth = search(source, target, min(neighbours, len(target)))
    back_products, back = search(target, source, min(neighbours, len(source)))
    means = forth_products.mean(axis=1), back_products.mean(axis=1)
    forth_best, forth_score = _best(forth_products, forth, *means, margin)
    back_best, back_score = _best(back_products, back, *means[::-1], margin)

    rows = np.concatenate([np.arange(len(source)), back_best])
    columns = np.concatenate([forth_best, np.arange(len(target))])
    scores = np.concatenate([forth_score, back_score])
    free_rows, free_columns = np.ones(len(source), dtype=bool), np.ones(len(target), dtype=bool)
    taken: list[int] = []
    for place in np.argsort(-scores, kind="stable").tolist():
        row, column = rows[place], columns[place]
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            if scores[place] > 0:
                taken.append(place)
    return Mined(rows[taken], columns[taken], scores[taken])


def _best(products: Array, rows: Array, own: Array, other: Array, margin: Margin) -> tuple[Array, Array]:
    """For each row its best partner and the margin of the two, in float32."""
    middle = (own[:, None] + other[rows]) / np.float32(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = _MARGINS[margin](products, middle)
    best = scores.argmax(axis=1)
    everyone = np.arange(len(rows))
    return rows[everyone, best], scores[everyone, best]
