"""Judges of the heads with one answer an example: classification and multiple choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.decode import choices, labels_of
from stilts_core.evaluation.judgement import Judgement, is_degenerate, largest_share, mean_error, unlabelled
from stilts_core.evaluation.outputs import ChoiceOutputs, ClassificationOutputs
from stilts_core.evaluation.predictions import choice_file, label_file
from stilts_core.evaluation.scorers.accuracy import accuracy, binary_f1

_POSITIVE = 1
"""The number of the label whose F1 counts: the second of two, ``1`` of QQP."""


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
class PairJudge:
    """Mean of the accuracy and of the F1 of the second label, as GLUE scores QQP; guessing always gives one label."""

    dataset: Dataset
    outputs: ClassificationOutputs
    labels: Sequence[str]

    def judge(self, examples: Array) -> Judgement:
        predicted = labels_of(self.outputs.logits[examples])
        files = {".tsv": label_file(self.labels[label] for label in predicted)}
        judgement = _judged(self.dataset, examples, predicted, files)
        if judgement.score is None:
            return judgement
        gold = self.dataset.columns["label"][examples]
        f1 = binary_f1(gold.tolist(), predicted.tolist(), _POSITIVE)
        outcomes = {
            **judgement.outcomes,
            "positive_correct": ((predicted == _POSITIVE) & (gold == _POSITIVE)).astype(np.float64),
            "positive_predicted": (predicted == _POSITIVE).astype(np.float64),
            "positive_gold": (gold == _POSITIVE).astype(np.float64),
        }
        return replace(
            judgement,
            score=(judgement.score + f1) / 2,
            measures={**judgement.measures, "f1": f1},
            outcomes=outcomes,
            error=_error(outcomes, f1),
        )

    def chance(self, examples: Array) -> float:
        gold = self.dataset.columns["label"][examples].tolist()
        guesses = ([label] * len(gold) for label in range(len(self.labels)))
        return max((accuracy(gold, guess) + binary_f1(gold, guess, _POSITIVE)) / 2 for guess in guesses)


def _error(outcomes: Mapping[str, Array], f1: float) -> float:
    """Standard error of the mean of accuracy and F1, percent: of the linearised parts of the single examples."""
    either = outcomes["positive_predicted"] + outcomes["positive_gold"]
    total = either.sum()
    part = np.zeros(len(either))
    if total:
        part = (2 * outcomes["positive_correct"] - f1 / 100 * either) * len(either) / total
    return mean_error((outcomes["correct"] + part) / 2)


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
