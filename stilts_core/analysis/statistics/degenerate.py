"""Runs that went wrong: found, shown and counted, never dropped.

Fine-tuning fails now and then: a run ends at the level of guessing, gives one answer to everything, or lies far below
the other seeds of its arm. Such runs are part of what the arm does, so they stay in every mean.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from stilts_core.analysis.statistics.results import Bools, Floats

FAR = 3.0
"""Median absolute deviations below the median, on the scale of a standard deviation (Leys et al. 2013)."""

LEAST_DROP = 5.0
"""Points below the median that are called a collapse at least, so that arms without spread have none."""

FEWEST = 4
"""Runs of an arm from which on its median says what is usual."""


def near_chance(score: Floats, chance: Floats, examples: Floats, *, confidence: float = 0.95) -> Bools:
    """Scores that can't be told from guessing: not above chance by more than sampling explains.

    A one-sided test of a share of right answers by the normal approximation, √(c (100 - c) / n).

    Args:
        score, chance: percent, any shape; NaN where not known, which is not near chance.
        examples: n behind each.
        confidence: of the test.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.clip(chance * (100 - chance), 0, None) / examples)
        return np.asarray(score <= chance + ndtri(confidence) * error)


def collapsed(scores: Floats) -> Bools:
    """Runs that lie far below the others of their arm, along the last axis.

    Args:
        scores: (..., S), percent; NaN where a run is missing.
    """
    there = (~np.isnan(scores)).sum(axis=-1, keepdims=True)
    filled = np.where(there > 0, scores, 0.0)
    median = np.nanmedian(filled, axis=-1, keepdims=True)
    deviation = 1.4826 * np.nanmedian(np.abs(filled - median), axis=-1, keepdims=True)
    drop = median - filled
    with np.errstate(invalid="ignore"):
        return np.asarray((drop > FAR * deviation) & (drop >= LEAST_DROP) & (there >= FEWEST))
