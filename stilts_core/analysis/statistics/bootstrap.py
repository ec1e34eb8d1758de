"""Hierarchical bootstrap of gains: seeds, examples and, in its own mode, languages.

Seeds and examples are crossed (every run answers every example), so each draw takes one resample of the seeds, common
to all languages, and one of the examples, common to all runs: the pigeonhole bootstrap (Owen 2007; Davison and Hinkley
1997, section 3.8). Its variance is at least that of the design. Test sets that are translations of each other share
their resamples of ids.

Resampling a few seeds gives too little variance, whatever is done with the draws (see `crossed`); ``widen`` takes the
quantiles further out in the way of Hesterberg (2015, section 4.3), which repairs most of it from about eight seeds on.
Below that `intervals` gives the interval to report and the draws serve what has no formula: ranks, the best of several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from stilts_core.analysis.statistics.crossed import Noise, languages_interval, noise_of, seeds_interval
from stilts_core.analysis.statistics.resampling import counts, stream, unit_weights
from stilts_core.analysis.statistics.results import DRAWS, LEVEL, Array, Floats, Interval
from stilts_core.analysis.statistics.sample import Pool, Sample

CHUNK_BYTES = 256 * 2**20
"""Memory of the resampled scores that are held at once."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A gain: the mean over pairs of runs of the difference of their scores.

    Attributes:
        plus: places of the arm's runs in the sample, one a pair.
        minus: places of the baseline's runs; empty for the mean of the arm's scores themselves.
    """

    name: str
    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()

    def of(self, scores: Floats) -> Floats:
        """The gain of each pair, (..., S), from scores (..., R)."""
        found = scores[..., list(self.plus)]
        return np.asarray(found - scores[..., list(self.minus)] if self.minus else found)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The draws of a set of contrasts.

    Attributes:
        estimate: gain by language, points, (C, L).
        values: resampled gain by language, (C, L, B); its mean over L is a draw of the mean gain.
        seeds: pairs behind each contrast, (C,).
        basis: what was resampled.
    """

    contrasts: tuple[Contrast, ...]
    languages: tuple[str, ...]
    estimate: Floats
    values: Floats
    seeds: tuple[int, ...]
    basis: str

    def mean(self, contrast: int, languages: Sequence[int] | None = None) -> Floats:
        """Draws of the mean gain over (some of) the languages, (B,)."""
        found = self.values[contrast]
        return np.asarray((found if languages is None else found[list(languages)]).mean(axis=0))


def resample(
    sample: Sample, contrasts: Sequence[Contrast], *, draws: int = DRAWS, seed: int = 0, languages: bool = False
) -> Bootstrap:
    """Draws of each contrast.

    Args:
        sample: the outcomes of its runs.
        contrasts: C gains.
        draws: B.
        seed: of the random numbers.
        languages: resample the languages too. Each draw's languages are then weighted by how often they were drawn,
            so that the mean over the axis of languages is the draw of the mean.
    """
    shares = {len(c.plus): unit_weights(len(c.plus), draws, stream(seed, "seeds", len(c.plus))) for c in contrasts}
    codes = sample.languages
    values = np.empty((len(contrasts), len(codes), draws))
    at = {code: place for place, code in enumerate(codes)}
    for code, scores in _resampled_scores(sample, draws, seed):
        for place, contrast in enumerate(contrasts):
            np.einsum("bs,bs->b", contrast.of(scores), shares[len(contrast.plus)], out=values[place, at[code]])
    if languages:
        weights = unit_weights(len(codes), draws, stream(seed, "languages", len(codes)))
        values *= weights.T * len(codes)
    scores = sample.scores()
    estimate = np.stack([contrast.of(scores).mean(axis=-1) for contrast in contrasts])
    basis = "seeds, examples and languages" if languages else "seeds and examples"
    return Bootstrap(tuple(contrasts), codes, estimate, values, tuple(len(c.plus) for c in contrasts), basis)


