"""Is a difference too small to matter? Two one-sided tests (Schuirmann 1987)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.results import Array, Interval


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The result of two one-sided tests.

    Attributes:
        margin: differences below it do not matter, in the unit of the data.
        p: the larger of the two p values; equivalence is shown where it is below α.
        interval: of the difference, of level 1 - 2α: within ±margin exactly where p is below α.
    """

    margin: float
    p: float
    interval: Interval
    alpha: float

    @property
    def equivalent(self) -> bool:
        return self.p < self.alpha


def tost(differences: Array, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """The paired test on differences, (n,); p is 1 with less than two of them."""
    values = np.sort(np.asarray(differences, dtype=np.float64))
    return equivalence(seeds_interval(values, None, 1 - 2 * alpha), margin, alpha=alpha)


def equivalence(interval: Interval, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """The same test from an estimate, its standard error and its degrees of freedom."""
    if not interval.df >= 1 or np.isnan(interval.se):
        return Equivalence(margin, 1.0, interval, alpha)
    if interval.se == 0:
        return Equivalence(margin, float(abs(interval.estimate) >= margin), interval, alpha)
    above = float(stdtr(interval.df, -(interval.estimate + margin) / interval.se))
    below = float(stdtr(interval.df, (interval.estimate - margin) / interval.se))
    return Equivalence(margin, max(above, below), interval, alpha)
