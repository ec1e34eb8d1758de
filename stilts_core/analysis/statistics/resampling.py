"""Random weights: how often each unit of a resample was drawn, in blocks of bounded memory.

Drawing n of n units with replacement is drawing the counts of a multinomial distribution. A block of such counts times
a matrix of outcomes is one matrix product for all runs and languages, several times faster than gathering examples.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from stilts_core.analysis.statistics.results import Floats, Ints

BLOCK_BYTES = 32 * 2**20
"""Memory of one block of weights."""


def stream(seed: int, *names: object) -> np.random.Generator:
    """A random stream of its own for each combination of names, the same in every process."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def counts(units: int, draws: int, random: np.random.Generator) -> Iterator[tuple[slice, Floats]]:
    """Multinomial counts, ``units`` drawn of ``units`` with replacement.

    Yields:
        The place of a block among the draws, and its counts, (draws of the block, units); every row adds up to
        ``units``.
    """
    rows = max(1, min(draws, BLOCK_BYTES // (8 * units)))
    for start in range(0, draws, rows):
        stop = min(start + rows, draws)
        size = stop - start
        chosen = random.integers(0, units, size=(size, units))
        chosen += np.arange(0, size * units, units)[:, None]
        found = np.bincount(chosen.ravel(), minlength=size * units)
        yield slice(start, stop), found.reshape(size, units).astype(np.float64)


def unit_weights(units: int, draws: int, random: np.random.Generator) -> Floats:
    """Shares of the units in each resample, (draws, units), for few units such as seeds or languages."""
    found = np.empty((draws, units))
    for place, block in counts(units, draws, random):
        found[place] = block / units
    return found


def signs(units: int, draws: int, random: np.random.Generator) -> Iterator[tuple[slice, Floats]]:
    """Independent fair signs, in blocks (draws of the block, units) of -1 and 1."""
    rows = max(1, min(draws, BLOCK_BYTES // (8 * units)))
    for start in range(0, draws, rows):
        stop = min(start + rows, draws)
        bits = np.unpackbits(random.integers(0, 256, size=(stop - start, -(-units // 8)), dtype=np.uint8), axis=1)
        yield slice(start, stop), bits[:, :units].astype(np.float64) * 2 - 1


def all_signs(units: int) -> Floats:
    """Every combination of signs, (2 ** units, units); the first row is all 1."""
    patterns: Ints = np.arange(2**units)[:, None] >> np.arange(units) & 1
    return np.asarray(1 - 2 * patterns, dtype=np.float64)
