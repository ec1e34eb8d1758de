"""Products of blocks, and how far they may be from the true ones."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError

Engine = Literal["auto", "numpy", "torch"]

FLOAT32_ROUNDING = 2.0**-24
"""Half a unit in the last place of 1.0: the relative error of one rounding."""

TINY = 2.0**-120
"""At least what a product may lose where it, or a factor, is too small for a normal float."""

GROUPS = 64


@dataclass(frozen=True, slots=True)
class Hits:
    """Elements of a block that reach the floor of their row or of their column.

    Attributes:
        rows, columns: within the block, int64.
        values: the products, float32.
    """

    rows: Array
    columns: Array
    values: Array


@dataclass(frozen=True, slots=True)
class Margins:
    """How far the product of a row with any row of the other side may be from the true one.

    Attributes:
        left, right: one for each row of a side, float64.
        relative: of a number to which products were rounded last, at most: twice that rounding's error.
    """

    left: Array
    right: Array
    relative: float = 0.0


class Products(Protocol):
    """The products of all rows of two sides, block by block.

    Attributes:
        margins: see `Margins`.
        shift: what all products lack of the true ones.
        block: rows of the left and of the right side whose products are made at once.
    """

    margins: Margins
    shift: float
    block: tuple[int, int]

    def multiply(self, left: slice, right: slice) -> Any:
        """The products of two blocks, in whatever form the other methods take; valid until the next call."""

    def floors(self, product: Any, k: int, axis: int) -> Array:
        """For each row (axis 1) or column (axis 0) a number that at least k of its elements reach, float32.

        -inf where the block has less than k.
        """

    def hits(self, product: Any, rows: Array | None, columns: Array | None, most: int) -> Hits | None:
        """The elements that reach the floor of their row or of their column; None where they are more than ``most``.

        Args:
            product: of `multiply`.
            rows, columns: the floors, float32; None where that direction is not asked for.
            most: more are not worth listing.
        """


WORTH = 1 << 22
"""Products of two rows from which on rounding to bf16 first is worth it."""


def products(
    left: Array, right: Array, sizes: Sizes, *, engine: Engine, device: str, threads: int, block: int | None
) -> Products:
    """What multiplies: torch on a GPU, or on a processor that multiplies bf16 if it is asked for or there; else NumPy.

    Raises:
        DataError: the numbers are too large for float32 products.
    """
    if max(map(largest, sizes)) >= _TOO_LONG:
        raise DataError("The vectors are too long: their products do not fit float32.")
    if device != "cpu":
        from stilts_core.evaluation.neighbours.torch_products import TorchProducts

        return TorchProducts(left, right, sizes, device=device, block=block)
    asked = engine == "torch"
    if (asked or (engine == "auto" and len(left) * len(right) >= WORTH)) and _bf16_at_hand(load=asked):
        from stilts_core.evaluation.neighbours.torch_products import ProcessorProducts

        return ProcessorProducts(left, right, sizes, threads=threads, block=block)
    return NumpyProducts(left, right, sizes, threads=threads, block=block)


_TOO_LONG = 2.0**60


def _bf16_at_hand(*, load: bool) -> bool:
    """Whether this processor multiplies bf16 natively and torch, which takes seconds to load, is there or asked for."""
    if load:
        import torch  # noqa: F401
    torch_module: Any = sys.modules.get("torch")
    if torch_module is None or not hasattr(torch_module, "cpu"):
        return False
    return bool(torch_module.cpu._is_avx512_bf16_supported() or torch_module.cpu._is_amx_tile_supported())


def summation_error(terms: int) -> float:
    """Bound of the relative error of a float32 dot product in any order: n u / (1 - n u) (Higham 2002, section 3.1)."""
    return terms * FLOAT32_ROUNDING / (1 - terms * FLOAT32_ROUNDING)


Sizes = tuple[Array, Array]
"""`lengths` of both sides."""


def lengths(vectors: Array) -> Array:
    """Euclidean lengths of the rows and a little more, float64: sums of squares in float32 may be too small."""
    squares: Array = np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
    found: Array = np.sqrt(squares * (1 + 2 * summation_error(vectors.shape[1] + 1)) + vectors.shape[1] * TINY)
    return found


def summed_margins(sizes: Sizes, width: int) -> Margins:
    """Of products that are summed in float32, in any order."""
    far = largest(sizes[0]), largest(sizes[1])
    factor, tiny = summation_error(width + 1), 2 * width * TINY
    return Margins(factor * sizes[0] * far[1] * 1.001 + tiny, factor * sizes[1] * far[0] * 1.001 + tiny)


def largest(values: Array) -> float:
    return float(values.max(initial=0.0))


class Pool:
    """Finds what reaches its floor, in threads."""

    def __init__(self, threads: int) -> None:
        self._threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def reaching(self, product: Array, rows: Array | None, columns: Array | None, most: int) -> Array | None:
        """Places in the flat block, rising, that reach one of their floors; None where they are more than ``most``.

        Args:
            product: (rows, columns) numbers, contiguous.
            rows, columns: floors of the same type.
        """
        edges = np.linspace(0, len(product), self._threads + 1).astype(int)
        spans = [(top, end) for top, end in pairwise(edges) if end > top]

        def find(span: tuple[int, int]) -> Array | None:
            part = product[span[0] : span[1]]
            reached = np.zeros(part.shape, dtype=bool) if rows is None else part >= rows[span[0] : span[1], None]
            if columns is not None:
                reached |= part >= columns
            flat = reached.reshape(-1)
            return _true_places(flat) if np.count_nonzero(flat) <= most else None

        found = [find(span) for span in spans] if self._pool is None else list(self._pool.map(find, spans))
        whole = [part for part in found if part is not None]
        if len(whole) < len(found) or sum(map(len, whole)) > most:
            return None
        width = product.shape[1]
        return np.concatenate([part + span[0] * width for part, span in zip(whole, spans, strict=True)])


def group_floors(product: Array, k: int, axis: int) -> Array:
    """For each row (axis 1) or column (axis 0) the k-th best of the maxima of groups: at least k elements reach it."""
    size, others = product.shape[axis], product.shape[1 - axis]
    if size < k:
        return np.full(others, -np.inf, dtype=np.float32)
    groups = min(size, max(GROUPS, 8 * k))
    deep = size // groups
    if axis == 1:
        best = product[:, : groups * deep].reshape(others, deep, groups).max(axis=1)
    else:
        best = product[: groups * deep].reshape(deep, groups, others).max(axis=0)
    floors: Array = np.take(np.partition(best, groups - k, axis=axis), groups - k, axis=axis)
    return floors


class NumpyProducts:
    """Products in float32 by NumPy's BLAS."""

    def __init__(self, left: Array, right: Array, sizes: Sizes, *, threads: int, block: int | None) -> None:
        self._left, self._right = left, right
        self.shift = 0.0
        self.block = (block or 2048, block or 4096)
        self._space = np.empty((min(self.block[0], len(left)), min(self.block[1], len(right))), dtype=np.float32)
        self.margins = summed_margins(sizes, left.shape[1])
        self._pool = Pool(threads)

    def multiply(self, left: slice, right: slice) -> Array:
        rows, columns = self._left[left], self._right[right]
        whole = (len(rows), len(columns)) == self._space.shape
        product: Array = np.matmul(rows, columns.T, out=self._space if whole else None)
        return product

    def floors(self, product: Array, k: int, axis: int) -> Array:
        return group_floors(product, k, axis)

    def hits(self, product: Array, rows: Array | None, columns: Array | None, most: int) -> Hits | None:
        flat = self._pool.reaching(product, rows, columns, most)
        if flat is None:
            return None
        at, column = np.divmod(flat, product.shape[1])
        return Hits(at, column, product.reshape(-1)[flat])


