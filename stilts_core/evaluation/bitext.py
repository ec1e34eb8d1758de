"""Judge of mined sentence pairs: BUCC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset, Segment
from stilts_core.evaluation.examples import Record, records
from stilts_core.evaluation.judgement import Judgement, f1_error
from stilts_core.evaluation.mining import Mined, mine
from stilts_core.evaluation.neighbours import Recall, make_now
from stilts_core.evaluation.outputs import RetrievalOutputs, require_finite
from stilts_core.evaluation.predictions import label_file
from stilts_core.evaluation.scorers.bitext import (
    Pair,
    PairScore,
    above,
    best_threshold,
    collect_candidates,
    last_copies,
    pair_score,
    unambiguous,
)

NEIGHBOURS = 4
TUNED_ON = "dev"
_FOREIGN, _ENGLISH = 0, 1


@dataclass(frozen=True, slots=True)
class _Side:
    """The sentences of one side.

    Attributes:
        rows: their numbers in the dataset, in order.
        mined: places of the sentences that are mined, each different one once.
        id_of: stripped text → id, of texts that stand once.
    """

    rows: Array
    ids: Sequence[str]
    texts: Sequence[str]
    mined: Array
    id_of: Mapping[str, str]

    @classmethod
    def of(cls, rows: Array, found: Sequence[Record]) -> _Side:
        texts = [record["text"] for record in found]
        ids = [str(record["id"]) for record in found]
        return cls(rows, ids, texts, np.array(last_copies(texts), dtype=np.int64), unambiguous(texts, ids))


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Both sides of a file, and its right pairs as lines; None where they are not known."""

    foreign: _Side
    english: _Side
    gold: frozenset[str] | None

    @classmethod
    def of(cls, dataset: Dataset, examples: Array) -> _Sentences:
        side = dataset.columns["side"][examples]
        rows = examples[side == _FOREIGN], examples[side == _ENGLISH]
        found = [records(dataset, part) for part in rows]
        known = all(record["keys"] is not None for record in found[0])
        gold = frozenset(f"{record['id']}\t{key}" for record in found[0] for key in record["keys"]) if known else None
        return cls(_Side.of(rows[0], found[0]), _Side.of(rows[1], found[1]), gold)

    def candidates(self, vectors: Array, device: str, recall: Recall) -> dict[Pair, float]:
        """What is mined from vectors of the whole dataset, as pairs of ids with their scores."""
        sides = [vectors[side.rows[side.mined]] for side in (self.foreign, self.english)]
        require_finite(*sides)

        def search() -> list[Array]:
            mined = mine(sides[0], sides[1], neighbours=NEIGHBOURS, device=device)
            return [mined.source, mined.target, mined.scores]

        mined = Mined(*recall(search))
        found = []
        for source, target, score in zip(
            self.foreign.mined[mined.source].tolist(),
            self.english.mined[mined.target].tolist(),
            mined.scores.tolist(),
            strict=True,
        ):
            one = self.foreign.id_of.get(self.foreign.texts[source].strip())
            other = self.english.id_of.get(self.english.texts[target].strip())
            if one is not None and other is not None:
                found.append((one, other, score))
        return collect_candidates(found)


@dataclass(frozen=True, slots=True)
class BitextJudge:
    """F1 of the pairs whose margin reaches a threshold, the one that is best on the development set.

    Beside it stands the F1 at the threshold that is best on the scored set itself, which the official script reports.
    Guessing draws as many pairs at random as there are sentences on the smaller side.
    """

    dataset: Dataset
    outputs: RetrievalOutputs
    state: int
    device: str = "cpu"
    recall: Recall = make_now

    def judge(self, examples: Array) -> Judgement:
        scored = _Sentences.of(self.dataset, examples)
        tuning = self._tuning(examples)
        measures: dict[str, float] = {}
        lines: list[str] = []
        threshold = own = 0.0
        result = PairScore(0, 0, 0)
        for number, vectors in enumerate(self.outputs.states):
            if vectors is None:
                continue
            found = scored.candidates(vectors, self.device, self.recall)
            at = own_threshold = None if scored.gold is None else best_threshold(found, scored.gold, after_last=True)
            if tuning is not None and tuning.gold is not None:
                at = best_threshold(tuning.candidates(vectors, self.device, self.recall), tuning.gold, after_last=True)
            kept = above(found, at or 0.0)
            if scored.gold is not None:
                score = pair_score(scored.gold, kept)
                measures[f"f1@state{number:02d}"] = score.f1
            if number == self.state:
                lines, threshold, own = kept, at or 0.0, own_threshold or 0.0
                if scored.gold is not None:
                    result = score
                    measures["f1_oracle"] = pair_score(scored.gold, above(found, own)).f1
        files = {".tsv": label_file(lines)}
        if scored.gold is None:
            note = "The file holds no right pairs: those that were mined were written, nothing was scored."
            return Judgement(n=len(scored.foreign.ids), files=files, note=note, thresholds={"f1": threshold})
        counts, rows = _counts(scored, lines)
        return Judgement(
            n=len(scored.gold),
            files=files,
            score=result.f1,
            measures={"f1": result.f1, "precision": result.precision, "recall": result.recall, **measures},
            thresholds={"f1": threshold, "f1_oracle": own},
            rows=rows,
            outcomes={name: counts[:, place].astype(np.float64) for place, name in enumerate(_OUTCOMES)},
            error=f1_error(counts),
            degenerate=not lines,
            note=None if tuning is not None and tuning.gold is not None else _OWN_THRESHOLD,
        )

    def chance(self, examples: Array) -> float:
        scored = _Sentences.of(self.dataset, examples)
        foreign, english = len(scored.foreign.ids), len(scored.english.ids)
        gold, drawn = len(scored.gold or ()), min(foreign, english)
        if not gold:
            return 0.0
        right = drawn * gold / (foreign * english)
        return 100 * 2 * right / (drawn + gold)

    def _tuning(self, examples: Array) -> _Sentences | None:
        """The development set of the same language, if this is not it."""
        of = _segment(self.dataset, int(examples[0]))
        parts = [
            np.arange(segment.start, segment.stop)
            for segment in self.dataset.select(TUNED_ON, of.language)
            if of.split != TUNED_ON
        ]
        return _Sentences.of(self.dataset, np.concatenate(parts)) if parts else None


_OUTCOMES = ("pairs_correct", "pairs_predicted", "pairs_gold")
_OWN_THRESHOLD = "The threshold is the one that is best on the scored sentences themselves."


def _segment(dataset: Dataset, example: int) -> Segment:
    return next(segment for segment in dataset.segments if segment.start <= example < segment.stop)


def _counts(scored: _Sentences, lines: Sequence[str]) -> tuple[Array, Array]:
    """Right, predicted and gold pairs of each foreign sentence that has any, (n, 3), and its row."""
    place = {id_: number for number, id_ in enumerate(scored.foreign.ids)}
    gold = scored.gold or frozenset()
    counts = np.zeros((len(place), 3), dtype=np.int64)
    for line in lines:
        counts[place[line.partition("\t")[0]]] += (line in gold, 1, 0)
    for line in gold:
        counts[place[line.partition("\t")[0]], 2] += 1
    used = np.flatnonzero(counts.any(axis=1))
    return counts[used], scored.foreign.rows[used]
