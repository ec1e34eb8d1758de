"""The table and the choices of one's own tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.data.readers import labels_in, read
from stilts_core.data.records import ChoiceRecord, PairRecord
from stilts_core.data.tokenise import TextEncoder, pairs
from stilts_core.errors import DataError, StiltsError


def written(folder: Path, text: str) -> Path:
    path = folder / "data"  # a cached file has no ending
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("a b\tx\nc\ty\n", {}, [("a b", None, "x"), ("c", None, "y")]),
        ("a\tb\tx\n", {}, [("a", "b", "x")]),
        ("label\ttext\nx\ta\n", {}, [("a", None, "x")]),
        ("id\tpremise\thypothesis\tlabel\n1\ta\tb\tx\n", {}, [("a", "b", "x")]),
        ("text\na\n", {}, [("a", None, None)]),
        ('id,review,stars\n1,"a, ""b""",x\n', {"text": "review", "label": "stars"}, [('a, "b"', None, "x")]),
        ('id,review,stars\n1,"two\nlines",x\n', {"text": "review", "label": "stars"}, [("two\nlines", None, "x")]),
        ("1\tx\ta\n", {"text": 3, "label": 2}, [("a", None, "x")]),
        ("review,stars\na,x\n", {"text": "review", "label": 2}, [("a", None, "x")]),
        ("review\nb\n", {"text": "review", "label": "stars"}, [("b", None, None)]),
        ('"a ""b"""\tx\n', {}, [('a "b"', None, "x")]),
        ('"a" b\tx\n', {}, [('"a" b', None, "x")]),
    ],
)
def test_which_column_is_what(
    tmp_path: Path, text: str, columns: dict[str, str | int], expected: list[tuple[str, str | None, str | None]]
) -> None:
    records = read("table", written(tmp_path, text), columns=columns)  # type: ignore[arg-type]
    assert all(isinstance(record, PairRecord) for record in records)
    assert [(record.text_a, record.text_b, record.label) for record in records] == expected


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("a\tx\nb\n", {}, ":2: 1 column where 2 are expected"),
        ("a\tb\tc\td\n", {}, ":1: 4 columns, and no header that names the text: a, b, c, d"),
        ("a\tx\n", {"text": 3}, ":1: there is no column 3: the first row has 2 columns"),
        (
            "review\tstars\na\tx\n",
            {"text": "revew"},
            'unknown column "revew"; allowed: review, stars; did you mean "review"',
        ),
        ("text\tlabel\n \tx\n", {}, ":2: the text is empty"),
        ('a,"b\n', {}, "no valid CSV"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path: Path, text: str, columns: dict[str, str | int], said: str) -> None:
    with pytest.raises(DataError) as caught:
        read("table", written(tmp_path, text), columns=columns)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_the_labels_are_those_of_the_file(tmp_path: Path) -> None:
    assert labels_in("table", written(tmp_path, "a\tno\nb\tyes\nc\tno\n")) == ("no", "yes")
    with pytest.raises(StiltsError, match="gives no list of labels: it has 1"):
        labels_in("table", written(tmp_path, "a\tno\n"))


def test_choices_have_a_context_and_the_number_of_the_right_one(tmp_path: Path) -> None:
    text = (
        '{"context": "a", "choices": ["b", "c"], "label": 1, "id": "q"}\n{"context": "d", "choices": ["e", "f", "g"]}\n'
    )
    assert read("choices-jsonl", written(tmp_path, text)) == [
        ChoiceRecord("q", "a", ("b", "c"), 1),
        ChoiceRecord("1", "d", ("e", "f", "g"), None),
    ]
    for wrong in ('{"context": "a", "choices": ["b"]}', '{"context": "a", "choices": ["b", "c"], "label": 2}'):
        with pytest.raises(DataError, match=":1: "):
            read("choices-jsonl", written(tmp_path, wrong))


def test_a_text_alone_has_the_special_tokens_of_one_text(encoder: TextEncoder) -> None:
    records = [PairRecord("0", "the quick brown fox", None, "x"), PairRecord("1", "dog", None, "y")]
    part = pairs(encoder, records, ["x", "y"], 8)
    lone = encoder.backend.encode("dog").ids
    assert part.ids[part.offsets[1] :].tolist() == lone
    assert part.offsets[1] <= 8
    assert part.columns["label"].tolist() == [0, 1]
