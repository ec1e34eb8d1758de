"""BUCC, LAReQA and Mewsli-X in the formats of their releases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stilts_core.data.readers import read
from stilts_core.data.readers.search import read_entities
from stilts_core.errors import DataError, SpecError


@pytest.fixture
def bucc(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "de").write_text("de-1\tEin Satz. \nde-2\tNoch\teiner\nde-3\tEin Satz. \n")
    (tmp_path / "en").write_text("en-1\tA sentence.\nen-2\tOther\n")
    (tmp_path / "gold").write_text("de-1\ten-1\n")
    return {"path": tmp_path / "de", "pair": tmp_path / "en", "gold": tmp_path / "gold"}


def test_bucc_keeps_the_raw_text_and_knows_the_right_pairs(bucc: dict[str, Path]) -> None:
    records = read("bucc", **bucc)
    assert [(r.id, r.text, r.raw, r.candidate, r.keys) for r in records] == [
        ("de-1", "Ein Satz.", "Ein Satz. ", False, ("en-1",)),
        ("de-2", "Noch\teiner", "Noch\teiner", False, ()),
        ("de-3", "Ein Satz.", "Ein Satz. ", False, ()),
        ("en-1", "A sentence.", "A sentence.", True, ("en-1",)),
        ("en-2", "Other", "Other", True, ("en-2",)),
    ]
    assert {r.keys for r in read("bucc", bucc["path"], pair=bucc["pair"])} == {None}
    with pytest.raises(SpecError, match="one side"):
        read("bucc", bucc["path"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("path", "de-1 Ein Satz.\n", ":1: an id, a tab and a sentence"),
        ("path", "de-1\ta\nde-1\tb\n", ":2: the id de-1 stands here for the second time"),
        ("gold", "de-1\ten-1\nde-1\ten-9\n", ":2: a sentence of de, a tab and one of en"),
        ("gold", "de-1\ten-1\t1\n", ":1: a sentence of de"),
    ],
)
def test_bucc_of_another_shape_is_refused(bucc: dict[str, Path], name: str, text: str, message: str) -> None:
    bucc[name].write_text(text)
    with pytest.raises(DataError, match=message):
        read("bucc", **bucc)


CONTEXT = "Eins. Zwei zwei. Eins."
BREAKS = [[0, 5], [6, 16], [17, 22]]


def lareqa(path: Path, **paragraph: object) -> Path:
    unasked = {"context": "Leer.", "sentence_breaks": [[0, 5]], "sentences": ["Leer."], "qas": []}
    asked = {
        "context": CONTEXT,
        "sentence_breaks": BREAKS,
        "sentences": [CONTEXT[start:end] for start, end in BREAKS],
        "qas": [
            {"id": "q1", "question": "Was?", "answers": [{"answer_start": 6, "text": "Zwei"}]},
            {"id": "q2", "question": "Wie?", "answers": [{"answer_start": 17, "text": "Eins"}]},
            {"id": "between", "question": "Wo?", "answers": [{"answer_start": 5, "text": " Z"}]},
        ],
    }
    path.write_text(json.dumps({"data": [{"paragraphs": [unasked, asked | paragraph]}], "version": "1.1"}))
    return path


def test_lareqa_answers_are_all_sentences_that_equal_the_right_one(tmp_path: Path) -> None:
    records = read("lareqa-json", lareqa(tmp_path / "de.json"), language="de")
    assert [(r.id, r.candidate, r.keys) for r in records] == [
        ("q1", False, ("q1",)),
        ("q2", False, ("q2",)),
        ("de_2_0", True, ("q2",)),
        ("de_2_1", True, ("q1",)),
        ("de_2_2", True, ("q2",)),
    ]
    assert {(r.text, r.context) for r in records[2:]} == {("Eins.", CONTEXT), ("Zwei zwei.", CONTEXT)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sentence_breaks": [[0, 99]]}, "the span 0 to 99 does not lie in its text"),
        ({"sentence_breaks": None}, "a list `sentence_breaks`"),
        ({"qas": [{"id": "q", "question": "?", "answers": []}]}, "question q: an answer is expected"),
        ({"qas": [{"question": "?", "answers": []}]}, "a question without `id`"),
    ],
)
def test_lareqa_of_another_shape_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("lareqa-json", lareqa(tmp_path / "de.json", **change), language="de")


def test_the_slices_of_lareqa_have_an_answer_in_every_language(data: Path) -> None:
    keys = {}
    for path in sorted((data / "lareqa/xquad-r").glob("*.json")):
        records = read("lareqa-json", path, language=path.stem)
        questions = [record.id for record in records if not record.candidate]
        assert len(questions) == 158
        answered = [key for record in records if record.candidate for key in record.keys]
        assert set(answered) == set(questions)
        keys[path.stem] = set(questions)
    assert len(keys) == 11
    assert len({frozenset(ids) for ids in keys.values()}) == 1


TEXT = "Vorher {so} etwas.\nAngela  Merkel kam\nnach {Bonn} in Bonn."


def mentions(path: Path, **mention: object) -> Path:
    context = {
        "document_id": "1",
        "document_url": "",
        "document_title": "",
        "language": "de",
        "text": TEXT,
        "sentence_spans": [{"start": 0, "end": 18}, {"start": 19, "end": len(TEXT)}],
    }
    start = TEXT.index("Merkel")
    found = {
        "example_id": "e1",
        "entity_id": "Q94746073",
        "mention_span": {"start": start, "end": start + 6, "text": "Merkel"},
    }
    rows = [
        {"context": context, "mentions": [found | mention]},
        {"context": context | {"language": "en"}, "mentions": []},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_mention_is_marked_in_its_sentence(tmp_path: Path) -> None:
    (record,) = read("mewslix-jsonl", mentions(tmp_path / "m.jsonl"), language="de")
    assert record.text == "Merkel: Angela  { Merkel } kam nach (Bonn) in Bonn."  # three blanks: of each pair one goes
    assert (record.id, record.candidate, record.keys) == ("e1", False, ("Q94746073",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mention_span": {"start": 0, "end": 3, "text": "xyz"}}, "the mention `xyz` does not stand in one sentence"),
        ({"mention_span": {"start": 16, "end": 21, "text": TEXT[16:21]}}, "does not stand in one sentence"),
        ({"mention_span": None}, "a mention without `mention_span`"),
        ({"entity_id": 5}, "`entity_id` is 5"),
    ],
)
def test_a_mention_that_is_not_where_it_should_be_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read("mewslix-jsonl", mentions(tmp_path / "m.jsonl", **change), language="de")


def test_the_release_without_text_says_what_is_missing(tmp_path: Path) -> None:
    row = {"context": {"language": "de", "text": "", "sentence_spans": []}, "mentions": []}
    (tmp_path / "m.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="no text") as caught:
        read("mewslix-jsonl", tmp_path / "m.jsonl", language="de")
    assert "get-mewsli-x.sh" in str(caught.value.hint)


def test_an_entity_is_its_sentences(tmp_path: Path) -> None:
    rows = [
        {"entity_id": f"Q{n}", "title": "", "description": "One.\nTwo. Three", "sentence_spans": [[0, 4], [5, 9]]}
        for n in range(2)
    ]
    path = tmp_path / "e.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(r.id, r.text, r.keys) for r in read_entities(path)] == [
        ("Q0", "One. Two.", ("Q0",)),
        ("Q1", "One. Two.", ("Q1",)),
    ]
    path.write_text((json.dumps(rows[0]) + "\n") * 2)
    with pytest.raises(DataError, match="the entity Q0 stands here for the second time"):
        read_entities(path)
