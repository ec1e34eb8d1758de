"""Products by torch: in bf16, which processors with AVX-512 BF16 or AMX and all recent GPUs multiply fastest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stilts_core.data.dataset import Array
from stilts_core.evaluation.neighbours.products import (
    GROUPS,
    TINY,
    Hits,
    Margins,
    Pool,
    Sizes,
    group_floors,
    largest,
    lengths,
    summation_error,
)

_RELATIVE = 2.0**-7
"""Of a product that is given, or summed in parts, in bf16: four times the error of rounding to the nearest."""

_SCORE = 2.0**-22
"""Of the largest score: more than what rounding true scores to float32, with and without the shift, moves them."""

_ROWS = 16384


@dataclass(frozen=True, slots=True)
class _Side:
    """A side without its mean, in bf16, and what that leaves to be said.

    Attributes:
        rows: the numbers, and four columns that give back what the means took: see `TorchProducts`.
        whole: lengths of the rows without the mean.
        lost: lengths of what rounding takes away from them.
        dot: products of the rows with the other side's mean, less their mean.
        dot_lost: of those, what two numbers in bf16 do not hold.
    """

    rows: Tensor
    whole: Array
    lost: Array
    dot: Array
    dot_lost: Array

    @classmethod
    def of(cls, side: Array, mean: Array, dot: Array, device: torch.device, *, first: bool) -> _Side:
        width = side.shape[1]
        rows = torch.empty((len(side), width + 4), dtype=torch.bfloat16, device=device)
        lost, whole = np.empty(len(side)), np.empty(len(side))
        for top in range(0, len(side), _ROWS):
            part = torch.from_numpy(side[top : top + _ROWS] - mean)
            rounded = part.to(torch.bfloat16)
            rows[top : top + _ROWS, :width] = rounded
            whole[top : top + _ROWS] = lengths(part.numpy())
            lost[top : top + _ROWS] = lengths((part - rounded.float()).numpy())
        exact = torch.from_numpy(dot)
        high = exact.to(torch.bfloat16)
        low = (exact - high.double()).to(torch.bfloat16)
        own, other = (width, width + 2) if first else (width + 2, width)
        rows[:, own], rows[:, own + 1] = high.to(device), low.to(device)
        rows[:, other : other + 2] = 1
        return cls(rows, whole, lost, np.abs(dot), (exact - high.double() - low.double()).abs().numpy())


def _means(side: Array) -> Array:
    found: Array = side.mean(axis=0, dtype=np.float64).astype(np.float32)
    return found


def _dots(side: Array, mean: Array) -> Array:
    """Products of the rows with a vector, float64, in blocks."""
    wide = mean.astype(np.float64)
    return np.concatenate([side[top : top + _ROWS].astype(np.float64) @ wide for top in range(0, len(side), _ROWS)])


class TorchProducts:
    """Both sides less their means, rounded to bf16; products and what reaches a floor are found on the device.

    Vectors of an encoder lie close together, and what they have in common would take up most of bf16's digits. With the
    means m and n, xy = (x - m)(y - n) + xn + my - mn. The first term is a product of what is left, the next two have
    two columns each, and the last is a part of `shift`, as are the means of the two before it.

    With u, v for what is left and u', v' rounded, |uv - u'v'| is at most |u - u'| |v| + |u'| |v - v'|: lengths that are
    measured, not assumed. Summing in float32 adds an error of its own; giving the sum in bf16 keeps the order of sums.
    """

    def __init__(self, left: Array, right: Array, sizes: Sizes, *, device: str, block: int | None) -> None:
        self._device = torch.device(device)
        usual = 2048 if self._device.type == "cpu" else 16384
        self.block = (block or usual, block or 2 * usual)
        means = _means(left), _means(right)
        dots = _dots(left, means[1]), _dots(right, means[0])
        self.shift = float(dots[0].mean() + dots[1].mean() - means[0].astype(np.float64) @ means[1].astype(np.float64))
        one = _Side.of(left, means[0], dots[0] - dots[0].mean(), self._device, first=True)
        other = _Side.of(right, means[1], dots[1] - dots[1].mean(), self._device, first=False)
        self._left, self._right = one.rows, other.rows
        width = left.shape[1]
        # The units of a GPU cut sums off where others round; and taking the mean away was rounded too.
        factor = 2 * summation_error(width + 6)
        common = largest(sizes[0]) * largest(sizes[1])

        def bound(mine: _Side, theirs: _Side) -> Array:
            own, far, off = mine.whole + mine.lost, largest(theirs.whole), largest(theirs.lost)
            terms = own * (far + off) + mine.dot + largest(theirs.dot)
            tiny = width * TINY * (1 + own + far) + _SCORE * common
            rounded = mine.lost * far + own * off + mine.dot_lost + largest(theirs.dot_lost)
            error: Array = rounded * 1.001 + terms * factor + tiny
            return error

        self.margins = Margins(bound(one, other), bound(other, one), _RELATIVE)

    def multiply(self, left: slice, right: slice) -> Tensor:
        rows, columns = self._left[left], self._right[right]
        if self._device.type == "cuda":
            return torch.mm(rows, columns.T, out_dtype=torch.float32)
        return torch.mm(rows, columns.T).float()

    def floors(self, product: Tensor, k: int, axis: int) -> Array:
        size, others = product.shape[axis], product.shape[1 - axis]
        if size < k:
            return np.full(others, -np.inf, dtype=np.float32)
        groups = min(size, max(GROUPS, 8 * k))
        deep = size // groups
        if axis == 1:
            best = product[:, : groups * deep].reshape(others, deep, groups).amax(1)
        else:
            best = product[: groups * deep].reshape(deep, groups, others).amax(0)
        floors: Array = best.topk(k, dim=axis).values.select(axis, k - 1).cpu().numpy()
        return floors

    def hits(self, product: Tensor, rows: Array | None, columns: Array | None, most: int) -> Hits | None:
        reached = torch.zeros((), dtype=torch.bool, device=self._device)
        if rows is not None:
            reached = reached | (product >= torch.from_numpy(rows).to(self._device)[:, None])
        if columns is not None:
            reached = reached | (product >= torch.from_numpy(columns).to(self._device))
        if int(reached.count_nonzero()) > most:
            return None
        at, column = reached.nonzero(as_tuple=True)
        return Hits(at.cpu().numpy(), column.cpu().numpy(), product[at, column].cpu().numpy())


class ProcessorProducts(TorchProducts):
    """The same on a processor that multiplies bf16: NumPy compares products as 16-bit integers, the fastest way."""

    def __init__(self, left: Array, right: Array, sizes: Sizes, *, threads: int, block: int | None) -> None:
        super().__init__(left, right, sizes, device="cpu", block=block)
        self._pool = Pool(threads)
        self._space = torch.empty((min(self.block[0], len(left)), min(self.block[1], len(right))), dtype=torch.bfloat16)

    def multiply(self, left: slice, right: slice) -> Tensor:
        rows, columns = self._left[left], self._right[right]
        if (len(rows), len(columns)) == self._space.shape:
            return torch.mm(rows, columns.T, out=self._space)
        return torch.mm(rows, columns.T)

    def floors(self, product: Tensor, k: int, axis: int) -> Array:
        if product.shape[axis] < k:
            return np.full(product.shape[1 - axis], -np.inf, dtype=np.float32)
        return _numbers(_rising(group_floors(_rising(product.view(torch.int16).numpy()), k, axis)))

    def hits(self, product: Tensor, rows: Array | None, columns: Array | None, most: int) -> Hits | None:
        bits = product.view(torch.int16).numpy()
        numbers, floors = bits, [None if side is None else _bits(side) for side in (rows, columns)]
        if not all(side is None or side.min(initial=1) > 0 for side in floors):
            numbers, floors = _rising(bits), [None if side is None else _rising(side) for side in floors]
        flat = self._pool.reaching(numbers, floors[0], floors[1], most)
        if flat is None:
            return None
        at, column = np.divmod(flat, bits.shape[1])
        return Hits(at, column, _numbers(bits.reshape(-1)[flat]))


def _bits(floors: Array) -> Array:
    """Floors as bf16, rounded down, as the integers of the same bits; -inf stays."""
    wide = floors.view(np.int32)
    cut = wide >> 16  # towards zero; a negative number that loses something must go away from it
    down: Array = np.where((wide < 0) & ((wide & 0xFFFF) != 0), cut + 1, cut).astype(np.int16)
    return down


def _numbers(bits: Array) -> Array:
    """The float32 numbers of the bits of bf16 ones."""
    return (bits.astype(np.int32) << 16).view(np.float32)


def _rising(bits: Array) -> Array:
    """Integers in the order of the floats whose bits are given, and back: negative ones are in reverse without this."""
    rising: Array = bits ^ ((bits >> 15) & np.int16(0x7FFF))
    return rising
