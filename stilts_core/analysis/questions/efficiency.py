"""What does inference cost, does intermediate training change it, and which model is worth its time?

Cost and its equality are measured in blocks: everything is timed again in each, by turns, so that blocks are the units
of evidence. The ratio of two arms' times is meaned over all conditions they share (precision, batch, length, language)
in a block, as a logarithm; two one-sided tests on the blocks (Schuirmann 1987) show that an arm costs what the baseline
does where the ratio is within 5 % of 1, corrected by Holm's method for the number of arms.

A model is on the front where no other is both as fast and as accurate. How sure that is, is the share of resamples in
which it stays there: of the blocks for the times, and of the scores within the binomial error of one language's
examples, as if the examples of its translations said nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.questions.measured_costs import PER_BLOCK, Costs, Counted, costs_in, counted_in, is_measured
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.equivalence import Equivalence, tost
from stilts_core.analysis.statistics.multiple import holm
from stilts_core.analysis.statistics.resampling import stream
from stilts_core.analysis.statistics.results import Bools, Interval
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import ALPHA

NAME, TITLE = "efficiency", "What inference costs"
MARGIN = 1.05
"""Ratios of time within 1/1.05 and 1.05 are taken as equal."""
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Equal:
    """Whether an arm costs what the baseline does.

    Attributes:
        test: on log ratios.
        ratio: of the time of a pass to the baseline's, with its interval of 95 %.
        adjusted: p of the test, corrected for the family.
        beyond: p of a time beyond the margin on the side where it is, corrected likewise.
        conditions, blocks: behind it.
    """

    encoder: str
    curriculum: str
    test: Equivalence
    ratio: Interval
    adjusted: float
    beyond: float
    family: int
    conditions: int
    blocks: int

    @property
    def verdict(self) -> str:
        """``equal``, ``slower``, ``faster`` (beyond the margin) or ``open``."""
        if self.adjusted < ALPHA:
            return "equal"
        if self.beyond < ALPHA:
            return "slower" if self.ratio.estimate > 1 else "faster"
        return "open"


@dataclass(frozen=True, slots=True)
class Point:
    """A model, whole or cut, with one precision: its time and its score.

    Attributes:
        layers: that are run; ``whole`` if these are all.
        latency: median time of a pass of one sentence (or of the smallest batch), mean over the languages, ms, with its
            interval over blocks.
        accuracy: mean over the same languages, percent, of the seeds that were measured.
        flops: of a sentence, mean over the languages.
        front: share of the resamples in which it is on the front.
        on_front: on the estimates themselves.
        speedup: of a cut model, how many times faster than the whole it is, with its interval.
    """

    encoder: str
    curriculum: str
    precision: str
    layers: int
    whole: bool
    latency: Interval
    accuracy: float
    flops: float
    front: float
    on_front: bool
    speedup: Interval | None


@dataclass(frozen=True, slots=True)
class LanguageCost:
    """What a language costs with an encoder, all sentences as they come.

    Attributes:
        tokens: of a sentence.
        ratio: of its time to that of English, at the smallest batch, with its interval over blocks; None for English,
            or without it.
        throughput: sentences a second at the largest batch.
    """

    encoder: str
    language: str
    tokens: float
    flops: float
    latency: float
    ratio: Interval | None
    throughput: float


@dataclass(frozen=True, slots=True)
class Found:
    """Everything on one target."""

    costs: Costs
    counted: Counted
    equal: tuple[Equal, ...]
    points: tuple[Point, ...]
    languages: tuple[LanguageCost, ...]


def has_data(frame: Frame, scores: Scores) -> bool:  # noqa: ARG001 (as every question)
    """Times were measured."""
    return is_measured(frame)


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    from stilts_core.analysis.questions.efficiency_view import shown

    found = find(frame, scores)
    if not found:
        text = (
            "The results at hand can't answer this: nothing has been timed; a study that asks it measures its models."
        )
        return QuestionAnswer(NAME, TITLE, text, answered=False)
    return shown(found)


def find(frame: Frame, scores: Scores) -> tuple[Found, ...]:
    """The findings on each target that was measured."""
    found = []
    for costs in costs_in(frame, scores.encoders, scores.curricula):
        counted = counted_in(frame, costs.target)
        found.append(
            Found(
                costs,
                counted,
                tuple(equalities(costs, baseline_of(scores))),
                tuple(points(costs, counted, scores)),
                tuple(language_costs(costs, counted)),
            )
        )
    return tuple(found)


def equalities(costs: Costs, base: int | None) -> Iterator[Equal]:
    """Every arm against the baseline of its encoder, as far as both were timed in two blocks or more."""
    pairs = []
    for e in range(len(costs.encoders)) if base is not None else ():
        for c in range(len(costs.curricula)):
            if c == base or base is None:
                continue
            ratios, conditions = _log_ratios(costs, _whole(costs, e, c), _whole(costs, e, base))
            if len(ratios) > 1:
                pairs.append((e, c, ratios, conditions))
    tests = [tost(ratios, float(np.log(MARGIN)), alpha=ALPHA) for _, _, ratios, _ in pairs]
    if not tests:
        return
    corrected = holm(np.array([test.p for test in tests]))
    beyond = holm(np.array([_beyond(test) for test in tests]))
    for (e, c, ratios, conditions), test, adjusted, far in zip(pairs, tests, corrected.p, beyond.p, strict=True):
        yield Equal(
            costs.encoders[e],
            costs.curricula[c],
            test,
            _ratio(ratios),
            float(adjusted),
            float(far),
            corrected.family,
            conditions,
            len(ratios),
        )


def _beyond(test: Equivalence) -> float:
    """One-sided p of a difference beyond the margin, on the side of the estimate."""
    found = test.interval
    over = abs(found.estimate) - test.margin
    return float(over <= 0) if found.se == 0 else float(stdtr(found.df, -over / found.se))


def _whole(costs: Costs, e: int, c: int) -> Bools:
    """The medians by block of an arm's whole model."""
    return costs.by_block(encoder=e, curriculum=c, layers=costs.depth(e))


