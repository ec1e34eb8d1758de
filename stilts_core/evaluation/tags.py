"""Judges of the tagging head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.decode import word_tags
from stilts_core.evaluation.examples import gold_tags
from stilts_core.evaluation.judgement import (
    Judgement,
    f1_error,
    is_degenerate,
    largest_share,
    ratio_error,
    unlabelled,
)
from stilts_core.evaluation.outputs import TaggingOutputs
from stilts_core.evaluation.predictions import tag_file
from stilts_core.evaluation.scorers.accuracy import accuracy
from stilts_core.evaluation.scorers.tagging import ChunkScore, Version, chunk_score, sentence_counts

_OUTCOMES = ("chunks_correct", "chunks_predicted", "chunks_gold", "tokens_correct", "tokens")


@dataclass(frozen=True, slots=True)
class TaggingJudge:
    """Entity F1 of seqeval, and token accuracy; guessing is always giving the most frequent tag.

    Attributes:
        seqeval: whose behaviour is the score. What single sentences add (outcomes, and from them the standard error) is
            0.0.12's under both: 1.2.2 carries chunks from one sentence into the next.
    """

    dataset: Dataset
    outputs: TaggingOutputs
    labels: Sequence[str]
    seqeval: Version = "0.0.12"

    def judge(self, examples: Array) -> Judgement:
        predicted = word_tags(self.dataset, self.outputs.label, self.labels, examples=examples)
        files = {".tsv": tag_file(predicted)}
        known = gold_tags(self.dataset, examples)
        gold = [tags for tags in known if tags is not None]
        note = unlabelled(len(known) - len(gold), len(examples))
        if note:
            return Judgement(n=len(examples), files=files, note=note)
        counts = sentence_counts(gold, predicted)
        totals = [int(total) for total in counts.sum(axis=0)]
        chunks = ChunkScore(*totals[:3]) if self.seqeval == "0.0.12" else chunk_score(gold, predicted, self.seqeval)
        return Judgement(
            n=len(examples),
            files=files,
            score=chunks.f1,
            measures={
                "f1": chunks.f1,
                "precision": chunks.precision,
                "recall": chunks.recall,
                "token_accuracy": totals[3] / totals[4] * 100 if totals[4] else 0.0,
            },
            rows=examples,
            outcomes=dict(zip(_OUTCOMES, counts.T.astype(np.float64), strict=True)),
            error=f1_error(counts[:, :3]),
            degenerate=is_degenerate(_flat(predicted), _flat(gold)),
        )

    def chance(self, examples: Array) -> float:
        gold = [tags or () for tags in gold_tags(self.dataset, examples)]
        counts = Counter(_flat(gold))
        if not counts:
            return 0.0
        [(frequent, _)] = counts.most_common(1)
        return chunk_score(gold, [[frequent] * len(tags) for tags in gold], self.seqeval).f1


@dataclass(frozen=True, slots=True)
class TagAccuracyJudge:
    """The share of words with the right tag; guessing is always giving the most frequent tag."""

    dataset: Dataset
    outputs: TaggingOutputs
    labels: Sequence[str]

    def judge(self, examples: Array) -> Judgement:
        predicted = word_tags(self.dataset, self.outputs.label, self.labels, examples=examples)
        files = {".tsv": tag_file(predicted)}
        known = gold_tags(self.dataset, examples)
        gold = [tags for tags in known if tags is not None]
        note = unlabelled(len(known) - len(gold), len(examples))
        if note:
            return Judgement(n=len(examples), files=files, note=note)
        counts = np.array(
            [(sum(map(str.__eq__, tags, found)), len(tags)) for tags, found in zip(gold, predicted, strict=True)],
            dtype=np.float64,
        )
        score = accuracy(_flat(gold), _flat(predicted))
        return Judgement(
            n=len(examples),
            files=files,
            score=score,
            measures={"accuracy": score},
            rows=examples,
            outcomes=dict(zip(_OUTCOMES[3:], counts.T, strict=True)),
            error=ratio_error(counts),
            degenerate=is_degenerate(_flat(predicted), _flat(gold)),
        )

    def chance(self, examples: Array) -> float:
        return 100 * largest_share(_flat([tags or () for tags in gold_tags(self.dataset, examples)]))


def _flat(sentences: Sequence[Sequence[str]]) -> list[str]:
    return [tag for tags in sentences for tag in tags]
