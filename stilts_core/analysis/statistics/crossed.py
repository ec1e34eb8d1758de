"""Intervals for a mean over few seeds and many examples: t intervals with both sources of variance.

Runs are costly and few, examples are many, and every run answers the same examples: a crossed design of two random
factors. A percentile bootstrap over three or five seeds is far too narrow, because a resample of n seeds has only
(n - 1) / n of their variance and knows no t distribution (Hesterberg 2015, section 4.3). The standard error here is
that of the analysis of variance for readers × cases (Obuchowski and Rockette 1995; Hillis 2007):

    SE² = s² / S + max(V - E, 0)

with S seeds and the variance s² of their means, V the variance of the mean over U resampled examples, and E the share
of V that is the interaction of seeds and examples, which s² / S holds already.

Degrees of freedom: Satterthwaite's (1946) give intervals that are too narrow where most of the variance is the seeds',
because a small s² also raises the degrees of freedom; Cochran's (1964) weighted mean of the two t quantiles gives too
wide ones where little of it is. So the quantile goes from the one to the other with the seeds' share of the variance
(`degrees_of_freedom`); the degrees of freedom stated are those that have this quantile. How often an interval of 95 %
then holds the truth depends on what share of the variance the seeds truly have. Over all shares, with the examples'
part known, by integration over the distribution of s², in percent:

    seeds             2            3            4            5            10
    Satterthwaite     87.2–95.1    92.2–95.0    93.6–95.0    94.1–95.0    94.8–95.0
    Cochran           93.9–97.8    95.0–97.1    95.0–96.7    95.0–96.4    95.0–95.7
    here              92.9–96.6    94.7–95.9    95.0–95.6    95.0–95.4    95.0–95.3

With two seeds no quantile that rises smoothly with the share stays between 94 and 96. Simulated studies:
``make bench-coverage``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtridf, stdtrit

from stilts_core.analysis.statistics.results import LEVEL, Floats, Interval


@dataclass(frozen=True, slots=True)
class Noise:
    """What the choice of examples adds to the variance of a mean.

    Attributes:
        variance: V, of the mean over the seeds, points².
        interaction: E, points².
        units: U, examples that are resampled.
    """

    variance: float
    interaction: float
    units: int

    @property
    def beyond_seeds(self) -> float:
        return max(self.variance - self.interaction, 0.0)


def noise_of(influence: Floats) -> Noise:
    """The examples' share from their influence on the estimate of each seed.

    Args:
        influence: (U, S), so that the column sums of a resample's counts times it are its deviations, in points.
    """
    units, seeds = influence.shape
    centred = influence - influence.mean(axis=0)
    by_unit = centred.mean(axis=1)
    bessel = units / max(units - 1, 1)
    variance = float((by_unit**2).sum()) * bessel
    if seeds < 2:
        return Noise(variance, 0.0, units)
    residual = centred - by_unit[:, None]
    interaction = float((residual**2).sum()) * bessel / (seeds * (seeds - 1))
    return Noise(variance, interaction, units)


def t_interval(estimate: float, se: float, df: float, basis: str, level: float = LEVEL) -> Interval:
    """Estimate ± t · SE; nothing is known of the truth (p 1, infinite interval) where df is below 1."""
    if not df >= 1 or not np.isfinite(se):
        return Interval(estimate, -np.inf, np.inf, np.nan, df, 1.0, basis, level)
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    p = float(estimate == 0) if se == 0 else 2.0 * float(stdtr(df, -abs(estimate) / se))
    return Interval(estimate, estimate - half, estimate + half, se, df, p, basis, level)


def degrees_of_freedom(parts: Sequence[tuple[float, int]], level: float = LEVEL) -> float:
    """Of a sum of estimated variances: those whose quantile lies between Satterthwaite's and Cochran's.

    Cochran's has the weight 1 - (1 - r)^max(1, 4 / f), with f the fewest degrees of freedom of a part and r that part's
    share of the sum. The exponent is our own, chosen by the integration that the module's docstring shows.

    Args:
        parts: each variance with its own degrees of freedom.
        level: of the interval that they are for.
    """
    there = [(variance, df) for variance, df in parts if variance > 0]
    if len(there) < 2:
        return float(there[0][1] if there else parts[0][1])
    total = sum(variance for variance, _ in there)
    tail = 0.5 + level / 2
    satterthwaite = float(stdtrit(total**2 / sum(variance**2 / df for variance, df in there), tail))
    cochran = sum(variance * float(stdtrit(df, tail)) for variance, df in there) / total
    fewest = min(df for _, df in there)
    share = sum(variance for variance, df in there if df == fewest) / total
    weight = 1 - (1 - share) ** max(1.0, 4 / fewest)
    quantile = satterthwaite + weight * (cochran - satterthwaite)
    return float(np.clip(stdtridf(tail, quantile), fewest, sum(df for _, df in there)))


def seeds_interval(values: Floats, noise: Noise | None = None, level: float = LEVEL) -> Interval:
    """The mean of a quantity over runs, with the examples where they are known.

    Args:
        values: one for each independent run (or pair of runs), (S,).
        noise: of the examples; None where there are no outcomes of single examples, so that the interval is for these
            test sets.

    Returns:
        With one run, the interval over examples alone; without noise either, an infinite one.
    """
    seeds = len(values)
    estimate = float(np.mean(values))
    beyond = noise.beyond_seeds if noise else 0.0
    if seeds < 2:
        if noise is None:
            return t_interval(estimate, np.nan, 0.0, "one run", level)
        return t_interval(estimate, float(np.sqrt(noise.variance)), noise.units - 1.0, "examples", level)
    of_seeds = float(np.var(values, ddof=1)) / seeds
    parts = [(of_seeds, seeds - 1), (beyond, noise.units - 1 if noise else 1)]
    basis = "seeds and examples" if noise else "seeds"
    return t_interval(estimate, float(np.sqrt(of_seeds + beyond)), degrees_of_freedom(parts, level), basis, level)


def languages_interval(values: Floats, shared: float = 0.0, level: float = LEVEL) -> Interval:
    """The mean over languages and runs, for a statement about languages in general.

    Both are random and crossed: SE² = MS_L / LS + max(MS_S - MS_LS, 0) / LS, with the mean squares of a two-way
    analysis of variance without replication (Searle, Casella and McCulloch 1992, section 4.7) and the degrees of
    freedom of Hillis (2007). The noise of a language's own examples is within MS_L.

    Args:
        values: (L, S).
        shared: variance of the mean that examples common to all languages add, points².
    """
    languages, seeds = values.shape
    estimate = float(values.mean())
    if languages < 2:
        return t_interval(estimate, np.nan, 0.0, "one language", level)
    by_language, by_seed = values.mean(axis=1), values.mean(axis=0)
    of_languages = float(np.var(by_language, ddof=1)) / languages
    parts = [(of_languages + shared, languages - 1)]
    if seeds > 1:
        residual = values - by_language[:, None] - by_seed + estimate
        interaction = float((residual**2).sum()) / ((languages - 1) * (seeds - 1)) / (languages * seeds)
        beyond = max(float(np.var(by_seed, ddof=1)) / seeds - interaction, 0.0)
        parts.append((beyond, seeds - 1))
    se = float(np.sqrt(sum(variance for variance, _ in parts)))
    basis = "languages and seeds" if seeds > 1 else "languages"
    return t_interval(estimate, se, degrees_of_freedom(parts, level), basis, level)
