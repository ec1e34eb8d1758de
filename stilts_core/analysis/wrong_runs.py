"""Runs that went wrong, one record each: shown and counted, never dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.degenerate import collapsed


@dataclass(frozen=True, slots=True)
class WrongRun:
    """A run that ended where it should not have.

    Attributes:
        kind: ``one answer`` (nearly one answer to everything in at least half of the languages), ``guessing`` (as many
            languages at the level of guessing) or ``collapse`` (far below the other seeds of its arm).
        score: mean over the languages, percent.
        usual: median over the seeds of the arm, percent.
        languages: how many show it; None for a collapse, which is of the mean.
    """

    encoder: str
    curriculum: str
    target: str
    seed: int
    kind: str
    score: float
    usual: float
    languages: int | None
    of: int


def wrong_runs(scores: Scores) -> tuple[WrongRun, ...]:
    """All of them, in the order of the study; a run of several seeds once, under the first of them."""
    found = []
    for target in scores.targets:
        means = target.means()
        fallen = collapsed(means)
        for e, c, s in np.argwhere(target.run >= 0):
            mean = float(means[e, c, s])
            first = int(np.argmax(target.run[e, c] == target.run[e, c, s]))
            if first != s or np.isnan(mean):
                continue
            usual = float(np.nanmedian(means[e, c]))
            where = (scores.encoders[e], scores.curricula[c], target.target, scores.seeds[s])
            count = len(target.languages)
            for kind, flags in (("one answer", target.degenerate), ("guessing", target.at_chance)):
                many = int(np.nansum(flags[e, c, :, s]))
                if many and 2 * many >= count:
                    found.append(WrongRun(*where, kind, mean, usual, many, count))
                    break
            else:
                if fallen[e, c, s]:
                    found.append(WrongRun(*where, "collapse", mean, usual, None, count))
    return tuple(found)
