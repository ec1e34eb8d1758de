"""How small a gain a number of seeds can show, and how many seeds a gain needs."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

POWER = 0.8
MOST_SEEDS = 10_000


def power_of(gain: float, deviation: float, seeds: int, *, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t test shows a true gain (Cohen 1988, section 2.3; noncentral t).

    Args:
        gain: points.
        deviation: standard deviation of the paired differences over seeds, points.
        seeds: at least 2.
        alpha: of the test.
    """
    from scipy.stats import nct

    df = seeds - 1
    critical = float(stdtrit(df, 1 - alpha / 2))
    shift = abs(gain) / deviation * np.sqrt(seeds)
    return float(np.nan_to_num(nct.sf(critical, df, shift), nan=1.0) + np.nan_to_num(nct.cdf(-critical, df, shift)))


def detectable_difference(deviation: float, seeds: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest true gain that a paired t test over so many seeds shows with this power; infinite below 2 seeds."""
    from scipy.optimize import brentq

    if seeds < 2:
        return float("inf")
    if deviation == 0:
        return 0.0

    def lacking(gain: float) -> float:
        return power_of(gain, 1.0, seeds, alpha=alpha) - power

    top = 4.0
    while lacking(top) < 0:
        top *= 2
    return float(brentq(lacking, 1e-6, top, xtol=1e-9)) * deviation


def seeds_for(gain: float, deviation: float, *, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The fewest seeds with which a true gain of this size is shown with this power; None above 10,000."""
    if deviation == 0:
        return 2
    low, high = 1, 2
    while power_of(gain, deviation, high, alpha=alpha) < power:
        low, high = high, high * 2
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if power_of(gain, deviation, middle, alpha=alpha) < power:
            low = middle
        else:
            high = middle
    return high


def seeds_within(distance: float, of_seeds: float, beyond: float = 0.0, *, level: float = 0.95) -> int | None:
    """The fewest seeds with which an interval is no wider than ± ``distance``; None where no number of seeds is enough.

    Args:
        distance: points.
        of_seeds: standard deviation of the paired differences over seeds, points.
        beyond: variance that more seeds do not lower: that of the examples, points².
        level: of the interval.
    """

    def half(seeds: int) -> float:
        variance = of_seeds**2 / seeds + beyond
        return float(stdtrit(seeds - 1, 0.5 + level / 2)) * float(np.sqrt(variance))

    if distance <= 0 or half(MOST_SEEDS) > distance:
        return None
    low, high = 1, 2
    while half(high) > distance:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if half(middle) > distance:
            low = middle
        else:
            high = middle
    return high
