"""The transfer table: the gain of every curriculum on every target, with its interval, its mark and its family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.outcomes import TargetSample
from stilts_core.analysis.scores import Floats, Scores, TargetScores
from stilts_core.analysis.statistics.bootstrap import Contrast, weighted_influence
from stilts_core.analysis.statistics.crossed import Noise, languages_interval, noise_of, seeds_interval
from stilts_core.analysis.statistics.dominance import Dominance, almost_stochastic_order
from stilts_core.analysis.statistics.multiple import benjamini_hochberg, holm
from stilts_core.analysis.statistics.paired import wilcoxon
from stilts_core.analysis.statistics.power import detectable_difference
from stilts_core.analysis.statistics.results import Interval, Test
from stilts_core.analysis.summary import ALL_TARGETS, ENGLISH

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of a curriculum over the baseline with the same encoder, on one target or on the mean of all.

    Attributes:
        interval: of the mean over the languages; the languages are those that matter.
        pairs: gain of each distinct pair of runs, points.
        noise: of the examples, where their outcomes are at hand.
        general: as ``interval``, for languages in general; None for the mean of targets and for one language.
        by_language: Wilcoxon's signed-rank test over the languages; None for less than two.
        english, others: gain in English and in the mean of the other languages.
        gap: by how much the curriculum changes English less the others; None where there are not both.
        adjusted: the p value corrected for its family.
        family: tests in it: every curriculum on every target of the encoder (Benjamini–Hochberg), or every curriculum
            on the mean of the targets (Holm).
        correction: the method's name.
        error_reduction: gain as a share of the baseline's errors, percent.
        order: almost stochastic order of the arm's runs over the baseline's; None below two runs of either.
        detectable: the gain that so many seeds show with a power of 80 %, points; None below two pairs.
    """

    encoder: str
    curriculum: str
    target: str
    interval: Interval
    pairs: tuple[float, ...]
    noise: Noise | None
    general: Interval | None = None
    by_language: Test | None = None
    english: Interval | None = None
    others: Interval | None = None
    gap: Interval | None = None
    adjusted: float = float("nan")
    family: int = 0
    correction: str = ""
    error_reduction: float | None = None
    order: Dominance | None = None
    detectable: float | None = None

    @property
    def shown(self) -> bool:
        """A gain or loss that the correction lets stand."""
        return self.adjusted < ALPHA

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the gain over pairs of runs, points; None below two."""
        return float(np.std(self.pairs, ddof=1)) if len(self.pairs) > 1 else None


def corrected(by_target: Mapping[tuple[int, str], Gain], means: Mapping[int, Gain]) -> Iterator[Gain]:
    """The gains of one encoder with their p values corrected, each curriculum's targets before its mean.

    Args:
        by_target: place of the curriculum and target → gain.
        means: place of the curriculum → gain on the mean of the targets.
    """
    singles = benjamini_hochberg(np.array([_p(gain) for gain in by_target.values()]))
    overall = holm(np.array([_p(gain) for gain in means.values()]))
    adjusted = dict(zip(by_target, singles.p.tolist(), strict=True))
    of_means = dict(zip(means, overall.p.tolist(), strict=True))
    for c in sorted({c for c, _ in by_target} | set(means)):
        for key, gain in by_target.items():
            if key[0] == c:
                yield replace(gain, adjusted=adjusted[key], family=singles.family, correction=singles.method)
        if c in means:
            yield replace(means[c], adjusted=of_means[c], family=overall.family, correction=overall.method)


def _p(gain: Gain) -> float:
    return gain.interval.p if np.isfinite(gain.interval.low) else float("nan")


def distinct_pairs(target: TargetScores, e: int, c: int, base: int) -> list[int]:
    """Places of the seeds whose runs of both curricula are whole, each pair of runs once."""
    whole = target.complete()
    seen: dict[tuple[int, int], int] = {}
    for s in range(target.run.shape[2]):
        pair = int(target.run[e, c, s]), int(target.run[e, base, s])
        if min(pair) >= 0 and whole[e, c, s] and whole[e, base, s]:
            seen.setdefault(pair, s)
    return list(seen.values())


def gain_on(
    scores: Scores, target: TargetScores, sample: TargetSample | None, e: int, c: int, base: int
) -> Gain | None:
    """What a curriculum gains over another on a target; None where no pair of runs is whole.

    Args:
        scores: the cubes.
        target: one of them.
        sample: the outcomes of the encoder's runs on it, where there are any.
        e, c, base: places of the encoder, the curriculum and the one it is compared with.
    """
    seeds = distinct_pairs(target, e, c, base)
    if not seeds:
        return None
    table = (target.score[e, c] - target.score[e, base])[:, seeds]
    contrast = None
    if sample is not None:
        plus, minus = ([sample.place[int(run)] for run in target.run[e, which, seeds]] for which in (c, base))
        contrast = Contrast(scores.curricula[c], tuple(plus), tuple(minus))
    english = np.array([code == ENGLISH for code in target.languages])
    count = len(target.languages)

    def over(weights: Floats) -> tuple[Floats, Noise | None]:
        noise = None
        if sample is not None and contrast is not None:
            named = {code: float(w) for code, w in zip(target.languages, weights, strict=True) if w}
            noise = noise_of(weighted_influence(sample.sample, contrast, named))
        return weights @ table, noise

    values, noise = over(np.full(count, 1 / count))
    gain = Gain(
        encoder=scores.encoders[e],
        curriculum=scores.curricula[c],
        target=target.target,
        interval=seeds_interval(values, noise),
        pairs=tuple(values.tolist()),
        noise=noise,
    )
    baseline = float(target.score[e, base][:, seeds].mean())
    gain = replace(gain, error_reduction=100 * gain.interval.estimate / (100 - baseline) if baseline < 100 else None)
    if count > 1:
        shared = _shared(sample, contrast, target, noise)
        general = languages_interval(table, shared)
        gain = replace(gain, general=general, by_language=wilcoxon(table.mean(axis=1)))
    if english.any():
        gain = replace(gain, english=seeds_interval(*over(english.astype(np.float64))))
    if not english.all():
        gain = replace(gain, others=seeds_interval(*over(~english / (~english).sum())))
    if english.any() and not english.all():
        gain = replace(gain, gap=seeds_interval(*over(english - ~english / (~english).sum())))
    return replace(
        gain,
        order=_order(target.means(), target, e, c, base),
        detectable=_detectable(gain.pairs),
    )


def _shared(sample: TargetSample | None, contrast: Contrast | None, target: TargetScores, noise: Noise | None) -> float:
    """The variance that examples common to all languages add to the mean, beyond what the languages' own spread has."""
    if sample is None or contrast is None or noise is None or len(sample.sample.pools) > 1:
        return 0.0
    apart = [noise_of(weighted_influence(sample.sample, contrast, {code: 1.0})).variance for code in target.languages]
    return max(noise.variance - sum(apart) / len(apart) ** 2, 0.0)


