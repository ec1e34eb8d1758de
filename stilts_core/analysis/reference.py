"""Published results beside the study's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.frame import Frame, rows_of
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.selection import Best
from stilts_core.analysis.table import SCORE
from stilts_core.catalog.published import Published, PublishedRow

BEST = "best"
"""The published arm that takes the best intermediate task of each target."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One published value and what the study has.

    Attributes:
        metric: what the value measures; ``score`` is the target's main measure.
        own: the study's mean over runs and languages, percent; None where it has none.
    """

    table: str
    row: str
    status: str
    source: str
    target: str
    metric: str
    published: float
    own: float | None

    @property
    def difference(self) -> float | None:
        return None if self.own is None else self.own - self.published


def beside(references: Sequence[Published], scores: Scores, best: Sequence[Best], frame: Frame) -> tuple[Beside, ...]:
    """Every published value of a target that the study has, in the order of the tables.

    Args:
        references: with their rows.
        scores: the cubes.
        best: what each target would choose, for published rows of the best curriculum.
        frame: the long table, for measures that are not the main one.
    """
    wanted = {metric for reference in references for metric in reference.metrics.values()}
    measured: dict[tuple[str, str, str, str], dict[tuple[str, str], float]] = {}
    metrics = frame.texts["metric"]
    kept = np.array([name in wanted for name in metrics.names], dtype=bool)[metrics.codes]
    for row in rows_of(frame.rows(kept)):
        key = row.encoder, row.curriculum, row.target, row.metric
        measured.setdefault(key, {})[row.language, row.fingerprint] = row.value
    found = []
    for reference in references:
        encoder = _encoder(reference, scores)
        for published in reference.rows:
            for target, value in published.values.items():
                if target not in {cube.target for cube in scores.targets}:
                    continue
                metric = reference.metrics.get(target, SCORE)
                curriculum = _curriculum(published, best, encoder, target)
                values = measured.get((encoder, curriculum or "", target, metric), {})
                own = _score(scores, encoder, curriculum, target) if metric == SCORE else None
                if metric != SCORE and values:
                    own = float(np.mean(list(values.values())))
                found.append(
                    Beside(
                        table=reference.title or reference.name,
                        row=published.title or published.curriculum,
                        status=published.status,
                        source=published.source or reference.source,
                        target=target,
                        metric=metric,
                        published=value,
                        own=own,
                    )
                )
    return tuple(found)


def _encoder(reference: Published, scores: Scores) -> str:
    return reference.encoder if reference.encoder in scores.encoders else scores.encoders[0]


def _curriculum(published: PublishedRow, best: Sequence[Best], encoder: str, target: str) -> str | None:
    if published.curriculum != BEST:
        return published.curriculum
    return next((one.chosen for one in best if (one.encoder, one.target) == (encoder, target)), None)


def _score(scores: Scores, encoder: str, curriculum: str | None, target: str) -> float | None:
    if curriculum not in scores.curricula:
        return None
    cube = scores.target(target)
    means = cube.means()[scores.encoders.index(encoder), scores.curricula.index(curriculum)]
    there = means[~np.isnan(means)]
    return float(there.mean()) if there.size else None