def _resampled_scores(sample: Sample, draws: int, seed: int) -> Iterator[tuple[str, Floats]]:
    """Each language with the scores of all runs in every draw, (B, R).

    Pools of one size share their weights, and each reads them in an order of its own: within a draw the resamples of
    two pools are independent, as they must be, and the weights are made once a size.
    """
    runs = len(sample.runs)
    by_size: dict[int, list[Pool]] = {}
    for pool in sample.pools:
        by_size.setdefault(len(pool.units), []).append(pool)
    for size, pools in sorted(by_size.items()):
        measures = 1 if all(pool.denominator is None for pool in pools) else 2
        for group in _groups(pools, draws * runs * measures * 8):
            columns = [_columns(pool) for pool in group]
            sums = np.empty((draws, sum(column.shape[1] for column in columns)))
            stacked = np.concatenate(columns, axis=1)
            for place, block in counts(size, draws, stream(seed, "examples", size)):
                np.matmul(block, stacked, out=sums[place])
            start = 0
            for pool, column in zip(group, columns, strict=True):
                mine = sums[:, start : start + column.shape[1]]
                start += column.shape[1]
                order = stream(seed, "order", *pool.languages).permutation(draws) if len(pools) > 1 else None
                yield from _of_pool(pool, mine, order)


def _groups(pools: Sequence[Pool], bytes_of_language: int) -> Iterator[list[Pool]]:
    group: list[Pool] = []
    for pool in pools:
        if group and sum(len(p.languages) for p in (*group, pool)) * bytes_of_language > CHUNK_BYTES:
            yield group
            group = []
        group.append(pool)
    yield group


def _columns(pool: Pool) -> Floats:
    """(N, L R) numerators, and after them the denominators where they are not 1."""
    units = len(pool.units)
    parts = [pool.numerator] if pool.denominator is None else [pool.numerator, pool.denominator]
    return np.concatenate([part.reshape(units, -1) for part in parts], axis=1)


def _of_pool(pool: Pool, sums: Floats, order: Array | None) -> Iterator[tuple[str, Floats]]:
    runs = pool.numerator.shape[2]
    width = len(pool.languages) * runs
    for place, code in enumerate(pool.languages):
        mine = slice(place * runs, (place + 1) * runs)
        numerator = sums[:, mine]
        if pool.denominator is None:
            scores = pool.score(numerator, float(len(pool.units)))
        else:
            scores = pool.score(numerator, sums[:, width + mine.start : width + mine.stop])
        yield code, scores if order is None else scores[order]


def percentile(draws: Floats, estimate: float, *, level: float = LEVEL, widen: int | None = None) -> Interval:
    """The percentile interval (Efron and Tibshirani 1993, chapter 13).

    Args:
        draws: (B,).
        estimate: of the data themselves.
        level: confidence.
        widen: the number of seeds, for the expanded percentile interval of Hesterberg (2015): the quantiles of level
            Φ(-√(n / (n - 1)) t(α/2, n - 1)) instead of α/2.
    """
    tail = (1 - level) / 2
    if widen is not None and widen > 1:
        tail = float(ndtr(np.sqrt(widen / (widen - 1)) * stdtrit(widen - 1, tail)))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return _interval(draws, estimate, float(low), float(high), level)


def bca(draws: Floats, estimate: float, acceleration: float, *, level: float = LEVEL) -> Interval:
    """The bias-corrected and accelerated interval (Efron 1987; Efron and Tibshirani 1993, section 14.3).

    Args:
        draws: (B,).
        estimate: of the data themselves.
        acceleration: see `acceleration_of`.
        level: confidence.
    """
    below = (np.count_nonzero(draws < estimate) + np.count_nonzero(draws <= estimate)) / (2 * len(draws))
    if not 0 < below < 1:
        return percentile(draws, estimate, level=level)
    bias = float(ndtri(below))
    tail = (1 - level) / 2
    ends = []
    for normal in (float(ndtri(tail)), float(ndtri(1 - tail))):
        moved = bias + normal
        ends.append(float(ndtr(bias + moved / (1 - acceleration * moved))))
    low, high = np.quantile(draws, ends)
    return _interval(draws, estimate, float(low), float(high), level)


def acceleration_of(*influences: Floats) -> float:
    """The acceleration of the BCa interval from the influence of every unit of every level.

    Σ U³ / (6 (Σ U²)^1.5), over several samples as in Efron and Tibshirani (1993), section 14.3 and problem 22.3.

    Args:
        influences: for each level (seeds, examples) the influence of its units on the estimate, in its own scale
            (points for one unit's share of the resample).
    """
    squares = sum(float((found**2).sum()) for found in influences)
    if squares <= 0:
        return 0.0
    cubes = sum(float((found**3).sum()) for found in influences)
    return float(cubes / (6 * squares**1.5))


