"""Per-example outcomes of one target in the shape that resampling needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.statistics.results import Floats
from stilts_core.errors import DataError


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """One run in one language.

    A score is 100 Σ numerator / Σ denominator over the examples: for a mean of outcomes the denominators are 1, for an
    F1 over counts they are those of 2 TP / (2 TP + FP + FN).

    Attributes:
        ids: of the examples, (n,), each once.
        numerator: (n,).
        denominator: (n,), or None where every example counts 1.
    """

    ids: Sequence[str]
    numerator: Floats
    denominator: Floats | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """Examples that are resampled together: one language, or all languages of a parallel test set.

    Attributes:
        languages: L of them.
        units: N ids.
        numerator: (N, L, R) for R runs; 0 where a language lacks an example.
        denominator: (N, L, R), or None where every language has every example and each counts 1.
    """

    languages: tuple[str, ...]
    units: tuple[str, ...]
    numerator: Floats
    denominator: Floats | None

    def scores(self) -> Floats:
        """Percent, (L, R)."""
        return self.score(self.numerator.sum(axis=0), self._total())

    def score(self, numerator: Floats, denominator: Floats | float) -> Floats:
        """Percent from sums; an empty resample scores 0."""
        return np.asarray(100.0 * numerator / np.maximum(denominator, np.finfo(np.float64).tiny))

    def influence(self) -> Floats:
        """How much an example moves a score, in points times N, (N, L, R); its mean over the examples is 0.

        The infinitesimal jackknife of a ratio (Efron and Tibshirani 1993, section 21.3).
        """
        total = self._total()
        if self.denominator is None:
            return np.asarray(100.0 * self.numerator - self.scores())
        share = self.scores() * self.denominator
        return np.asarray(len(self.units) * (100.0 * self.numerator - share) / np.maximum(total, 1e-300))

    def _total(self) -> Floats | float:
        return float(len(self.units)) if self.denominator is None else self.denominator.sum(axis=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """The outcomes of R runs of one target.

    Attributes:
        runs: names of the runs; contrasts speak of them by their place.
        pools: one for all languages where the test sets are parallel, else one a language.
    """

    runs: tuple[str, ...]
    pools: tuple[Pool, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order of every array that has an axis of languages."""
        return tuple(code for pool in self.pools for code in pool.languages)

    @property
    def examples(self) -> int:
        return sum(len(pool.units) for pool in self.pools)

    def scores(self) -> Floats:
        """Percent, (L, R)."""
        return np.concatenate([pool.scores() for pool in self.pools])


def make_sample(outcomes: Mapping[str, Mapping[str, RunOutcomes]], *, parallel: bool) -> Sample:
    """Sorts and joins the outcomes of runs.

    Args:
        outcomes: run → language → its outcomes; every run has the same languages and each language the same examples
            in every run, in any order.
        parallel: examples of one id are translations of each other and are resampled together.

    Raises:
        DataError: the runs have different languages or examples.
    """
    runs = tuple(sorted(outcomes))
    languages = sorted({code for found in outcomes.values() for code in found})
    for run in runs:
        absent = [code for code in languages if code not in outcomes[run]]
        if absent:
            raise DataError(f"The run {run} has no outcomes in {', '.join(absent)}, which other runs have.")
    groups = [languages] if parallel and languages else [[code] for code in languages]
    return Sample(runs, tuple(_pool(group, runs, outcomes) for group in groups))


def _pool(languages: Sequence[str], runs: Sequence[str], outcomes: Mapping[str, Mapping[str, RunOutcomes]]) -> Pool:
    units = sorted({unit for code in languages for unit in outcomes[runs[0]][code].ids})
    places = {unit: place for place, unit in enumerate(units)}
    shape = (len(units), len(languages), len(runs))
    numerator, denominator = np.zeros(shape), np.zeros(shape)
    for column, code in enumerate(languages):
        for place, run in enumerate(runs):
            found = outcomes[run][code]
            rows = _rows(found.ids, places, len(outcomes[runs[0]][code].ids), f"{run}, {code}")
            numerator[rows, column, place] = found.numerator
            denominator[rows, column, place] = 1.0 if found.denominator is None else found.denominator
    whole = all(found.denominator is None for run in runs for found in (outcomes[run][c] for c in languages))
    plain = whole and bool((denominator == 1).all())
    return Pool(tuple(languages), tuple(units), numerator, None if plain else denominator)


def _rows(ids: Iterable[str], places: Mapping[str, int], expected: int, where: str) -> list[int]:
    rows = [places.get(unit, -1) for unit in ids]
    if -1 in rows or len(rows) != expected or len(set(rows)) != expected:
        raise DataError(f"The outcomes of {where} are not those of the same examples as in the other runs.")
    return rows
