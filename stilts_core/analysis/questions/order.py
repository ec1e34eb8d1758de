"""Does the order of intermediate tasks matter, and can similarity pick them?

*Order.* Curricula that are named ``A-B`` and ``B-A`` are the same two tasks in either order; ``A.B`` is both at once.
The order effect is the score after A then B less that after B then A, paired over seeds. *Forgetting* is what a
sequence has lost on a task between the step that taught it and its end. *Similarity.* Methods that rank single tasks for
a target without training on it are compared with the gains: rank correlations, nDCG, and the regret of trying the first
k, beside a random order. *Recommendation.* The curriculum with the largest mean gain, chosen on all seeds but one and
reported on that one, for each in turn, so that its expected gain is not the largest of several.

Metrics of the table: ``similarity_NAME`` (curriculum and target; language ``-``), ``cost_NAME`` (seconds; the same or
for target ``-``), ``after_N_TASK`` (a curriculum's score on TASK after its step N; target and language ``-``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import CsvTable, QuestionAnswer
from stilts_core.analysis.questions.similarities import (
    FEWEST,
    SIMILARITY,
    Method,
    ends,
    method_words,
    methods_in,
    methods_table,
)
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, DotPlot, Table
from stilts_core.analysis.report.figures import Dots, Style, axis, dot_row, key_mark, scale_for
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.multiple import holm
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.table import rounded
from stilts_core.analysis.transfer import ALPHA, distinct_pairs

NAME, TITLE = "order", "The order of intermediate tasks, and similarity"
AFTER = re.compile(r"after_(\d+)_(.+)")


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference between two curricula of the same tasks on one target.

    Attributes:
        kind: ``order`` (first less second) or ``joint`` (both at once less the better order).
    """

    kind: str
    encoder: str
    first: str
    second: str
    target: str
    interval: Interval
    pairs: tuple[float, ...]
    adjusted: float = float("nan")
    family: int = 0

    @property
    def shown(self) -> bool:
        return self.adjusted < ALPHA


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a curriculum has lost on a task from the step that taught it to its end, points; negative is a loss."""

    encoder: str
    curriculum: str
    task: str
    step: int
    interval: Interval


def has_data(frame: Frame, scores: Scores) -> bool:
    """There are both orders of a pair, or similarities."""
    return bool(_pairs(scores)) or any(name.startswith(SIMILARITY) for name in frame.present("metric"))


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    effects = _corrected(list(_effects(scores)))
    forgotten = list(_forgotten(frame, scores))
    methods = list(methods_in(frame, scores))
    best = list(_recommended(scores))
    if not effects and not methods:
        text = (
            "The results at hand can't answer this: there is no pair of curricula A-B and B-A with runs of the same "
            f"seeds, and no similarity of {FEWEST} curricula to a target."
        )
        return QuestionAnswer(NAME, TITLE, text, answered=False)
    blocks: list[Block] = []
    if effects:
        blocks += [_effects_table(effects), *_figure(effects)]
    if forgotten:
        blocks.append(_forgotten_table(forgotten))
    if methods:
        blocks.append(methods_table(methods))
    text = " ".join(filter(None, (_order_words(effects), method_words(methods), _best_words(best))))
    tables = _csv(effects, forgotten, methods, best)
    return QuestionAnswer(NAME, TITLE, text, tuple(_caveats(effects, methods, scores)), True, tuple(blocks), tables)


def _pairs(scores: Scores) -> list[tuple[int, int, int | None]]:
    """Places of A-B, of B-A, and of A.B where there is one; each pair once."""
    names = {name: place for place, name in enumerate(scores.curricula)}
    found = []
    for name, place in names.items():
        for cut in (match.start() for match in re.finditer("-", name)):
            first, second = name[:cut], name[cut + 1 :]
            turned = f"{second}-{first}"
            if first and second and name < turned and turned in names:
                joint = names.get(f"{first}.{second}", names.get(f"{second}.{first}"))
                found.append((place, names[turned], joint))
    return found


def _effects(scores: Scores) -> Iterator[Effect]:
    for e, encoder in enumerate(scores.encoders):
        for first, second, joint in _pairs(scores):
            for target in scores.targets:
                names = (scores.curricula[first], scores.curricula[second], target.target)
                means = target.means()[e]
                seeds = distinct_pairs(target, e, first, second)
                if not seeds:
                    continue
                values = (means[first] - means[second])[seeds]
                yield Effect("order", encoder, *names, seeds_interval(values), tuple(values.tolist()))
                better = first if values.mean() > 0 else second
                if joint is None:
                    continue
                both = distinct_pairs(target, e, joint, better)
                if both:
                    values = (means[joint] - means[better])[both]
                    sides = (scores.curricula[joint], scores.curricula[better], target.target)
                    yield Effect("joint", encoder, *sides, seeds_interval(values), tuple(values.tolist()))


def _corrected(effects: Sequence[Effect]) -> list[Effect]:
    p = np.array([one.interval.p if np.isfinite(one.interval.low) else np.nan for one in effects])
    corrected = holm(p)
    return [
        replace(one, adjusted=float(value), family=corrected.family)
        for one, value in zip(effects, corrected.p, strict=True)
    ]


def _forgotten(frame: Frame, scores: Scores) -> Iterator[Forgotten]:
    steps: dict[tuple[str, str, str], dict[int, dict[int, float]]] = {}
    for metric in frame.present("metric"):
        match = AFTER.fullmatch(metric)
        if match is None:
            continue
        rows = frame.rows(frame.texts["metric"].of(metric))
        encoder, curriculum = rows.texts["encoder"], rows.texts["curriculum"]
        for e, c, seed, value in zip(
            encoder.codes, curriculum.codes, rows.seed.tolist(), rows.value.tolist(), strict=True
        ):
            key = encoder.names[e], curriculum.names[c], match[2]
            steps.setdefault(key, {}).setdefault(int(match[1]), {})[seed] = value
    for (encoder_name, name, task), by_step in sorted(steps.items()):
        first, last = min(by_step), max(by_step)
        seeds = sorted(by_step[first].keys() & by_step[last].keys())
        if first < last and seeds and encoder_name in scores.encoders:
            lost = np.array([by_step[last][seed] - by_step[first][seed] for seed in seeds])
            yield Forgotten(encoder_name, name, task, last, seeds_interval(lost))


@dataclass(frozen=True, slots=True)
class Recommended:
    """A curriculum to take, by encoder.

    Attributes:
        curriculum: with the largest mean gain over all seeds.
        expected: its gain on the mean of the targets, chosen on the other seeds; None with one seed.
        agreed: in how many of the choices the same curriculum was chosen.
    """

    encoder: str
    curriculum: str
    expected: Interval | None
    agreed: int
    choices: int


def _recommended(scores: Scores) -> Iterator[Recommended]:
    base = baseline_of(scores)
    for e, encoder in enumerate(scores.encoders) if base is not None else ():
        means = np.stack([target.means()[e] for target in scores.targets]).mean(axis=0)
        gains = means - means[base]
        gains[base] = np.nan
        whole = ~np.isnan(gains).any(axis=1)
        if whole.sum() < 2:
            continue
        rows = np.flatnonzero(whole)
        best = int(rows[np.argmax(gains[rows].mean(axis=1))])
        seeds = gains.shape[1]
        if seeds < 2:
            yield Recommended(encoder, scores.curricula[best], None, 0, 0)
            continue
        chosen = [int(rows[np.argmax(np.delete(gains[rows], s, axis=1).mean(axis=1))]) for s in range(seeds)]
        held = np.array([gains[c, s] for s, c in enumerate(chosen)])
        yield Recommended(encoder, scores.curricula[best], seeds_interval(held), chosen.count(best), seeds)


def _order_words(effects: Sequence[Effect]) -> str:
    mine = [one for one in effects if one.kind == "order"]
    if not mine:
        return ""
    shown = sorted((one for one in mine if one.shown), key=lambda one: -abs(one.interval.estimate))
    if shown:
        best = shown[0]
        ahead, behind = (best.first, best.second) if best.interval.estimate > 0 else (best.second, best.first)
        text = (
            f"The order matters in {len(shown)} of {words.counted(len(mine), 'comparison')}, most on {best.target}: "
            f"{ahead} is {words.score(abs(best.interval.estimate))} points above {behind} ({ends(best.interval)} for "
            f"{best.first} less {best.second})."
        )
    else:
        widest = max((abs(end) for one in mine for end in (one.interval.low, one.interval.high)), default=np.inf)
        known = f"; effects above {words.score(widest)} points are ruled out" if np.isfinite(widest) else ""
        text = f"That the order matters is not shown in any of {words.counted(len(mine), 'comparison')}{known}."
    joint = [one for one in effects if one.kind == "joint"]
    if joint:
        above = sum(one.shown and one.interval.estimate > 0 for one in joint)
        below = sum(one.shown and one.interval.estimate < 0 for one in joint)
        text += (
            f" Training on both at once is above the better order in {above} and below it in {below} of "
            f"{words.counted(len(joint), 'comparison')}."
        )
    return text


def _best_words(best: Sequence[Recommended]) -> str:
    parts = []
    for one in best:
        if one.expected is None:
            parts.append(f"With one seed no recommendation can be checked; {one.curriculum} has the largest gain.")
            continue
        named = f" with {one.encoder}" if len(best) > 1 else ""
        parts.append(
            f"Recommended{named}: {one.curriculum}, chosen in {one.agreed} of {one.choices} leave-one-seed-out "
            f"choices; the choice gains {words.signed(one.expected.estimate)} points ({ends(one.expected)}) on the "
            "mean of the targets."
        )
    return " ".join(parts)


def _caveats(effects: Sequence[Effect], methods: Sequence[Method], scores: Scores) -> Iterator[str]:
    if effects:
        yield (
            f"Order effects are paired over {words.counted(len(scores.seeds), 'seed')} and corrected by Holm's method "
            f"over {words.counted(max(one.family for one in effects), 'comparison')}."
        )
    if methods:
        few = min(one.n for method in methods for one in method.rankings.values())
        yield f"A ranking is of {few} candidates at the least; targets share their candidates and are not independent."
        if any(method.cost is None for method in methods):
            yield "What the similarities cost is not in the table for all of them."


def _effects_table(effects: Sequence[Effect]) -> Table:
    rows = tuple(
        (
            Cell(f"{one.first} less {one.second}", sub=one.encoder),
            Cell(one.target),
            Cell("order" if one.kind == "order" else "both at once"),
            Cell(words.signed(one.interval.estimate), sub=ends(one.interval), flag="●" if one.shown else ""),
            Cell(words.p_value(one.adjusted), sub=f"of {one.family}"),
        )
        for one in effects
    )
    return Table(
        caption="Order effects, and both tasks at once against the better order, points. ● stands after correction.",
        columns=(
            Column("Curricula", numeric=False),
            Column("Target", numeric=False),
            Column("What", numeric=False),
            Column("Difference"),
            Column("p corrected"),
        ),
        rows=rows,
        source="tables/order_effects.csv",
    )


def _figure(effects: Sequence[Effect]) -> Iterator[DotPlot]:
    mine = [one for one in effects if one.kind == "order"]
    targets = list(dict.fromkeys(one.target for one in mine))
    scale = scale_for([0.0, *(value for one in mine for value in one.pairs)])
    rows: dict[str, dict[str, tuple[float, ...]]] = {}
    for one in mine:
        rows.setdefault(f"{one.first} less {one.second}", {})[one.target] = one.pairs
    yield DotPlot(
        caption="Order effects, points: a tick for each pair of runs, a mark for their mean. The dashed line is no "
        "effect.",
        axis=axis(scale),
        rows=tuple(
            (
                name,
                name.split(" ")[0],
                dot_row([Dots(t, Style(place + 1), found.get(t, ())) for place, t in enumerate(targets)], scale, 0.0),
            )
            for name, found in rows.items()
        ),
        key=tuple((key_mark(Style(place + 1)), target) for place, target in enumerate(targets)),
        source="tables/order_effects.csv",
    )


def _forgotten_table(forgotten: Sequence[Forgotten]) -> Table:
    rows = tuple(
        (
            Cell(one.curriculum, sub=one.encoder),
            Cell(one.task),
            Cell(str(one.step)),
            Cell(words.signed(one.interval.estimate), sub=ends(one.interval)),
        )
        for one in forgotten
    )
    return Table(
        caption="What a sequence keeps: its score on a task at its end less that right after the step that taught it.",
        columns=(Column("Curriculum", numeric=False), Column("Task", numeric=False), Column("Steps"), Column("Change")),
        rows=rows,
        source="tables/order_forgetting.csv",
    )


def _csv(
    effects: Sequence[Effect], forgotten: Sequence[Forgotten], methods: Sequence[Method], best: Sequence[Recommended]
) -> tuple[CsvTable, ...]:
    def numbers(one: Interval) -> tuple[float | None, ...]:
        return rounded(one.estimate), rounded(one.low), rounded(one.high)

    return (
        CsvTable(
            "order_effects",
            ("kind", "encoder", "first", "second", "target", "difference", "low", "high", "p", "p_adjusted", "family"),
            tuple(
                (
                    *(o.kind, o.encoder, o.first, o.second, o.target, *numbers(o.interval)),
                    *(rounded(o.interval.p), rounded(o.adjusted), o.family),
                )
                for o in effects
            ),
        ),
        CsvTable(
            "order_forgetting",
            ("encoder", "curriculum", "task", "steps", "change", "low", "high"),
            tuple((f.encoder, f.curriculum, f.task, f.step, *numbers(f.interval)) for f in forgotten),
        ),
        CsvTable(
            "order_similarity",
            ("encoder", "similarity", "target", "n", "spearman", "kendall", "ndcg", "regret_1", "random_1", "p"),
            tuple(
                (
                    *(m.encoder, m.name, target, r.n, rounded(r.spearman), rounded(r.kendall), rounded(r.ndcg)),
                    *(rounded(r.regret[1]), rounded(r.chance[1]), rounded(r.p)),
                )
                for m in methods
                for target, r in m.rankings.items()
            ),
        ),
        CsvTable(
            "order_recommended",
            ("encoder", "curriculum", "agreed", "choices", "gain", "low", "high"),
            tuple(
                (b.encoder, b.curriculum, b.agreed, b.choices, *(numbers(b.expected) if b.expected else (None,) * 3))
                for b in best
            ),
        ),
    )
