"""Counts in one pass agree with what the readers give, and known faults of copies are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.quirks import load_quirks, recognise
from stilts_core.data.readers import read
from stilts_core.data.tally import CONSTANT_FROM, Tally, TallyMemory, Way, tally, tally_records
from stilts_core.errors import DataError, MissingInputError

NLI = ("entailment", "neutral", "contradiction")
WORD = st.text("ab cé\u2028\u00a0'", min_size=1).filter(lambda text: text.strip())


def both(folder: Path, way: Way, text: str) -> Tally:
    """The quick count, after a look that it is the reader's."""
    path = folder / "file"
    path.write_text(text, encoding="utf-8", newline="")
    quick = tally(way, path)
    strict = Way(way.format, way.labels, way.language, strict=True)
    assert way.quick
    assert quick == tally(strict, path)
    assert quick == tally_records(read(way.format, path, labels=way.labels, language=way.language))
    return quick


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tally")


@given(
    rows=st.lists(st.tuples(WORD, WORD, st.sampled_from([*NLI, "-"])), min_size=1).filter(
        lambda rows: any(row[2] != "-" for row in rows)
    ),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_pairs(folder: Path, rows: list[tuple[str, str, str]], end: str, last: bool, mark: str) -> None:
    text = mark + end.join("\t".join(row) for row in rows) + end * last
    found = both(folder, Way("pairs-tsv", NLI), text)
    assert found.records == sum(row[2] != "-" for row in rows)


@given(st.lists(st.lists(st.sampled_from(["a", "b\u00a0", "é"]), min_size=1), min_size=1), st.booleans())
def test_tags(folder: Path, sentences: list[list[str]], tagged: bool) -> None:
    text = "\n\n".join("\n".join(word + "\tX" * tagged for word in words) for words in sentences) + "\n"
    assert both(folder, Way("tags-tsv"), text) == Tally(len(sentences), "present" if tagged else "absent")
    assert both(folder, Way("panx-tsv", language="de"), text).records == len(sentences)


@given(st.lists(st.sampled_from([*NLI, "-", "-1"]), min_size=1).filter(lambda labels: set(labels) & set(NLI)))
def test_json_lines(folder: Path, labels: list[str]) -> None:
    rows = [{"gold_label": label, "sentence1": "a", "sentence2": "b"} for label in labels]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert both(folder, Way("mnli-jsonl", NLI), text).records == sum(label in NLI for label in labels)


@given(st.lists(st.sampled_from([0, 1, -1]), min_size=1))
def test_choices(folder: Path, labels: list[int]) -> None:
    rows = [
        {"ctx_a": "a", "ctx_b": "b", "endings": ["c", "d"], "premise": "p", "choice1": "c", "choice2": "d"}
        | {"question": "cause", "label": label}
        for label in labels
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    for format in ("hellaswag-jsonl", "xcopa-jsonl"):  # noqa: A001
        assert both(folder, Way(format), text).records == len(labels)


def squad(ids: list[str], *, answers: bool = True) -> str:
    answer = [{"text": "here", "answer_start": 0}] if answers else [{"text": "", "answer_start": 0}]
    questions = [{"id": key, "question": "where?", "answers": answer} for key in ids]
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "here it is", "qas": questions}]}]})


def test_questions(folder: Path) -> None:
    assert both(folder, Way("squad-json"), squad(["1", "2"])) == Tally(2, "present")
    assert both(folder, Way("squad-json"), squad(["1", "2"], answers=False)) == Tally(2, "absent")
    assert both(folder, Way("tydiqa-json"), squad(["english-1", "finnish-2", "english-3"])).records == 2
    assert both(folder, Way("tydiqa-json"), squad(["1", "2"])).records == 2
    impossible = squad(["1"]).replace('"id"', '"is_impossible": true, "id"')
    assert both(folder, Way("squad-json"), impossible) == Tally(1, "present")


def test_lines(folder: Path) -> None:
    assert both(folder, Way("text-lines"), "a\n\nb\n").records == 3


