"""Which measure of the intermediate training predicts what a target gains?

Two questions that are often mixed up are kept apart. *Within* a task: of several seeds of one curriculum, does the one
with the better intermediate score also gain more? Correlations of deviations from each curriculum's mean, with as many
degrees of freedom as that leaves. *Between* tasks: do curricula with higher intermediate scores gain more?
Correlations of the curricula's means, of which there are few, so that n and the smallest correlation that n can show
are always said; also with the size of the training set held constant. p values are corrected by Holm's method within
each of the two, and apart for measures at the end of a training and for those on its way (``NAME@STEP``).

The table has rows of metrics ``intermediate_NAME`` (``intermediate_accuracy``, ``intermediate_loss@2000``, ...), target
and language ``-``, for each encoder, curriculum and seed; ``intermediate_examples`` is the size of the training set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Fold, Plot, Table
from stilts_core.analysis.report.columns import CsvTable, Field, corrected_cell, csv_table, label, span, table
from stilts_core.analysis.report.figures import Style, key_mark, scatter_plot
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.correlation import Correlation, correlation, smallest_shown
from stilts_core.analysis.statistics.multiple import holm
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import ALPHA

NAME, TITLE = "metrics", "Which intermediate measure predicts transfer"
PREFIX = "intermediate_"
SIZE, STEPS = f"{PREFIX}examples", f"{PREFIX}steps"
FEWEST = 4
"""Curricula, or seeds in all, from which on a correlation is computed."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How an intermediate measure goes with the gain on a target.

    Attributes:
        kind: ``within`` or ``between`` tasks.
        x, y: what was correlated, and the place of the curriculum of each point.
        partial: with log of the training set's size held constant; None where that is not known or n is too small.
        adjusted: p corrected for the family.
    """

    kind: str
    encoder: str
    metric: str
    target: str
    found: Correlation
    x: Floats
    y: Floats
    curriculum: tuple[int, ...]
    partial: Correlation | None = None
    adjusted: float = float("nan")
    family: int = 0

    @property
    def shown(self) -> bool:
        return self.adjusted < ALPHA

    @property
    def on_the_way(self) -> bool:
        """The measure was taken before the end of the training, or at a step that is named."""
        return "@" in self.metric


def has_data(frame: Frame, scores: Scores) -> bool:
    """There are intermediate measures and gains enough for one correlation."""
    return next(_relations(frame, scores), None) is not None


def _metrics(frame: Frame) -> list[str]:
    return [name for name in frame.present("metric") if name.startswith(PREFIX) and name not in (SIZE, STEPS)]


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    relations = list(_relations(frame, scores))
    if not relations:
        text = (
            f"The results at hand can't answer this: no intermediate measure has {FEWEST} curricula with gains, or "
            f"{FEWEST} seeds beyond one for each curriculum."
        )
        return QuestionAnswer(NAME, TITLE, text, answered=False)
    families = [(kind, way) for kind in ("within", "between") for way in (False, True)]
    relations = [
        one
        for kind, way in families
        for one in _corrected([r for r in relations if (r.kind, r.on_the_way) == (kind, way)])
    ]
    ends = [one for one in relations if not one.on_the_way] or relations
    blocks: list[Block] = [*_figures(ends, scores), Fold(f"All {len(ends)} pairs of measure and target", _table(ends))]
    if len(ends) < len(relations):
        ways = [one for one in relations if one.on_the_way]
        blocks.append(Fold(f"The same on the way, at {_steps(ways)}", _table(ways)))
    text = " ".join(filter(None, (_words(ends), _way_words(relations) if len(ends) < len(relations) else "")))
    return QuestionAnswer(
        NAME, TITLE, text, tuple(_caveats(ends)), True, tuple(blocks), (_csv(relations), _points_csv(ends, scores))
    )


def _steps(ways: Sequence[Relation]) -> str:
    """The steps, where they are few."""
    steps = sorted({int(one.metric.rpartition("@")[2]) for one in ways if one.metric.rpartition("@")[2].isdigit()})
    if len(steps) > 6:
        return f"{len(steps)} points from step {steps[0]} to {steps[-1]}"
    return words.counted(len(steps), "point") + f": step {words.listed([str(step) for step in steps])}"


def _way_words(relations: Sequence[Relation]) -> str:
    ways = [one for one in relations if one.on_the_way]
    shown = [one for one in ways if one.shown]
    if not shown:
        return f"Measured on the way, none of {words.counted(len(ways), 'pair')} of measure, step and target is shown."
    best = max(shown, key=lambda one: abs(one.found.pearson))
    return (
        f"Measured on the way, {len(shown)} of {len(ways)} pairs are shown, most clearly {_named(best.metric)} with "
        f"{_outcome(best.kind)} on {best.target} ({best.kind} tasks): r {words.signed(best.found.pearson, 2)}, n "
        f"{best.found.n}."
    )


def _relations(frame: Frame, scores: Scores) -> Iterator[Relation]:
    base = baseline_of(scores)
    for e, encoder in enumerate(scores.encoders) if base is not None else ():
        sizes = _values(frame, scores, encoder, SIZE)
        for metric in _metrics(frame):
            values = _values(frame, scores, encoder, metric)
            for target in scores.targets:
                gain = target.means()[e] - target.means()[e, base]
                there = ~np.isnan(values) & ~np.isnan(gain)
                there[base] = False
                curricula = [c for c in range(len(scores.curricula)) if there[c].any()]
                x = np.array([values[c][there[c]].mean() for c in curricula])
                y = np.array([gain[c][there[c]].mean() for c in curricula])
                if len(curricula) >= FEWEST and x.std() > 0 and y.std() > 0:
                    found = Relation(
                        "between", encoder, metric, target.target, correlation(x, y), x, y, tuple(curricula)
                    )
                    log = np.log([np.nanmean(sizes[c]) if not np.isnan(sizes[c]).all() else np.nan for c in curricula])
                    if not np.isnan(log).any() and log.std() > 0 and len(curricula) > FEWEST:
                        found = replace(found, partial=correlation(_rest(x, log), _rest(y, log), taken=1))
                    yield found
                seeds = [(c, s) for c in curricula for s in np.flatnonzero(there[c]) if there[c].sum() > 1]
                groups = len({c for c, _ in seeds})
                if len(seeds) - groups < FEWEST:
                    continue
                x = np.array([values[c, s] - values[c][there[c]].mean() for c, s in seeds])
                own = target.means()[
                    e
                ]  # the baseline is the same for all curricula of a seed: its noise would only blur
                y = np.array([own[c, s] - own[c][there[c]].mean() for c, s in seeds])
                if x.std() > 0 and y.std() > 0:
                    within = correlation(x, y, taken=groups - 1)
                    yield Relation("within", encoder, metric, target.target, within, x, y, tuple(c for c, _ in seeds))


def _values(frame: Frame, scores: Scores, encoder: str, metric: str) -> Floats:
    """(C, S); NaN where the table has none."""
    rows = frame.rows(frame.texts["metric"].of(metric) & frame.texts["encoder"].of(encoder))
    found = np.full((len(scores.curricula), len(scores.seeds)), np.nan)
    names = rows.texts["curriculum"]
    for code, seed, value in zip(names.codes.tolist(), rows.seed.tolist(), rows.value.tolist(), strict=True):
        if names.names[code] in scores.curricula and seed in scores.seeds:
            found[scores.curricula.index(names.names[code]), scores.seeds.index(seed)] = value
    return found


def _rest(values: Floats, other: Floats) -> Floats:
    """What a straight line in the other leaves of the values."""
    centred = other - other.mean()
    slope = float(centred @ values) / float(centred @ centred)
    return np.asarray(values - values.mean() - slope * centred)


def _corrected(relations: Sequence[Relation]) -> list[Relation]:
    corrected = holm(np.array([one.found.p for one in relations]))
    return [
        replace(one, adjusted=float(p), family=corrected.family) for one, p in zip(relations, corrected.p, strict=True)
    ]


def _words(relations: Sequence[Relation]) -> str:
    parts = []
    for kind, title in (("within", "Within a task, over seeds"), ("between", "Between tasks")):
        mine = [one for one in relations if one.kind == kind]
        if not mine:
            parts.append(f"{title}, the results are too few to say anything.")
            continue
        shown = sorted((one for one in mine if one.shown), key=lambda one: -abs(one.found.pearson))
        n = min(one.found.n for one in mine)
        taken = max(one.found.n - 2 - one.found.df for one in mine if one.found.n == n)
        least = smallest_shown(n - 2 - taken)
        if shown:
            best = shown[0]
            several = f", and {words.counted(len(shown) - 1, 'other pair')}" if len(shown) > 1 else ""
            parts.append(
                f"{title}, {_named(best.metric)} goes with {_outcome(kind)} on {best.target}: r "
                f"{words.signed(best.found.pearson, 2)} ({span(best.found, 2)}, n {best.found.n}){several}; "
                f"{len(mine)} pairs of measure and target were tried."
            )
        else:
            parts.append(
                f"{title}, no measure is shown to go with {_outcome(kind)} on a target: {len(mine)} pairs were tried, "
                f"with n from {n}, where a single correlation below {least:.2f} can't be told from 0."
            )
    return " ".join(parts)


def _named(metric: str) -> str:
    return metric.removeprefix(PREFIX).replace("_", " ")


def _outcome(kind: str) -> str:
    return "the score" if kind == "within" else "the gain"


def _caveats(relations: Sequence[Relation]) -> Iterator[str]:
    between = [one for one in relations if one.kind == "between"]
    if between:
        n = max(one.found.n for one in between)
        yield (
            f"Between tasks there are as many points as tasks, {n} at most: a correlation must be "
            f"{smallest_shown(n - 2):.2f} "
            "or more to be told from 0 at 0.05, before any correction for having tried several."
        )
    if between and not any(one.partial for one in between):
        yield "The size of the training sets is not known or n is too small, so it is not held constant."
    yield "A correlation over trained models does not say that raising the measure would raise the gain."


def _table(relations: Sequence[Relation]) -> Table:
    return table(
        "Intermediate measures, and scores (within) or gains (between). ● stands after correction. Given size: "
        "with the log of the training "
        "set's size held constant.",
        relations,
        label("Measure", lambda r: Cell(_named(r.metric), sub=r.encoder)),
        label("Target", lambda r: r.target),
        label("", lambda r: f"{r.kind} tasks"),
        Field(
            "Pearson",
            lambda r: Cell(words.signed(r.found.pearson, 2), sub=span(r.found, 2), flag="●" if r.shown else ""),
        ),
        Field("Spearman", lambda r: words.signed(r.found.spearman, 2)),
        Field("Kendall τ‑b", lambda r: words.signed(r.found.kendall, 2)),
        Field("Given size", lambda r: words.NOTHING if r.partial is None else words.signed(r.partial.pearson, 2)),
        Field("p corrected", lambda r: corrected_cell(r)),
        Field("n", lambda r: str(r.found.n)),
        source="tables/metrics.csv",
    )


def _csv(relations: Sequence[Relation]) -> CsvTable:
    return csv_table(
        "metrics",
        relations,
        {
            "kind": lambda r: r.kind,
            "encoder": lambda r: r.encoder,
            "metric": lambda r: r.metric,
            "target": lambda r: r.target,
            "n": lambda r: r.found.n,
            "df": lambda r: r.found.df,
            "pearson": lambda r: r.found.pearson,
            "low": lambda r: r.found.low,
            "high": lambda r: r.found.high,
            "p": lambda r: r.found.p,
            "p_adjusted": lambda r: r.adjusted,
            "family": lambda r: r.family,
            "spearman": lambda r: r.found.spearman,
            "spearman_p": lambda r: r.found.spearman_p,
            "kendall": lambda r: r.found.kendall,
            "kendall_p": lambda r: r.found.kendall_p,
            "pearson_given_size": lambda r: r.partial.pearson if r.partial else None,
            "p_given_size": lambda r: r.partial.p if r.partial else None,
        },
    )


def _strongest(relations: Sequence[Relation]) -> Iterator[tuple[str, Relation]]:
    """The strongest relation of each kind."""
    for kind in ("within", "between"):
        mine = [one for one in relations if one.kind == kind]
        if mine:
            yield kind, max(mine, key=lambda one: (one.shown, abs(one.found.pearson)))


def _points_csv(relations: Sequence[Relation], scores: Scores) -> CsvTable:
    """What the figures draw."""
    return csv_table(
        "metrics_points",
        [
            (best, scores.curricula[c], x, y)
            for _, best in _strongest(relations)
            for c, x, y in zip(best.curriculum, best.x.tolist(), best.y.tolist(), strict=True)
        ],
        {
            "kind": lambda p: p[0].kind,
            "encoder": lambda p: p[0].encoder,
            "metric": lambda p: p[0].metric,
            "target": lambda p: p[0].target,
            "curriculum": lambda p: p[1],
            "x": lambda p: p[2],
            "y": lambda p: p[3],
        },
    )


def _figures(relations: Sequence[Relation], scores: Scores) -> Iterator[Plot]:
    base = baseline_of(scores) or 0
    places = {c: place + 1 for place, c in enumerate(c for c in range(len(scores.curricula)) if c != base)}
    for kind, best in _strongest(relations):
        less = " less the curriculum's mean" if kind == "within" else ""
        points = [
            (scores.curricula[c], Style(places[c]), x, y)
            for c, x, y in zip(best.curriculum, best.x.tolist(), best.y.tolist(), strict=True)
        ]
        used = list(dict.fromkeys(best.curriculum))
        yield Plot(
            caption=f"The strongest relation {kind} tasks: across, {_named(best.metric)}{less}; up, {_outcome(kind)} "
            f"on {best.target}{less}, points. A mark for each {'run' if kind == 'within' else 'curriculum'}; r "
            f"{words.signed(best.found.pearson, 2)}, n {best.found.n}, p corrected {words.p_value(best.adjusted)}"
            f"{'' if best.shown else ': not shown'}.",
            drawing=scatter_plot(points, f"{_named(best.metric)} and the gain on {best.target}"),
            key=tuple((key_mark(Style(places[c])), scores.curricula[c]) for c in used),
            source="tables/metrics_points.csv",
        )
