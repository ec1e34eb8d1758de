"""English against multilingual intermediate training: does it help to train on more languages, and which ones gain?

Curricula of the same tasks are compared in pairs: an English one and one whose intermediate training has labelled data
of other languages too. The gain of the second over the first is taken apart by whether a language is in its mix (the
long table marks those as not zero-shot) or outside it. Only pairs at equal numbers of examples or of steps answer the
question; where the table states them (metrics ``intermediate_examples`` and ``intermediate_steps``) they are compared,
and a pair that is unequal by more than a tenth is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, DotPlot, Table
from stilts_core.analysis.report.columns import (
    CsvTable,
    Field,
    corrected_cell,
    csv_table,
    interval_cell,
    interval_columns,
    label,
    span,
    table,
)
from stilts_core.analysis.report.figures import Dots, Style, axis, dot_row, key_mark, scale_for
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.multiple import holm
from stilts_core.analysis.statistics.paired import wilcoxon
from stilts_core.analysis.statistics.results import Interval, Test
from stilts_core.analysis.summary import ENGLISH, baseline_of
from stilts_core.analysis.transfer import ALPHA, distinct_pairs

NAME, TITLE = "languages", "English against multilingual intermediate training"
UNEQUAL = 1.1
"""The ratio of examples or steps above which two curricula are not alike."""

MARKS = ("-translated", "-native", "-multilingual", "-mix", "-ml")
"""Endings that a multilingual curriculum's name has beside its English counterpart's."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A multilingual curriculum over its English counterpart on one target.

    Attributes:
        where: ``in the mix``, ``outside the mix`` or ``difference`` (in less outside).
        languages: codes.
        by_language: mean difference in each, points.
        wilcoxon: over the languages.
        adjusted: p corrected for the family.
    """

    encoder: str
    multilingual: str
    english: str
    target: str
    where: str
    languages: tuple[str, ...]
    by_language: tuple[float, ...]
    interval: Interval
    wilcoxon: Test | None
    adjusted: float = float("nan")
    family: int = 0

    @property
    def shown(self) -> bool:
        return self.adjusted < ALPHA


def has_data(frame: Frame, scores: Scores) -> bool:  # noqa: ARG001 (as every question)
    """There is a multilingual curriculum beside an English one."""
    return bool(pairs_of(scores))


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    pairs = pairs_of(scores)
    found = _corrected([one for pair in pairs for one in _compare(scores, *pair)])
    if not found:
        text = (
            "The results at hand can't answer this: no multilingual curriculum stands beside an English one of the "
            f"same tasks. A pair is known by its names, NAME and NAME{words.listed(MARKS, 'or NAME')}, and by "
            "languages that are not zero-shot."
        )
        return QuestionAnswer(NAME, TITLE, text, answered=False)
    trained = list(_trained(frame, scores, pairs))
    blocks: list[Block] = [*([_trained_table(trained)] if trained else []), *_figures(found), _table(found)]
    tables = (*_csv(found), *([_trained_csv(trained)] if trained else ()))
    return QuestionAnswer(
        NAME, TITLE, _words(found), tuple(_caveats(frame, scores, found)), True, tuple(blocks), tables
    )


def pairs_of(scores: Scores) -> list[tuple[int, int]]:
    """Places of the multilingual curricula and of their English counterparts."""
    names = {name: place for place, name in enumerate(scores.curricula)}
    base = baseline_of(scores)
    found = []
    for name, place in names.items():
        english = next((name.removesuffix(mark) for mark in MARKS if name.endswith(mark)), None)
        if english in names and place != base and any(_mix(scores, place)):
            found.append((place, names[english]))
    return found


def _mix(scores: Scores, curriculum: int) -> Iterator[str]:
    """Languages other than English whose labelled data a curriculum has used."""
    for target in scores.targets:
        for e in range(len(scores.encoders)):
            yield from (code for code in target.seen(e, curriculum) if code != ENGLISH)


def _compare(scores: Scores, multilingual: int, english: int) -> Iterator[Comparison]:
    mix = set(_mix(scores, multilingual)) - set(_mix(scores, english))
    for e, encoder in enumerate(scores.encoders):
        for target in scores.targets:
            seeds = distinct_pairs(target, e, multilingual, english)
            if not seeds:
                continue
            table = (target.score[e, multilingual] - target.score[e, english])[:, seeds]
            inside = np.array([code in mix for code in target.languages])
            outside = np.array([code not in mix and code != ENGLISH for code in target.languages])
            names = (encoder, scores.curricula[multilingual], scores.curricula[english], target.target)
            for where, side in (("in the mix", inside), ("outside the mix", outside)):
                if side.any():
                    codes = tuple(code for code, kept in zip(target.languages, side, strict=True) if kept)
                    means = table[side].mean(axis=1)
                    test = wilcoxon(means) if len(codes) > 1 else None
                    interval = seeds_interval(table[side].mean(axis=0))
                    yield Comparison(*names, where, codes, tuple(means.tolist()), interval, test)
            if inside.any() and outside.any():
                interval = seeds_interval(_difference(table, inside, outside))
                yield Comparison(*names, "difference", (), (), interval, None)


def _difference(table: Floats, inside: Floats, outside: Floats) -> Floats:
    return np.asarray(table[inside].mean(axis=0) - table[outside].mean(axis=0))


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    p = np.array([one.interval.p if np.isfinite(one.interval.low) else np.nan for one in found])
    corrected = holm(p)
    return [
        replace(one, adjusted=float(value), family=corrected.family)
        for one, value in zip(found, corrected.p, strict=True)
    ]


def _words(found: Sequence[Comparison]) -> str:
    parts = []
    for where in ("in the mix", "outside the mix"):
        mine = [one for one in found if one.where == where]
        if not mine:
            parts.append(f"No language {where} has been evaluated.")
            continue
        better = [one for one in mine if one.shown and one.interval.estimate > 0]
        worse = [one for one in mine if one.shown and one.interval.estimate < 0]
        mean = float(np.mean([one.interval.estimate for one in mine]))
        text = (
            f"For languages {where}, the multilingual training is {words.score(abs(mean))} points "
            f"{'behind' if mean < 0 else 'ahead of'} the English one on average over "
            f"{words.counted(len(mine), 'comparison')}"
        )
        if better or worse:
            sides = [f"{len(side)} show it {way}" for side, way in ((better, "ahead"), (worse, "behind")) if side]
            text += f"; after correction {words.listed(sides)}"
            most = max((*better, *worse), key=lambda one: abs(one.interval.estimate))
            text += f", most {most.multilingual} on {most.target}: {_span(most.interval)}"
        else:
            least, largest = min(o.interval.low for o in mine), max(o.interval.high for o in mine)
            text += "; no comparison shows a difference after correction"
            if np.isfinite(least) and np.isfinite(largest):
                text += f" (their intervals lie between {words.signed(least)} and {words.signed(largest)})"
        parts.append(text + ".")
    apart = [one for one in found if one.where == "difference" and one.shown]
    if apart:
        most = max(apart, key=lambda one: abs(one.interval.estimate))
        more = "more" if most.interval.estimate > 0 else "less"
        parts.append(
            f"Languages of the mix gain {more} than the others, most clearly with {most.multilingual} on "
            f"{most.target}: {_span(most.interval)}."
        )
    elif any(one.where == "difference" for one in found):
        parts.append("That languages of the mix gain more than others is not shown.")
    return " ".join(parts)


def _span(interval: Interval) -> str:
    return f"{words.signed(interval.estimate)} ({span(interval)})"


def _caveats(frame: Frame, scores: Scores, found: Sequence[Comparison]) -> Iterator[str]:
    alike, unequal, unknown = [], [], []
    for multilingual, english in dict.fromkeys((one.multilingual, one.english) for one in found):
        ratios = []
        for metric in ("intermediate_examples", "intermediate_steps"):
            sides = [_stated(frame, metric, name) for name in (multilingual, english)]
            if None not in sides:
                ratios.append((metric.removeprefix("intermediate_"), (sides[0] or 0.0) / (sides[1] or 1.0)))
        if not ratios:
            unknown.append(f"{multilingual} and {english}")
        else:
            same = [what for what, ratio in ratios if 1 / UNEQUAL <= ratio <= UNEQUAL]
            other = [f"{ratio:.2g} times the {what}" for what, ratio in ratios if what not in same]
            if not same:
                unequal.append(f"{multilingual} has {words.listed(other)} of {english}")
            else:
                also = f", and {words.listed(other)}" if other else ""
                alike.append(f"{multilingual} has as many {words.listed(same)} as {english}{also}")
    if alike:
        yield f"Alike: {'; '.join(alike)}."
    if unequal:
        yield f"Not alike: {'; '.join(unequal)}. Such a pair compares amounts of training as well as languages."
    if unknown:
        yield f"Whether these had equal examples or steps is not in the table: {'; '.join(unknown)}."
    few = {len(one.languages) for one in found if one.where == "in the mix"}
    if few and min(few) < 5:
        counted = words.counted(min(few), "evaluated language")
        yield f"A mix has {counted} at the least: intervals are for these languages alone."
    yield f"Intervals are over {words.counted(len(scores.seeds), 'seed')}, for these test sets."


def _stated(frame: Frame, metric: str, curriculum: str) -> float | None:
    values = frame.value[frame.texts["metric"].of(metric) & frame.texts["curriculum"].of(curriculum)]
    return float(values.mean()) if values.size else None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a curriculum was trained on.

    Attributes:
        examples, steps: None where the table does not say.
        shares: language → percent of the examples seen.
    """

    encoder: str
    curriculum: str
    examples: float | None
    steps: float | None
    shares: dict[str, float]


