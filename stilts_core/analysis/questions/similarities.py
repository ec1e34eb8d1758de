"""Similarities between tasks, judged by how they rank the curricula for a target (part of the question on order)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.frame import Frame
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Cell, Column, Table
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.crossed import seeds_interval, t_interval
from stilts_core.analysis.statistics.ranking import Ranking, ranking
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import ALPHA, distinct_pairs

SIMILARITY, COST = "similarity_", "cost_"
FEWEST = 3
"""Candidates from which on a ranking is judged."""


@dataclass(frozen=True, slots=True)
class Method:
    """How well a similarity ranks the tasks, over the targets.

    Attributes:
        rankings: target → ranking.
        spearman: mean over the targets.
        regret: at 1, mean over the targets, points.
        p: that its orders are random, over all targets (Fisher's method).
        cost: seconds for all its values; None where the table does not say.
    """

    encoder: str
    name: str
    rankings: dict[str, Ranking]
    spearman: Interval
    regret: Interval
    p: float
    cost: float | None


def methods_in(frame: Frame, scores: Scores) -> Iterator[Method]:
    """Each encoder's similarities that have enough candidates on at least one target."""
    from scipy.stats import combine_pvalues

    base = baseline_of(scores)
    metrics = [name for name in frame.present("metric") if name.startswith(SIMILARITY)]
    if base is None:
        return
    for e, encoder in enumerate(scores.encoders):
        for metric in metrics:
            rankings = {}
            for target in scores.targets:
                gains = {}
                for c, name in enumerate(scores.curricula):
                    seeds = distinct_pairs(target, e, c, base) if c != base else []
                    if seeds:
                        gains[name] = float((target.means()[e, c] - target.means()[e, base])[seeds].mean())
                similar = _similar(frame, metric, encoder, target.target)
                names = sorted(gains.keys() & similar.keys())
                if len(names) >= FEWEST:
                    predicted = np.array([similar[name] for name in names])
                    rankings[target.target] = ranking(predicted, np.array([gains[name] for name in names]))
            if not rankings:
                continue
            method = metric.removeprefix(SIMILARITY)
            cost = frame.value[frame.texts["metric"].of(f"{COST}{method}") & frame.texts["encoder"].of(encoder)]
            rhos = np.array([one.spearman for one in rankings.values()])
            regrets = np.array([one.regret[1] for one in rankings.values()])
            p = float(combine_pvalues([one.p for one in rankings.values()], method="fisher").pvalue)
            total = float(cost.sum()) if cost.size else None
            yield Method(encoder, method, rankings, _over_targets(rhos, -1, 1), _over_targets(regrets, 0), p, total)


def _similar(frame: Frame, metric: str, encoder: str, target: str) -> dict[str, float]:
    texts = frame.texts
    rows = frame.rows(texts["metric"].of(metric) & texts["encoder"].of(encoder) & texts["target"].of(target))
    names = rows.texts["curriculum"]
    found: dict[str, list[float]] = {}
    for code, value in zip(names.codes.tolist(), rows.value.tolist(), strict=True):
        found.setdefault(names.names[code], []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _over_targets(values: Floats, least: float = -np.inf, most: float = np.inf) -> Interval:
    """The mean over the targets; its interval within what such a number can be."""
    if len(values) < 2:
        return t_interval(float(values.mean()), np.nan, 0.0, "one target")
    found = seeds_interval(values)
    return replace(found, low=max(found.low, least), high=min(found.high, most), basis="targets")


def method_words(methods: Sequence[Method]) -> str:
    """What they are worth, as sentences."""
    if not methods:
        return ""
    level = ALPHA / len(methods)
    works = sorted((one for one in methods if one.p < level), key=lambda one: -one.spearman.estimate)
    if not works:
        count = words.counted(len(methods), "similarity", "similarities")
        return f"None of {count} is shown to rank the tasks better than a random order."
    best = works[0]
    return (
        f"Of {words.counted(len(methods), 'similarity', 'similarities')}, {len(works)} rank the tasks better than a "
        f"random order; {best.name} does best: Spearman {words.signed(best.spearman.estimate, 2)} on average, and its "
        f"first choice loses {words.score(best.regret.estimate)} points against the best."
    )


def methods_table(methods: Sequence[Method]) -> Table:
    """Their rank correlations, nDCG and regrets, with their cost."""
    rows = []
    for one in methods:
        found = list(one.rankings.values())
        depths = [k for k in (3, 5) if all(k in ranked.regret for ranked in found)]
        later = ", ".join(f"@{k} {words.score(float(np.mean([r.regret[k] for r in found])))}" for k in depths)
        random = float(np.mean([ranked.chance[1] for ranked in found]))
        rows.append(
            (
                Cell(one.name, sub=one.encoder),
                Cell(words.signed(one.spearman.estimate, 2), sub=ends(one.spearman)),
                Cell(words.signed(float(np.mean([ranked.kendall for ranked in found])), 2)),
                Cell(words.score(float(np.mean([ranked.ndcg for ranked in found])), 2)),
                Cell(words.score(one.regret.estimate), sub=later),
                Cell(words.score(random)),
                Cell(words.p_value(one.p)),
                Cell(words.duration(one.cost)),
                Cell(str(len(found))),
            )
        )
    return Table(
        caption="How similarities rank the tasks, mean over the targets. Regret: points that the best of the first "
        "choice, or of the first 3 and 5, loses against the best of all; beside it that of a random order. p: that the "
        "orders are random.",
        columns=(
            Column("Similarity", numeric=False),
            Column("Spearman"),
            Column("Kendall τ-b"),
            Column("nDCG"),
            Column("Regret@1"),
            Column("Random"),
            Column("p"),
            Column("Cost"),
            Column("Targets"),
        ),
        rows=tuple(rows),
        source="tables/order_similarity.csv",
    )


def ends(interval: Interval) -> str:
    """The ends of an interval, or why it has none."""
    if not np.isfinite(interval.low):
        return interval.basis
    return f"{words.signed(interval.low)} to {words.signed(interval.high)}"
