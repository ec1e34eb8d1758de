"""The k nearest rows of the other side, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError, DivergedError
from stilts_core.evaluation.neighbours.products import (
    Engine,
    Products,
    lengths,
    products,
    rescored,
    summed_margins,
    usual_threads,
)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest rows of the other side, best first, of equals the lower one first.

    Attributes:
        rows: (n, k) int64, k at most the rows of the other side.
        scores: (n, k) float32, their inner products.
    """

    rows: Array
    scores: Array


def nearest(
    queries: Array,
    keys: Array,
    k: int,
    *,
    engine: Engine = "auto",
    device: str = "cpu",
    threads: int | None = None,
    block: int | None = None,
) -> Neighbours:
    """For each query the k keys with the largest inner product.

    For cosines give rows of length 1 (`scorers.retrieval.normalised`).

    Args:
        queries: (n, width) float32.
        keys: (m, width) float32, m at least 1.
        k: fewer are found where there are fewer keys.
        engine: what multiplies on a processor: ``numpy``, ``torch`` (where bf16 is native), or what is faster. It
            changes no result.
        device: of torch: ``cpu``, ``cuda``, ``cuda:1`` …
        threads: for what is not multiplication; None for all cores of this process.
        block: rows of a side that are multiplied at once; None for what suits the engine.

    Raises:
        DataError: the widths differ, there is no key, or k is less than 1.
        DivergedError: a number is NaN or infinite.
    """
    queries, keys = _checked(queries, keys, k)
    if not len(queries):
        return _joined([], min(k, len(keys)))
    return _search(queries, keys, k, engine, device, threads, block, both=False)[0]


def nearest_both(
    left: Array,
    right: Array,
    k: int,
    *,
    engine: Engine = "auto",
    device: str = "cpu",
    threads: int | None = None,
    block: int | None = None,
) -> tuple[Neighbours, Neighbours]:
    """The k nearest right rows of each left row, and the k nearest left rows of each right one, in one pass.

    For the arguments and errors see `nearest`; neither side may be empty.
    """
    left, right = _checked(left, right, k)
    if not len(left):
        raise DataError("There is nothing to search in: one side has no vectors.")
    forward, backward = _search(left, right, k, engine, device, threads, block, both=True)
    return forward, backward


def _checked(left: Array, right: Array, k: int) -> tuple[Array, Array]:
    sides = np.ascontiguousarray(left, dtype=np.float32), np.ascontiguousarray(right, dtype=np.float32)
    if sides[0].ndim != 2 or sides[1].ndim != 2 or sides[0].shape[1] != sides[1].shape[1]:
        raise DataError(f"Vectors of shapes {sides[0].shape} and {sides[1].shape} cannot be compared.")
    if not len(sides[1]):
        raise DataError("There is nothing to search in: one side has no vectors.")
    if k < 1:
        raise DataError(f"{k} neighbours cannot be looked for: at least one is needed.")
    for side in sides:
        if side.size and not (np.isfinite(side.max()) and np.isfinite(side.min())):
            raise DivergedError("The vectors hold NaN or infinite numbers.", hint="The encoder's training diverged.")
    return sides


def _search(
    left: Array,
    right: Array,
    k: int,
    engine: Engine,
    device: str,
    threads: int | None,
    block: int | None,
    *,
    both: bool,
) -> list[Neighbours]:
    threads = usual_threads() if threads is None else threads
    sizes = lengths(left), lengths(right)
    source = products(left, right, sizes, engine=engine, device=device, threads=threads, block=block)
    lefts, rights = _spans(len(left), source.block[0]), _spans(len(right), source.block[1])
    margins, tight = source.margins, summed_margins(sizes, left.shape[1])
    backward = [
        _Best(right, left, span, k, margins.right[span], tight.right[span], margins.relative, source.shift)
        for span in (rights if both else ())
    ]
    found: list[tuple[Array, Array]] = []
    for top in lefts:
        forward = _Best(left, right, top, k, margins.left[top], tight.left[top], margins.relative, source.shift)
        for number, side in enumerate(rights):
            _take(source, forward, backward[number] if both else None, top, side)
        found.append(forward.best())
    sides = [found, [part.best() for part in backward]] if both else [found]
    shapes = [min(k, len(right)), min(k, len(left))]
    return [_joined(parts, width) for parts, width in zip(sides, shapes, strict=False)]