_HELD = ("precision", "batch", "bucket", "language", "seed")


def _log_ratios(costs: Costs, arm: Bools, other: Bools, held: Sequence[str] = _HELD) -> tuple[Floats, int]:
    """Mean log ratio over the conditions that both have, of each block that both have; and how many conditions."""

    def values(rows: Bools) -> dict[tuple[int, ...], dict[int, float]]:
        found: dict[tuple[int, ...], dict[int, float]] = {}
        columns = [getattr(costs, name)[rows].tolist() for name in held]
        for key, block, value in zip(
            zip(*columns, strict=True), costs.block[rows].tolist(), costs.value[rows].tolist(), strict=True
        ):
            found.setdefault(key, {})[block] = value
        return found

    mine, theirs = values(arm), values(other)
    shared = sorted(mine.keys() & theirs.keys())
    blocks = sorted(set.intersection(*(set(mine[key]) & set(theirs[key]) for key in shared))) if shared else []
    if not blocks:
        return np.empty(0), 0
    table = np.array([[np.log(mine[key][block] / theirs[key][block]) for block in blocks] for key in shared])
    return table.mean(axis=0), len(shared)


def _ratio(logs: Floats) -> Interval:
    """The ratio behind log ratios by block, with its interval."""
    found = seeds_interval(np.sort(logs))
    ratio, low, high = (float(np.exp(value)) for value in (found.estimate, found.low, found.high))
    return Interval(ratio, low, high, found.se, found.df, found.p, "blocks", found.level)


def points(costs: Costs, counted: Counted, scores: Scores) -> Iterator[Point]:
    """Every model and cut, for each precision, with the front of its precision."""
    target = next((one for one in scores.targets if one.target == costs.target), None)
    for p in range(len(costs.precisions)) if target is not None else ():
        rows: list[tuple[int, int, int, Floats, float]] = []
        for e in range(len(costs.encoders)):
            for c in range(len(costs.curricula)):
                depths = np.unique(costs.layers[costs.of(PER_BLOCK, encoder=e, curriculum=c, precision=p)])
                for depth in depths.tolist():
                    latency = _latency_by_block(costs, e, c, p, depth)
                    score = _accuracy(costs, counted, scores, e, c, depth)
                    if len(latency) and not np.isnan(score):
                        rows.append((e, c, depth, latency, score))
        if rows:
            yield from _front(costs, counted, p, rows)


def _latency_by_block(costs: Costs, e: int, c: int, p: int, depth: int) -> Floats:
    """Mean over the languages and seeds of the medians, by block, ms."""
    mine = costs.by_block(encoder=e, curriculum=c, precision=p, layers=depth, batch=costs.single, bucket=costs.every)
    return np.array([costs.value[mine & (costs.block == b)].mean() for b in np.unique(costs.block[mine])])


