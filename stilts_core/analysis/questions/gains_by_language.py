"""The gain of every curriculum in every language, as a flat table to model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.scores import Floats, Ints, Scores
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import distinct_pairs


@dataclass(frozen=True, slots=True)
class LanguageGains:
    """One record for each encoder, curriculum, target and language: the mean gain over its pairs of runs.

    Attributes:
        encoder, curriculum, target: places in the scores.
        language: code of each record.
        gain: points.
        pairs: behind each.
    """

    encoder: Ints
    curriculum: Ints
    target: Ints
    language: tuple[str, ...]
    gain: Floats
    pairs: Ints


def language_gains(scores: Scores) -> LanguageGains:
    """All of them, in the order of the scores; cells without a whole pair of runs are left out."""
    base = baseline_of(scores)
    records: list[tuple[int, int, int, str, float, int]] = []
    for e in range(len(scores.encoders)) if base is not None else ():
        for c in range(len(scores.curricula)):
            for t, cube in enumerate(scores.targets):
                seeds = distinct_pairs(cube, e, c, base) if c != base and base is not None else []
                if not seeds:
                    continue
                gain = (cube.score[e, c] - cube.score[e, base])[:, seeds].mean(axis=1)
                records += [
                    (e, c, t, code, float(value), len(seeds)) for code, value in zip(cube.languages, gain, strict=True)
                ]
    columns = list(zip(*records, strict=True)) or [()] * 6
    encoder, curriculum, target, pairs = (np.array(columns[place], dtype=np.int64) for place in (0, 1, 2, 5))
    gain = np.array(columns[4], dtype=np.float64)
    return LanguageGains(encoder, curriculum, target, tuple(map(str, columns[3])), gain, pairs)
