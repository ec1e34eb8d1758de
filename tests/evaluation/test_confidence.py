"""Loss, calibration and entailment contrast of a development sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stilts_core.catalog.models import Head
from stilts_core.evaluation.confidence import calibration_error, confidence_measures
from stilts_core.evaluation.outputs import (
    ChoiceOutputs,
    ClassificationOutputs,
    RetrievalOutputs,
    SpanOutputs,
    TaggingOutputs,
)

NLI = ("entailment", "neutral", "contradiction")


def dataset(head, offsets, example_of, columns, examples):
    """In memory, as a dataset is mapped."""
    from types import SimpleNamespace

    ranges = np.searchsorted(np.array(example_of), np.arange(examples + 1))
    return SimpleNamespace(
        head=head,
        offsets=np.array(offsets),
        feature_ranges=ranges,
        columns={name: np.array(values) for name, values in columns.items()},
    )


def logits(*rows):
    return np.log(np.array(rows))


class TestCalibration:
    def test_confident_and_right_is_calibrated(self) -> None:
        assert calibration_error(np.ones(4), np.ones(4, dtype=bool)) == 0.0

    def test_the_formula_by_hand(self) -> None:
        # 0.9 and 0.92 share the bin (13/15, 14/15]; 0.5 has its own.
        top, right = np.array([0.9, 0.92, 0.5]), np.array([True, False, True])
        expected = 2 / 3 * abs(0.5 - 0.91) + 1 / 3 * abs(1 - 0.5)
        assert calibration_error(top, right) == pytest.approx(100 * expected)

    def test_coins_that_say_so_are_calibrated(self) -> None:
        rng = np.random.default_rng(0)
        top = rng.uniform(0.34, 1.0, 200_000)
        assert calibration_error(top, rng.random(len(top)) < top) < 0.5


class TestHeads:
    def test_classification(self) -> None:
        data = dataset(Head.CLASSIFICATION, range(5), range(4), {"label": [0, 2, 1, 0]}, 4)
        outputs = ClassificationOutputs(logits([0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8], [np.nan] * 3))
        found = confidence_measures(data, outputs, np.array([0, 1, 2]), NLI)
        assert found["loss"] == pytest.approx(-(math.log(0.7) + math.log(0.6) + math.log(0.1)) / 3)
        assert found["entailment_contrast"] == pytest.approx(50.0)  # 0.7 of the entailed, 0.2 of the contradicted
        assert set(confidence_measures(data, outputs, np.array([0, 1]), ("0", "1", "2"))) == {
            "loss",
            "calibration_error",
        }

    def test_contrast_of_two_labels_is_against_the_other(self) -> None:
        data = dataset(Head.CLASSIFICATION, range(3), range(2), {"label": [0, 1]}, 2)
        outputs = ClassificationOutputs(logits([0.9, 0.1], [0.3, 0.7]))
        found = confidence_measures(data, outputs, np.array([0, 1]), ("entailment", "not_entailment"))
        assert found["entailment_contrast"] == pytest.approx(60.0)

    def test_choices_are_a_distribution_for_each_example(self) -> None:
        data = dataset(Head.CHOICE, range(6), [0, 0, 1, 1, 1], {"label": [1, 0]}, 2)
        scores = np.log(np.array([0.2, 0.8, 0.5, 0.3, 0.2]))
        found = confidence_measures(data, ChoiceOutputs(scores), np.array([0, 1]))
        assert found["loss"] == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)
        alone = confidence_measures(data, ChoiceOutputs(scores), np.array([1]))
        assert alone["calibration_error"] == pytest.approx(50.0)

    def test_answers_are_first_and_last_tokens_of_windows(self) -> None:
        data = dataset(Head.SPAN, [0, 2, 5], [0, 0], {"start": [0, 1], "end": [1, 2]}, 1)
        start = np.log(np.array([0.5, 0.5, 0.2, 0.7, 0.1]))
        end = np.log(np.array([0.1, 0.9, 0.2, 0.2, 0.6]))
        found = confidence_measures(data, SpanOutputs(start, end), np.array([0]))
        assert found["loss"] == pytest.approx(-sum(map(math.log, (0.5, 0.7, 0.9, 0.6))) / 4)

    def test_tags_where_their_probabilities_were_kept(self) -> None:
        data = dataset(Head.TAGGING, [0, 3], [0], {"label": [-1, 1, 0]}, 1)
        label = np.array([0, 1, 1])
        assert confidence_measures(data, TaggingOutputs(label), np.array([0])) == {}
        gold = np.array([np.nan, math.log(0.9), math.log(0.3)])
        found = confidence_measures(data, TaggingOutputs(label, gold, np.array([1.0, 0.9, 0.7])), np.array([0]))
        assert found["loss"] == pytest.approx(-(math.log(0.9) + math.log(0.3)) / 2)
        assert found["calibration_error"] == pytest.approx((10 + 70) / 2)

    def test_retrieval_has_none(self) -> None:
        data = dataset(Head.RETRIEVAL, [0, 1], [0], {}, 1)
        assert confidence_measures(data, RetrievalOutputs(()), np.array([0])) == {}
