"""Correlations with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from stilts_core.analysis.statistics.results import LEVEL, Floats


@dataclass(frozen=True, slots=True)
class Correlation:
    """Three coefficients of one set of points.

    Attributes:
        low, high: interval of Pearson's r by Fisher's transformation (Fisher 1915).
        p: of Pearson's r, two-sided, t test.
        n: points.
        df: of the t test: n - 2, less what means or other variables have taken.
    """

    pearson: float
    low: float
    high: float
    p: float
    spearman: float
    spearman_p: float
    kendall: float
    kendall_p: float
    n: int
    df: int


def correlation(x: Floats, y: Floats, *, taken: int = 0, level: float = LEVEL) -> Correlation:
    """The correlations of points, (n,) each.

    Args:
        x, y: neither of them constant.
        taken: degrees of freedom that were used up before: one for each group mean beyond the first that was
            subtracted, one for each variable held constant. p values of the rank correlations do not know of them, so
            they are approximate then.
        level: of the interval.
    """
    from scipy.stats import kendalltau, spearmanr

    n = len(x)
    df = n - 2 - taken
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if abs(r) > 1 - 1e-12:  # perfect but for rounding
        r = float(np.sign(r))
    rank, tau = spearmanr(x, y), kendalltau(x, y)
    exact = abs(r) >= 1
    p = 0.0 if exact else 2 * float(stdtr(df, -abs(r) * np.sqrt(df / (1 - r**2)))) if df > 0 else 1.0
    low, high = -1.0, 1.0
    if exact:
        low = high = r
    elif df > 1:
        half = float(ndtri(0.5 + level / 2)) / np.sqrt(df - 1)
        low, high = (float(np.tanh(np.arctanh(r) + side * half)) for side in (-1, 1))
    return Correlation(
        r, low, high, p, float(rank.statistic), float(rank.pvalue), float(tau.statistic), float(tau.pvalue), n, df
    )


def smallest_shown(df: int, *, alpha: float = 0.05) -> float:
    """The smallest correlation that a two-sided t test with so many degrees of freedom tells from 0; 1 for none."""
    if df < 1:
        return 1.0
    t = float(stdtrit(df, 1 - alpha / 2))
    return t / float(np.sqrt(df + t**2))
