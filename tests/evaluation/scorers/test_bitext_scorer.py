import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.bitext import (
    above,
    best_threshold,
    collect_candidates,
    last_copies,
    pair_score,
    unambiguous,
)

GOLD = ["a\t1", "b\t2", "c\t3"]


def ranked(*scores):
    """Candidates by their scores, right ones with a gold pair each, wrong ones (None) with one of their own."""
    gold = iter(GOLD)
    named = (next(gold).split("\t") if right else ("x", str(place)) for place, (_, right) in enumerate(scores))
    return {tuple(pair): score for pair, (score, _) in zip(named, scores, strict=True)}


@pytest.mark.parametrize(
    ("candidates", "threshold"),
    [
        (ranked((0.9, True), (0.8, False), (0.7, True), (0.6, False)), 0.65),
        (ranked((0.9, True), (0.8, True), (0.8, False), (0.6, False)), 0.8),
        (ranked((0.9, True), (0.8, False), (0.8, True), (0.6, False)), 0.7),
    ],
)
def test_worked_examples(candidates, threshold):
    found = best_threshold(candidates, GOLD)
    assert found == pytest.approx(threshold)
    score = pair_score(GOLD, above(candidates, found))
    assert (score.precision, score.recall) == (2 / 3 * 100, 2 / 3 * 100)
    assert score.f1 == pytest.approx(66.667, abs=5e-4)


def test_a_walk_that_is_best_at_its_end():
    candidates = ranked((0.9, False), (0.5, True))
    with pytest.raises(DataError, match="official program"):
        best_threshold(candidates, GOLD)
    assert best_threshold(candidates, GOLD, after_last=True) == 0.5


def test_nothing_right_keeps_the_start():
    assert best_threshold(ranked((0.9, False), (-1.0, False)), GOLD) == 0
    assert best_threshold({}, GOLD) == 0


def test_gold_lines_that_stand_twice_may_count_twice():
    candidates = ranked((0.9, True), (0.8, False), (0.7, True), (0.1, False))
    assert best_threshold(candidates, GOLD[:2], gold_count=2) == pytest.approx(0.4)
    assert best_threshold(candidates, GOLD[:2], gold_count=4) == pytest.approx(0.4)


def test_a_score_that_is_no_number():
    with pytest.raises(DataError, match="NaN"):
        best_threshold({("a", "1"): float("nan")}, GOLD)


def test_pairs_are_lines_and_duplicates_collapse():
    score = pair_score(["a\t1", "a\t1", ""], ["a\t1", "", "", "a\t1\tx"])
    assert (score.correct, score.predicted, score.gold) == (2, 3, 2)
    assert (pair_score([], []).f1, pair_score(["a\t1"], []).precision) == (0, 0)


def test_texts_that_stand_twice():
    assert last_copies(["a", "b", "a", "a ", "b"]) == [2, 4, 3]
    assert unambiguous(["a", "b", "a ", "c"], ["1", "2", "3", "4"]) == {"b": "2", "c": "4"}


def test_a_pair_met_again_keeps_its_place_and_the_higher_score():
    found = collect_candidates([("a", "1", 0.5), ("b", "1", 0.4), ("a", "1", 0.7), ("b", "1", 0.1)])
    assert list(found.items()) == [(("a", "1"), 0.7), (("b", "1"), 0.4)]


@given(st.lists(st.tuples(st.floats(-2, 2), st.booleans()), max_size=8).filter(lambda s: sum(r for _, r in s) <= 3))
def test_the_threshold_is_as_good_as_any_other_unless_scores_are_equal(scores):
    scores = list({score: (score, right) for score, right in scores}.values())
    candidates = ranked(*scores)
    found = pair_score(GOLD, above(candidates, best_threshold(candidates, GOLD, after_last=True))).f1
    best = max((pair_score(GOLD, above(candidates, score)).f1 for score, _ in scores), default=0)
    assert found == pytest.approx(best)


@given(st.lists(st.sampled_from([*GOLD, "", "x\t1"])), st.lists(st.sampled_from([*GOLD, "", "x\t1"])), st.randoms())
def test_order_does_not_matter(gold, predicted, random):
    before = pair_score(gold, predicted)
    random.shuffle(predicted)
    assert pair_score(gold[::-1], predicted) == before
