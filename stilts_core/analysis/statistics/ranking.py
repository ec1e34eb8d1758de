"""How well one number ranks things by another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.statistics.resampling import stream
from stilts_core.analysis.statistics.results import Floats


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


def ranking(predicted: Floats, true: Floats, *, seed: int = 0, draws: int = 9_999) -> Ranking:
    """All of them, for (n,) predictions and true values with n of at least 3."""
    from scipy.stats import kendalltau, rankdata, spearmanr

    n = len(true)
    depths = [k for k in (1, 3, 5) if k < n]
    spread = np.ptp(predicted) > 0 and np.ptp(true) > 0
    rho = float(spearmanr(predicted, true).statistic) if spread else 0.0
    tau = float(kendalltau(predicted, true).statistic) if spread else 0.0
    orders = stream(seed, "orders", n).permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
    p = 1.0
    if spread:
        first, second = rankdata(np.sort(predicted)), rankdata(np.sort(true))
        first, second = first - first.mean(), second - second.mean()
        null = second[orders] @ first / np.sqrt((first @ first) * (second @ second))
        p = (float((null >= rho - 1e-12).sum()) + 1) / (draws + 1)
    ordered = np.sort(true)
    chance = {k: float((true.max() - ordered[orders[:, :k]].max(axis=1)).mean()) for k in depths}
    regret = {k: regret_at(predicted, true, k) for k in depths}
    return Ranking(n, rho, tau, ndcg(predicted, true), regret, chance, p)


def _order(predicted: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places from the highest prediction to the lowest; equal ones in their own order."""
    return np.argsort(-predicted, kind="stable")