def _joined(parts: list[tuple[Array, Array]], width: int) -> Neighbours:
    if not parts:
        return Neighbours(np.empty((0, width), dtype=np.int64), np.empty((0, width), dtype=np.float32))
    rows, scores = zip(*parts, strict=True)
    return Neighbours(np.concatenate(rows), np.concatenate(scores))


def _spans(rows: int, size: int) -> list[slice]:
    return [slice(top, min(top + size, rows)) for top in range(0, rows, size)]


def _take(source: Products, forward: _Best, backward: _Best | None, top: slice, side: slice) -> None:
    """Hand the candidates of one block to both directions."""
    product = source.multiply(top, side)
    for best, axis in ((forward, 1), (backward, 0)):
        if best is not None and best.empty:
            best.start(source.floors(product, best.k, axis))
    most = forward.room + (backward.room if backward is not None else 0)
    hits = source.hits(product, forward.floor, None if backward is None else backward.floor, most)
    if hits is None:
        # Nearly everything is equally near: scored exactly at once, rather than listed.
        dense = _dense(forward.own, forward.other, top, side)
        shift = source.shift
        forward.add_dense(dense, side.start, shift)
        if backward is not None:
            backward.add_dense(dense.T, top.start, shift)
        return
    forward.add(hits.rows, hits.columns + side.start, hits.values)
    if backward is not None:
        backward.add(hits.columns, hits.rows + top.start, hits.values)


def _dense(left: Array, right: Array, top: slice, side: slice) -> Array:
    return (left[top].astype(np.float64) @ right[side].astype(np.float64).T).astype(np.float32)


_CAP = 16
"""Candidates of a row that may wait for the end, as a multiple of k; more are scored at once."""

_LEAST = 32


