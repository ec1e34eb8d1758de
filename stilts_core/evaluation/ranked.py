"""Judge of searches in a pool that all languages have in common: LAReQA and Mewsli-X."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stilts_core.catalog.models import Metric
from stilts_core.data.dataset import Array, Dataset
from stilts_core.errors import DataError
from stilts_core.evaluation.examples import records
from stilts_core.evaluation.judgement import Judgement, is_degenerate, mean_error
from stilts_core.evaluation.neighbours import Recall, make_now, nearest
from stilts_core.evaluation.outputs import RetrievalOutputs, require_finite
from stilts_core.evaluation.predictions import answer_file
from stilts_core.evaluation.scorers.arithmetic import running_sum
from stilts_core.evaluation.scorers.ranking import CUT, average_precision, reciprocal_rank
from stilts_core.evaluation.scorers.retrieval import normalised

MEASURE = "map@20"
_LOOKING, _CANDIDATE = 0, 1


@dataclass(frozen=True)
class RankedJudge:
    """How high the right candidates stand among the nearest ones, by cosine.

    For LAReQA the average precision of the first 20: the right ones are the answers to the question in all languages.
    For Mewsli-X the reciprocal rank of the one entity among the first 20. Guessing ranks at random.
    """

    dataset: Dataset
    outputs: RetrievalOutputs
    state: int
    metric: Metric
    device: str = "cpu"
    recall: Recall = make_now
    _found: dict[int, Array] = field(default_factory=dict)

    def judge(self, examples: Array) -> Judgement:
        rows = self._looking(examples)
        asked = records(self.dataset, rows)
        measures: dict[str, float] = {}
        values, ranked = np.zeros(len(rows)), np.zeros((len(rows), 0), dtype=np.int64)
        known = all(record["keys"] for record in asked)
        for number, vectors in enumerate(self.outputs.states):
            if vectors is None or (number != self.state and not known):
                continue
            found = self._nearest(number, vectors)[np.searchsorted(self._every_query, rows)]
            if known:
                precise = self._values([record["keys"] for record in asked], found)
                measures[f"{MEASURE}@state{number:02d}"] = _mean(precise)
            if number == self.state:
                ranked = found
                values = precise if known else values
        lists = {
            str(record["id"]): [self._ids[place] for place in row] for record, row in zip(asked, ranked, strict=True)
        }
        files = {".json": answer_file(lists)}
        if not known:
            note = "The file holds no right answers: rankings were written, nothing was scored."
            return Judgement(n=len(rows), files=files, note=note)
        score = _mean(values)
        first = [int(row[0]) for row in ranked]
        return Judgement(
            n=len(rows),
            files=files,
            score=score,
            measures={MEASURE: score, **measures},
            rows=rows,
            outcomes={"precision": values},
            error=mean_error(values),
            degenerate=is_degenerate(first, [record["keys"][0] for record in asked]),
        )

    def chance(self, examples: Array) -> float:
        asked = records(self.dataset, self._looking(examples))
        pool = len(self._pool)
        values = [random_precision(len(self._right(record["keys"])), pool) for record in asked]
        return _mean(np.array(values))

    def _looking(self, examples: Array) -> Array:
        looking: Array = examples[self.dataset.columns["side"][examples] == _LOOKING]
        return looking

    @cached_property
    def _every_query(self) -> Array:
        """The queries of all languages, rising."""
        return np.flatnonzero(np.asarray(self.dataset.columns["side"]) == _LOOKING)

    @cached_property
    def _pool(self) -> Array:
        """The candidates, in the order in which equally near ones stand: LAReQA's program puts the last one first."""
        pool = np.flatnonzero(np.asarray(self.dataset.columns["side"]) == _CANDIDATE)
        if not len(pool):
            raise DataError("There is no candidate to be found.")
        return pool[::-1] if self.metric is Metric.MAP_20 else pool

    @cached_property
    def _candidates(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(str(record["id"]), tuple(record["keys"] or ())) for record in records(self.dataset, self._pool)]

    @cached_property
    def _ids(self) -> list[str]:
        return [id_ for id_, _ in self._candidates]

    @cached_property
    def _by_key(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, (_, keys) in enumerate(self._candidates):
            for key in keys:
                found.setdefault(key, []).append(place)
        return found

    def _right(self, keys: Sequence[str]) -> list[int]:
        """The places of the right candidates."""
        return [place for key in keys for place in self._by_key.get(key, ())]

    def _nearest(self, number: int, vectors: Array) -> Array:
        """The nearest candidates of every query of the dataset: their places, (queries, 20)."""
        if number not in self._found:
            queries, pool = vectors[self._every_query], vectors[self._pool]
            require_finite(queries, pool)
            (self._found[number],) = self.recall(
                lambda: [nearest(normalised(queries), normalised(pool), CUT, device=self.device).rows]
            )
        return self._found[number]

    def _values(self, keys: Sequence[Sequence[str]], found: Array) -> Array:
        values = []
        for wanted, row in zip(keys, found.tolist(), strict=True):
            right = self._right(wanted)
            if self.metric is Metric.MAP_20:
                values.append(average_precision(right, row))
            else:  # an entity that is not among the candidates cannot be found
                values.append(reciprocal_rank(right[0], row) if right else 0.0)
        return np.array(values)


def random_precision(right: int, pool: int, cut: int = CUT) -> float:
    """Expected average precision of a random order, 0 to 1.

    The candidate at rank r is right with probability t / n, and then of the r - 1 before it (r - 1)(t - 1) / (n - 1)
    are expected to be.
    """
    if not right:
        return 0.0
    others = (right - 1) / (pool - 1) if pool > 1 else 0.0
    hits = running_sum((1 + (rank - 1) * others) / rank for rank in range(1, min(cut, pool) + 1))
    return right / pool * hits / min(right, cut)


def _mean(values: Array) -> float:
    """Percent."""
    return running_sum(values.tolist()) / len(values) * 100
