"""Bitext mining by margin (Artetxe and Schwenk 2019), as XTREME runs it for BUCC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError
from stilts_core.evaluation.neighbours import Engine, nearest_both
from stilts_core.evaluation.scorers.retrieval import normalised

Margin = Literal["absolute", "distance", "ratio"]


@dataclass(frozen=True, slots=True)
class Mined:
    """Candidate translations, no row of a side twice, best first.

    Attributes:
        source, target: rows of the two sides, (n,) int64.
        scores: their margins, (n,) float32, all above 0.
    """

    source: Array
    target: Array
    scores: Array


def mine(
    source: Array,
    target: Array,
    *,
    neighbours: int = 4,
    margin: Margin = "ratio",
    engine: Engine = "auto",
    device: str = "cpu",
    threads: int | None = None,
    block: int | None = None,
) -> Mined:
    """Pairs of rows that are nearer to each other than to their surroundings.

    With cos the cosine and m(x) the mean cosine of x with its ``neighbours`` nearest rows of the other side, a pair's
    score is cos(x, y) / b, cos(x, y) - b, or cos(x, y), with b = (m(x) + m(y)) / 2. Of the neighbours of a row the one
    with the best score is its proposal; the proposals of both sides are taken from the best on while both rows are
    free. Arithmetic is that of float32.

    Args:
        source: (n, width) vectors of any length.
        target: (m, width).
        neighbours: fewer where a side has fewer rows.
        margin: which score.
        engine, device, threads, block: as in `neighbours.nearest`.

    Raises:
        DataError: a side has no rows, or the widths differ.
        DivergedError: a number is NaN or infinite.
    """
    if margin not in _MARGINS:
        raise DataError(f"There is no margin `{margin}`.", hint=f"The margins are {', '.join(_MARGINS)}.")
    forward, backward = nearest_both(
        normalised(source),
        normalised(target),
        neighbours,
        engine=engine,
        device=device,
        threads=threads,
        block=block,
    )
    means = forward.scores.mean(axis=1), backward.scores.mean(axis=1)
    around = (means[0][:, None] + means[1][forward.rows]) / np.float32(2)
    target_best, target_score = _proposals(forward.rows, _scored(margin, forward.scores, around))
    around = (means[0][backward.rows] + means[1][:, None]) / np.float32(2)
    source_best, source_score = _proposals(backward.rows, _scored(margin, backward.scores, around))
    return _taken(
        np.concatenate((np.arange(len(target_best)), source_best)),
        np.concatenate((target_best, np.arange(len(source_best)))),
        np.concatenate((target_score, source_score)),
    )


_MARGINS = ("absolute", "distance", "ratio")


def _scored(margin: Margin, cosine: Array, around: Array) -> Array:
    if margin == "absolute":
        return cosine
    if margin == "distance":
        return cosine - around
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = cosine / around
    return np.where(np.isnan(ratio), np.float32(-np.inf), ratio)  # rows of zeros


def _proposals(rows: Array, scores: Array) -> tuple[Array, Array]:
    at = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(rows, at, 1)[:, 0], np.take_along_axis(scores, at, 1)[:, 0]


def _taken(source: Array, target: Array, scores: Array) -> Mined:
    """The proposals from the best on, each if both of its rows are free; of these, those with a score above 0."""
    order = np.argsort(-scores, kind="stable")
    used_source, used_target = set[int](), set[int]()
    kept: list[int] = []
    pairs = zip(order.tolist(), source[order].tolist(), target[order].tolist(), strict=True)
    for place, one, other in pairs:
        if one not in used_source and other not in used_target:
            used_source.add(one)
            used_target.add(other)
            kept.append(place)
    rows = np.array(kept, dtype=np.int64)
    rows = rows[scores[rows] > 0]
    return Mined(source[rows], target[rows], scores[rows])


def distinct_rows(lines: Sequence[str]) -> Array:
    """One row for each different line, in the order of their first copies: the last copy, as the official program."""
    return np.fromiter(dict(zip(lines, range(len(lines)), strict=True)).values(), dtype=np.int64)
