"""Claims against results: supported, contradicted, or not enough evidence, and what would decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import stdtrit

from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.power import seeds_within
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.analysis.transfer import Gain, mean_gain
from stilts_core.spec.claims import Claim


class Answer(StrEnum):
    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    OPEN = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison that a claim makes.

    Attributes:
        target: a target, or the mean of those that the claim names.
        interval: at a level that holds for all comparisons of the claim together; None where it can't be made.
    """

    curriculum: str
    target: str
    interval: Interval | None
    answer: Answer
    seeds: int
    deviation: float | None
    beyond: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the results say of a claim.

    Attributes:
        decides: what more would be needed, as a sentence; empty where the claim is decided.
    """

    claim: Claim
    encoder: str
    answer: Answer
    comparisons: tuple[Comparison, ...]
    decides: str


def judge(claim: Claim, scores: Scores, e: int, found: Mapping[tuple[int, int], Mapping[str, Gain | None]]) -> Verdict:
    """The verdict for one encoder.

    A comparison supports its claim when its whole interval fulfils it, and contradicts it when none of its interval
    does. The intervals of a claim with several comparisons are widened by Bonferroni's inequality, so that all of them
    hold together at 95 %; one comparison is judged at 95 %.

    Args:
        claim: of the study.
        scores: the cubes.
        e: place of the encoder.
        found: places of a curriculum and of what it is compared with → target → gain.
    """
    pairs = _gains(claim, scores, e, found)
    comparisons = tuple(_compare(claim, name, target, gain, len(pairs)) for name, target, gain in pairs)
    answer = _overall(claim, comparisons)
    return Verdict(claim, scores.encoders[e], answer, comparisons, _decides(claim, answer, comparisons))


def _gains(
    claim: Claim, scores: Scores, e: int, found: Mapping[tuple[int, int], Mapping[str, Gain | None]]
) -> list[tuple[str, str, Gain | None]]:
    if claim.against not in scores.curricula:
        return []
    base = scores.curricula.index(claim.against)
    names = claim.curricula or tuple(name for name in scores.curricula if name not in (claim.against, "baseline"))
    targets = claim.targets or tuple(target.target for target in scores.targets)
    known = {target.target for target in scores.targets}
    pairs: list[tuple[str, str, Gain | None]] = []
    for name in names:
        c = scores.curricula.index(name) if name in scores.curricula else -1
        of_pair = found.get((c, base), {})
        if claim.of == "each":
            pairs += [(name, target, of_pair.get(target)) for target in targets]
            continue
        label = (
            targets[0] if len(targets) == 1 else ALL_TARGETS if not claim.targets else f"mean of {', '.join(targets)}"
        )
        whole = c >= 0 and known.issuperset(targets)
        mine = {target: of_pair.get(target) for target in targets}
        gain = next(iter(mine.values())) if len(mine) == 1 else mean_gain(scores, mine, e, c, base) if whole else None
        pairs.append((name, label, gain))
    return pairs


def _compare(claim: Claim, curriculum: str, target: str, gain: Gain | None, family: int) -> Comparison:
    if gain is None or not np.isfinite(gain.interval.se):
        interval = None if gain is None else gain.interval
        return Comparison(curriculum, target, interval, Answer.OPEN, len(gain.pairs) if gain else 0, None, 0.0)
    interval = _widened(gain.interval, family)
    low, high = _region(claim)
    answer = Answer.OPEN
    if low < interval.low and interval.high < high:
        answer = Answer.SUPPORTED
    elif interval.high <= low or interval.low >= high:
        answer = Answer.CONTRADICTED
    beyond = gain.noise.beyond_seeds if gain.noise else 0.0
    return Comparison(curriculum, target, interval, answer, len(gain.pairs), gain.deviation, beyond)


def _widened(interval: Interval, family: int) -> Interval:
    if family < 2:
        return interval
    level = 1 - (1 - interval.level) / family
    half = float(stdtrit(interval.df, 0.5 + level / 2)) * interval.se
    return replace(interval, low=interval.estimate - half, high=interval.estimate + half, level=level)


def _region(claim: Claim) -> tuple[float, float]:
    """The gains with which the claim is true."""
    points = claim.points or 0.0
    return {
        "gain": (points, np.inf),
        "gain-about": (points - claim.within, points + claim.within),
        "no-gain": (-np.inf, claim.within),
    }[claim.kind]


def _overall(claim: Claim, comparisons: Sequence[Comparison]) -> Answer:
    if not comparisons:
        return Answer.OPEN
    needed = int(np.ceil(claim.share * len(comparisons) - 1e-9))
    supported = sum(one.answer is Answer.SUPPORTED for one in comparisons)
    contradicted = sum(one.answer is Answer.CONTRADICTED for one in comparisons)
    if supported >= needed:
        return Answer.SUPPORTED
    return Answer.CONTRADICTED if len(comparisons) - contradicted < needed else Answer.OPEN


def _decides(claim: Claim, answer: Answer, comparisons: Sequence[Comparison]) -> str:
    if answer is not Answer.OPEN:
        return ""
    if not comparisons:
        return f"The study has no curriculum {claim.against}."
    absent = [one for one in comparisons if one.interval is None]
    if absent:
        names = sorted({f"{one.curriculum} on {in_words(one.target)}" for one in absent})
        return f"Runs that the study lacks: {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}."
    single = [one for one in comparisons if one.answer is Answer.OPEN and one.seeds < 2]
    if single:
        return "A second seed: with one run of an arm nothing is known of its spread."
    needs = [_needed(claim, one) for one in comparisons if one.answer is Answer.OPEN]
    known = [count for count in needs if count is not None]
    if len(known) < len(needs):
        return (
            "More seeds alone would not: the gain is too near the limit of the claim, or the test sets are too small "
            "to tell."
        )
    return f"About {max(known):,} seeds, if the gain and its spread stay as they are."


def in_words(target: str) -> str:
    """A comparison's target within a sentence."""
    return "the mean of the targets" if target == ALL_TARGETS else target


def _needed(claim: Claim, one: Comparison) -> int | None:
    """Seeds with which an interval around the same estimate would not reach the nearest limit of the claim."""
    if one.interval is None or one.deviation is None:
        return None
    distance = min(abs(one.interval.estimate - limit) for limit in _region(claim) if np.isfinite(limit))
    needed = seeds_within(distance, one.deviation, one.beyond, level=one.interval.level)
    return None if needed is None else max(needed, one.seeds + 1)