def _interval(draws: Floats, estimate: float, low: float, high: float, level: float) -> Interval:
    tail = (np.count_nonzero(draws <= 0) + 1) / (len(draws) + 1), (np.count_nonzero(draws >= 0) + 1) / (len(draws) + 1)
    p = float(min(1.0, 2 * min(tail)))
    return Interval(estimate, low, high, float(np.std(draws, ddof=1)), np.inf, p, "bootstrap", level)


def influence_of(sample: Sample, contrast: Contrast, languages: Sequence[str] | None = None) -> Floats:
    """How much one draw of an example moves the mean gain over the languages, for each pair, (U, S), points."""
    chosen = sample.languages if languages is None else languages
    return weighted_influence(sample, contrast, dict.fromkeys(chosen, 1 / len(chosen)))


def weighted_influence(sample: Sample, contrast: Contrast, weights: Mapping[str, float]) -> Floats:
    """As `influence_of`, on a weighted sum of the languages' gains.

    Args:
        sample: of the outcomes.
        contrast: the pairs of runs.
        weights: language → its weight; languages that are not named have none.
    """
    parts = []
    for pool in sample.pools:
        mine = [place for place, code in enumerate(pool.languages) if code in weights]
        if mine:
            share = np.array([weights[pool.languages[place]] for place in mine])
            moved = np.einsum("ulr,l->ur", pool.influence()[:, mine], share)
            parts.append(contrast.of(moved) / len(pool.units))
    return np.concatenate(parts)


def gain_interval(
    sample: Sample, contrast: Contrast, languages: Sequence[str] | None = None, *, level: float = LEVEL
) -> Interval:
    """The interval to report for the mean gain over (some of) the languages, these languages being all that matter.

    A t interval over seeds and examples (`crossed.seeds_interval`), which holds its level with two seeds as with fifty.
    """
    codes = sample.languages
    chosen = [codes.index(code) for code in (codes if languages is None else languages)]
    by_seed = contrast.of(sample.scores()[chosen].mean(axis=0))
    return seeds_interval(by_seed, noise_of(influence_of(sample, contrast, languages)), level)


def languages_gain_interval(
    sample: Sample, contrast: Contrast, languages: Sequence[str] | None = None, *, level: float = LEVEL
) -> Interval:
    """As `gain_interval`, for languages in general: those at hand are a sample of them."""
    codes = sample.languages
    chosen = [codes.index(code) for code in (codes if languages is None else languages)]
    table = contrast.of(sample.scores()[chosen])
    names = [codes[place] for place in chosen]
    together = noise_of(influence_of(sample, contrast, names))
    apart = sum(noise_of(influence_of(sample, contrast, [code])).variance for code in names) / len(names) ** 2
    shared = 0.0 if len(sample.pools) > 1 else max(together.variance - apart, 0.0)
    return languages_interval(table, shared, level)


def bootstrap_interval(
    found: Bootstrap, sample: Sample, contrast: int, languages: Sequence[str] | None = None, *, level: float = LEVEL
) -> Interval:
    """The BCa interval of a contrast's mean gain from its draws."""
    chosen = None if languages is None else [found.languages.index(code) for code in languages]
    mine = found.contrasts[contrast]
    estimate = float(found.estimate[contrast, slice(None) if chosen is None else chosen].mean())
    rows = list(range(len(found.languages))) if chosen is None else chosen
    by_seed = mine.of(sample.scores()[rows].mean(axis=0))
    seeds = (by_seed - by_seed.mean()) / len(by_seed)
    examples = influence_of(sample, mine, languages).mean(axis=1)
    interval = bca(found.mean(contrast, chosen), estimate, acceleration_of(seeds, examples), level=level)
    return Interval(estimate, interval.low, interval.high, interval.se, interval.df, interval.p, found.basis, level)


__all__ = [
    "Bootstrap",
    "Contrast",
    "Noise",
    "acceleration_of",
    "bca",
    "bootstrap_interval",
    "gain_interval",
    "influence_of",
    "languages_gain_interval",
    "percentile",
    "resample",
    "weighted_influence",
]
