"""Sequences of tasks in the results: what their order does, what they forget, which one to take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.scores import Floats, Scores
from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.multiple import benjamini_hochberg, holm
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import ALL_TARGETS, baseline_of
from stilts_core.analysis.transfer import ALPHA

AFTER = re.compile(r"after_(\d+)_(.+)")
ORDER, JOINT = "order", "joint"


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference between curricula of the same tasks, on one target or on the mean of all.

    Attributes:
        kind: ``order`` (a sequence less its reverse), or ``joint`` (both at once less the mean of the two orders: the
            better one would be picked by its own noise).
        pairs: the difference of each seed, points.
        adjusted: p corrected: by Holm's method on the mean of the targets, by Benjamini and Hochberg's on single ones.
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
    correction: str = ""

    @property
    def shown(self) -> bool:
        return self.adjusted < ALPHA


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a curriculum has lost on a task since the step that taught it, points; negative is a loss.

    Attributes:
        taught, step: steps after which the task was scored.
        before: mean score right after the step that taught it, percent.
        pairs: the change of each seed.
    """

    encoder: str
    curriculum: str
    task: str
    taught: int
    step: int
    before: float
    interval: Interval
    pairs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Recommended:
    """A curriculum to take for a target, or for the mean of all.

    Attributes:
        curriculum: with the largest gain over all seeds; the baseline where none gains anything.
        expected: the gain of choosing so: chosen on all seeds but one, scored on that one, for each in turn; None with
            one seed.
        over_single: by how much that is more than choosing among single tasks alone, paired by seed; None where there
            are no others, or no single ones.
        agreed: in how many of the choices the same curriculum was chosen.
    """

    encoder: str
    target: str
    curriculum: str
    expected: Interval | None
    over_single: Interval | None
    agreed: int
    choices: int


