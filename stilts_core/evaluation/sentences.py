"""Judges of the heads with one answer an example: classification and multiple choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.decode import choices, labels_of
from stilts_core.evaluation.judgement import Judgement, is_degenerate, largest_share, unlabelled
from stilts_core.evaluation.outputs import ChoiceOutputs, ClassificationOutputs
from stilts_core.evaluation.predictions import choice_file, label_file
from stilts_core.evaluation.scorers.accuracy import accuracy


@dataclass(frozen=True, slots=True)
class ClassificationJudge:
    """Accuracy of labels; guessing is always giving the most frequent one."""

    dataset: Dataset
    outputs: ClassificationOutputs
    labels: Sequence[str]

    def judge(self, examples: Array) -> Judgement:
        predicted = labels_of(self.outputs.logits[examples])
        text = label_file(self.labels[label] for label in predicted)
        return _judged(self.dataset, examples, predicted, {".tsv": text})

    def chance(self, examples: Array) -> float:
        return _majority(self.dataset, examples)


@dataclass(frozen=True, slots=True)
class ChoiceJudge:
    """Accuracy of choices; guessing is always taking the place that is right most often."""

    dataset: Dataset
    outputs: ChoiceOutputs

    def judge(self, examples: Array) -> Judgement:
        predicted = choices(self.dataset, self.outputs.scores, examples=examples)
        return _judged(self.dataset, examples, predicted, {".jsonl": choice_file(predicted.tolist())})

    def chance(self, examples: Array) -> float:
        return _majority(self.dataset, examples)


def _judged(dataset: Dataset, examples: Array, predicted: Array, files: dict[str, str]) -> Judgement:
    gold = dataset.columns["label"][examples]
    note = unlabelled(int((gold < 0).sum()), len(examples))
    if note:
        return Judgement(n=len(examples), files=files, note=note)
    score = accuracy(gold.tolist(), predicted.tolist())
    return Judgement(
        n=len(examples),
        files=files,
        score=score,
        measures={"accuracy": score},
        rows=examples,
        outcomes={"correct": (predicted == gold).astype(np.float64)},
        degenerate=is_degenerate(predicted.tolist(), gold.tolist()),
    )


def _majority(dataset: Dataset, examples: Array) -> float:
    return 100 * largest_share(dataset.columns["label"][examples].tolist())
