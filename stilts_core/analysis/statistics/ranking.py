"""How well one number ranks things by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np

from stilts_core.analysis.statistics.resampling import stream
from stilts_core.analysis.statistics.results import Floats, Ints

ORDERS = 9_999
"""Random orders where there are more than can be looked at."""

DEPTHS = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking of n candidates beside their true values.

    Attributes:
        spearman, kendall: rank correlations (τ-b).
        ndcg: see `ndcg`.
        regret: k → `regret_at`, points.
        chance: the mean regret of a random order, by k.
        p: of the null hypothesis that the order is random, one-sided: how often a random order has a Spearman
            correlation as high.
    """

    n: int
    spearman: float
    kendall: float
    ndcg: float
    regret: dict[int, float]
    chance: dict[int, float]
    p: float


def ndcg(predicted: Floats, true: Floats) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) of the order that a prediction gives.

    The relevance of a candidate is its true value less the smallest one; discounts are 1 / log2(1 + rank). 1 where all
    are alike.
    """
    relevance = true - true.min()
    discount = 1 / np.log2(np.arange(2, len(true) + 2))
    best = float(np.sort(relevance)[::-1] @ discount)
    return float(relevance[_order(predicted)] @ discount) / best if best > 0 else 1.0


def regret_at(predicted: Floats, true: Floats, k: int) -> float:
    """What the best of the first k loses against the best of all (Poth et al. 2021), in the unit of the true values."""
    return float(true.max() - true[_order(predicted)[:k]].max())


def spearman(predicted: Floats, true: Floats) -> float:
    """Spearman's rank correlation; 0 where one side is constant."""
    from scipy.stats import rankdata

    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (predicted, true))
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else 0.0


def ranking(predicted: Floats, true: Floats, *, seed: int = 0) -> Ranking:
    """All of them, for (n,) predictions and true values with n of at least 3."""
    from scipy.stats import kendalltau

    n = len(true)
    depths = [k for k in DEPTHS if k < n]
    spread = np.ptp(predicted) > 0 and np.ptp(true) > 0
    tau = float(kendalltau(predicted, true).statistic) if spread else 0.0
    orders = _orders(n, seed)
    ordered = np.sort(true)
    chance = {k: float((true.max() - ordered[orders[:, :k]].max(axis=1)).mean()) for k in depths}
    regret = {k: regret_at(predicted, true, k) for k in depths}
    p = order_test([predicted], [true], seed=seed)
    return Ranking(n, spearman(predicted, true), tau, ndcg(predicted, true), regret, chance, p)


def order_test(predicted: Sequence[Floats], true: Sequence[Floats], *, seed: int = 0) -> float:
    """Whether predictions order the same candidates better than at random, on the mean over several targets.

    The candidates change places in the predictions of all targets at once: targets share their candidates and the runs
    behind them, so their rankings are not independent. One-sided, on the mean of Spearman's correlations; exact where
    all orders can be looked at, with at most seven candidates.

    Args:
        predicted, true: one pair of arrays (n,) a target.
        seed: of the random orders.
    """
    from scipy.stats import rankdata

    n = len(true[0])
    orders = _orders(n, seed)
    null = np.zeros(len(orders))
    found = 0.0
    for guess, gain in zip(predicted, true, strict=True):
        first, second = (rankdata(values) - (n + 1) / 2 for values in (guess, gain))
        size = float(np.sqrt((first @ first) * (second @ second)))
        if size:
            null += first[orders] @ second / size
            found += float(first @ second) / size
    above = int((null >= found - 1e-9).sum())
    return above / len(orders) if len(orders) == factorial(n) else (above + 1) / (len(orders) + 1)


def smallest_p(n: int) -> float:
    """The smallest p that `order_test` can give with so many candidates."""
    return 1 / min(factorial(n), ORDERS + 1)


def _orders(n: int, seed: int) -> Ints:
    if factorial(n) <= ORDERS:
        return np.array(list(permutations(range(n))), dtype=np.int64)
    return stream(seed, "orders", n).permuted(np.tile(np.arange(n), (ORDERS, 1)), axis=1)


def _order(predicted: Floats) -> Ints:
    """Places from the highest prediction to the lowest; equal ones in their own order."""
    return np.argsort(-predicted, kind="stable")