def parts_of(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The tasks of a sequence by its name: ``A-B`` of the curricula A and B, else the parts between the hyphens."""
    return _decomposed(name, frozenset(known) - {name}) or tuple(name.split("-"))


def _decomposed(name: str, known: frozenset[str]) -> tuple[str, ...] | None:
    for cut in (match.start() for match in re.finditer("-", name)):
        head, tail = name[:cut], name[cut + 1 :]
        if head in known and _decomposed(head, known) is None:
            rest = (tail,) if tail in known and _decomposed(tail, known) is None else _decomposed(tail, known)
            if rest is not None:
                return (head, *rest)
    return None


def reversals(curricula: Sequence[str]) -> list[tuple[int, int, int | None]]:
    """Places of each sequence, of its reverse, and of the same tasks at once (``A.B``) where that is there."""
    place = {name: number for number, name in enumerate(curricula)}
    joint = {frozenset(name.split(".")): number for name, number in place.items() if "." in name}
    found = []
    for name, number in place.items():
        parts = parts_of(name, curricula)
        turned = "-".join(reversed(parts))
        if len(parts) > 1 and name < turned and turned in place:
            found.append((number, place[turned], joint.get(frozenset(parts))))
    return found


def effects_of(scores: Scores) -> list[Effect]:
    """The order effects and the joint controls, corrected; the mean of the targets after the single ones."""
    effects: list[Effect] = []
    for e, encoder in enumerate(scores.encoders):
        for first, second, joint in reversals(scores.curricula):
            name = scores.curricula[first], scores.curricula[second]
            effects += _effects(scores, e, ORDER, encoder, name, (first, second), (1.0, -1.0))
            if joint is not None:
                both = scores.curricula[joint], " and ".join(name)
                effects += _effects(scores, e, JOINT, encoder, both, (joint, first, second), (1.0, -0.5, -0.5))
    return _corrected(effects)


def _effects(
    scores: Scores,
    e: int,
    kind: str,
    encoder: str,
    names: tuple[str, str],
    arms: Sequence[int],
    weights: Sequence[float],
) -> Iterator[Effect]:
    whole: list[Floats] = []
    for target in scores.targets:
        values = np.array(weights) @ target.means()[e, list(arms)]
        whole.append(values)
        seeds = _distinct(target.run[e, list(arms)], values)
        if seeds:
            mine = values[seeds]
            yield Effect(kind, encoder, *names, target.target, seeds_interval(mine), tuple(mine.tolist()))
    if len(scores.targets) > 1:
        mean = np.mean(whole, axis=0)
        runs = np.concatenate([target.run[e, list(arms)] for target in scores.targets])
        seeds = _distinct(runs, mean)
        if seeds:
            mine = mean[seeds]
            yield Effect(kind, encoder, *names, ALL_TARGETS, seeds_interval(mine), tuple(mine.tolist()))


def _distinct(runs: Floats | np.ndarray[tuple[int, ...], np.dtype[np.int64]], values: Floats) -> list[int]:
    """Places of the seeds with a value, each combination of runs once."""
    seen: dict[tuple[int, ...], int] = {}
    for s, value in enumerate(values.tolist()):
        key = tuple(int(run) for run in runs[:, s])
        if value == value and min(key) >= 0:
            seen.setdefault(key, s)
    return list(seen.values())


def _corrected(effects: Sequence[Effect]) -> list[Effect]:
    """Corrected in families of one kind: means of the targets by Holm, single targets by Benjamini and Hochberg."""
    found = list(effects)
    single = len({one.target for one in effects}) == 1
    for kind in (ORDER, JOINT):
        for of_mean in (True, False):
            mine = [p for p, one in enumerate(found) if one.kind == kind and (one.target == ALL_TARGETS) is of_mean]
            p = [found[m].interval.p if np.isfinite(found[m].interval.low) else np.nan for m in mine]
            corrected = (holm if of_mean or single else benjamini_hochberg)(np.array(p))
            for m, value in zip(mine, corrected.p.tolist(), strict=True):
                found[m] = replace(found[m], adjusted=value, family=corrected.family, correction=corrected.method)
    return found


def decisive(effects: Sequence[Effect]) -> list[Effect]:
    """The effects that answer: on the mean of the targets, or on the only one."""
    means = [one for one in effects if one.target == ALL_TARGETS]
    return means or list(effects)


def forgotten_of(frame: Frame, scores: Scores) -> list[Forgotten]:
    """Every task that a later step may have cost something."""
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
    found = []
    for (encoder_name, name, task), by_step in sorted(steps.items()):
        taught = min(by_step)
        for step in sorted(by_step.keys() - {taught}):
            seeds = sorted(by_step[taught].keys() & by_step[step].keys())
            if seeds and encoder_name in scores.encoders:
                change = np.array([by_step[step][seed] - by_step[taught][seed] for seed in seeds])
                before = float(np.mean([by_step[taught][seed] for seed in seeds]))
                pairs = tuple(change.tolist())
                found.append(Forgotten(encoder_name, name, task, taught, step, before, seeds_interval(change), pairs))
    return found


def recommended_of(scores: Scores, evidence: Evidence) -> list[Recommended]:
    """The curriculum to take for each target and for their mean."""
    base = baseline_of(scores)
    found: list[Recommended] = []
    for e, encoder in enumerate(scores.encoders) if base is not None else ():
        cubes = [(target.target, target.means()[e]) for target in scores.targets]
        if len(cubes) > 1:
            cubes.append((ALL_TARGETS, np.mean([means for _, means in cubes], axis=0)))
        for name, means in cubes:
            one = _recommended(scores, evidence, encoder, name, means, int(base or 0))
            if one is not None:
                found.append(one)
    return found


def _recommended(
    scores: Scores, evidence: Evidence, encoder: str, target: str, means: Floats, base: int
) -> Recommended | None:
    kept = ~np.isnan(means[base])
    gains = (means - means[base])[:, kept]  # the baseline's is 0: to train on nothing before is a choice too
    rows = np.flatnonzero(~np.isnan(gains).any(axis=1)) if kept.any() else np.empty(0, dtype=np.int64)
    if len(rows) < 3:
        return None
    best = int(rows[np.argmax(gains[rows].mean(axis=1))])
    seeds = gains.shape[1]
    if seeds < 2:
        return Recommended(encoder, target, scores.curricula[best], None, None, 0, 0)
    chosen, held = _held_out(gains, rows)
    gain = evidence.gain(encoder, scores.curricula[best], target)
    expected = seeds_interval(held, gain.noise if gain else None)
    single = [row for row in rows.tolist() if _is_single(scores.curricula[row], scores.curricula)]
    over = None
    if 2 < len(single) < len(rows):
        over = seeds_interval(held - _held_out(gains, np.array(single))[1])
    return Recommended(encoder, target, scores.curricula[best], expected, over, chosen.count(best), seeds)


def _held_out(gains: Floats, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[list[int], Floats]:
    """The row chosen without each seed, and its gain with that seed."""
    chosen = [int(rows[np.argmax(np.delete(gains[rows], s, axis=1).mean(axis=1))]) for s in range(gains.shape[1])]
    return chosen, np.array([gains[c, s] for s, c in enumerate(chosen)])


def _is_single(name: str, curricula: Sequence[str]) -> bool:
    return "." not in name and _length(name, curricula) == 1


def _length(name: str, curricula: Sequence[str]) -> int:
    """Tasks of a sequence; 1 for a name with hyphens that nothing shows to be one."""
    parts = parts_of(name, curricula)
    sequence = all(part in curricula for part in parts) or "-".join(reversed(parts)) in curricula
    return len(parts) if sequence else 1


def next_sequences(scores: Scores, keep: int) -> list[tuple[str, ...]]:
    """The sequences to go on from in a best-first search: those of the longest length with the largest mean gains.

    Args:
        scores: of one round.
        keep: how many.

    Returns:
        The tasks of each by the names of their curricula, best first; fewer where there are fewer.
    """
    base = baseline_of(scores)
    if base is None:
        return []
    ranked: dict[str, list[float]] = {}
    for e in range(len(scores.encoders)):
        means = np.mean([target.means()[e] for target in scores.targets], axis=0)
        for c, name in enumerate(scores.curricula):
            mine = [s for s in range(means.shape[1]) if not np.isnan(means[[c, base], s]).any()]
            if c != base and mine and "." not in name:
                ranked.setdefault(name, []).append(float((means[c] - means[base])[mine].mean()))
    if not ranked:
        return []
    longest = max(_length(name, scores.curricula) for name in ranked)
    names = [name for name in ranked if _length(name, scores.curricula) == longest]
    names.sort(key=lambda name: (-float(np.mean(ranked[name])), name))
    return [parts_of(name, scores.curricula) if longest > 1 else (name,) for name in names[:keep]]
