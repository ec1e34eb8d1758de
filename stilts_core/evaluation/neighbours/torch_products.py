"""Products by torch: in bf16, which processors with AVX-512 BF16 or AMX and all recent GPUs multiply fastest."""

from __future__ import annotations

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
    group_floors,
    largest,
    lengths,
    summation_error,
)

_LAST = 2.0**-8
"""Of a product that is given, or summed in parts, in bf16: twice the error of rounding to the nearest."""

_ROWS = 16384


def _rounded(side: Array, device: torch.device) -> tuple[Tensor, Array, Array]:
    """The rows in bf16, their lengths, and the lengths of what rounding takes away, float64."""
    short = torch.empty(side.shape, dtype=torch.bfloat16, device=device)
    lost = np.empty(len(side))
    for top in range(0, len(side), _ROWS):
        part = torch.from_numpy(side[top : top + _ROWS])
        rounded = part.to(torch.bfloat16)
        short[top : top + _ROWS] = rounded
        lost[top : top + _ROWS] = lengths((part - rounded.float()).numpy())
    return short, lengths(side), lost


class TorchProducts:
    """Both sides rounded to bf16; products and what reaches a floor are found on the device.

    With x', y' the rounded rows, |xy - x'y'| is at most |x - x'| |y| + |x'| |y - y'|: lengths that are
    measured, not assumed. Summing x'y' in float32, and giving it in bf16, adds errors of its own.
    """

    def __init__(self, left: Array, right: Array, *, device: str, block: int | None) -> None:
        self._device = torch.device(device)
        usual = 2048 if self._device.type == "cpu" else 16384
        self.block = (block or usual, block or 2 * usual)
        self._left, whole_left, lost_left = _rounded(left, self._device)
        self._right, whole_right, lost_right = _rounded(right, self._device)
        width = left.shape[1]
        factor = 2 * summation_error(width + 1) + _LAST

        def bound(whole: Array, lost: Array, far: float, off: float) -> Array:
            own = whole + lost
            tiny = width * TINY * (1 + own + far)
            error: Array = (lost * far + own * off + own * (far + off) * factor) * 1.001 + tiny
            return error

        self.margins = Margins(
            bound(whole_left, lost_left, largest(whole_right), largest(lost_right)),
            bound(whole_right, lost_right, largest(whole_left), largest(lost_left)),
        )

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

    def __init__(self, left: Array, right: Array, *, threads: int, block: int | None) -> None:
        super().__init__(left, right, device="cpu", block=block)
        self._pool = Pool(threads)
        self._space = torch.empty((min(self.block[0], len(left)), min(self.block[1], len(right))), dtype=torch.bfloat16)

    def multiply(self, left: slice, right: slice) -> Tensor:
        rows, columns = self._left[left], self._right[right]
        if (len(rows), len(columns)) == self._space.shape:
            return torch.mm(rows, columns.T, out=self._space)
        return torch.mm(rows, columns.T)

    def floors(self, product: Tensor, k: int, axis: int) -> Array:
        return group_floors(product.float().numpy(), k, axis)

    def hits(self, product: Tensor, rows: Array | None, columns: Array | None, most: int) -> Hits | None:
        bits = product.view(torch.int16).numpy()
        numbers, floors = bits, [None if side is None else _bits(side) for side in (rows, columns)]
        if not all(side is None or side.min(initial=1) > 0 for side in floors):
            numbers, floors = _rising(bits), [None if side is None else _rising(side) for side in floors]
        flat = self._pool.reaching(numbers, floors[0], floors[1], most)
        if flat is None:
            return None
        at, column = np.divmod(flat, bits.shape[1])
        bits = bits.reshape(-1)[flat]
        return Hits(at, column, (bits.astype(np.int32) << 16).view(np.float32))


def _bits(floors: Array) -> Array:
    """Floors as bf16, rounded down, as the integers of the same bits."""
    low = np.maximum(floors - np.abs(floors) * np.float32(2.0**-7), np.float32(-3e38))
    bits: Array = torch.from_numpy(low).to(torch.bfloat16).view(torch.int16).numpy()
    return bits


def _rising(bits: Array) -> Array:
    """Integers in the order of the floats whose bits are given: without this, negative ones are in reverse."""
    rising: Array = bits ^ ((bits >> 15) & np.int16(0x7FFF))
    return rising
