import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.catalog.models import Head
from stilts_core.errors import DivergedError
from stilts_core.evaluation import decode
from stilts_core.evaluation.decode import Span, best_spans, choices, labels_of, random_spans, word_tags

CONTEXT = "abcdefghijklmnopqrstuvwxyz"


@st.composite
def questions(draw):
    """Examples with windows of the context, and logits with many ties."""
    examples = []
    for number in range(draw(st.integers(1, 5))):
        windows = []
        for _ in range(draw(st.integers(1, 3))):
            begin = draw(st.integers(0, 10))
            sizes = draw(st.lists(st.integers(0, 3), max_size=6))
            bounds = np.cumsum([begin, *sizes]).tolist()
            windows.append([tuple(bounds[i : i + 2]) for i in range(len(sizes))])
        examples.append((f"q{number}", CONTEXT, windows, ("x",)))
    tokens = sum(len(window) + 3 for _, _, windows, _ in examples for window in windows)
    logits = st.lists(st.integers(-2, 2), min_size=tokens, max_size=tokens)
    return examples, draw(logits), draw(logits), draw(st.integers(1, 5))


def naive_spans(dataset, start, end, answer_length):
    """All pairs of all windows, one after another."""
    found = []
    for example in range(int(dataset.meta["examples"])):
        best, text, null = None, "", math.inf
        for feature in np.flatnonzero(dataset.example_of == example):
            first, stop = dataset.offsets[feature], dataset.offsets[feature + 1]
            null = min(null, start[first] + end[first])
            for s in range(first, stop):
                for e in range(s, min(s + answer_length, stop)):
                    solid = all(0 <= dataset.columns["char_start"][t] < dataset.columns["char_end"][t] for t in (s, e))
                    if solid and (best is None or start[s] + end[e] > best):
                        best = start[s] + end[e]
                        text = CONTEXT[dataset.columns["char_start"][s] : dataset.columns["char_end"][e]]
        found.append((text, best, null))
    return found


@settings(max_examples=60)
@given(questions(), st.integers(1, 12))
def test_best_spans_equal_all_pairs(build_spans, case, block):
    examples, start, end, answer_length = case
    dataset = build_spans([("test", "de", examples)])
    start, end = np.array(start, dtype=np.float32), np.array(end, dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_BLOCK_TOKENS", block)
        spans = best_spans(dataset, start, end, answer_length, null_answers=True)
    expected = naive_spans(dataset, start, end, answer_length)
    for span, (text, score, null) in zip(spans, expected, strict=True):
        assert (span.text, span.null_score) == (text, null)
        assert span.score == (np.finfo(np.float32).min if score is None else score)
    some = np.arange(len(examples))[::-2]
    assert best_spans(dataset, start, end, answer_length, True, examples=some) == [spans[i] for i in some]


def test_logits_of_other_examples_are_not_looked_at(build_spans):
    window = [(0, 2), (2, 4)]
    dataset = build_spans([("dev", "en", [("a", CONTEXT, [window], ()), ("b", CONTEXT, [window], ())])])
    logits = np.array([np.nan] * 5 + [0, 0, 1, 2, 0])
    assert best_spans(dataset, logits, logits, 3, examples=np.array([1])) == [Span("cd", 4.0)]
    with pytest.raises(DivergedError):
        best_spans(dataset, logits, logits, 3)


def test_a_context_without_tokens_has_no_answer(build_spans):
    dataset = build_spans([("test", "en", [("a", "", [[]], ("x",))])])
    [span] = best_spans(dataset, np.zeros(3), np.zeros(3), 5, null_answers=True)
    assert span.text == ""
    assert span.null_probability == 1.0


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_null_probability_rises_with_the_null_score(null, score):
    probability = Span("x", score, null).null_probability
    assert 0 <= probability <= 1
    assert probability <= Span("x", score, null + 1).null_probability
    if abs(null - score) < 30:
        assert probability == pytest.approx(1 / (1 + math.exp(score - null)))


def test_random_spans_come_from_the_context(build_spans):
    windows = [[(0, 1), (1, 3)], [(1, 3), (3, 6)]]
    dataset = build_spans([("test", "en", [("a", CONTEXT, windows, ("x",)), ("b", "", [[]], ("x",))])])
    drawn = np.array([0] * 200 + [1])
    spans = random_spans(dataset, 2, np.random.default_rng(0), examples=drawn)
    assert set(spans[:-1]) == {"a", "abc", "bc", "bcdef", "def"}
    assert spans[-1] == ""
    assert spans == random_spans(dataset, 2, np.random.default_rng(0), examples=drawn)


def test_word_tags_join_split_sentences(build_tags):
    dataset = build_tags(
        [
            (
                "test",
                "de",
                [
                    (["a", "b", "c"], None, [[-1, 0, -1, 1, -1], [-1, 1, -1]]),
                    ([], None, [[-1, -1]]),
                    (["d"], None, [[-1, 0, -1]]),
                ],
            )
        ],
        ["NOUN", "VERB"],
    )
    label = np.array([1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0], dtype=np.int16)
    assert word_tags(dataset, label, ["NOUN", "VERB"]) == [["NOUN", "VERB", "X"], [], ["VERB"]]
    assert word_tags(dataset, label, ["NOUN", "O"])[0] == ["NOUN", "O", "O"]
    assert word_tags(dataset, label, ["NOUN", "VERB"], examples=np.array([2, 0])) == [["VERB"], ["NOUN", "VERB", "X"]]


def test_labels_take_the_first_of_equals():
    assert labels_of(np.array([[0, 2, 2], [1, 1, 0]])).tolist() == [1, 0]
    with pytest.raises(DivergedError):
        labels_of(np.array([[0, np.inf]]))


@given(st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=5), min_size=1, max_size=8))
def test_choices_are_the_first_best_of_each_example(build, scores):
    dataset = build(
        Head.CHOICE,
        [("dev", "en", len(scores))],
        [[1] * len(row) for row in scores],
        {"label": [0] * len(scores)},
        [{"id": str(number)} for number in range(len(scores))],
    )
    flat = np.array([score for row in scores for score in row], dtype=np.float32)
    expected = [row.index(max(row)) for row in scores]
    assert choices(dataset, flat).tolist() == expected
    backwards = np.arange(len(scores))[::-1]
    assert choices(dataset, flat, examples=backwards).tolist() == expected[::-1]
