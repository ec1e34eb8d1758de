"""What scoring one file gives, the level of guessing, and when a score cannot be told from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from stilts_core.data.dataset import Array

DEGENERATE_SHARE = 0.99
_STANDARD_ERRORS = 2


@dataclass(frozen=True, slots=True)
class Judgement:
    """The predictions for one file (a split in a language) and, where its gold is known, their scores.

    Attributes:
        n: examples; sentence pairs for retrieval.
        files: suffix of a prediction file → its text.
        score: the main measure, percent; None without gold.
        measures: every measure by name, percent.
        thresholds: null thresholds by the measure they belong to; these are no percentages.
        rows: the examples that the outcomes belong to, (n,).
        outcomes: what each example adds, by name, (n,) each.
        error: standard error of the score, percent; None where it follows from the level of guessing.
        degenerate: nearly all predictions are the same, though the gold is not.
        note: a sentence for people.
    """

    n: int
    files: Mapping[str, str]
    score: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    rows: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    outcomes: Mapping[str, Array] = field(default_factory=dict)
    error: float | None = None
    degenerate: bool = False
    note: str | None = None


class Judge(Protocol):
    """Decodes and scores a head's outputs."""

    def judge(self, examples: Array) -> Judgement:
        """Decode the examples and score them as one file, in this order."""

    def chance(self, examples: Array) -> float:
        """The score that needs no knowledge of the input, percent. The gold of all of the examples must be known."""


def unlabelled(missing: int, n: int) -> str | None:
    """The note on a file whose gold is not known; None where all of it is."""
    if not missing:
        return None
    if missing == n:
        return "The file holds no gold answers: predictions were written, nothing was scored."
    return f"{missing} of {n} examples have no gold answer: predictions were written, nothing was scored."


def is_degenerate(predicted: Sequence[Hashable], gold: Sequence[Hashable]) -> bool:
    """Whether one value makes up more than 99 % of the predictions, and no value does so in the gold."""
    return largest_share(predicted) > DEGENERATE_SHARE >= largest_share(gold)


def largest_share(values: Sequence[Hashable]) -> float:
    """The share of the most frequent value, 0 to 1; 0 where there is none."""
    return max(Counter(values).values(), default=0) / max(len(values), 1)


def mean_error(values: Array) -> float:
    """Standard error of the mean of values from 0 to 1, percent: 100 s / √n, where s has n - 1 in its denominator.

    With one value, where it is not known, the whole range: 100.
    """
    return 100 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 100.0


def f1_error(counts: Array) -> float:
    """Standard error of a micro-averaged F1 over sentences, percent.

    F1 = 2 Σc / Σ(p + g) is a ratio of sums; linearised, its error is √(Σ(2c - F1 (p + g))²) / Σ(p + g).

    Args:
        counts: (sentences, 3): correct c, predicted p and gold g chunks.
    """
    doubled, either = 2 * counts[:, 0], counts[:, 1] + counts[:, 2]
    total = int(either.sum())
    if not total:
        return 0.0
    residuals = doubled - doubled.sum() / total * either
    return 100 * float(np.sqrt(np.square(residuals).sum())) / total


def ratio_error(counts: Array) -> float:
    """Standard error of a share of all parts, percent, where the parts of one example depend on each other.

    Linearised as in `f1_error`.

    Args:
        counts: (examples, 2): parts that are right, and parts.
    """
    right, parts = counts[:, 0], counts[:, 1]
    total = parts.sum()
    residuals = right - right.sum() / total * parts
    return 100 * float(np.sqrt(np.square(residuals).sum()) / total)


def at_chance(score: float, chance: float, error: float | None, n: int) -> bool:
    """Whether a score is not above guessing by more than two standard errors.

    Args:
        score: percent.
        chance: percent.
        error: standard error of the score, percent; None for a share of n right answers, whose error at the level of
            guessing c is binomial: 100 √(c (1 - c) / n).
        n: examples.
    """
    if error is None:
        share = chance / 100
        error = 100 * math.sqrt(max(share * (1 - share), 0.0) / n)
    return score - chance <= _STANDARD_ERRORS * error
