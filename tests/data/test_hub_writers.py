"""What a writer writes its reader reads: no text is lost, whatever is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.hub.writers import write_rows
from stilts_core.data.readers import read
from stilts_core.errors import DataError

TEXT = st.text(st.sampled_from("ab\"'\\é\u2028\u00a0 ,-1\t\n"), min_size=1).filter(lambda text: text.strip())
NLI = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("writers")


def through(folder: Path, format: str, rows: list[dict[str, Any]], *, pair: bool = False, **how: Any) -> list[Any]:  # noqa: A002
    path, second = folder / "file", folder / "pair" if pair else None
    write_rows(format, rows, path, second)
    return read(format, path, pair=second, **how)


def flat(text: str) -> str:
    """A text without what a line of a table cannot hold."""
    return "".join(
        " " if first else char
        for char, first in (
            (char, char in "\t\n" and (not index or text[index - 1] not in "\t\n")) for index, char in enumerate(text)
        )
        if first or char not in "\t\n"
    )


@given(st.lists(st.tuples(TEXT, TEXT, st.sampled_from(NLI)), min_size=1))
def test_pairs(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    given = [{"sentence1": first, "sentence2": second, "label": label} for first, second, label in rows]
    read_back = through(folder, "pairs-tsv", given, labels=NLI)
    assert [(record.text_a, record.text_b, record.label) for record in read_back] == [
        (flat(first).strip(), flat(second).strip(), label) for first, second, label in rows
    ]
    exact = through(folder, "mnli-jsonl", given, labels=NLI)
    assert [(record.text_a, record.text_b, record.label) for record in exact] == rows


@given(st.lists(st.lists(st.tuples(TEXT, st.sampled_from(["NOUN", "X"])), min_size=1), min_size=1))
def test_words(folder: Path, sentences: list[list[tuple[str, str]]]) -> None:
    rows = [{"tokens": [word for word, _ in words], "tags": [tag for _, tag in words]} for words in sentences]
    for format in ("tags-tsv", "panx-tsv"):  # noqa: A001
        read_back = through(folder, format, rows)
        assert [record.tags for record in read_back] == [tuple(row["tags"]) for row in rows]
        assert [record.words for record in read_back] == [
            tuple("".join(word.split()) for word in row["tokens"]) for row in rows
        ]


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 3)), min_size=1), st.integers(-2, 2))
def test_questions(folder: Path, rows: list[tuple[str, str, int]], shift: int) -> None:
    given = [
        {
            "id": str(index),
            "title": "t",
            "context": f"{before}answer{after}",
            "question": before,
            "answers": {"text": ["answer"], "answer_start": [max(0, len(before) + shift)]},
        }
        for index, (before, after, _) in enumerate(rows)
    ]
    read_back = through(folder, "squad-json", given)
    assert [(record.id, record.context, record.answers) for record in read_back] == [
        (row["id"], row["context"], (("answer", len(before)),)) for row, (before, _, _) in zip(given, rows, strict=True)
    ]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1))
def test_translations(folder: Path, rows: list[tuple[str, str]]) -> None:
    read_back = through(
        folder, "parallel-lines", [{"source": first, "target": second} for first, second in rows], pair=True
    )
    assert len(read_back) == len(rows)


def test_questions_without_an_answer(folder: Path) -> None:
    row = {"id": "1", "title": "t", "context": "c", "question": "q", "answers": {"text": [], "answer_start": []}}
    (withheld,) = through(folder, "squad-json", [row])
    assert not withheld.has_gold
    (impossible,) = through(folder, "squad-json", [{**row, "null_answers": True}])
    assert impossible.impossible


def test_a_missing_column_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="'sentence2'"):
        write_rows("pairs-tsv", [{"sentence1": "a", "label": "neutral"}], folder / "file")
    with pytest.raises(DataError, match="'endings'"):
        write_rows(
            "hellaswag-jsonl", [{"ctx_a": "a", "ctx_b": "b", "ctx": "c", "label": "1", "ind": 1}], folder / "file"
        )
