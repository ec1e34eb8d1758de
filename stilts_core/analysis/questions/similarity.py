"""Similarities beside the gains that they should foretell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.frame import Frame
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.bootstrap import percentile
from stilts_core.analysis.statistics.multiple import holm
from stilts_core.analysis.statistics.ranking import Ranking, order_test, ranking
from stilts_core.analysis.statistics.resampling import stream, unit_weights
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import ALPHA

SIMILARITY, COST, TRIAL = "similarity_", "cost_", "trial"
FEWEST = 3
"""Candidates from which on a ranking is computed."""

DRAWS = 1_000

TITLES = {
    "text": "text embedding",
    "tokens": "largest inner product of tokens",
    "fisher": "task embedding (Fisher)",
    "logme": "LogME",
    "rank": "effective rank (no labels)",
    "cka": "kept geometry, CKA (no labels)",
}


@dataclass(frozen=True, slots=True)
class Method:
    """How well a similarity ranks the tasks, over the targets.

    Attributes:
        candidates: tasks that are ranked, the same for all targets.
        rankings: target → ranking.
        similar, gains: of each candidate, by target.
        spearman, regret: means over the targets, with intervals over seeds and targets; regret at 1, points.
        p: that its orders are random (`ranking.order_test`); ``adjusted`` by Holm's method over the methods.
        cost: seconds for all its values; None where the table does not say.
    """

    encoder: str
    name: str
    candidates: tuple[str, ...]
    rankings: dict[str, Ranking]
    similar: dict[str, Floats]
    gains: dict[str, Floats]
    spearman: Interval
    regret: Interval
    p: float
    cost: float | None
    adjusted: float = float("nan")
    family: int = 0

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)

    @property
    def shown(self) -> bool:
        return self.adjusted < ALPHA

    def mean(self, measure: str) -> float:
        """Mean over the targets of a number of their rankings."""
        return float(np.mean([getattr(one, measure) for one in self.rankings.values()]))

    def regret_at(self, depth: int) -> float | None:
        """Mean regret of the first so many, points; None where there are not more candidates than that."""
        found = [one.regret[depth] for one in self.rankings.values() if depth in one.regret]
        return float(np.mean(found)) if len(found) == len(self.rankings) else None


def methods_of(frame: Frame, scores: Scores) -> list[Method]:
    """Every similarity of the table that has values for enough tasks, corrected within each encoder."""
    found: list[Method] = []
    for e, encoder in enumerate(scores.encoders):
        order = list(TITLES)
        mine = sorted(
            _methods(frame, scores, e, encoder),
            key=lambda one: (order.index(one.name) if one.name in order else len(order), one.name),
        )
        corrected = holm(np.array([one.p for one in mine]))
        found += [
            replace(one, adjusted=float(value), family=corrected.family)
            for one, value in zip(mine, corrected.p, strict=True)
        ]
    return found


def _methods(frame: Frame, scores: Scores, e: int, encoder: str) -> Iterator[Method]:
    for metric in (name for name in frame.present("metric") if name.startswith(SIMILARITY)):
        similar = {target.target: _similar(frame, metric, encoder, target.target) for target in scores.targets}
        tables = _gains(scores, e)
        targets = [name for name, values in similar.items() if len(values) >= FEWEST and name in tables]
        common = (
            set.intersection(*(similar[name].keys() & tables[name].keys() for name in targets)) if targets else set()
        )
        names = tuple(name for name in scores.curricula if name in common)
        if len(names) < FEWEST:
            continue
        predicted = {target: np.array([similar[target][name] for name in names]) for target in targets}
        by_seed = np.stack([np.stack([tables[target][name] for name in names]) for target in targets])
        gains = {target: np.nanmean(by_seed[t], axis=1) for t, target in enumerate(targets)}
        rhos, regrets = _draws(list(predicted.values()), by_seed)
        rankings = {target: ranking(predicted[target], gains[target]) for target in targets}
        method = metric.removeprefix(SIMILARITY)
        yield Method(
            encoder=encoder,
            name=method,
            candidates=names,
            rankings=rankings,
            similar=predicted,
            gains=gains,
            spearman=_interval(rhos, [one.spearman for one in rankings.values()], by_seed),
            regret=_interval(regrets, [one.regret[1] for one in rankings.values()], by_seed),
            p=order_test(list(predicted.values()), list(gains.values())),
            cost=seconds(frame, method, encoder, None),
        )


def seconds(frame: Frame, name: str, encoder: str, curricula: tuple[str, ...] | None) -> float | None:
    """What a measure took, each stage counted once; None where the table does not say."""
    texts = frame.texts
    mine = texts["metric"].of(f"{COST}{name}") & texts["encoder"].of(encoder)
    if curricula is not None:
        mine &= np.logical_or.reduce([texts["curriculum"].of(one) for one in curricula])
    rows = frame.rows(mine)
    if not len(rows):
        return None
    stages: dict[object, float] = {}
    for place, (code, value) in enumerate(
        zip(rows.texts["fingerprint"].codes.tolist(), rows.value.tolist(), strict=True)
    ):
        name_of = rows.texts["fingerprint"].names[code]
        stages[name_of or place] = value
    return float(sum(stages.values()))


def _gains(scores: Scores, e: int) -> dict[str, dict[str, Floats]]:
    """Target → curriculum → gain with each seed; curricula without any pair of runs are left out."""
    base = baseline_of(scores)
    found: dict[str, dict[str, Floats]] = {}
    for target in scores.targets if base is not None else ():
        means = target.means()[e]
        for c, name in enumerate(scores.curricula):
            gain = means[c] - means[base]
            if c != base and not np.isnan(gain).all():
                found.setdefault(target.target, {})[name] = gain
    return found


def _similar(frame: Frame, metric: str, encoder: str, target: str) -> dict[str, float]:
    texts = frame.texts
    rows = frame.rows(texts["metric"].of(metric) & texts["encoder"].of(encoder) & texts["target"].of(target))
    names = rows.texts["curriculum"]
    found: dict[str, list[float]] = {}
    for code, value in zip(names.codes.tolist(), rows.value.tolist(), strict=True):
        found.setdefault(names.names[code], []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _draws(predicted: list[Floats], by_seed: Floats) -> tuple[Floats, Floats]:
    """Draws of the mean Spearman correlation and regret at 1, with seeds and targets resampled.

    Args:
        predicted: of each target, (n,).
        by_seed: gains, (targets, n, seeds).
    """
    targets, _, seeds = by_seed.shape
    of_seeds = unit_weights(seeds, DRAWS, stream(0, "seeds", seeds))
    of_targets = unit_weights(targets, DRAWS, stream(0, "targets", targets))
    there = ~np.isnan(by_seed)
    filled = np.where(there, by_seed, 0.0)
    sums, weights = filled @ of_seeds.T, there @ of_seeds.T  # (targets, n, draws)
    plain = np.broadcast_to(np.nanmean(by_seed, axis=2)[:, :, None], sums.shape)
    gains = np.where(weights > 0, sums / np.where(weights > 0, weights, 1.0), plain)
    rhos, regrets = (np.empty((DRAWS, targets)) for _ in range(2))
    for t, guess in enumerate(predicted):
        rhos[:, t] = _spearmans(guess, gains[t])
        regrets[:, t] = gains[t].max(axis=0) - gains[t, int(np.argmax(guess))]
    return (rhos * of_targets).sum(axis=1), (regrets * of_targets).sum(axis=1)


def _spearmans(predicted: Floats, gains: Floats) -> Floats:
    """Spearman's correlation of predictions (n,) with each column of gains (n, draws)."""
    from scipy.stats import rankdata

    centre = (len(predicted) + 1) / 2
    first, second = rankdata(predicted) - centre, rankdata(gains, axis=0) - centre
    size = np.sqrt((first @ first) * (second**2).sum(axis=0))
    return np.asarray(np.where(size > 0, first @ second / np.where(size > 0, size, 1.0), 0.0))


def _interval(draws: Floats, values: list[float], by_seed: Floats) -> Interval:
    targets, _, seeds = by_seed.shape
    estimate = float(np.mean(values))
    if targets < 2 and seeds < 2:
        return Interval(estimate, -np.inf, np.inf, np.nan, 0.0, 1.0, "one target, one seed")
    units = min(count for count in (targets, seeds) if count > 1)
    found = percentile(draws, estimate, widen=units)
    basis = " and ".join(name for name, count in (("seeds", seeds), ("targets", targets)) if count > 1)
    return replace(found, low=min(found.low, estimate), high=max(found.high, estimate), basis=basis)
