"""Sums that give the same digits under every Python."""

from __future__ import annotations

from collections.abc import Iterable


def running_sum(values: Iterable[float]) -> float:
    """The sum from left to right, rounded after each addition, as the reference programs do it.

    The built-in ``sum`` compensates rounding errors from Python 3.12 on, and numpy adds in pairs.
    """
    total = 0.0
    for value in values:
        total += value
    return total
