"""Tables, figures and files of the question on order and similarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.questions.sequences import ORDER, Effect, Forgotten, Recommended, decisive, parts_of
from stilts_core.analysis.questions.similarity import Method
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, DotPlot
from stilts_core.analysis.report.columns import (
    CsvTable,
    Field,
    corrected_cell,
    csv_table,
    ends,
    interval_cell,
    interval_columns,
    label,
    table,
)
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
from stilts_core.analysis.statistics.ranking import DEPTHS, Ranking
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.analysis.transfer import Gain

MEAN = "mean of the targets"
MOST_ROWS = 24
"""Rows of a figure or a table on the page at most; its file has all of them."""


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
        if gains:
            yield table(
                f"Gain over the baseline on the {_target(target)}, points: the first task down, the second "
                f"across, single tasks on the diagonal. {encoder}.",
                tasks,
                label("First, then", lambda first: Cell(first, sub="first")),
                *(_second(second, gains, limit) for second in tasks),
                css="heat",
                colours=colour_key(limit),
                source="tables/gains.csv",
            )


def _second(second: str, gains: Mapping[tuple[str, str], Gain], limit: float) -> Field[str]:
    """The column of a second task."""

    def of(first: str) -> Cell:
        gain = gains.get((first, second))
        if gain is None:
            return Cell(words.NOTHING, css="none")
        estimate = gain.interval.estimate
        sub = "alone" if first == second else ends(gain.interval)
        return Cell(words.signed(estimate), sub=sub, css=gain_class(estimate, limit), title=ends(gain.interval))

    return Field(second, of)


def effects(found: Sequence[Effect]) -> Iterator[Block]:
    """Order effects and the joint control: the decisive ones as a table, those of order also by target as a figure."""
    mine = sorted(decisive(found), key=lambda one: (one.kind != ORDER, -abs(one.interval.estimate)))[:MOST_ROWS]
    if not mine:
        return
    yield table(
        f"Order effects, and the tasks at once less the mean of both orders, on the {_target(mine[0].target)}, "
        "points. ● stands after correction.",
        mine,
        label("Curricula", lambda e: Cell(f"{e.first} less {e.second}", sub=e.encoder)),
        label("What", lambda e: "order" if e.kind == ORDER else "at once"),
        Field("Difference", lambda e: interval_cell(e.interval, flag="● " if e.shown else "")),
        Field("p corrected", lambda e: corrected_cell(e)),
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
    yield table(
        "How similarities rank the tasks, mean over the targets. Regret: points that the first choice, or the "
        "best of the first 3 and 5, loses against the best of all; beside it that of a random order. p: that the "
        "orders are random, corrected; ● stands. Cost: seconds for all values, with the trainings that they need.",
        methods,
        label("Similarity", lambda m: Cell(m.title, sub=m.encoder)),
        Field("Spearman", lambda m: interval_cell(m.spearman, 2, flag="● " if m.shown else "")),
        Field("Kendall τ‑b", lambda m: words.signed(m.mean("kendall"), 2)),
        Field("nDCG", lambda m: words.score(m.mean("ndcg"), 2)),
        Field("Regret@1", lambda m: Cell(words.score(m.regret.estimate), sub=_later(m), title=ends(m.regret))),
        Field("Random", lambda m: words.score(_random(m, 1))),
        Field("p", lambda m: corrected_cell(m)),
        Field(
            "Cost",
            lambda m: Cell(words.duration(m.cost), sub=f"trying all {words.duration(trials.get(m.encoder))}"),
        ),
        Field("Tasks × targets", lambda m: f"{len(m.candidates)} × {len(m.rankings)}"),
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
    yield table(
        "The curriculum with the largest gain, and what choosing so is worth on a seed that did not choose, "
        "points, with intervals; the same against choosing among single tasks; how often the choices agree.",
        best,
        label("Target", lambda b: Cell(_target(b.target), sub=b.encoder)),
        label("Recommended", lambda b: b.curriculum),
        Field("Expected gain", lambda b: interval_cell(b.expected)),
        Field("Over single tasks", lambda b: interval_cell(b.over_single)),
        Field("Agreed", lambda b: f"{b.agreed} of {b.choices}"),
        source="tables/order_recommended.csv",
    )


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
        csv_table(
            "order_effects",
            found,
            {
                "kind": lambda e: e.kind,
                "encoder": lambda e: e.encoder,
                "first": lambda e: e.first,
                "second": lambda e: e.second,
                "target": lambda e: e.target,
                **interval_columns(lambda e: e.interval, ("difference", "low", "high")),
                "p": lambda e: e.interval.p,
                "p_adjusted": lambda e: e.adjusted,
                "family": lambda e: e.family,
                "correction": lambda e: e.correction,
                "seeds": lambda e: len(e.pairs),
            },
        ),
        csv_table(
            "order_forgetting",
            forgotten,
            {
                "encoder": lambda f: f.encoder,
                "curriculum": lambda f: f.curriculum,
                "task": lambda f: f.task,
                "taught": lambda f: f.taught,
                "steps": lambda f: f.step,
                "before": lambda f: f.before,
                **interval_columns(lambda f: f.interval, ("change", "low", "high")),
                "seeds": lambda f: len(f.pairs),
            },
        ),
        _similarity_csv(methods, trials),
        csv_table(
            "order_similarities",
            [
                (m, curriculum, target, value, gain)
                for m in methods
                for target in m.rankings
                for curriculum, value, gain in zip(
                    m.candidates, m.similar[target].tolist(), m.gains[target].tolist(), strict=True
                )
            ],
            {
                "encoder": lambda p: p[0].encoder,
                "similarity": lambda p: p[0].name,
                "curriculum": lambda p: p[1],
                "target": lambda p: p[2],
                "value": lambda p: p[3],
                "gain": lambda p: p[4],
            },
        ),
        csv_table(
            "order_recommended",
            best,
            {
                "encoder": lambda b: b.encoder,
                "target": lambda b: b.target,
                "curriculum": lambda b: b.curriculum,
                "agreed": lambda b: b.agreed,
                "choices": lambda b: b.choices,
                **interval_columns(lambda b: b.expected, ("gain", "low", "high")),
                **interval_columns(lambda b: b.over_single, ("over_single", "over_single_low", "over_single_high")),
            },
        ),
    )


def _later(method: Method) -> str:
    """Regret of the best of several choices."""
    found = ((depth, method.regret_at(depth)) for depth in DEPTHS[1:])
    return ", ".join(f"@{depth} {words.score(value)}" for depth, value in found if value is not None)


def _random(method: Method, depth: int) -> float:
    """Regret of a random order."""
    return float(np.mean([ranked.chance[depth] for ranked in method.rankings.values()]))


Judged = tuple[Method, str, Ranking | None]
"""A similarity on a target, or on the mean of the targets."""


def _similarity_csv(methods: Sequence[Method], trials: Mapping[str, float | None]) -> CsvTable:
    """A record for each target, and after them the mean of the targets."""
    judged: list[Judged] = []
    for method in methods:
        judged += [(method, target, ranked) for target, ranked in method.rankings.items()]
        judged.append((method, ALL_TARGETS, None))

    def either(of_one: Callable[[Ranking], object], of_mean: Callable[[Method], object]) -> Callable[[Judged], object]:
        return lambda j: of_mean(j[0]) if j[2] is None else of_one(j[2])

    def regret(depth: int) -> Callable[[Judged], object]:
        return either(lambda r: r.regret.get(depth), lambda m: m.regret_at(depth))

    def random(depth: int) -> Callable[[Judged], object]:
        return either(
            lambda r: r.chance.get(depth), lambda m: None if m.regret_at(depth) is None else _random(m, depth)
        )

    return csv_table(
        "order_similarity",
        judged,
        {
            "encoder": lambda j: j[0].encoder,
            "similarity": lambda j: j[0].name,
            "target": lambda j: j[1],
            "n": either(lambda r: r.n, lambda m: len(m.candidates)),
            "spearman": either(lambda r: r.spearman, lambda m: m.spearman.estimate),
            "low": either(lambda _: None, lambda m: m.spearman.low),
            "high": either(lambda _: None, lambda m: m.spearman.high),
            "kendall": either(lambda r: r.kendall, lambda m: m.mean("kendall")),
            "ndcg": either(lambda r: r.ndcg, lambda m: m.mean("ndcg")),
            **{f"regret_{depth}": regret(depth) for depth in DEPTHS},
            **{f"random_{depth}": random(depth) for depth in DEPTHS},
            "p": either(lambda r: r.p, lambda m: m.p),
            "p_adjusted": either(lambda _: None, lambda m: m.adjusted),
            "seconds": either(lambda _: None, lambda m: m.cost),
            "trial_seconds": either(lambda _: None, lambda m: trials.get(m.encoder)),
        },
    )
