import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.aggregate import aggregate

PERCENT = st.floats(0, 100)


def test_mean_over_languages_with_english():
    scores = {"en": {"accuracy": 80.0}, "de": {"accuracy": 70.0}, "sw": {"accuracy": 0.0}, "xx": {"accuracy": 1.0}}
    assert aggregate("accuracy", ["en", "de", "sw"], scores).score == 50.0


def test_questions_take_the_mean_of_both_means():
    scores = {"en": {"exact_match": 60.0, "f1": 80.0}, "de": {"exact_match": 20.0, "f1": 45.0}}
    task = aggregate("squad", ["en", "de"], scores)
    assert task.score == (40.0 + 62.5) / 2
    assert task.measures == {"exact_match": 40.0, "f1": 62.5}


def test_a_missing_language_is_named():
    with pytest.raises(DataError, match="udpos has no score in sw, th:"):
        aggregate("tag-f1", ["en", "sw", "th"], {"en": {"f1": 1.0}, "th": {}}, task="udpos")


@pytest.mark.parametrize(("metric", "languages"), [("accuracy", []), ("tag-f1", ["en"]), ("bleu", ["en"])])
def test_refusals(metric, languages):
    with pytest.raises(DataError):
        aggregate(metric, languages, {"en": {"accuracy": 1.0}})


@given(st.dictionaries(st.sampled_from(["en", "de", "fr", "sw"]), PERCENT, min_size=1))
def test_bounds_and_order(scores):
    measures = {language: {"accuracy": score, "accuracy@state00": 0.0} for language, score in scores.items()}
    forth = aggregate("retrieval-accuracy", list(scores), measures).score
    back = aggregate("retrieval-accuracy", list(scores)[::-1], measures).score
    assert forth == pytest.approx(back)
    assert min(scores.values()) - 1e-9 <= forth <= max(scores.values()) + 1e-9


def test_sums_run_from_left_to_right():
    scores = {"a": {"accuracy": 0.1}, "b": {"accuracy": 0.2}, "c": {"accuracy": 0.3}}
    assert aggregate("accuracy", ["a", "b", "c"], scores).score == ((0.1 + 0.2) + 0.3) / 3