class _Best:
    """The candidates of a span of rows among the rows of the other side.

    A candidate's value is within the row's margin of its true score. Let t be the k-th largest value of a row. At least
    k true scores reach t - margin; whatever is among the k best reaches this too, so its value reaches t - 2 margin.
    Rounding the values once more keeps their order, and moves t by a share of itself.

    Attributes:
        floor: values below it are of no use, by row.
    """

    def __init__(
        self,
        own: Array,
        other: Array,
        span: slice,
        k: int,
        margins: Array,
        tight: Array,
        relative: float,
        shift: float,
    ) -> None:
        self.own, self.other, self.k = own, other, min(k, len(other))
        self._span = span
        self._count: int = span.stop - span.start
        self._slack, self._tight, self._relative, self._shift = 2 * margins, 2 * tight, relative, shift
        self.floor = np.full(self._count, -np.inf, dtype=np.float32)
        self.empty = True
        self._rows = np.empty(0, dtype=np.int64)
        self._columns = np.empty(0, dtype=np.int64)
        self._values = np.empty(0, dtype=np.float32)

    @property
    def room(self) -> int:
        """Candidates that are worth listing one by one."""
        return self._count * max(_LEAST, _CAP * self.k)

    def start(self, floors: Array) -> None:
        """Begin with numbers that at least k values of each row reach."""
        self.empty = False
        self._raise(np.arange(self._count), floors)

    def _raise(self, rows: Array, reached: Array) -> None:
        self.floor[rows] = np.maximum(self.floor[rows], _below(reached, self._slack[rows], self._relative))

    def add(self, rows: Array, columns: Array, values: Array) -> None:
        """Take candidates; those below the floor are left out."""
        kept = values >= self.floor[rows]
        self._rows = np.concatenate((self._rows, rows[kept]))
        self._columns = np.concatenate((self._columns, columns[kept]))
        self._values = np.concatenate((self._values, values[kept]))
        self._compact()

    def add_dense(self, scores: Array, first: int, shift: float) -> None:
        """Take the true scores (rows of this span, some rows of the other side): the k best of each row are enough.

        Args:
            first: number of the first column.
            shift: what values lack of scores.
        """
        scores = np.array(scores, order="C")
        everyone = np.arange(self._count)
        picked = []
        for _ in range(min(self.k, scores.shape[1])):
            place = scores.argmax(axis=1)  # the first of equals
            picked.append((place, scores[everyone, place]))
            scores[everyone, place] = -np.inf
        self.add(
            np.tile(everyone, len(picked)),
            np.concatenate([place for place, _ in picked]) + first,
            (np.concatenate([value for _, value in picked]).astype(np.float64) - shift).astype(np.float32),
        )

    def _compact(self) -> None:
        """Raise the floors, drop what is below, and settle rows with too many candidates."""
        order = np.lexsort((-self._values, self._rows))
        rows, columns, values = self._rows[order], self._columns[order], self._values[order]
        counts = np.bincount(rows, minlength=self._count)
        starts = np.cumsum(counts) - counts
        enough = np.flatnonzero(counts >= self.k)
        self._raise(enough, values[starts[enough] + self.k - 1])
        kept = values >= self.floor[rows]
        self._rows, self._columns, self._values = rows[kept], columns[kept], values[kept]
        counts = np.bincount(self._rows, minlength=self._count)
        crowded = (counts > max(_LEAST, _CAP * self.k))[self._rows]
        if crowded.any():
            settled = self._settled(self._rows[crowded], self._columns[crowded])
            rest = ~crowded
            self._rows = np.concatenate((self._rows[rest], settled[0]))
            self._columns = np.concatenate((self._columns[rest], settled[1]))
            true = (settled[2].astype(np.float64) - self._shift).astype(np.float32)
            self._values = np.concatenate((self._values[rest], true))

    def _settled(self, rows: Array, columns: Array) -> tuple[Array, Array, Array]:
        """The k best candidates of each row by their true scores, of equals the lower column, in order."""
        if not len(rows):
            return rows, columns, np.empty(0, dtype=np.float32)
        order = np.argsort(rows, kind="stable")
        rows, columns = rows[order], columns[order]
        if len(rows) > 2 * self.k * self._count:
            # Sums in float32 are quicker and leave few in doubt.
            near = rescored(self.own, self.other, rows + self._span.start, columns, np.float32)
            kept = near >= self._kth(rows, near, self._tight)[rows]
            rows, columns = rows[kept], columns[kept]
        scores = rescored(self.own, self.other, rows + self._span.start, columns, np.float64).astype(np.float32)
        order = np.lexsort((columns, -scores, rows))
        rows, columns, scores = rows[order], columns[order], scores[order]
        counts = np.bincount(rows, minlength=self._count)
        rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        first = rank < self.k
        return rows[first], columns[first], scores[first]

    def _kth(self, rows: Array, values: Array, slack: Array) -> Array:
        """For each row what any of its k best reaches, if values are off by half of the slack; -inf for less than k."""
        order = np.lexsort((-values, rows))
        counts = np.bincount(rows, minlength=self._count)
        enough = np.flatnonzero(counts >= self.k)
        floors = np.full(self._count, -np.inf, dtype=np.float32)
        floors[enough] = _below(values[order][(np.cumsum(counts) - counts)[enough] + self.k - 1], slack[enough], 0.0)
        return floors

    def best(self) -> tuple[Array, Array]:
        """The columns and scores of the k best of each row, (rows, k) each."""
        _, columns, scores = self._settled(self._rows, self._columns)
        return columns.reshape(self._count, self.k), scores.reshape(self._count, self.k)


def _below(values: Array, slack: Array, relative: float) -> Array:
    """``values - slack`` or a little less, float32; what rounding a score to float32 may move it is a part of that."""
    lower = values.astype(np.float64) - slack
    lower -= (np.abs(values) + slack) * (relative + 2.0**-22)
    return np.nextafter(lower.astype(np.float32), np.float32(-np.inf))