def _order(means: Floats, target: TargetScores, e: int, c: int, base: int) -> Dominance | None:
    sides = []
    for which in (c, base):
        runs: dict[int, float] = {}
        for number, mean in zip(target.run[e, which].tolist(), means[e, which].tolist(), strict=True):
            if number >= 0 and mean == mean:
                runs.setdefault(number, mean)
        sides.append(np.array(list(runs.values())))
    return almost_stochastic_order(sides[0], sides[1], alpha=ALPHA) if min(map(len, sides)) > 1 else None


def _detectable(pairs: Sequence[float]) -> float | None:
    return detectable_difference(float(np.std(pairs, ddof=1)), len(pairs)) if len(pairs) > 1 else None


def mean_gain(scores: Scores, by_target: Mapping[str, Gain | None], e: int, c: int, base: int) -> Gain | None:
    """What a curriculum gains over another on the mean of some targets, by seed; None where one of them has no gain.

    Each target's examples are its own, so their variances add up.

    Args:
        scores: the cubes.
        by_target: the targets with the curriculum's gain on each.
        e, c, base: as in `gain_on`.
    """
    mine = list(by_target.values())
    cubes = [scores.target(name) for name in by_target]
    count = len(mine)
    means = np.stack([target.means()[e] for target in cubes])
    runs = np.stack([target.run[e] for target in cubes])
    seen: dict[tuple[int, ...], int] = {}
    for s in range(len(scores.seeds)):
        key = (*runs[:, c, s].tolist(), *runs[:, base, s].tolist())
        if min(key) >= 0 and not np.isnan(means[:, [c, base], s]).any():
            seen.setdefault(key, s)
    if not seen or None in mine:
        return None
    seeds = list(seen.values())
    values = (means[:, c, seeds] - means[:, base, seeds]).mean(axis=0)
    noise = None
    parts = [gain.noise for gain in mine if gain is not None and gain.noise is not None]
    if len(parts) == count:
        noise = Noise(
            variance=sum(part.variance for part in parts) / count**2,
            interaction=sum(part.interaction for part in parts) / count**2,
            units=sum(part.units for part in parts),
        )
    baseline = float(means[:, base, seeds].mean())
    interval = seeds_interval(values, noise)
    return Gain(
        encoder=scores.encoders[e],
        curriculum=scores.curricula[c],
        target=ALL_TARGETS,
        interval=interval,
        pairs=tuple(values.tolist()),
        noise=noise,
        error_reduction=100 * interval.estimate / (100 - baseline) if baseline < 100 else None,
        detectable=_detectable(tuple(values.tolist())),
    )
