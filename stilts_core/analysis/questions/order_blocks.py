"""Tables, figures and files of the question on order and similarity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.questions.answer import CsvTable
from stilts_core.analysis.questions.sequences import ORDER, Effect, Forgotten, Recommended, decisive, parts_of
from stilts_core.analysis.questions.similarity import Method
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, DotPlot, Table
from stilts_core.analysis.report.figures import (
    Dots,
    Style,
    axis,
    dot_row,
    gain_class,
    gain_limit,
    key_mark,
    scale_for,
)
from stilts_core.analysis.report.gains import colour_key
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.ranking import DEPTHS
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.analysis.table import rounded

MEAN = "mean of the targets"
MOST_ROWS = 24
"""Rows of a figure or a table on the page at most; its file has all of them."""


def ends(interval: Interval, digits: int = 1) -> str:
    """The ends of an interval, or what it lacks."""
    if not np.isfinite(interval.low):
        return interval.basis
    return f"{words.signed(interval.low, digits)} to {words.signed(interval.high, digits)}"


def matrix(scores: Scores, evidence: Evidence) -> Iterator[Block]:
    """The gain of every ordered pair: the first task down, the second across; single tasks on the diagonal."""
    target = ALL_TARGETS if len(scores.targets) > 1 else scores.targets[0].target
    pairs = {}
    for name in scores.curricula:
        parts = parts_of(name, scores.curricula)
        if len(parts) == 2 and all(part in scores.curricula for part in parts):
            pairs[parts] = name
    tasks = sorted({part for parts in pairs for part in parts})
    for encoder in scores.encoders if pairs else ():
        gains = {
            place: gain
            for place, name in {**pairs, **{(task, task): task for task in tasks}}.items()
            if (gain := evidence.gain(encoder, name, target)) is not None
        }
        limit = gain_limit(gain.interval.estimate for gain in gains.values())
        rows = []
        for first in tasks:
            cells = [Cell(first, sub="first")]
            for second in tasks:
                gain = gains.get((first, second))
                if gain is None:
                    cells.append(Cell(words.NOTHING, css="none"))
                    continue
                estimate = gain.interval.estimate
                css = gain_class(estimate, limit)
                sub = "alone" if first == second else ends(gain.interval)
                cells.append(Cell(words.signed(estimate), sub=sub, css=css, title=ends(gain.interval)))
            rows.append(tuple(cells))
        if gains:
            yield Table(
                caption=f"Gain over the baseline on the {_target(target)}, points: the first task down, the second "
                f"across, single tasks on the diagonal. {encoder}.",
                columns=(Column("First, then", numeric=False), *map(Column, tasks)),
                rows=tuple(rows),
                css="heat",
                colours=colour_key(limit),
                source="tables/gains.csv",
            )


def effects(found: Sequence[Effect]) -> Iterator[Block]:
    """Order effects and the joint control: the decisive ones as a table, those of order also by target as a figure."""
    mine = sorted(decisive(found), key=lambda one: (one.kind != ORDER, -abs(one.interval.estimate)))[:MOST_ROWS]
    if not mine:
        return
    rows = tuple(
        (
            Cell(f"{one.first} less {one.second}", sub=one.encoder),
            Cell("order" if one.kind == ORDER else "at once"),
            Cell(words.signed(one.interval.estimate), sub=ends(one.interval), flag="● " if one.shown else ""),
            Cell(words.p_value(one.adjusted), sub=f"of {one.family}"),
        )
        for one in mine
    )
    yield Table(
        caption=f"Order effects, and the tasks at once less the mean of both orders, on the {_target(mine[0].target)}, "
        "points. ● stands after correction.",
        columns=(
            Column("Curricula", numeric=False),
            Column("What", numeric=False),
            Column("Difference"),
            Column("p corrected"),
        ),
        rows=rows,
        source="tables/order_effects.csv",
    )
    yield from _effects_figure([one for one in found if one.kind == ORDER])


def _effects_figure(mine: Sequence[Effect]) -> Iterator[Block]:
    targets = list(dict.fromkeys(one.target for one in mine))
    by_pair: dict[tuple[str, str, str], dict[str, tuple[float, ...]]] = {}
    for one in mine:
        by_pair.setdefault((one.encoder, one.first, one.second), {})[one.target] = one.pairs
    if not mine:
        return
    if len(by_pair) * len(targets) > 4 * MOST_ROWS and ALL_TARGETS in targets:
        targets = [ALL_TARGETS]
    shown = dict(list(by_pair.items())[:MOST_ROWS])
    scale = scale_for([0.0, *(v for found in shown.values() for t in targets for v in found.get(t, ()))])
    styles = {target: Style(place + 1) for place, target in enumerate(targets)}
    several = len({encoder for encoder, _, _ in shown}) > 1
    yield DotPlot(
        caption="Order effects by target, points, each sequence less its reverse: a tick for each pair of runs, a mark "
        "for their mean. The dashed line is no effect.",
        axis=axis(scale),
        rows=tuple(
            (
                f"{first}, {encoder}" if several else first,
                first,
                dot_row([Dots(_target(t), styles[t], found.get(t, ())) for t in targets], scale, 0.0),
            )
            for (encoder, first, _), found in shown.items()
        ),
        key=tuple((key_mark(styles[target]), _target(target)) for target in targets),
        source="tables/order_effects.csv",
        wide=True,
    )


def forgetting(found: Sequence[Forgotten]) -> Iterator[Block]:
    """What later steps cost earlier tasks."""
    if not found:
        return
    shown = sorted(found, key=lambda one: one.interval.estimate)[:MOST_ROWS]
    scale = scale_for([0.0, *(value for one in shown for value in one.pairs)])
    yield DotPlot(
        caption="Forgetting: score on the development set of a task after a later step less that right after the step "
        "that taught it, with the head of that step, points; a tick for each seed, a mark for their mean. The dashed "
        "line is no change.",
        axis=axis(scale),
        rows=tuple(
            (
                f"{one.task} after {one.curriculum}",
                one.curriculum,
                dot_row([Dots(one.task, Style(1), one.pairs)], scale, 0.0),
            )
            for one in shown
        ),
        key=((key_mark(Style(1)), "change"),),
        source="tables/order_forgetting.csv",
        wide=True,
    )


def similarity(methods: Sequence[Method], trials: Mapping[str, float | None]) -> Iterator[Block]:
    """How similarities rank the tasks."""
    if not methods:
        return
    rows = []
    for one in methods:
        chance = [ranked.chance[1] for ranked in one.rankings.values()]
        later = ", ".join(
            f"@{depth} {words.score(value)}" for depth in DEPTHS[1:] if (value := one.regret_at(depth)) is not None
        )
        rows.append(
            (
                Cell(one.title, sub=one.encoder),
                Cell(words.signed(one.spearman.estimate, 2), sub=ends(one.spearman, 2), flag="● " if one.shown else ""),
                Cell(words.signed(one.mean("kendall"), 2)),
                Cell(words.score(one.mean("ndcg"), 2)),
                Cell(words.score(one.regret.estimate), sub=later, title=ends(one.regret)),
                Cell(words.score(float(np.mean(chance)))),
                Cell(words.p_value(one.adjusted), sub=f"of {one.family}"),
                Cell(words.duration(one.cost), sub=f"trying all {words.duration(trials.get(one.encoder))}"),
                Cell(f"{len(one.candidates)} × {len(one.rankings)}"),
            )
        )
    yield Table(
        caption="How similarities rank the tasks, mean over the targets. Regret: points that the first choice, or the "
        "best of the first 3 and 5, loses against the best of all; beside it that of a random order. p: that the "
        "orders are random, corrected; ● stands. Cost: seconds for all values, with the trainings that they need.",
        columns=(
            Column("Similarity", numeric=False),
            Column("Spearman"),
            Column("Kendall τ-b"),
            Column("nDCG"),
            Column("Regret@1"),
            Column("Random"),
            Column("p"),
            Column("Cost"),
            Column("Tasks × targets"),
        ),
        rows=tuple(rows),
        source="tables/order_similarity.csv",
    )
    scale = scale_for([-1.0, 1.0])
    several = len({one.encoder for one in methods}) > 1
    yield DotPlot(
        caption="Spearman's correlation of each similarity with the gains: a tick for each target, a mark for their "
        "mean. The dashed line is a random order.",
        axis=axis(scale),
        rows=tuple(
            (
                f"{one.title}, {one.encoder}" if several else one.title,
                one.name,
                dot_row([Dots(one.title, Style(1), tuple(r.spearman for r in one.rankings.values()))], scale, 0.0),
            )
            for one in methods
        ),
        key=((key_mark(Style(1)), "mean over the targets"),),
        source="tables/order_similarity.csv",
        wide=True,
    )


def recommendation(best: Sequence[Recommended]) -> Iterator[Block]:
    """What to take for each target."""
    if not best:
        return
    rows = tuple(
        (
            Cell(_target(one.target), sub=one.encoder),
            Cell(one.curriculum),
            _field(one.expected),
            _field(one.over_single),
            Cell(f"{one.agreed} of {one.choices}"),
        )
        for one in best
    )
    yield Table(
        caption="The curriculum with the largest gain, and what choosing so is worth on a seed that did not choose, "
        "points, with intervals; the same against choosing among single tasks; how often the choices agree.",
        columns=(
            Column("Target", numeric=False),
            Column("Recommended", numeric=False),
            Column("Expected gain"),
            Column("Over single tasks"),
            Column("Agreed"),
        ),
        rows=rows,
        source="tables/order_recommended.csv",
    )


def _field(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell(words.NOTHING, css="none")
    return Cell(words.signed(interval.estimate), sub=ends(interval))


def _target(name: str) -> str:
    return MEAN if name == ALL_TARGETS else name


def csv_tables(
    found: Sequence[Effect],
    forgotten: Sequence[Forgotten],
    methods: Sequence[Method],
    trials: Mapping[str, float | None],
    best: Sequence[Recommended],
) -> tuple[CsvTable, ...]:
    """The numbers of all of them."""
    return (
        CsvTable(
            "order_effects",
            (
                *("kind", "encoder", "first", "second", "target", "difference", "low", "high"),
                *("p", "p_adjusted", "family", "correction", "seeds"),
            ),
            tuple(
                (
                    *(o.kind, o.encoder, o.first, o.second, o.target, *_numbers(o.interval)),
                    *(rounded(o.interval.p), rounded(o.adjusted), o.family, o.correction, len(o.pairs)),
                )
                for o in found
            ),
        ),
        CsvTable(
            "order_forgetting",
            ("encoder", "curriculum", "task", "taught", "steps", "before", "change", "low", "high", "seeds"),
            tuple(
                (
                    f.encoder,
                    f.curriculum,
                    f.task,
                    f.taught,
                    f.step,
                    rounded(f.before),
                    *_numbers(f.interval),
                    len(f.pairs),
                )
                for f in forgotten
            ),
        ),
        CsvTable(
            "order_similarity",
            (
                *("encoder", "similarity", "target", "n", "spearman", "low", "high", "kendall", "ndcg"),
                *("regret_1", "regret_3", "regret_5", "random_1", "random_3", "random_5"),
                *("p", "p_adjusted", "seconds", "trial_seconds"),
            ),
            tuple(_similarity_records(methods, trials)),
        ),
        CsvTable(
            "order_similarities",
            ("encoder", "similarity", "curriculum", "target", "value", "gain"),
            tuple(
                (m.encoder, m.name, curriculum, target, rounded(value), rounded(gain))
                for m in methods
                for target in m.rankings
                for curriculum, value, gain in zip(
                    m.candidates, m.similar[target].tolist(), m.gains[target].tolist(), strict=True
                )
            ),
        ),
        CsvTable(
            "order_recommended",
            (
                *("encoder", "target", "curriculum", "agreed", "choices", "gain", "low", "high"),
                *("over_single", "over_single_low", "over_single_high"),
            ),
            tuple(
                (
                    *(b.encoder, b.target, b.curriculum, b.agreed, b.choices),
                    *(*_numbers(b.expected), *_numbers(b.over_single)),
                )
                for b in best
            ),
        ),
    )


def _similarity_records(methods: Sequence[Method], trials: Mapping[str, float | None]) -> Iterator[tuple[object, ...]]:
    """A record for each target, and after them the mean of the targets."""
    for m in methods:
        for target, r in m.rankings.items():
            yield (
                *(m.encoder, m.name, target, r.n, rounded(r.spearman), None, None, rounded(r.kendall), rounded(r.ndcg)),
                *(rounded(r.regret.get(depth)) for depth in DEPTHS),
                *(rounded(r.chance.get(depth)) for depth in DEPTHS),
                *(rounded(r.p), None, None, None),
            )
        chance = [
            float(np.mean([r.chance[depth] for r in m.rankings.values()])) if m.regret_at(depth) is not None else None
            for depth in DEPTHS
        ]
        yield (
            *(m.encoder, m.name, ALL_TARGETS, len(m.candidates), *_numbers(m.spearman)),
            *(rounded(m.mean("kendall")), rounded(m.mean("ndcg"))),
            *(rounded(m.regret_at(depth)) for depth in DEPTHS),
            *map(rounded, chance),
            *(rounded(m.p), rounded(m.adjusted), rounded(m.cost), rounded(trials.get(m.encoder))),
        )


def _numbers(one: Interval | None) -> tuple[float | None, ...]:
    return (None,) * 3 if one is None else (rounded(one.estimate), rounded(one.low), rounded(one.high))