def _trained(frame: Frame, scores: Scores, pairs: Sequence[tuple[int, int]]) -> Iterator[Trained]:
    used = dict.fromkeys(
        scores.curricula[place] for multilingual, english in pairs for place in (english, multilingual)
    )
    for encoder in scores.encoders:
        mine = frame.rows(frame.texts["encoder"].of(encoder))
        for name in used:
            of_name = mine.rows(mine.texts["curriculum"].of(name))
            shares = of_name.rows(of_name.texts["metric"].of("mix_share"))
            codes, values = shares.texts["language"], shares.value
            found = {codes.names[code]: float(values[codes.codes == code].mean()) for code in sorted(set(codes.codes))}
            amounts = [_stated(mine, f"intermediate_{what}", name) for what in ("examples", "steps")]
            if found or any(amounts):
                ordered = dict(sorted(found.items(), key=lambda pair: (pair[0] != ENGLISH, pair[0])))
                yield Trained(encoder, name, amounts[0], amounts[1], ordered)


def _trained_table(trained: Sequence[Trained]) -> Table:
    return table(
        "What was trained on: examples in the training sets, optimiser steps, and the languages of the "
        "examples that were seen, percent.",
        trained,
        label("Curriculum", lambda t: Cell(t.curriculum, sub=t.encoder)),
        Field("Examples", lambda t: _amount(t.examples)),
        Field("Steps", lambda t: _amount(t.steps)),
        label(
            "Languages",
            lambda t: ", ".join(f"{code} {share:.0f}" for code, share in t.shares.items()) or words.NOTHING,
        ),
        source="tables/languages_trained.csv",
    )


