import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.evaluation.judgement import at_chance, f1_error, is_degenerate, mean_error, unlabelled


def test_binomial_error_of_guessing():
    error = 100 * math.sqrt(1 / 3 * 2 / 3 / 900)
    assert at_chance(100 / 3 + 1.99 * error, 100 / 3, None, 900)
    assert not at_chance(100 / 3 + 2.01 * error, 100 / 3, None, 900)


def test_given_error_and_what_lies_below():
    assert at_chance(12.0, 10.0, 1.0, 50)
    assert not at_chance(12.1, 10.0, 1.0, 50)
    assert at_chance(1.0, 10.0, 0.0, 50)
    assert at_chance(100.0, 100.0, None, 1)


def test_error_of_a_mean():
    assert mean_error(np.array([0.0, 1.0, 1.0, 0.0])) == pytest.approx(100 * math.sqrt(1 / 3) / 2)
    assert mean_error(np.array([0.5])) == 100.0


@given(st.integers(0, 2**32 - 1))
def test_error_of_f1_is_near_the_jackknife(seed):
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(1, 9, 400), rng.integers(1, 9, 400)
    counts = np.stack([rng.binomial(np.minimum(gold, predicted), 0.6), predicted, gold], axis=1)
    left_out = counts.sum(axis=0) - counts
    f1 = 200 * left_out[:, 0] / (left_out[:, 1] + left_out[:, 2])
    jackknife = math.sqrt(399 / 400 * np.square(f1 - f1.mean()).sum())
    assert f1_error(counts) == pytest.approx(jackknife, rel=0.02)


def test_f1_error_without_chunks():
    assert f1_error(np.zeros((3, 3), dtype=np.int64)) == 0.0


def test_degenerate():
    assert is_degenerate(["a"] * 100, ["a", "b"] * 50)
    assert is_degenerate(["a"] * 199 + ["b"], ["a", "b"] * 100)
    assert not is_degenerate(["a"] * 99 + ["b"], ["a", "b"] * 50)
    assert not is_degenerate(["a"] * 100, ["a"] * 100)
    assert not is_degenerate([], [])


def test_note_on_missing_gold():
    assert unlabelled(0, 5) is None
    assert "nothing was scored" in str(unlabelled(5, 5))
    assert "2 of 5" in str(unlabelled(2, 5))
