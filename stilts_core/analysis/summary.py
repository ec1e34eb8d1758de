"""The summary: for each arm and target the mean, its spread over seeds, and the gain over the baseline.

Only what was measured independently counts as a repetition: seeds that share one evaluate stage (retrieval with an
untrained encoder, say) are one run. A run counts once all of its languages are there, so that no mean compares
different languages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from stilts_core.analysis.scores import Floats, Ints, Scores, TargetScores
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.table import csv_bytes, rounded
from stilts_core.spec.study import BASELINE

ALL_TARGETS = "(mean)"
"""The target of the rows that hold the mean over all targets; no task can have this name."""

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Spread:
    """Independent measurements of one quantity.

    Attributes:
        values: one for each distinct run, in the order of the seeds.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        return _mean(np.array(self.values)) if self.values else None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the sample (n - 1 in the denominator); None for less than two values."""
        if len(self.values) < 2:
            return None
        values = np.array(self.values)
        values -= _mean(values)
        return math.sqrt(float(np.add.reduce(values * values)) / (len(values) - 1))

    @property
    def same_sign(self) -> bool:
        """All values are above zero, or all below."""
        return bool(self.values) and (min(self.values) > 0 or max(self.values) < 0)


def _mean(values: Floats) -> float:
    """As `np.mean`, whose checks take longer than a few values' sum."""
    return float(np.add.reduce(values)) / len(values)


@dataclass(frozen=True, slots=True)
class Summary:
    """One arm on one target (or on the mean of all targets).

    Attributes:
        score: mean over the languages, by run, percent.
        gain: difference to the baseline of the same encoder and seed, by pair of runs, points; empty for the baseline.
        english: English alone; empty where the target has none.
        others: mean over the languages that are not English.
        zero_shot: mean over the languages of which the arm has seen no labelled data.
        zero_shot_gain: as ``gain``, over the languages that are zero-shot for this arm and the baseline.
        seen: the languages that are not zero-shot.
        transfer_gap: English less the others.
        languages: languages of the target; None for the mean of all targets.
        seeds: seeds that the study asks for.
        missing: of these, seeds without a full set of scores.
        scores: single scores (a run in a language) that are there, each counted once.
        at_chance, degenerate: how many of them are.
        note: what a reader should know of this row.
    """

    encoder: str
    curriculum: str
    target: str
    score: Spread
    gain: Spread
    english: Spread
    others: Spread
    transfer_gap: Spread
    zero_shot: Spread
    zero_shot_gain: Spread
    seen: tuple[str, ...]
    languages: int | None
    seeds: int
    missing: int
    scores: int
    at_chance: int
    degenerate: int
    note: str = ""

    @property
    def runs(self) -> int:
        return len(self.score.values)

    @property
    def mostly_at_chance(self) -> bool:
        """At least half of the scores can't be told from guessing."""
        return self.scores > 0 and 2 * self.at_chance >= self.scores


def independent(values: Floats, *runs: Ints) -> Spread:
    """The values that are there, each run (or combination of runs) once.

    Args:
        values: one for each seed, (S,); NaN where it is missing.
        runs: the run behind each, one or several arrays (S,); -1 where there is none.
    """
    return once(*runs)(values.tolist())


def once(*runs: Ints) -> Callable[[Sequence[float]], Spread]:
    """`independent` for many quantities of the same runs."""
    keys = list(zip(*(run.tolist() for run in runs), strict=True))
    there = [place for place, key in enumerate(keys) if -1 not in key]
    if len({keys[place] for place in there}) == len(there):  # no run twice
        return lambda values: Spread(tuple(v for v in map(values.__getitem__, there) if v == v))

    def first_of_each(values: Sequence[float]) -> Spread:
        seen: dict[tuple[int, ...], float] = {}
        for place in there:
            if values[place] == values[place]:
                seen.setdefault(keys[place], values[place])
        return Spread(tuple(seen.values()))

    return first_of_each


def summarise(scores: Scores) -> tuple[Summary, ...]:
    """All rows, in the order of the study: encoders, curricula, targets, and last the mean over the targets."""
    rows = []
    for e, encoder in enumerate(scores.encoders):
        for c, curriculum in enumerate(scores.curricula):
            rows += [_of_target(scores, target, e, c) for target in scores.targets]
            if len(scores.targets) > 1:
                rows.append(_of_all(scores, e, c, encoder, curriculum))
    return tuple(rows)


def baseline_of(scores: Scores) -> int | None:
    """The place of the baseline among the curricula; None for a study without one."""
    return scores.curricula.index(BASELINE) if BASELINE in scores.curricula else None


