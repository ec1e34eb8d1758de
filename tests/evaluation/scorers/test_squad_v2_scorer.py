import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.squad import Question
from stilts_core.evaluation.scorers.squad_v2 import best_thresholds, score, token_f1

GOLD = [Question("q1", ("red",)), Question("q2", ()), Question("q3", ("blue",)), Question("q4", ())]
ANSWERS = {"q1": "red", "q2": "green", "q3": "blue", "q4": "grey"}


def test_empty_sides():
    assert token_f1("an.", "") == 1.0
    assert token_f1("red", "") == 0.0


def test_plain_score_of_the_worked_example():
    assert score(GOLD, ANSWERS).exact_percent == 50.0


@pytest.mark.parametrize(("order", "best"), [("q2 q4 q1 q3", 50.0), ("q1 q3 q2 q4", 100.0)])
def test_equal_null_scores_sweep_in_their_own_order(order, best):
    exact, f1 = best_thresholds(GOLD, ANSWERS, dict.fromkeys(order.split(), 0.0))
    assert (exact.score, f1.score) == (best, best)


def test_sweep_sorts_by_null_probability():
    nulls = {"q1": 0.1, "q2": 0.9, "q3": 0.2, "q4": 0.8}
    exact, f1 = best_thresholds(GOLD, ANSWERS, nulls)
    assert (exact.score, exact.threshold) == (100.0, 0.2)
    assert (f1.score, f1.threshold) == (100.0, 0.2)
    assert score(GOLD, ANSWERS, nulls, threshold=0.2).exact_percent == 100.0


def test_the_sweep_starts_with_everything_unanswered():
    wrong = dict.fromkeys(ANSWERS, "white")
    exact, _ = best_thresholds(GOLD, wrong, {"q1": 0.1, "q2": 0.2, "q3": 0.3, "q4": 0.4})
    assert (exact.score, exact.threshold) == (50.0, 0.0)


def test_gold_that_normalises_to_nothing_is_dropped():
    gold = [Question("1", ("the", "fox")), Question("2", ("...",))]
    assert score(gold, {"1": "", "2": "a"}).exact == (0.0, 1.0)


def test_threshold_leaves_questions_unanswered():
    nulls = {"q1": 0.6, "q2": 0.6, "q3": 0.5, "q4": 0.5}
    assert score(GOLD, ANSWERS, nulls, threshold=0.5).exact == (0.0, 1.0, 1.0, 0.0)


def test_refuses_what_the_original_cannot_score():
    with pytest.raises(DataError, match="q2"):
        score(GOLD, {"q1": "red"})


def test_of_equal_questions_the_last_counts():
    gold = [Question("1", ("x",)), Question("2", ("y",)), Question("1", ("z",))]
    assert score(gold, {"1": "z", "2": "n"}).exact == (1.0, 0.0)


def test_a_missing_null_score_is_named():
    with pytest.raises(DataError, match="q4"):
        best_thresholds(GOLD, ANSWERS, {"q1": 0.1, "q2": 0.1, "q3": 0.1})


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=12))
def test_best_is_the_best_of_all_thresholds(cases):
    gold = [Question(str(n), ("red fox",) if answerable else ()) for n, (answerable, _, _) in enumerate(cases)]
    answers = {str(n): "red fox" if right else "fox" for n, (_, right, _) in enumerate(cases)}
    # Null scores without ties, in an order that the numbers decide.
    nulls = {str(n): (null * len(cases) + n + 1) / 100 for n, (_, _, null) in enumerate(cases)}
    exact, f1 = best_thresholds(gold, answers, nulls)
    thresholds = [0.0, *nulls.values()]
    scores = [score(gold, answers, nulls, threshold=threshold) for threshold in thresholds]
    assert exact.score == pytest.approx(max(s.exact_percent for s in scores))
    assert f1.score == pytest.approx(max(s.f1_percent for s in scores))
    assert score(gold, answers, nulls, threshold=f1.threshold).f1_percent == pytest.approx(f1.score)
