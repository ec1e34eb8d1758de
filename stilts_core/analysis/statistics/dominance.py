"""Almost stochastic order: does one arm's distribution of scores over seeds lie above another's, nearly everywhere?

The violation ratio and its test are those of del Barrio, Cuesta-Albertos and Matrán (2018), brought to comparisons of
trained models by Dror, Shlomov and Reichart (2019). With the quantile functions F⁻¹ of the better arm and G⁻¹ of the
other, the ratio is the share of their squared distance that lies where G⁻¹ is above F⁻¹:

    ε(F, G) = ∫ max(G⁻¹ - F⁻¹, 0)² dt / ∫ (F⁻¹ - G⁻¹)² dt

ε is 0 when F dominates G, 1 when G dominates F. ε_min is the smallest ε for which almost dominance can be claimed with
confidence 1 - α: the ratio plus its sampling error,

    ε_min = ε(F_n, G_m) - √((n + m) / (n m)) σ Φ⁻¹(α),

σ² the bootstrap variance of √(n m / (n + m)) (ε(F_n*, G_m*) - ε(F_n, G_m)). F is called almost stochastically dominant
when ε_min < 0.5, and safely so below 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from stilts_core.analysis.statistics.resampling import stream
from stilts_core.analysis.statistics.results import Array, Floats

DOMINANT, SAFE = 0.5, 0.2


@dataclass(frozen=True, slots=True)
class Dominance:
    """How far one arm's scores lie above another's.

    Attributes:
        ratio: ε of the samples.
        minimum: ε_min, 0 to 1.
        alpha: 1 less the confidence.
        runs: n and m.
    """

    ratio: float
    minimum: float
    alpha: float
    runs: tuple[int, int]

    @property
    def dominant(self) -> bool:
        return self.minimum < DOMINANT


def violation_ratio(upper: Floats, lower: Floats) -> Floats:
    """ε of samples, (...,), from sorted scores (..., n) and (..., m).

    Both quantile functions are steps, so the integrals are exact sums over the common refinement of their steps. Equal
    samples violate neither order: 0.5.
    """
    n, m = upper.shape[-1], lower.shape[-1]
    # the steps end at i/n and j/m: whole numbers over the common denominator n m
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    width = np.diff(ends, prepend=0) / (n * m)
    gap = upper[..., (ends - 1) // m] - lower[..., (ends - 1) // n]
    total = (gap**2 * width).sum(axis=-1)
    violated = (np.minimum(gap, 0.0) ** 2 * width).sum(axis=-1)
    return np.asarray(np.where(total > 0, violated / np.where(total > 0, total, 1.0), 0.5))


def almost_stochastic_order(
    arm: Array, baseline: Array, *, alpha: float = 0.05, comparisons: int = 1, draws: int = 1_000, seed: int = 0
) -> Dominance:
    """ε_min of an arm's scores over those of a baseline.

    Args:
        arm, baseline: one score a run, (n,) and (m,), at least two each.
        alpha: 1 less the confidence; divided by ``comparisons`` (Bonferroni).
        comparisons: size of the family.
        draws: of the bootstrap behind σ.
        seed: of the random numbers.

    Raises:
        ValueError: an arm has less than two scores.
    """
    upper, lower = np.sort(np.asarray(arm, np.float64)), np.sort(np.asarray(baseline, np.float64))
    n, m = len(upper), len(lower)
    if min(n, m) < 2:
        raise ValueError("almost stochastic order needs two scores of each arm")
    ratio = float(violation_ratio(upper, lower))
    random = stream(seed, "dominance", n, m)
    first = np.sort(upper[random.integers(0, n, (draws, n))], axis=1)
    second = np.sort(lower[random.integers(0, m, (draws, m))], axis=1)
    scale = np.sqrt(n * m / (n + m))
    sigma = float(np.std(scale * (violation_ratio(first, second) - ratio), ddof=1))
    level = alpha / comparisons
    minimum = ratio - sigma / scale * float(ndtri(level))
    return Dominance(ratio, float(np.clip(minimum, 0.0, 1.0)), level, (n, m))
