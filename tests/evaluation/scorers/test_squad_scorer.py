import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.squad import (
    Question,
    exact_match,
    normalise,
    read_answers,
    read_questions,
    score,
    token_f1,
)

TEXTS = st.text(alphabet=st.sampled_from("ab theAN.,-_ \u00a0\u3000éa\u0300上。İΣ$"), max_size=20)

WORKED = [
    ("The U.S. Army", "us army", 1, 1),
    ("well-known", "well known", 0, 0),
    ("an.", "", 1, 0),
    ("in the year 1990", "1990", 0, 0.5),
    ("à Paris", "a\u0300 Paris", 0, 0.5),
    ("上海市浦东", "上海市浦东。", 0, 0),
    ("£20", "$20", 0, 0),
    ("20", "#20", 1, 1),
]


@pytest.mark.parametrize(("gold", "predicted", "exact", "f1"), WORKED)
def test_worked_examples(gold, predicted, exact, f1):
    assert exact_match(gold, predicted) == exact
    assert token_f1(gold, predicted) == f1


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("ΟΔΟΣ", "οδο\u03c2"),
        ("İ", "i\u0307"),
        (string.punctuation, ""),
        ("a\u200bthe", "\u200b"),
        ("x\u0085y\u2028z\u001cw", "x y z w"),
        ("x\ufeffy\u200dz", "x\ufeffy\u200dz"),
        ("another the_an then", "another thean then"),
        ("l'an a-n", "lan"),
    ],
)
def test_normalisation(text, normalised):
    assert normalise(text) == normalised


def test_maximum_over_answers_is_taken_for_each_measure():
    gold = [Question("1", ("red fox", "the fox runs far")), Question("2", ("blue",))]
    scores = score(gold, {"1": "fox runs", "2": "blue"})
    assert scores.exact == (0.0, 1.0)
    assert scores.f1[0] == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert scores.exact_percent == 50.0


def test_missing_predictions_count_and_others_do_not():
    scores = score([Question("1", ("a1",)), Question("2", ("b",))], {"1": "a1", "9": "x"})
    assert (scores.exact_percent, scores.f1_percent) == (50.0, 50.0)


def test_a_question_that_stands_twice_counts_twice():
    gold = [Question("1", ("x",)), Question("1", ("x",)), Question("2", ("y",))]
    assert score(gold, {"1": "x"}).exact_percent == 100.0 * 2 / 3


def test_a_question_without_gold_answers():
    assert score([Question("1", ())], {}).exact == (0.0,)
    with pytest.raises(DataError, match="Question 1"):
        score([Question("1", ())], {"1": "x"})


def test_nothing_to_score():
    with pytest.raises(DataError):
        _ = score([], {}).exact_percent


def test_readers_take_data_and_the_last_of_equal_keys(tmp_path):
    gold = tmp_path / "gold.json"
    question = {"id": "q", "answers": [{"text": "x", "answer_start": 0}, {"text": "y", "answer_start": 1}]}
    gold.write_text(json.dumps({"data": [{"paragraphs": [{"qas": [question]}]}]}), encoding="utf-8")
    assert read_questions(gold) == [Question("q", ("x", "y"))]
    answers = tmp_path / "answers.json"
    answers.write_text('{"data": {"q": "1", "q": "2"}}', encoding="utf-8")
    assert read_answers(answers) == {"q": "2"}


def test_a_list_answers_nothing_and_other_ids_are_not_looked_at(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[1]", encoding="utf-8")
    assert read_answers(path) == {}
    path.write_text('{"q": 1, "r": "x"}', encoding="utf-8")
    assert score([Question("r", ("x",))], read_answers(path, [Question("r", ())])).exact == (1.0,)


@pytest.mark.parametrize("text", ["", "1", '{"q": 1}', '{"q": null}', '\ufeff{"q": ""}'])
def test_readers_refuse_other_files(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_answers(path, [Question("q", ())])
    with pytest.raises(DataError):
        read_questions(path)


@given(TEXTS, TEXTS)
def test_measures_are_symmetric_and_bounded(one, other):
    assert token_f1(one, other) == pytest.approx(token_f1(other, one))
    assert 0 <= token_f1(one, other) <= 1
    assert exact_match(one, other) == exact_match(other, one)
    if exact_match(one, other) and normalise(one):
        assert token_f1(one, other) == 1


@given(TEXTS)
def test_white_space_and_case_do_not_matter(text):
    assert normalise(f" \u3000{text}\u00a0\n") == normalise(text)
    assert normalise(normalise(text)) == normalise(text)


@given(st.dictionaries(st.sampled_from("abcdef"), TEXTS, min_size=1), st.randoms(use_true_random=False))
def test_order_of_predictions_does_not_matter(answers, random):
    gold = [Question(id_, ("the red fox", "上海")) for id_ in "abcdef"]
    shuffled = list(answers.items())
    random.shuffle(shuffled)
    assert score(gold, answers) == score(gold, dict(shuffled))
