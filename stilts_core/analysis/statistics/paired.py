"""Tests of two arms on the same examples or languages."""

from __future__ import annotations

import numpy as np

from stilts_core.analysis.statistics.resampling import all_signs, signs, stream
from stilts_core.analysis.statistics.results import DRAWS, Array, Floats, Test

EXACT_UNITS = 14
"""Up to so many units every arrangement is looked at: 16,384 of them."""


def permutation(differences: Array, *, draws: int = DRAWS, seed: int = 0) -> Test:
    """Paired permutation test of a mean difference of 0, two-sided.

    Under the null hypothesis the two arms' outcomes of an example could stand in each other's place: approximate
    randomisation (Noreen 1989; Riezler and Maxwell 2005). With few examples every arrangement is looked at. The p value
    of random arrangements counts the observed one, so that the test keeps its level (Phipson and Smyth 2010).

    Args:
        differences: one for each example, or each language, (n,); of several runs, their mean. The order does not
            matter.
        draws: random arrangements.
        seed: of the random numbers.
    """
    ordered = np.sort(np.asarray(differences, dtype=np.float64))
    units = len(ordered)
    observed = float(ordered.sum())
    if units == 0:
        return Test(0.0, 1.0, 0, exact=True)
    # a sum within rounding of the observed one is as extreme as it
    edge = abs(observed) * (1 - 1e-12) - 1e-12
    if units <= EXACT_UNITS:
        extreme = np.abs(all_signs(units) @ ordered) >= edge
        return Test(observed / units, float(extreme.mean()), units, exact=True)
    found = 0
    for _, block in signs(units, draws, stream(seed, "signs", units)):
        found += int(np.count_nonzero(np.abs(block @ ordered) >= edge))
    return Test(observed / units, (found + 1) / (draws + 1), units, exact=False)


def ratio_permutation(
    arm: tuple[Array, Array], baseline: tuple[Array, Array], *, draws: int = DRAWS, seed: int = 0
) -> Test:
    """As `permutation`, for scores that are a ratio of sums over the examples (an F1 over counts), percent.

    Args:
        arm: numerators and denominators of its examples, (n,) each.
        baseline: the same of the other arm; the pairs may come in any order.
        draws: random arrangements.
        seed: of the random numbers.
    """
    columns = np.stack([np.asarray(part, dtype=np.float64) for part in (*arm, *baseline)], axis=1)
    columns = columns[np.lexsort(columns.T)]
    total = (columns[:, :2] + columns[:, 2:]).sum(axis=0)
    half = columns[:, :2] - columns[:, 2:]
    units = len(columns)

    def difference(swapped: Floats) -> Floats:
        first = (total + swapped) / 2
        second = (total - swapped) / 2
        tiny = np.finfo(np.float64).tiny
        return np.asarray(
            100 * (first[..., 0] / np.maximum(first[..., 1], tiny) - second[..., 0] / np.maximum(second[..., 1], tiny))
        )

    observed = float(difference(half.sum(axis=0)))
    edge = abs(observed) * (1 - 1e-12) - 1e-12
    if units <= EXACT_UNITS:
        extreme = np.abs(difference(all_signs(units) @ half)) >= edge
        return Test(observed, float(extreme.mean()), units, exact=True)
    found = 0
    for _, block in signs(units, draws, stream(seed, "signs", units)):
        found += int(np.count_nonzero(np.abs(difference(block @ half)) >= edge))
    return Test(observed, (found + 1) / (draws + 1), units, exact=False)


def mcnemar(arm: Array, baseline: Array) -> Test:
    """McNemar's exact test on two arms' right and wrong answers (McNemar 1947), two-sided.

    Args:
        arm, baseline: 0 or 1 for each example, (n,), in the same order.

    Returns:
        The statistic is the number of examples that the arm alone gets right less those that the baseline alone does;
        n the number of examples on which they differ.
    """
    from scipy.stats import binomtest

    right, other = np.asarray(arm) > 0.5, np.asarray(baseline) > 0.5
    gained, lost = int((right & ~other).sum()), int((~right & other).sum())
    discordant = gained + lost
    p = float(binomtest(gained, discordant, 0.5).pvalue) if discordant else 1.0
    return Test(float(gained - lost), p, discordant, exact=True)


def wilcoxon(differences: Array) -> Test:
    """Wilcoxon's signed-rank test of differences around 0 (Wilcoxon 1945), two-sided; for a mean over languages.

    Zeros are left out (Wilcoxon's own way). Exact up to 50 differences without ties, else by the normal approximation
    with correction for ties: SciPy's ``method="auto"``.

    Returns:
        The statistic is the smaller sum of ranks; n the number of differences that are not 0.
    """
    from scipy.stats import wilcoxon as signed_rank

    found = np.asarray(differences, dtype=np.float64)
    found = found[found != 0]
    if len(found) < 1:
        return Test(0.0, 1.0, 0, exact=True)
    result = signed_rank(found)
    exact = len(found) <= 50 and len(np.unique(np.abs(found))) == len(found)
    return Test(float(result.statistic), float(result.pvalue), len(found), exact=exact)