def _of_target(scores: Scores, target: TargetScores, e: int, c: int) -> Summary:
    run = target.run[e, c]
    cube = target.score[e, c]
    means = target.means()
    complete = target.complete()[e, c]
    english = np.array([code == ENGLISH for code in target.languages])
    nothing = Spread(())
    base = baseline_of(scores)
    gain = nothing
    if base is not None and base != c:
        gain = independent(means[e, c] - means[e, base], run, target.run[e, base])
    of_english = np.where(complete, cube[english].mean(axis=0), np.nan) if english.any() else None
    of_others = np.where(complete, cube[~english].mean(axis=0), np.nan) if not english.all() else None
    both = of_english is not None and of_others is not None
    unseen = target.zero_shot[e, c]
    of_unseen = np.where(complete, cube[unseen].mean(axis=0), np.nan) if unseen.any() else None
    unseen_gain = nothing
    if base is not None and base != c and (unseen & target.zero_shot[e, base]).any():
        common = unseen & target.zero_shot[e, base]
        gains = target.score[e, c][common].mean(axis=0) - target.score[e, base][common].mean(axis=0)
        there_both = complete & target.complete()[e, base]
        unseen_gain = independent(np.where(there_both, gains, np.nan), run, target.run[e, base])
    seeds = int((run >= 0).sum())
    missing = int((~complete & (run >= 0)).sum())
    first = _first_of_each(run)
    there = ~np.isnan(cube[:, first])
    summary = Summary(
        encoder=scores.encoders[e],
        curriculum=scores.curricula[c],
        target=target.target,
        score=independent(means[e, c], run),
        gain=gain,
        english=nothing if of_english is None else independent(of_english, run),
        others=nothing if of_others is None else independent(of_others, run),
        transfer_gap=independent(of_english - of_others, run) if both else nothing,  # type: ignore[operator]
        zero_shot=nothing if of_unseen is None else independent(of_unseen, run),
        zero_shot_gain=unseen_gain,
        seen=target.seen(e, c),
        languages=len(target.languages),
        seeds=seeds,
        missing=missing,
        scores=int(there.sum()),
        at_chance=int(np.nansum(target.at_chance[e, c][:, first][there])),
        degenerate=int(np.nansum(target.degenerate[e, c][:, first][there])),
    )
    return _noted(summary, base is not None, distinct=len(first))


def _first_of_each(run: Ints) -> list[int]:
    """The places of the first seed of each distinct run."""
    firsts: dict[int, int] = {}
    for place, number in enumerate(run.tolist()):
        if number >= 0:
            firsts.setdefault(number, place)
    return list(firsts.values())


def _of_all(scores: Scores, e: int, c: int, encoder: str, curriculum: str) -> Summary:
    means = np.stack([target.means()[e] for target in scores.targets])  # (targets, C, S)
    runs = [target.run[e] for target in scores.targets]
    base = baseline_of(scores)
    gain = Spread(())
    if base is not None and base != c:
        pairs = [run[c] for run in runs] + [run[base] for run in runs]
        gain = independent((means[:, c] - means[:, base]).mean(axis=0), *pairs)
    expected = np.stack([run[c] for run in runs]) >= 0
    absent = np.isnan(means[:, c]) & expected
    of_targets = [_of_target(scores, target, e, c) for target in scores.targets]
    nothing = Spread(())
    summary = Summary(
        encoder=encoder,
        curriculum=curriculum,
        target=ALL_TARGETS,
        score=independent(means[:, c].mean(axis=0), *[run[c] for run in runs]),
        gain=gain,
        english=nothing,
        others=nothing,
        transfer_gap=nothing,
        zero_shot=_mean_of(scores, e, c),
        zero_shot_gain=nothing,
        seen=tuple(dict.fromkeys(code for row in of_targets for code in row.seen)),
        languages=None,
        seeds=int(expected.any(axis=0).sum()),
        missing=int(absent.any(axis=0).sum()),
        scores=sum(row.scores for row in of_targets),
        at_chance=sum(row.at_chance for row in of_targets),
        degenerate=sum(row.degenerate for row in of_targets),
    )
    if not summary.score.values:
        lacking = [row.target for row in of_targets if row.missing or not row.seeds]
        return replace(summary, note=f"empty: no seed has all targets; missing in {', '.join(lacking)}")
    distinct = len(set(zip(*(run[c].tolist() for run in runs), strict=True)))
    return _noted(summary, base is not None, distinct=distinct)


