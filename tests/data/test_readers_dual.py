"""What dual encoders learn from: sentences of SQuAD, and mentions in Wikipedia with their entities."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dual_files import json_lines, mention_pairs, paragraph, squad
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.readers import read
from stilts_core.data.readers.sentence_breaks import sentence_breaks
from stilts_core.data.tokenise import answer_distances
from stilts_core.errors import DataError


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_breaks(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["He came in.", "He saw 3 of them!", 'Did he say "yes"?', "(No.)", '"It was late."', "2 left."],
        ["It fell.[citation needed]", "Then it rose.[12][note 3]", "Dr. Who did it vs. Mr. J. R. R. Tolkien."],
        ["In Jan. 1900 the U.S. Army took No. 5 of Vol. IV, c. 300 AD.", "It was over at 5 p.m. EST."],
        ["They met in Washington D.C.", "The end came e.g. In 1990, as Smith et al. (1999) say."],
        ["Of I Am [...]", "But that was all"],
        ["A sentence without an end"],
    ],
)
def test_sentences_end_where_a_reader_would_end_them(sentences: list[str]) -> None:
    assert cut("  " + " ".join(sentences) + " \n") == sentences


@given(st.text(alphabet='AbZ.?! \n"[]()12é', max_size=60))
def test_sentences_hold_everything_but_the_white_space_between_them(text: str) -> None:
    breaks = sentence_breaks(text)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in breaks)
    ends = [0, *(place for span in breaks for place in span), len(text)]
    assert ends == sorted(ends)
    assert "".join("".join(text[start:end] for start, end in breaks).split()) == "".join(text.split())


def test_sentences_of_squad_are_cut_as_those_of_xquad_r(data: Path) -> None:
    """XQuAD-R's English sentences, which XTREME-R's own rules gave, are the reference."""
    document = json.loads((data / "lareqa/xquad-r/en.json").read_text(encoding="utf-8"))
    paragraphs = [paragraph for article in document["data"] for paragraph in article["paragraphs"]]
    assert len(paragraphs) == 26
    for entry in paragraphs:
        assert [list(span) for span in sentence_breaks(entry["context"])] == entry["sentence_breaks"]


def test_squad_sentences(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    first, second = paragraph([0, 1], "where is", breaks=False), paragraph([1, 2], "where is", breaks=False)
    for entry in second["qas"]:
        entry["id"] += "b"
    again = {**first["qas"][0], "id": "again"}
    elsewhere = {"text": "was", "answer_start": first["context"].rindex("was")}
    several = {"id": "several", "question": "?", "answers": [*first["qas"][1]["answers"], elsewhere]}
    none = {"id": "none", "question": "?", "answers": [], "is_impossible": True}
    first["qas"] += [again, several, none]
    path.write_text(squad(first, second), encoding="utf-8")
    records = read("squad-sentences", path)
    asked = [record for record in records if not record.candidate]
    assert [record.id for record in asked] == ["q0", "q1", "again", "several", "q1b", "q2b"]
    found = {(record.text, record.context): record.keys for record in records if record.candidate}
    assert found == {
        ("It was а.", first["context"]): ("q0", "again"),
        ("It was б.", first["context"]): ("q1", "several"),
        ("It was б.", second["context"]): ("q1b",),  # in another paragraph it is another answer
        ("It was в.", second["context"]): ("q2b",),
    }
    distances = answer_distances(records)
    assert [records[place + distances[place]].text[-2] for place in range(6)] == list("абаббв")
    assert not distances[6:].any()


def test_squad_sentences_of_the_slice(data: Path) -> None:
    records = read("squad-sentences", data / "squad/train-v1.1.json")
    spans = {record.id: record for record in read("squad-json", data / "squad/train-v1.1.json")}
    asked = [record for record in records if not record.candidate]
    assert len(asked) == len(spans) == 1685
    distances = answer_distances(records)
    inside = 0
    for place, record in enumerate(asked):
        answer, known = records[place + distances[place]], spans[record.id]
        assert answer.context == known.context
        inside += known.answers[0][0] in answer.text
    assert inside >= 0.99 * len(asked), "a sentence ends within an answer now and then"
    assert len({record.id for record in records}) == len(records)


def test_mention_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    german = mention_pairs("de")[0]
    path.write_text(json_lines([*mention_pairs(), german]), encoding="utf-8")
    records = read("mewslix-pairs", path)
    looking = [record for record in records if not record.candidate]
    entities = [record for record in records if record.candidate]
    assert (len(looking), len(entities)) == (48, 24)
    assert looking[0].text == "α: where is { α } what."
    assert (looking[0].id, looking[0].keys) == ("w0-0", ("Q0",))
    assert (entities[0].id, entities[0].text) == ("Q0", "а it is.")
    distances = answer_distances(records)
    assert np.array_equal(distances, [48 - number // 24 * 24 for number in range(48)] + [0] * 24)
    assert len(read("mewslix-pairs", path, language="de")) == 2


def test_mention_pairs_as_they_are_documented(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs/tasks.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```json\n(.*?)```", document, re.DOTALL)
    path = tmp_path / "pairs.jsonl"
    path.write_text(json_lines([json.loads(shown)]), encoding="utf-8")
    mention, entity = read("mewslix-pairs", path)
    assert (mention.text, entity.text) == ("Elbe: It lies on the { Elbe } .", "The Elbe is a river.")
    assert mention.keys == entity.keys


def _without_entity(row: dict[str, Any]) -> None:
    del row["entity"]


def _other_entity(row: dict[str, Any]) -> None:
    row["entity"]["entity_id"] = "Q99"


def _other_description(row: dict[str, Any]) -> None:
    row["entity"]["description"] = row["entity"]["description"].replace("it", "at")


def _moved(row: dict[str, Any]) -> None:
    row["contextual_mention"]["mention"]["mention_span"]["start"] += 1


def _beyond(row: dict[str, Any]) -> None:
    row["contextual_mention"]["context"]["sentence_spans"][0]["end"] = 999


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_entity, ":25: the objects `contextual_mention`"),
        (_other_entity, ":25: the mention is of another entity than Q99"),
        (_other_description, ":25: the entity Q0 has another description before"),
        (_moved, ":25: the mention"),
        (_beyond, ":25: the span 0 to 999 does not lie in its text"),
    ],
)
def test_mention_pairs_that_are_wrong_are_named(spoil: Any, message: str, tmp_path: Path) -> None:
    rows = mention_pairs()
    spoil(rows[24])
    path = tmp_path / "pairs.jsonl"
    path.write_text(json_lines(rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read("mewslix-pairs", path)
    assert message in str(caught.value)