def _accuracy(costs: Costs, counted: Counted, scores: Scores, e: int, c: int, depth: int) -> float:
    """Mean over the measured languages and seeds; NaN where some is missing."""
    arm = costs.of(PER_BLOCK, encoder=e, curriculum=c)
    seeds = np.unique(costs.seed[arm]).tolist()
    encoder, curriculum = costs.encoders[e], costs.curricula[c]
    exits = [
        counted.accuracy.get((encoder, curriculum, seed, depth, code)) for seed in seeds for code in costs.languages
    ]
    if depth != costs.depth(e):
        there = [found for found in exits if found is not None]
        return float(np.mean(there)) if len(there) == len(exits) else float("nan")
    cube = scores.target(costs.target)
    at = [cube.languages.index(code) for code in costs.languages if code in cube.languages]
    of_seeds = [scores.seeds.index(seed) for seed in seeds]
    return float(cube.score[e, c][np.ix_(at, of_seeds)].mean())


def _front(
    costs: Costs, counted: Counted, p: int, rows: Sequence[tuple[int, int, int, Floats, float]]
) -> Iterator[Point]:
    blocks = min(len(latency) for _, _, _, latency, _ in rows)
    latency = np.array([found[:blocks] for _, _, _, found, _ in rows])
    score = np.array([row[4] for row in rows])
    error = np.sqrt(score * (100 - score) / counted.examples) if counted.examples else np.zeros(len(rows))
    chosen = stream(0, "front", costs.precisions[p]).integers(0, blocks, size=(DRAWS, blocks))
    times = latency[:, chosen].mean(axis=2)
    names = [(costs.precisions[p], costs.encoders[e], costs.curricula[c], depth) for e, c, depth, _, _ in rows]
    noise = np.stack([stream(0, "front", *name).standard_normal(DRAWS) for name in names])  # in any order of rows
    noisy = score[:, None] + error[:, None] * noise
    share = undominated(times, noisy).mean(axis=1)
    now = undominated(latency.mean(axis=1)[:, None], score[:, None])[:, 0]
    for place, (e, c, depth, own, value) in enumerate(rows):
        whole = depth == costs.depth(e)
        full = next((row for row in rows if row[:2] == (e, c) and row[2] == costs.depth(e)), None)
        flops = [counted.flops.get((costs.encoders[e], code, depth)) for code in costs.languages]
        known = [found for found in flops if found is not None]
        yield Point(
            encoder=costs.encoders[e],
            curriculum=costs.curricula[c],
            precision=costs.precisions[p],
            layers=depth,
            whole=whole,
            latency=seeds_interval(np.sort(own)),
            accuracy=value,
            flops=float(np.mean(known)) if known else float("nan"),
            front=float(share[place]),
            on_front=bool(now[place]),
            speedup=None if whole or full is None else _ratio(np.log(full[3][:blocks] / own[:blocks])),
        )


def undominated(cost: Floats, worth: Floats) -> Bools:
    """Which of N points no other is at least as good as in both and better in one, for each of B draws, (N, B)."""
    dominated = np.zeros(cost.shape, dtype=bool)
    for one in range(len(cost)):
        as_good = (cost <= cost[one]) & (worth >= worth[one])
        dominated[one] = (as_good & ((cost < cost[one]) | (worth > worth[one]))).any(axis=0)
    return ~dominated


def language_costs(costs: Costs, counted: Counted) -> Iterator[LanguageCost]:
    """By encoder and language, in the first precision, over all arms and seeds."""
    base = costs.by_block(precision=0, batch=costs.single, bucket=costs.every)
    english = costs.languages.index("en") if "en" in costs.languages else None
    for e, encoder in enumerate(costs.encoders):
        own = base & (costs.encoder == e) & (costs.layers == costs.depth(e))
        for place, code in enumerate(costs.languages):
            rows = own & (costs.language == place)
            if not rows.any():
                continue
            ratio = None
            if english is not None and place != english:
                logs, _ = _log_ratios(costs, rows, own & (costs.language == english), ("curriculum", "seed"))
                ratio = _ratio(logs) if len(logs) > 1 else None
            rate = costs.of(
                "sentences_per_second",
                encoder=e,
                language=place,
                precision=0,
                batch=costs.largest,
                bucket=costs.every,
                layers=costs.depth(e),
            )
            yield LanguageCost(
                encoder,
                code,
                counted.tokens.get((encoder, code), float("nan")),
                counted.flops.get((encoder, code, costs.depth(e)), float("nan")),
                float(costs.value[rows].mean()),
                ratio,
                float(costs.value[rate].mean()) if rate.any() else float("nan"),
            )