def _true_places(flat: Array) -> Array:
    """`np.flatnonzero` of booleans of which few are true: eight at a time first."""
    whole = len(flat) - len(flat) % 8
    words = np.flatnonzero(flat[:whole].view(np.uint64))
    inside = np.nonzero(flat[:whole].reshape(-1, 8)[words])
    return np.concatenate((words[inside[0]] * 8 + inside[1], np.flatnonzero(flat[whole:]) + whole))


def usual_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rescored(left: Array, right: Array, rows: Array, columns: Array, kind: type[np.floating[Any]]) -> Array:
    """The products of some pairs of rows, summed in a floating-point type.

    Args:
        left, right: the sides.
        rows, columns: the pairs; rows rise, each may stand several times.
        kind: ``numpy.float32`` or ``numpy.float64``.
    """
    scores = np.empty(len(rows), dtype=kind)
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # of each row's pairs
    rank = np.arange(len(rows)) - np.repeat(first, np.diff(first, append=len(rows)))
    for top in range(0, len(first), _AT_A_TIME):
        begin, end = first[top], first[top + _AT_A_TIME] if top + _AT_A_TIME < len(first) else len(rows)
        own = left[rows[first[top : top + _AT_A_TIME]]].astype(kind, copy=False)
        of = np.repeat(np.arange(len(own)), np.diff(np.append(first[top : top + _AT_A_TIME], end)))
        for number in range(int(rank[begin:end].max(initial=-1)) + 1):
            # The pairs of one rank: each row once, so that its numbers are converted once for all of them.
            places = np.flatnonzero(rank[begin:end] == number)
            mine = own if len(places) == len(own) else own[of[places]]
            other = right[columns[begin:end][places]].astype(kind, copy=False)
            scores[begin + places] = np.einsum("ij,ij->i", mine, other)
    return scores


_AT_A_TIME = 512