def _mean_of(scores: Scores, e: int, c: int) -> Spread:
    """The mean over the targets of the means over their zero-shot languages; empty where a target has none."""
    means = []
    for target in scores.targets:
        unseen = target.zero_shot[e, c]
        if not unseen.any():
            return Spread(())
        means.append(np.where(target.complete()[e, c], target.score[e, c][unseen].mean(axis=0), np.nan))
    return independent(np.stack(means).mean(axis=0), *[target.run[e, c] for target in scores.targets])


def _noted(summary: Summary, has_baseline: bool, *, distinct: int) -> Summary:
    notes = []
    if summary.seeds and summary.missing == summary.seeds:
        notes.append("no run has all its scores yet")
    elif summary.missing:
        notes.append(f"{summary.missing} of {summary.seeds} seeds missing")
    if 0 < distinct < summary.seeds:
        notes.append(f"{summary.seeds} seeds share {distinct} run{'' if distinct == 1 else 's'}, counted once")
    if summary.runs == 1:
        notes.append("one run: no spread")
    if summary.curriculum != BASELINE and summary.runs and not summary.gain.values:
        notes.append("no gain: its baseline is missing" if has_baseline else "no gain: the study has no baseline")
    return replace(summary, note="; ".join(notes))


@dataclass(frozen=True, slots=True)
class SummaryRecord:
    """A row of ``summary.csv``; the fields are its columns. Means and deviations are over distinct runs.

    ``zero_shot`` is the mean over the languages of which the arm has seen no labelled data, ``not_zero_shot`` names the
    others. ``gain`` is over pairs of runs with the baseline of the same encoder and seed, ``gain_low`` to ``gain_high``
    its interval of 95 % over what ``interval_over`` names, ``gain_p_adjusted`` its p value corrected for ``family``
    tests; all scores are percent, all differences points; an empty field is a number that the results do not give.
    """

    study: str
    protocol: str
    encoder: str
    curriculum: str
    target: str
    mean: float | None
    sd: float | None
    gain: float | None
    gain_sd: float | None
    english: float | None
    non_english: float | None
    transfer_gap: float | None
    zero_shot: float | None
    zero_shot_sd: float | None
    zero_shot_gain: float | None
    not_zero_shot: str
    languages: int | None
    seeds: int
    runs: int
    pairs: int
    missing: int
    scores: int
    at_chance: int
    degenerate: int
    note: str
    gain_low: float | None
    gain_high: float | None
    gain_p: float | None
    gain_p_adjusted: float | None
    family: int | None
    interval_over: str


class GainInterval(Protocol):
    """What `transfer.Gain` says of an arm's gain on a target."""

    @property
    def encoder(self) -> str: ...
    @property
    def curriculum(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def adjusted(self) -> float: ...
    @property
    def family(self) -> int: ...


def to_csv(scores: Scores, rows: Sequence[Summary], gains: Iterable[GainInterval] = ()) -> bytes:
    """``summary.csv``."""
    found = {(gain.encoder, gain.curriculum, gain.target): gain for gain in gains}
    records = [
        SummaryRecord(
            **_interval_fields(found.get((row.encoder, row.curriculum, row.target))),
            study=scores.study,
            protocol=scores.protocol,
            encoder=row.encoder,
            curriculum=row.curriculum,
            target=row.target,
            mean=row.score.mean,
            sd=row.score.sd,
            gain=row.gain.mean,
            gain_sd=row.gain.sd,
            english=row.english.mean,
            non_english=row.others.mean,
            transfer_gap=row.transfer_gap.mean,
            zero_shot=row.zero_shot.mean,
            zero_shot_sd=row.zero_shot.sd,
            zero_shot_gain=row.zero_shot_gain.mean,
            not_zero_shot=" ".join(row.seen),
            languages=row.languages,
            seeds=row.seeds,
            runs=row.runs,
            pairs=len(row.gain.values),
            missing=row.missing,
            scores=row.scores,
            at_chance=row.at_chance,
            degenerate=row.degenerate,
            note=row.note,
        )
        for row in rows
    ]
    return csv_bytes([field.name for field in fields(SummaryRecord)], [astuple(record) for record in records])


def _interval_fields(gain: GainInterval | None) -> dict[str, Any]:
    interval = gain.interval if gain else None
    return {
        "gain_low": rounded(interval.low if interval else None),
        "gain_high": rounded(interval.high if interval else None),
        "gain_p": rounded(interval.p if interval else None),
        "gain_p_adjusted": rounded(gain.adjusted if gain else None),
        "family": gain.family if gain else None,
        "interval_over": interval.basis if interval else "",
    }