def _amount(value: float | None) -> str:
    return words.NOTHING if value is None else f"{value:,.0f}"


def _trained_csv(trained: Sequence[Trained]) -> CsvTable:
    return csv_table(
        "languages_trained",
        [(one, code, share) for one in trained for code, share in (one.shares or {"": float("nan")}).items()],
        {
            "encoder": lambda t: t[0].encoder,
            "curriculum": lambda t: t[0].curriculum,
            "examples": lambda t: t[0].examples,
            "steps": lambda t: t[0].steps,
            "language": lambda t: t[1],
            "percent": lambda t: t[2],
        },
    )


def _table(found: Sequence[Comparison]) -> Table:
    return table(
        "Multilingual over English intermediate training, points. ● stands after correction. English itself "
        "is on neither side.",
        found,
        label("Curriculum", lambda c: Cell(c.multilingual, sub=f"over {c.english}, {c.encoder}")),
        label("Target", lambda c: c.target),
        label(
            "Languages",
            lambda c: Cell(
                c.where, sub=words.counted(len(c.languages), "language") if c.languages else "in the mix less outside"
            ),
        ),
        Field("Difference", lambda c: interval_cell(c.interval, flag="●" if c.shown else "")),
        Field("p corrected", lambda c: corrected_cell(c)),
        Field(
            "Wilcoxon p",
            lambda c: words.NOTHING if c.wilcoxon is None else words.p_value(c.wilcoxon.p),
            title="signed-rank test over the languages",
        ),
        source="tables/languages_mix.csv",
    )


def _figures(found: Sequence[Comparison]) -> Iterator[DotPlot]:
    sides = ("outside the mix", "in the mix")
    for encoder, multilingual in dict.fromkeys((one.encoder, one.multilingual) for one in found):
        mine = [one for one in found if (one.encoder, one.multilingual) == (encoder, multilingual) and one.languages]
        scale = scale_for([0.0, *(value for one in mine for value in one.by_language)])
        by_target: dict[str, dict[str, tuple[float, ...]]] = {}
        for one in mine:
            by_target.setdefault(one.target, {})[one.where] = one.by_language
        yield DotPlot(
            caption=f"{multilingual} over its English counterpart with {encoder or 'this encoder'}, points: a tick for "
            "each language, a mark for their mean. The dashed line is no difference.",
            axis=axis(scale),
            rows=tuple(
                (
                    target,
                    target[:6],
                    dot_row(
                        [Dots(side, Style(place + 1), of_side.get(side, ())) for place, side in enumerate(sides)],
                        scale,
                        0.0,
                    ),
                )
                for target, of_side in by_target.items()
            ),
            key=tuple((key_mark(Style(place + 1)), side) for place, side in enumerate(sides)),
            source="tables/languages_mix_by_language.csv",
        )


def _csv(found: Sequence[Comparison]) -> Iterator[CsvTable]:
    yield csv_table(
        "languages_mix",
        found,
        {
            "encoder": lambda c: c.encoder,
            "multilingual": lambda c: c.multilingual,
            "english": lambda c: c.english,
            "target": lambda c: c.target,
            "where": lambda c: c.where,
            "languages": lambda c: " ".join(c.languages),
            **interval_columns(lambda c: c.interval, ("difference", "low", "high")),
            "p": lambda c: c.interval.p,
            "p_adjusted": lambda c: c.adjusted,
            "family": lambda c: c.family,
            "wilcoxon_p": lambda c: c.wilcoxon.p if c.wilcoxon else None,
        },
    )
    yield csv_table(
        "languages_mix_by_language",
        [(one, code, value) for one in found for code, value in zip(one.languages, one.by_language, strict=True)],
        {
            "encoder": lambda p: p[0].encoder,
            "multilingual": lambda p: p[0].multilingual,
            "english": lambda p: p[0].english,
            "target": lambda p: p[0].target,
            "where": lambda p: p[0].where,
            "language": lambda p: p[1],
            "difference": lambda p: p[2],
        },
    )
