import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.ranking import average_precision, mean_average_precision, mean_reciprocal_rank

RANKINGS = st.lists(st.integers(0, 9), max_size=30)
TARGETS = st.sets(st.integers(0, 9), min_size=1)


def test_worked_examples_of_average_precision():
    assert average_precision({2, 5, 8}, [5, 1, 8, 0, 2]) == pytest.approx(0.755556, abs=5e-7)
    assert average_precision({2, 5, 8}, [5, 1, 8, 0, 2], 3) == pytest.approx(0.555556, abs=5e-7)
    assert average_precision({2, 5, 8}, [5, 5, 8], 2) == 0.5


def test_no_cut_and_no_target():
    assert average_precision({1, 2}, [0, 1], 0) == 0.25
    with pytest.raises(DataError):
        average_precision([], [1])


def test_the_mean_is_over_the_questions_of_the_gold_file():
    gold = {"a": ["x"], "b": ["y"]}
    assert mean_average_precision(gold, {"a": ["x"], "z": ["x"]}) == 50
    with pytest.raises(DataError):
        mean_average_precision({}, {})


def test_worked_example_of_mewsli():
    gold = {id_: ["Q1"] for id_ in "abcd"}
    rankings = {"a": ["Q1"], "b": ["Q9", "Q9", "Q9", "Q1"], "c": ["Q9"], "zz": ["Q1"]}
    assert mean_reciprocal_rank(gold, rankings) == 31.25


def test_oddities_of_mewsli():
    assert mean_reciprocal_rank({"a": [" Q1\n", "Q2"]}, {"a": [" Q1", "Q1"]}) == 50  # gold is stripped, the rest is not
    assert mean_reciprocal_rank({"a": ["Q1"]}, {"a": [*["Q9"] * 20, "Q1"]}) == 0
    assert mean_reciprocal_rank({}, {}) == 0


@pytest.mark.parametrize(("gold", "ranking"), [([], ["Q1"]), (None, ["Q1"]), ([1], ["Q1"]), (["Q1"], 1), (["Q1"], {})])
def test_refusals_of_mewsli(gold, ranking):
    with pytest.raises(DataError, match="for a"):
        mean_reciprocal_rank({"a": gold}, {"a": ranking})


@given(TARGETS, RANKINGS, st.integers(1, 30))
def test_bounds(targets, ranking, k):
    value = average_precision(targets, ranking, k)
    assert 0 <= value <= 1
    assert average_precision(targets, [*ranking, 99], k) == value


@given(TARGETS)
def test_all_targets_first_is_perfect(targets):
    assert average_precision(targets, [*targets, 99, *targets]) == 1
