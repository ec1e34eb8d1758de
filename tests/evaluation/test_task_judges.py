"""The scores of single tasks: QQP's mean of accuracy and F1, MLQA's by language, the accuracy of CCG's tags."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.catalog.models import Head, Metric
from stilts_core.errors import DataError, SpecError
from stilts_core.evaluation.evaluate import score_target
from stilts_core.evaluation.outputs import ClassificationOutputs, SpanOutputs, TaggingOutputs
from stilts_core.evaluation.scorers import mlqa
from stilts_core.evaluation.scorers.accuracy import accuracy, binary_f1, read_labels
from stilts_core.evaluation.scorers.squad import Question, read_answers
from stilts_core.evaluation.sentences import PairJudge
from stilts_core.planning.params import EvaluateParams


def params(head: Head, metric: Metric, **more: Any) -> EvaluateParams:
    return EvaluateParams(task="target", head=head, metric=metric, answer_length=4, **more)


def outcomes(out: Path, metric: str) -> list[float]:
    return [row["value"] for row in pq.read_table(out / "outcomes.parquet").to_pylist() if row["metric"] == metric]


def duplicates(build: Any, gold: list[int]) -> Any:
    examples = [{"id": str(n)} for n in range(len(gold))]
    return build(Head.CLASSIFICATION, [("dev", "en", len(gold))], [[3]] * len(gold), {"label": gold}, examples)


def one_hot(labels: list[int]) -> Any:
    return np.eye(2, dtype=np.float32)[np.array(labels)]


class TestAccuracyAndF1:
    settings = params(Head.CLASSIFICATION, Metric.ACCURACY_F1, labels=("0", "1"))

    def test_the_score_is_the_mean_of_both(self, build: Any, tmp_path: Path) -> None:
        gold, predicted = [1, 1, 0, 0, 0] * 20, [1, 0, 1, 0, 0] * 20
        outputs = ClassificationOutputs(one_hot(predicted))
        entry = score_target(duplicates(build, gold), self.settings, outputs, tmp_path)["languages"]["en"]
        assert entry["metrics"] == {"accuracy": 60.0, "f1": 50.0}
        assert entry["score"] == 55.0
        # Always "1": accuracy 40, F1 57.14; always "0": accuracy 60, F1 0.
        assert entry["chance"] == pytest.approx((40 + 400 / 7) / 2)
        assert (entry["at_chance"], entry["degenerate"]) == (True, False)
        found = read_labels(tmp_path / "predictions/target/dev-en.tsv")
        names = ["0", "1"]
        assert accuracy([names[g] for g in gold], found) == 60.0
        assert binary_f1([names[g] for g in gold], found) == 50.0
        sums = {name: sum(outcomes(tmp_path, f"positive_{name}")) for name in ("correct", "predicted", "gold")}
        assert sums == {"correct": 20, "predicted": 40, "gold": 40}

    def test_without_gold_nothing_is_scored(self, build: Any, tmp_path: Path) -> None:
        outputs = ClassificationOutputs(one_hot([1, 0]))
        entry = score_target(duplicates(build, [-1, -1]), self.settings, outputs, tmp_path)["languages"]["en"]
        assert (entry["score"], entry["metrics"]) == (None, {})

    def test_it_needs_two_labels(self, build: Any, tmp_path: Path) -> None:
        three = params(Head.CLASSIFICATION, Metric.ACCURACY_F1, labels=("a", "b", "c"))
        with pytest.raises(SpecError, match="cannot be scored as accuracy-f1"):
            score_target(duplicates(build, [0, 1]), three, ClassificationOutputs(np.eye(3)[[0, 1]]), tmp_path)

    @given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40))
    def test_its_parts_and_error_are_sound(self, build: Any, rows: list[tuple[int, int]]) -> None:
        gold, predicted = [list(side) for side in zip(*rows, strict=True)]
        judge = PairJudge(duplicates(build, gold), ClassificationOutputs(one_hot(predicted)), ("0", "1"))
        found = judge.judge(np.arange(len(rows)))
        assert found.score is not None
        assert found.error is not None
        assert 0 <= found.score <= 100
        assert math.isfinite(found.error)
        assert found.error >= 0
        if gold == predicted and len(set(gold)) == 2:
            assert (found.score, found.error) == (100.0, 0.0)
        parts = {name: values.sum() for name, values in found.outcomes.items()}
        both = parts["positive_predicted"] + parts["positive_gold"]
        again = 200 * parts["positive_correct"] / both if both else 0.0
        assert found.measures["f1"] == pytest.approx(again)


class TestMlqa:
    GOLD = {"de": "der Hund", "zh": "懒狗"}

    def dataset(self, build_spans: Any) -> Any:
        context = {"de": "der Hund schläft", "zh": "懒狗睡觉"}
        words = {"de": [(0, 3), (4, 8), (9, 16)], "zh": [(0, 1), (1, 2), (2, 4)]}
        files = [
            ("test", code, [(f"{code}{n}", context[code], [words[code]], [self.GOLD[code]]) for n in range(4)])
            for code in ("de", "zh")
        ]
        return build_spans(files)

    def test_each_file_is_scored_by_the_rules_of_its_language(self, build_spans: Any, tmp_path: Path) -> None:
        """The answer is the second word alone: in German only the article is missing, in Chinese half of the answer."""
        dataset = self.dataset(build_spans)
        at = np.zeros(len(dataset.ids), dtype=np.float32)
        at[dataset.offsets[:-1] + 3] = 5.0
        found = score_target(dataset, params(Head.SPAN, Metric.MLQA), SpanOutputs(at, at), tmp_path)
        assert found["languages"]["de"]["metrics"] == {"exact_match": 100.0, "f1": 100.0}
        assert found["languages"]["zh"]["metrics"] == {"exact_match": 0.0, "f1": pytest.approx(200 / 3)}
        assert found["languages"]["zh"]["score"] == pytest.approx(100 / 3)
        for code in ("de", "zh"):
            answers = read_answers(tmp_path / f"predictions/target/test-{code}.json")
            gold = [Question(f"{code}{n}", (self.GOLD[code],)) for n in range(4)]
            scores = mlqa.score(gold, answers, code)
            assert {"exact_match": scores.exact_percent, "f1": scores.f1_percent} == found["languages"][code]["metrics"]

    def test_a_language_without_rules_is_refused(self, build_spans: Any, tmp_path: Path) -> None:
        dataset = build_spans([("test", "fi", [("q", "a b", [[(0, 1), (2, 3)]], ["a"])])])
        zeros = np.zeros(len(dataset.ids), dtype=np.float32)
        with pytest.raises(DataError, match="no rules for fi"):
            score_target(dataset, params(Head.SPAN, Metric.MLQA), SpanOutputs(zeros, zeros), tmp_path)


class TestTagAccuracy:
    LABELS = ("N", "NP/N", ".")
    settings = params(Head.TAGGING, Metric.TAG_ACCURACY, labels=LABELS)

    def test_words_count_and_not_sentences(self, build_tags: Any, tmp_path: Path) -> None:
        sentences = [
            (["the", "cat", "."], ["NP/N", "N", "."], [[-1, 0, 1, 2, -1]]),
            (["cats"], ["N"], [[-1, 0, -1]]),
        ]
        dataset = build_tags([("test", "en", sentences)], self.LABELS)
        label = np.zeros(len(dataset.ids), dtype=np.int64)  # always N
        found = score_target(dataset, self.settings, TaggingOutputs(label), tmp_path)["languages"]["en"]
        assert (found["n"], found["score"], found["chance"]) == (2, 50.0, 50.0)
        assert found["metrics"] == {"accuracy": 50.0}
        assert (found["at_chance"], found["degenerate"]) == (True, True)
        assert json.dumps(outcomes(tmp_path, "tokens_correct")) == "[1.0, 1.0]"
        assert outcomes(tmp_path, "tokens") == [3.0, 1.0]
        assert (tmp_path / "predictions/target/test-en.tsv").read_text() == "N\nN\nN\n\nN\n\n"
