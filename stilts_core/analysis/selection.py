"""The best curriculum of each target: chosen on one set of examples, reported on another.

The largest of several gains is on average too large when the same scores choose and report it. So the choice is made on
the development sets where the results have them; else on half of the test examples (by a hash of their ids, so that
every run and every study cuts them alike) and reported on the other half; and where there are no single examples, it is
marked as optimistic.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stilts_core.analysis.outcomes import TargetSample
from stilts_core.analysis.scores import Scores, TargetScores
from stilts_core.analysis.statistics.bootstrap import Contrast, gain_interval
from stilts_core.analysis.statistics.crossed import seeds_interval
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.statistics.sample import Pool, Sample
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import distinct_pairs

Basis = Literal["development sets", "other half of the examples", "same scores"]


@dataclass(frozen=True, slots=True)
class Best:
    """The curriculum that a target would choose.

    Attributes:
        chosen: on the scores that choose.
        interval: its gain on the scores that report.
        oracle: the curriculum with the largest gain on the scores that report.
        oracle_gap: how much larger that gain is, points; 0 where the choice was right.
        candidates: curricula to choose from.
        basis: what chose.
    """

    encoder: str
    target: str
    chosen: str
    interval: Interval
    oracle: str
    oracle_gap: float
    candidates: int
    basis: Basis

    @property
    def optimistic(self) -> bool:
        return self.basis == "same scores"


def best_curriculum(
    scores: Scores, target: TargetScores, sample: TargetSample | None, e: int, dev: Scores | None = None
) -> Best | None:
    """The best curriculum of an encoder on a target; None where less than two curricula have gains.

    Args:
        scores: that report.
        target: one of their cubes.
        sample: the outcomes behind it, where there are any.
        e: place of the encoder.
        dev: scores of the same arms on the development sets, where there are any.
    """
    base = baseline_of(scores)
    if base is None:
        return None
    encoder = scores.encoders[e]
    choosing = _on_development(dev, encoder, target.target) if dev else {}
    reporting = _gains(scores, target, e, base)
    basis: Basis = "development sets"
    if not set(choosing) & set(reporting):
        halves = _on_halves(scores, target, sample, e, base) if sample else None
        if halves is None:
            choosing, basis = {name: one.estimate for name, one in reporting.items()}, "same scores"
        else:
            (choosing, reporting), basis = halves, "other half of the examples"
    names = [name for name in reporting if name in choosing]
    if len(names) < 2:
        return None
    return _best(encoder, target.target, choosing, {name: reporting[name] for name in names}, basis)


def _best(
    encoder: str, target: str, choosing: Mapping[str, float], reporting: Mapping[str, Interval], basis: Basis
) -> Best:
    chosen = max(reporting, key=lambda name: choosing[name])
    oracle = max(reporting, key=lambda name: reporting[name].estimate)
    return Best(
        encoder=encoder,
        target=target,
        chosen=chosen,
        interval=reporting[chosen],
        oracle=oracle,
        oracle_gap=reporting[oracle].estimate - reporting[chosen].estimate,
        candidates=len(reporting),
        basis=basis,
    )


def _gains(scores: Scores, target: TargetScores, e: int, base: int) -> dict[str, Interval]:
    found = {}
    for c, name in enumerate(scores.curricula):
        seeds = distinct_pairs(target, e, c, base) if c != base else []
        if seeds:
            found[name] = seeds_interval((target.means()[e, c] - target.means()[e, base])[seeds])
    return found


def _on_development(dev: Scores, encoder: str, target: str) -> dict[str, float]:
    base = baseline_of(dev)
    cube = next((cube for cube in dev.targets if cube.target == target), None)
    if base is None or cube is None or encoder not in dev.encoders:
        return {}
    gains = _gains(dev, cube, dev.encoders.index(encoder), base)
    return {name: interval.estimate for name, interval in gains.items()}


def _on_halves(
    scores: Scores, target: TargetScores, found: TargetSample, e: int, base: int
) -> tuple[dict[str, float], dict[str, Interval]] | None:
    halves = [half_of(found.sample, which) for which in (0, 1)]
    if any(half is None for half in halves):
        return None
    choosing: dict[str, float] = {}
    reporting: dict[str, Interval] = {}
    for c, name in enumerate(scores.curricula):
        seeds = distinct_pairs(target, e, c, base) if c != base else []
        if not seeds:
            continue
        plus, minus = ([found.place[int(run)] for run in target.run[e, which, seeds]] for which in (c, base))
        contrast = Contrast(name, tuple(plus), tuple(minus))
        first, second = halves
        if first is not None and second is not None:
            choosing[name] = float(contrast.of(first.scores().mean(axis=0)).mean())
            reporting[name] = gain_interval(second, contrast)
    return choosing, reporting


def half_of(sample: Sample, which: int) -> Sample | None:
    """The examples whose id has this last bit of its checksum; None where a language would have none."""
    pools = []
    for pool in sample.pools:
        rows = np.array([zlib.crc32(unit.encode()) & 1 == which for unit in pool.units], dtype=bool)
        if not rows.any():
            return None
        denominator = None if pool.denominator is None else pool.denominator[rows]
        if denominator is not None and not denominator.sum(axis=0).all():
            return None
        units = tuple(unit for unit, kept in zip(pool.units, rows, strict=True) if kept)
        pools.append(Pool(pool.languages, units, pool.numerator[rows], denominator))
    return replace(sample, pools=tuple(pools))
