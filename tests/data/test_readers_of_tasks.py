"""The readers of the releases of single tasks: what they make of good rows, and what they say of bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from task_files import MADE, SCORED, TRAIN, write_made

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head
from stilts_core.data.readers import labels_in, read
from stilts_core.data.records import ChoiceRecord, PairRecord, SpanRecord, TagRecord
from stilts_core.errors import DataError, SpecError

NLI = ("entailment", "neutral", "contradiction")
CATALOGUE = load_catalogue()


def write(folder: Path, content: str, name: str = "file") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


COPA = (
    '<copa-corpus><item id="1" asks-for="{}" most-plausible-alternative="{}"><p>{}</p><a1>a</a1><a2>b</a2></item>'
    "</copa-corpus>"
)


def table(*rows: str) -> str:
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


@pytest.mark.parametrize("name", [name for name in MADE if name != "mlm"])
def test_the_made_files_of_a_task_hold_what_was_put_in(name: str, tmp_path: Path) -> None:
    """Each file of a task that a source of its own finds is read whole."""
    write_made(tmp_path, name)
    task = CATALOGUE.task(name)
    found = 0
    for part in CATALOGUE.parts_of(task):
        for split in ("train", "dev", "test"):
            for source in getattr(part, split):
                for language in ("en", "de", "et", "fi", "kk", "ko", "qu", "ro", "wo", "zh"):
                    if language not in CATALOGUE.source_languages(part, source):
                        continue
                    pair = tmp_path / source.pair if source.pair else None
                    for path in tmp_path.glob(CATALOGUE.source_path(source.path, language)):
                        if part.name == "xnli" and language not in ("en", "de"):
                            continue
                        if part.name == "tydiqa" and language not in ("en", "fi"):
                            continue
                        labels = part.labels
                        records = read(source.format, path, pair=pair, labels=labels, language=language)
                        assert len(records) == (TRAIN if split == "train" else SCORED), path
                        assert all(record.has_gold for record in records)
                        found += 1
    assert found >= (0 if task.train_on and task.head is Head.CHOICE else 1)


def test_rows_without_a_gold_label_are_left_out(tmp_path: Path) -> None:
    rows = [{"gold_label": label, "sentence1": "a", "sentence2": "b"} for label in ("neutral", "-", "-1")]
    assert len(read("mnli-jsonl", write(tmp_path, lines(*rows)), labels=NLI)) == 1
    text = table("a|b|neutral", "c|d|-1", "e|f|entailment")
    found = read("pairs-tsv", write(tmp_path, text), labels=NLI)
    assert [(record.id, record.label) for record in found] == [("0", "neutral"), ("2", "entailment")]
    rows = [{"context": "a", "hypothesis": "b", "label": label, "uid": "u"} for label in ("e", "-1", "contradiction")]
    found = read("anli-jsonl", write(tmp_path, lines(*rows)), labels=NLI)
    assert [record.label for record in found] == ["entailment", "contradiction"]


def test_snli_as_a_table(tmp_path: Path) -> None:
    text = table("gold_label|sentence1_parse|sentence1|sentence2|pairID", 'neutral|(a)|"a|b|p1', "-|(c)|c|d|p2")
    assert read("mnli-glue", write(tmp_path, text), labels=NLI) == [PairRecord("p1", '"a', "b", "neutral")]


def test_xnli_of_one_language(tmp_path: Path) -> None:
    text = table("language|gold_label|sentence1|sentence2", "en|neutral|a|b", "sw|contradictory|c|d", "sw|neutral|e|f")
    path = write(tmp_path, text)
    assert read("xnli-tsv", path, labels=NLI, language="sw") == [
        PairRecord("0", "c", "d", "contradiction"),
        PairRecord("1", "e", "f", "neutral"),
    ]
    rows = [{"language": code, "gold_label": "neutral", "sentence1": "a", "sentence2": "b"} for code in ("en", "sw")]
    assert len(read("xnli-jsonl", write(tmp_path, lines(*rows)), labels=NLI, language="sw")) == 1
    for kind, content in (("xnli-tsv", text), ("xnli-jsonl", lines(*rows))):
        with pytest.raises(DataError, match="holds no row in the language ur"):
            read(kind, write(tmp_path, content), labels=NLI, language="ur")


def test_a_few_broken_rows_of_glues_qqp_are_left_out(tmp_path: Path) -> None:
    header = "id|qid1|qid2|question1|question2|is_duplicate"
    good = [f"{i}|1|2|why|why not|{i % 2}" for i in range(30)]
    path = write(tmp_path, table(header, *good[:10], "77|1|2|cut off here", "and here|0", *good[10:]))
    found = read("qqp-glue", path, labels=("0", "1"))
    assert [record.id for record in found] == [str(i) for i in range(30)]
    broken = write(tmp_path, table(header, *good, *["77|1|2|cut off"] * 11))
    with pytest.raises(DataError, match=r"file:32: 4 columns where the header has 6"):
        read("qqp-glue", broken, labels=("0", "1"))
    unlabelled = write(tmp_path, table("id|question1|question2", "0|why|why not"))
    assert read("qqp-glue", unlabelled, labels=("0", "1")) == [PairRecord("0", "why", "why not", None)]


def test_paws_x_is_taken_literally(tmp_path: Path) -> None:
    """The copy that a reader of quoted fields makes of it loses rows: these two would be one."""
    path = write(tmp_path, table("id|sentence1|sentence2|label", '1|"a|b|0', '2|c"|d|1', "3|NS|NS|0"))
    assert [(record.text_a, record.label) for record in read("pawsx-tsv", path, labels=("0", "1"))] == [
        ('"a', "0"),
        ('c"', "1"),
        ("NS", "0"),
    ]


def test_cosmos_qa(tmp_path: Path) -> None:
    text = (
        'id,context,question,answer0,answer1,answer2,answer3,label\nx1,"He said ""no"",\nand left.",Why ?,a,b,c,d,3\n'
    )
    expected = ChoiceRecord("x1", 'He said "no",\nand left. Why ?', ("a", "b", "c", "d"), 3)
    assert read("cosmosqa-csv", write(tmp_path, text)) == [expected]
    row = {"id": "x1", "context": "It rained.", "question": "Why ?"} | {f"answer{k}": "abcd"[k] for k in range(4)}
    [record] = read("cosmosqa-jsonl", write(tmp_path, lines(row)))
    assert (record.context, record.has_gold) == ("It rained. Why ?", False)


def test_commonsense_qa(tmp_path: Path) -> None:
    question = {"stem": "Where?", "question_concept": "x", "choices": [{"label": x, "text": x * 2} for x in "ABCDE"]}
    path = write(
        tmp_path, lines({"id": "c", "answerKey": "D", "question": question}, {"id": "t", "question": question})
    )
    choices = ("AA", "BB", "CC", "DD", "EE")
    assert read("commonsenseqa-jsonl", path) == [
        ChoiceRecord("c", "Where?", choices, 3),
        ChoiceRecord("t", "Where?", choices, None),
    ]


def test_social_iqa_of_both_releases(tmp_path: Path) -> None:
    row = {"context": "A fell.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c"}
    expected = ChoiceRecord("0", "A fell. Why?", ("a", "b", "c"), 1)
    assert read("socialiqa-jsonl", write(tmp_path, lines(row | {"correct": "B"}))) == [expected]
    path, pair = write(tmp_path, lines(row)), write(tmp_path, "2\n", "labels.lst")
    assert read("socialiqa-jsonl", path, pair=pair) == [expected]
    assert not read("socialiqa-jsonl", path)[0].has_gold


def test_copa_as_xml(tmp_path: Path) -> None:
    item = COPA.format("cause", "2", "It is wet.")
    path = write(tmp_path, f'<?xml version="1.0"?><!DOCTYPE copa-corpus SYSTEM "copa.dtd">{item}')
    assert read("copa-xml", path) == [ChoiceRecord("1", "It is wet. What was the cause?", ("a", "b"), 1)]


def test_panx_with_and_without_the_language_before_each_word(tmp_path: Path) -> None:
    marked = write(tmp_path, table("de:Bad|B-LOC", "de:a:b|O", "", "de:|O", "de:c|O"))
    assert read("panx-tsv", marked, language="de") == [
        TagRecord("0", ("Bad", "a:b"), ("B-LOC", "O")),
        TagRecord("1", ("_", "c"), ("O", "O")),  # a word of blanks alone keeps its place
    ]
    plain = write(tmp_path, table("Bad|B-LOC", "de:b|O", "", "|O", "c|O"))
    assert read("panx-tsv", plain, language="de") == [
        TagRecord("0", ("Bad", "de:b"), ("B-LOC", "O")),
        TagRecord("1", ("_", "c"), ("O", "O")),
    ]
    unlabelled = write(tmp_path, "Bad\nist\n\nda\n")
    assert [record.tags for record in read("panx-tsv", unlabelled, language="de")] == [None, None]
    mixed = write(tmp_path, table("de:Bad|B-LOC", "de:b|O", "ist|O"))
    with pytest.raises(DataError, match=r"file:3: the word does not begin with `de:`, and 2 others do"):
        read("panx-tsv", mixed, language="de")


def test_tydiqa_by_the_ids(tmp_path: Path) -> None:
    def document(*ids: str) -> str:
        questions = [{"id": i, "question": "Who?", "answers": [{"text": "cat", "answer_start": 4}]} for i in ids]
        return json.dumps({"data": [{"paragraphs": [{"context": "The cat.", "qas": questions}]}]})

    mixed = write(tmp_path, document("english-1-0", "finnish-2-1", "thai-3-0"))
    expected = SpanRecord("english-1-0", "Who?", "The cat.", (("cat", 4),))
    assert read("tydiqa-json", mixed, language="en") == [expected]
    with pytest.raises(DataError, match="questions in english, finnish, thai and none in the language sw"):
        read("tydiqa-json", mixed, language="sw")
    assert len(read("tydiqa-json", write(tmp_path, document("0", "1")), language="en")) == 2


def test_lists_of_labels(tmp_path: Path) -> None:
    assert labels_in("label-lines", write(tmp_path, "NP\n\nN\n")) == ("NP", "N")
    for numbers in ({"N": 1, "NP": 0}, {"N": "2", "NP": "1"}):
        assert labels_in("label-json", write(tmp_path, json.dumps(numbers))) == ("NP", "N")
    assert labels_in("ccg-tsv", write(tmp_path, "the cat\tNP/N N\n")) == ("N", "NP/N")
    with pytest.raises(SpecError, match="gives no list of labels"):
        labels_in("pairs-tsv", write(tmp_path, "a\tb\t0\n"))


CHOICES = {"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c"}
COSMOS = "id,context,question,answer0,answer1,answer2,answer3,label\n"
BAD = [
    ("anli-jsonl", lines({"context": "a", "hypothesis": "b", "label": "x"}), ":1: the label `x` is not one of"),
    ("anli-jsonl", lines({"context": "a", "label": "e"}), ":1: `hypothesis` is missing"),
    ("qqp-glue", table("id|question1", "0|a"), ":1: the header has no column `question2`"),
    (
        "xnli-tsv",
        table("language|gold_label|sentence1|sentence2", "en|neutral|a|b", "en|neutral|a"),
        ":3: 3 columns where",
    ),
    ("xnli-tsv", table("gold_label|sentence1|sentence2", "neutral|a|b"), ":1: the header has no column `language`"),
    ("xnli-mt-tsv", table("premise|hypo|label", "a| |neutral"), ":2: `hypo` is empty"),
    ("xnli-mt-tsv", table("premise|hypo|label", "a|b|maybe"), ":2: the label `maybe` is not one of"),
    ("cosmosqa-csv", COSMOS + "x,c,q,a,b,c,d\n", ":2: 7 cells where the header has 8"),
    ("cosmosqa-csv", COSMOS + "x,c,q,a,b,c,d,4\n", ":2: the label 4 is not one of the 4 choices"),
    ("cosmosqa-csv", COSMOS + 'x,"c"x,q,a,b,c,d,1\n', ":2: no valid CSV"),
    (
        "commonsenseqa-jsonl",
        lines({"question": {"stem": "s", "choices": []}}),
        ":1: `question` must hold a list `choices`",
    ),
    (
        "commonsenseqa-jsonl",
        lines({"answerKey": "F", "question": {"stem": "s", "choices": [{"label": x, "text": x} for x in "AB"]}}),
        ":1: `answerKey` is `F`; A, B are the choices",
    ),
    ("socialiqa-jsonl", lines(CHOICES | {"correct": "D"}), ":1: `correct` is `D`; A, B, C are the choices"),
    ("socialiqa-jsonl", lines({"context": "c"}), ":1: `question` is missing"),
    ("copa-xml", COPA.format("why", "1", "p"), "`question` is `why`, neither cause nor effect"),
    ("copa-xml", COPA.format("cause", "3", "p"), "item 1: `most-plausible-alternative` is `3`"),
    ("copa-xml", COPA.format("cause", "1", " "), "item 1: the element `p` is missing or empty"),
    ("copa-xml", "<copa-corpus>\n<item>", ":2: no valid XML"),
    ("copa-xml", '<!DOCTYPE c [<!ENTITY a "b">]><c/>', "defines entities"),
    ("ccg-tsv", "the cat NP N\n", ":1: 1 column where words and categories are expected"),
    ("ccg-tsv", "the cat\tN N\nthe\tN N\n", ":2: 1 words and 2 categories"),
]


@pytest.mark.parametrize(("kind", "content", "said"), BAD, ids=[f"{kind}:{said[:30]}" for kind, _, said in BAD])
def test_a_bad_row_is_named_with_its_place(kind: str, content: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as raised:
        read(kind, path, labels=NLI if "li" in kind else (), language="en")
    assert str(path) in raised.value.message
    assert said in raised.value.message


def test_labels_of_another_number_than_rows_are_refused(tmp_path: Path) -> None:
    path, pair = write(tmp_path, lines(CHOICES)), write(tmp_path, "1\n2\n", "labels")
    with pytest.raises(DataError, match=r"has 1 rows and .*labels has 2 labels"):
        read("socialiqa-jsonl", path, pair=pair)
    with pytest.raises(DataError, match=r"labels:1: the label is `0`; 1, 2, 3 are the choices"):
        read("socialiqa-jsonl", path, pair=write(tmp_path, "0\n", "labels"))


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("label-json", '["N"]', "a JSON object from label to number"),
        ("label-json", '{"N": 0, "NP": 2}', "do not run from 0 without a gap"),
        ("label-lines", "N\nNP\nN\n", "holds the label `N` twice"),
        ("label-lines", "N\n", "holds fewer than two labels"),
    ],
)
def test_a_bad_list_of_labels_is_refused(kind: str, content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        labels_in(kind, write(tmp_path, content))
