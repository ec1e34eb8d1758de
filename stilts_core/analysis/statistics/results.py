"""What an interval and a test say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

LEVEL = 0.95
"""The confidence level of every interval that does not say another."""

DRAWS = 10_000
"""Draws of a bootstrap or of a permutation test that does not say another number."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate, low, high: in the unit of the data.
        se: standard error, with the small-sample corrections that the method has.
        df: degrees of freedom of the t distribution behind it; infinite where there is none.
        p: two-sided p value of the hypothesis that the truth is 0.
        basis: what varies: ``seeds``, ``examples``, ``seeds and examples``, with ``languages`` in language mode.
        level: confidence.
    """

    estimate: float
    low: float
    high: float
    se: float
    df: float
    p: float
    basis: str
    level: float = LEVEL

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Test:
    """A test's result.

    Attributes:
        statistic: what was compared with its distribution under the null hypothesis.
        n: what it rests on (examples, languages, discordant pairs; the function says).
        exact: every arrangement was looked at, or the distribution is known exactly.
    """

    statistic: float
    p: float
    n: int
    exact: bool
    __test__ = False  # no test for pytest to collect
