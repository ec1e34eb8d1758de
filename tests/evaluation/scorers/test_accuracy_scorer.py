import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError, MissingInputError
from stilts_core.evaluation.scorers.accuracy import accuracy, read_choices, read_labels

LABELS = st.lists(st.sampled_from(["entailment", "neutral", "contradiction"]), min_size=1, max_size=30)


def test_worked_example():
    gold = ["neutral", "neutral", "entailment", "contradiction", "neutral"]
    predicted = ["neutral", "entailment", "entailment", "contradiction", "Neutral"]
    assert accuracy(gold, predicted) == 60.0


def test_divides_before_it_multiplies():
    assert accuracy(["a"] * 7 + ["b"] * 18, ["a"] * 25) == 7 / 25 * 100 == 28.000000000000004


def test_no_numeric_comparison():
    assert accuracy(["7"], ["07"]) == 0.0


@pytest.mark.parametrize(("gold", "predicted"), [([], []), (["a"], []), (["a"], ["a", "a"])])
def test_refuses_what_cannot_be_compared(gold, predicted):
    with pytest.raises(DataError):
        accuracy(gold, predicted)


def test_reader_takes_the_whole_stripped_line(tmp_path):
    path = tmp_path / "test-de.tsv"
    path.write_bytes("a b \n\n\u00a0c\u3000\r\nd\tx\re\u2028f\n".encode())
    assert read_labels(path) == ["a b", "", "c", "d\tx", "e\u2028f"]


def test_reader_keeps_a_byte_order_mark(tmp_path):
    path = tmp_path / "test-de.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\n")
    assert read_labels(path) == ["\ufeffa"]


def test_reader_names_an_unreadable_file(tmp_path):
    path = tmp_path / "test-de.tsv"
    with pytest.raises(MissingInputError, match=r"test-de\.tsv"):
        read_labels(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"test-de\.tsv"):
        read_labels(path)


def test_choices_are_compared_as_json_values(tmp_path):
    path = tmp_path / "test-et.jsonl"
    path.write_text('{"label": 1}\n{"idx": 3, "label": "1"}\n{"label": true}\n{"label": 1.0}\n', encoding="utf-8")
    assert accuracy([1, 1, 1, 1], read_choices(path)) == 75.0


@pytest.mark.parametrize("content", ['{"label": 1}\n\n', '{"lab": 1}\n', "[]\n"])
def test_choices_need_a_label_on_every_line(tmp_path, content):
    path = tmp_path / "test-et.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"test-et\.jsonl:[12]"):
        read_choices(path)


@given(LABELS, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_sides_may_be_swapped(gold, random):
    predicted = [random.choice(gold) for _ in gold]
    score = accuracy(gold, predicted)
    assert 0 <= score <= 100
    assert accuracy(predicted, gold) == score
    assert accuracy(gold[::-1], predicted[::-1]) == score
    assert accuracy(gold, gold) == 100