def test_one_answer_to_everything_is_a_placeholder(folder: Path) -> None:
    rows = "a\tb\tneutral\n"
    assert both(folder, Way("pairs-tsv", NLI), rows * CONSTANT_FROM).gold == "constant"
    assert both(folder, Way("pairs-tsv", NLI), rows * (CONSTANT_FROM - 1)).gold == "present"
    assert both(folder, Way("pairs-tsv", NLI), rows * CONSTANT_FROM + "a\tb\tentailment\n").gold == "present"
    assert both(folder, Way("pairs-tsv", NLI), "a\tb\n" * CONSTANT_FROM).gold == "absent"


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("squad-json", "{"),
        ("squad-json", '{"data": [{}]}'),
        ("squad-json", '{"data": []}'),
        ("mnli-jsonl", "[1]\n"),
        ("pairs-tsv", ""),
        ("tags-tsv", "\n\n"),
    ],
)
def test_a_file_of_another_kind_is_refused(format: str, text: str, tmp_path: Path) -> None:  # noqa: A002
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(DataError, match="file"):
        tally(Way(format), path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        tally(Way("pairs-tsv"), tmp_path / "none")


def test_a_tally_is_remembered_by_what_the_file_holds_and_how_it_is_read(tmp_path: Path) -> None:
    memory = TallyMemory(tmp_path / "tallies")
    way = Way("pairs-tsv", NLI)
    memory.keep(way.key(["a"]), Tally(3, "present"))
    assert memory.recall(way.key(["a"])) == Tally(3, "present")
    assert memory.recall(way.key(["b"])) is None
    assert memory.recall(Way("pairs-tsv", NLI, strict=True).key(["a"])) is None
    (tmp_path / "tallies" / way.key(["a"])).write_text("{broken")
    assert memory.recall(way.key(["a"])) is None


# Known faults


def names(*place: str, **signs: object) -> list[str]:
    return [quirk.name for quirk in recognise(*place, **{"records": None, "expected": None, **signs})]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "records", "name"),
    [
        (("pawsx", "train", "en"), 49175, "pawsx-lossy"),
        (("pawsx", "dev", "es"), 1961, "pawsx-lossy"),
        (("pawsx", "dev", "fr"), 1988, "pawsx-lossy"),
        (("pawsx", "test", "ko"), 1999, "pawsx-lossy"),
        (("pawsx", "train", "en"), 49400, "first-row-lost"),
        (("pawsx", "test", "de"), 1999, "first-row-lost"),
        (("xnli", "train", "en"), 392701, "first-row-lost"),
        (("xnli", "dev", "sw"), 2489, "first-row-lost"),
        (("tydiqa", "train", "en"), 49881, "tydiqa-mixed-languages"),
        (("udpos", "test", "de"), 22458, "udpos-other-languages"),
        (("bucc", "dev", "de"), 1038, "bucc-without-distractors"),
    ],
)
def test_faulty_copies_are_known_by_their_counts(place: tuple[str, str, str], records: int, name: str) -> None:
    task = load_catalogue().tasks.get(place[0])
    expected = task.size(place[1], place[2]) if task else None  # type: ignore[arg-type]
    assert names(*place, records=records, expected=expected) == [name]


def test_the_official_files_and_slices_have_no_fault() -> None:
    for task in load_catalogue().tasks.values():
        for split in ("train", "dev", "test"):
            for language in (*task.languages, *task.extra_languages):
                size = task.size(split, language)  # type: ignore[arg-type]
                assert names(task.name, split, language, records=size, expected=size, gold="present") == []
    assert names("xnli", "train", "en", records=1200, expected=392702) == []


def test_answers_that_are_withheld_or_stand_in_for_them() -> None:
    assert names("pawsx", "test", "de", records=2000, expected=2000, gold="absent") == ["labels-withheld"]
    assert names("xnli", "test", "de", records=5010, expected=5010, gold="constant") == ["labels-placeholder"]
    assert names("hellaswag", "train", "en", records=3, gold="constant") == []


def test_every_quirk_has_a_sign_and_names_tasks_of_the_catalogue() -> None:
    for quirk in load_quirks():
        assert quirk.records or quirk.short_by or quirk.gold or quirk.sha256
        assert quirk.wrong.endswith(".")
        assert quirk.remedy.endswith(".")
    assert len({quirk.name for quirk in load_quirks()}) == len(load_quirks())
