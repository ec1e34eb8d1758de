"""The small tables behind the report's figures, as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.frame import Frame
from stilts_core.analysis.gaps import Gap
from stilts_core.analysis.scores import Scores, TargetScores
from stilts_core.analysis.summary import Spread, baseline_of, independent, once
from stilts_core.analysis.table import csv_bytes, flag

_STATE = re.compile(r".+@state(\d+)")


@dataclass(frozen=True, slots=True)
class LanguageCell:
    """One arm in one language of a target.

    Attributes:
        score: by distinct run, percent.
        gain: difference to the baseline by pair of distinct runs, points.
        chance: what guessing gives, percent.
        at_chance, degenerate: how many of the runs are.
        zero_shot: the arm has seen no labelled data of the language.
    """

    score: Spread
    gain: Spread
    chance: float | None
    at_chance: int
    degenerate: int
    zero_shot: bool


def language_cells(scores: Scores, target: TargetScores, e: int, c: int) -> list[LanguageCell]:
    """What there is of an arm (places of its encoder and curriculum) in each language of a target."""
    run = target.run[e, c]
    base = baseline_of(scores)
    of_run = once(run)
    score, chance, at_chance, degenerate = (
        [of_run(values) for values in cube[e, c].tolist()]
        for cube in (target.score, target.chance, target.at_chance, target.degenerate)
    )
    gain = [Spread(())] * len(target.languages)
    if base is not None and base != c:
        of_pair = once(run, target.run[e, base])
        gain = [of_pair(values) for values in (target.score[e, c] - target.score[e, base]).tolist()]
    zero_shot = target.zero_shot[e, c].tolist()
    return [
        LanguageCell(
            score=score[place],
            gain=gain[place],
            chance=chance[place].mean,
            at_chance=int(sum(at_chance[place].values)),
            degenerate=int(sum(degenerate[place].values)),
            zero_shot=zero_shot[place],
        )
        for place in range(len(target.languages))
    ]


def languages_csv(scores: Scores) -> bytes:
    """``tables/languages.csv``: for each arm, target and language the distinct runs, their mean and deviation."""
    names = ("study", "protocol", "encoder", "curriculum", "target", "language", "zero_shot")
    header = (*names, "mean", "sd", "gain", "gain_sd", "chance", "runs", "at_chance", "degenerate", "values")
    return csv_bytes(header, _language_records(scores))


def _language_records(scores: Scores) -> Iterator[Sequence[object]]:
    for e, encoder in enumerate(scores.encoders):
        for c, curriculum in enumerate(scores.curricula):
            for target in scores.targets:
                for code, cell in zip(target.languages, language_cells(scores, target, e, c), strict=True):
                    yield (
                        scores.study,
                        scores.protocol,
                        encoder,
                        curriculum,
                        target.target,
                        code,
                        flag(cell.zero_shot),
                        cell.score.mean,
                        cell.score.sd,
                        cell.gain.mean,
                        cell.gain.sd,
                        cell.chance,
                        len(cell.score.values),
                        cell.at_chance,
                        cell.degenerate,
                        _values(cell.score),
                    )


def _values(spread: Spread) -> str:
    """Each distinct run's number, as figures draw it."""
    return " ".join(map(repr, spread.values))


def missing_csv(gaps: Sequence[Gap]) -> bytes:
    """``tables/missing.csv``: the cells without all of their scores, and why."""
    header = ("encoder", "curriculum", "target", "seed", "languages", "not_zero_shot", "fingerprint", "reason")
    records = [
        (
            gap.encoder,
            gap.curriculum,
            gap.target,
            gap.seed,
            " ".join(gap.languages),
            " ".join(gap.seen),
            gap.fingerprint,
            gap.reason,
        )
        for gap in gaps
    ]
    return csv_bytes(header, records)


@dataclass(frozen=True, slots=True)
class StateCurve:
    """Retrieval by hidden state for one arm.

    Attributes:
        states: numbers of the hidden states, rising; 0 is the embedding output.
        scores: for each of them the mean over the languages by distinct run, percent.
        seen: the languages among them that are not zero-shot.
    """

    encoder: str
    curriculum: str
    target: str
    states: tuple[int, ...]
    scores: tuple[Spread, ...]
    seen: tuple[str, ...] = ()


def state_curves(scores: Scores, frame: Frame) -> tuple[StateCurve, ...]:
    """The curves of the retrieval targets, of runs that have every language; in the order of the study."""
    metric = frame.texts["metric"]
    matches = [_STATE.fullmatch(name) for name in metric.names]
    of_state = np.array([int(match[1]) if match else -1 for match in matches], dtype=np.int64)[metric.codes]
    kept = frame.rows(of_state >= 0)
    of_state = of_state[of_state >= 0]
    places = [
        np.array([order.index(name) if name in order else -1 for name in kept.texts[column].names], dtype=np.int64)[
            kept.texts[column].codes
        ]
        for column, order in (("encoder", scores.encoders), ("curriculum", scores.curricula))
    ]
    seed = np.array([scores.seeds.index(s) if s in scores.seeds else -1 for s in kept.seed.tolist()], dtype=np.int64)
    curves = []
    for target in scores.targets:
        mine = kept.texts["target"].of(target.target) & (np.minimum.reduce([*places, seed]) >= 0)
        names = kept.texts["language"].names
        order = [target.languages.index(name) if name in target.languages else -1 for name in names]
        language = np.array(order, dtype=np.int64)[kept.texts["language"].codes]
        mine &= language >= 0
        states = np.unique(of_state[mine])
        cube = np.full((*target.run.shape[:2], len(states), len(target.languages), target.run.shape[2]), np.nan)
        where = (places[0][mine], places[1][mine], np.searchsorted(states, of_state[mine]), language[mine], seed[mine])
        cube[where] = kept.value[mine]
        means = cube.mean(axis=3)
        for e, c in sorted(set(zip(where[0].tolist(), where[1].tolist(), strict=True))):
            there = [k for k in range(len(states)) if not np.isnan(cube[e, c, k]).all()]
            curves.append(
                StateCurve(
                    scores.encoders[e],
                    scores.curricula[c],
                    target.target,
                    tuple(int(states[k]) for k in there),
                    tuple(independent(means[e, c, k], target.run[e, c]) for k in there),
                    target.seen(e, c),
                )
            )
    arms = [(encoder, name) for encoder in scores.encoders for name in scores.curricula]
    return tuple(sorted(curves, key=lambda one: arms.index((one.encoder, one.curriculum))))


def states_csv(scores: Scores, frame: Frame) -> bytes:
    """``tables/states.csv``: retrieval by hidden state, mean over languages, mean and deviation over distinct runs."""
    header = (
        *("study", "protocol", "encoder", "curriculum", "target", "not_zero_shot"),
        *("state", "mean", "sd", "runs", "values"),
    )
    records = [
        (
            *(scores.study, scores.protocol, curve.encoder, curve.curriculum, curve.target, " ".join(curve.seen)),
            *(state, spread.mean, spread.sd, len(spread.values), _values(spread)),
        )
        for curve in state_curves(scores, frame)
        for state, spread in zip(curve.states, curve.scores, strict=True)
    ]
    return csv_bytes(header, records)
