"""What the readers make of small files, and what they say of wrong ones."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.readers import read, texts, texts_by_language
from stilts_core.data.readers.pairs import read_pairs_tsv
from stilts_core.data.readers.texts import in_share, split_sentences
from stilts_core.data.records import ChoiceRecord, PairRecord, SentencePairRecord, SpanRecord, TagRecord, TextRecord
from stilts_core.errors import DataError, MissingInputError, SpecError

NLI = ("contradiction", "entailment", "neutral")


def write(folder: Path, content: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def squad(*questions: dict[str, Any], context: str = "The cat sat.") -> str:
    return json.dumps({"data": [{"paragraphs": [{"context": context, "qas": list(questions)}]}]})


def question(**changes: Any) -> dict[str, Any]:
    return {"id": "q1", "question": "Who?", "answers": [{"text": "cat", "answer_start": 4}]} | changes


def conllu(*rows: str) -> str:
    return "# text = x\n" + "".join("\t".join(row.split(" ")) + "\n" for row in rows) + "\n"


def test_pairs_with_and_without_labels(tmp_path: Path) -> None:
    labelled = write(tmp_path, "a b\tc\tneutral\r\nd\te\tentailment\n")
    assert read("pairs-tsv", labelled, labels=NLI) == [
        PairRecord("0", "a b", "c", "neutral"),
        PairRecord("1", "d", "e", "entailment"),
    ]
    assert read("pairs-tsv", write(tmp_path, "a\tb\n"), labels=NLI) == [PairRecord("0", "a", "b", None)]


field = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=("Cs",)), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(field, field, st.sampled_from(NLI)), min_size=1))
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    path = write(tmp_path_factory.mktemp("pairs"), out.getvalue().replace("\ufeff", ""))
    expected = [tuple(text.replace("\ufeff", "") for text in row) for row in rows]
    if all(all(row) for row in expected):
        assert [(r.text_a, r.text_b, r.label) for r in read_pairs_tsv(path, NLI)] == expected


def test_quotes_are_text_in_a_file_that_no_csv_writer_wrote(tmp_path: Path) -> None:
    path = write(tmp_path, '"Stop," she said.\t"Stop"\t0\n')
    assert read("pairs-tsv", path) == [PairRecord("0", '"Stop," she said.', '"Stop"', "0")]


def test_mnli_leaves_out_pairs_without_a_gold_label(tmp_path: Path) -> None:
    rows = [
        {"pairID": "1e", "sentence1": "a", "sentence2": "b", "gold_label": "entailment"},
        {"pairID": "2x", "sentence1": "c", "sentence2": "d", "gold_label": "-"},
    ]
    lines = write(tmp_path, "\n".join(map(json.dumps, rows)))
    assert read("mnli-jsonl", lines, labels=NLI) == [PairRecord("1e", "a", "b", "entailment")]
    glue = write(tmp_path, 'index\tpairID\tsentence1\tsentence2\tgold_label\n0\t1e\t"a\tb\tneutral\n1\t2x\tc\td\t-\n')
    assert read("mnli-glue", glue, labels=NLI) == [PairRecord("1e", '"a', "b", "neutral")]
    unlabelled = write(tmp_path, "index\tsentence1\tsentence2\n0\ta\tb\n")
    assert read("mnli-glue", unlabelled, labels=NLI) == [PairRecord("0", "a", "b", None)]


def test_squad_of_both_versions_and_with_withheld_answers(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        squad(
            question(),
            question(id="q2", answers=[], is_impossible=True, plausible_answers=[{"text": "x", "answer_start": 0}]),
            question(id="q3", answers=[{"text": "", "answer_start": 0}]),
        ),
    )
    answered, impossible, withheld = read("squad-json", path)
    assert answered == SpanRecord("q1", "Who?", "The cat sat.", (("cat", 4),))
    assert (impossible.answers, impossible.impossible, impossible.has_gold) == ((), True, True)
    assert (withheld.answers, withheld.has_gold) == ((), False)


def test_hellaswag_and_xcopa(tmp_path: Path) -> None:
    row = {"ind": 7, "ctx_a": "He stops.", "ctx_b": "he", "endings": ["runs.", "eats.", "sits.", "naps."], "label": "2"}
    assert read("hellaswag-jsonl", write(tmp_path, json.dumps(row))) == [
        ChoiceRecord("7", "He stops.", ("he runs.", "he eats.", "he sits.", "he naps."), 2)
    ]
    copa = {"premise": "It rained.", "choice1": "Wet.", "choice2": "Dry.", "question": "effect", "label": 0, "idx": 3}
    path = write(tmp_path, json.dumps(copa))
    assert read("xcopa-jsonl", path) == [
        ChoiceRecord("3", "It rained. What happened as a result?", ("Wet.", "Dry."), 0)
    ]
    assert [record.text for record in texts("xcopa-jsonl", path)] == ["It rained.", "Wet.", "Dry."]


def test_tags_close_at_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "\nthe\tDET\ncat\tNOUN\n\n\nsat\tVERB")
    assert read("tags-tsv", path, labels=("DET", "NOUN", "VERB")) == [
        TagRecord("0", ("the", "cat"), ("DET", "NOUN")),
        TagRecord("1", ("sat",), ("VERB",)),
    ]
    assert read("tags-tsv", write(tmp_path, "the\ncat\n")) == [TagRecord("0", ("the", "cat"), None)]


def test_conllu_in_the_shape_of_xtreme(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        conllu(
            "1-2 zum _ _ _ _ _ _ _ _",
            "1 zu _ ADP _ _ 3 case _ _",
            "2 dem _ DET _ _ 3 det _ _",
            "3 Ha\u200cus _ NOUN _ _ 0 root _ _",
            "3.1 gone _ VERB _ _ _ _ _ _",
        )
        + conllu("1 _ _ NOUN _ _ 0 root _ _", "2 _ _ NOUN _ _ 1 x _ _", "3 a _ NOUN _ _ 1 x _ _")
        + conllu("1-2 dámelo _ _ _ _ _ _ _ _", "1 da _ VERB _ _ 0 root _ _", "2 melo _ PRON _ _ 1 obj _ _"),
    )
    path.write_text(path.read_text().replace("\ta\t", "\t_\t"))
    assert read("conllu", path, language="de") == [
        TagRecord("0", ("zum", "Haus"), ("ADP", "NOUN")),
        TagRecord("1", ("dámelo",), ("VERB",)),
    ]


def test_of_words_that_hang_equally_high_the_preferred_tag_names_the_fused_form(tmp_path: Path) -> None:
    rows = ("1-2 x _ _ _ _ _ _ _ _", "1 a _ PRON _ _ 3 x _ _", "2 b _ AUX _ _ 3 x _ _", "3 c _ VERB _ _ 0 root _ _")
    path = write(tmp_path, conllu(*rows))
    assert read("conllu", path, language="de")[0].tags == ("PRON", "VERB")
    assert read("conllu", path, language="fr")[0].tags == ("AUX", "VERB")


def test_parallel_and_plain_lines(tmp_path: Path) -> None:
    foreign, english = write(tmp_path, "eins\nzwei\n", "de"), write(tmp_path, "one\ntwo\n", "en")
    assert read("parallel-lines", foreign, pair=english) == [
        SentencePairRecord("0", "eins", "one"),
        SentencePairRecord("1", "zwei", "two"),
    ]
    assert texts_by_language("parallel-lines", foreign, pair=english, language="de") == [
        ("de", [TextRecord("eins", "0"), TextRecord("zwei", "1")]),
        ("en", [TextRecord("one", "0"), TextRecord("two", "1")]),
    ]
    assert texts("text-lines", write(tmp_path, "a\n\nb\na\n")) == [TextRecord("a", "0"), TextRecord("b", "2")]


def test_both_columns_of_a_pair_are_text_once_and_untranslated_ones_are_not(tmp_path: Path) -> None:
    path = write(tmp_path, "p\th\t1\np\tNS\t0\nq\th2\t1\n")
    assert texts("pairs-tsv", path) == [
        TextRecord("p", "0a"),
        TextRecord("h", "0b"),
        TextRecord("q", "2a"),
        TextRecord("h2", "2b"),
    ]


def test_contexts_are_cut_into_sentences() -> None:
    assert split_sentences("It is 3.5 m. Is it? Yes!\nEnd") == ["It is 3.5 m.", "Is it?", "Yes!", "End"]
    assert split_sentences("他来了。你呢？好！") == ["他来了。", "你呢？", "好！"]
    assert split_sentences("यह है। वह है।") == ["यह है।", "वह है।"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(0, 10**9))
def test_shares_of_the_rows_part_them(cuts: list[float], row: int) -> None:
    edges = [0.0, *sorted(cuts), 1.0]
    assert sum(in_share(row, share) for share in pairwise(edges)) == 1


def test_a_share_is_the_same_rows_in_every_language(tmp_path: Path) -> None:
    german = write(tmp_path, "".join(f"de{i}\n" for i in range(1000)), "de")
    turkish = write(tmp_path, "".join(f"tr{i}\n" for i in range(1000)), "tr")
    rows = [[r.group for r in texts("text-lines", path, rows=(0.25, 0.5))] for path in (german, turkish)]
    assert rows[0] == rows[1]
    assert 200 < len(rows[0]) < 300


def test_no_share_splits_the_questions_on_one_context(tmp_path: Path) -> None:
    path = write(tmp_path, squad(*(question(id=str(i)) for i in range(20))))
    kept = [len(read("squad-json", path, rows=rows)) for rows in ((0.0, 1.0),)]
    assert kept == [20]
    halves = [rows for rows in ((0.0, 0.5), (0.5, 1.0)) if in_share(0, rows)]
    assert [len(read("squad-json", path, rows=rows)) for rows in halves] == [20]


BAD: list[tuple[str, str, str | bytes, str]] = [
    ("empty", "pairs-tsv", "", "is empty"),
    ("only blanks", "tags-tsv", "\n \n", "is empty"),
    ("no UTF-8", "pairs-tsv", b"a\tb\tneutral\n\xff\tb\tneutral\n", ":2: no valid UTF-8"),
    ("cut in a character", "text-lines", "a\n\u4e2d".encode()[:-1], ":2: no valid UTF-8"),
    (
        "a missing column",
        "pairs-tsv",
        "a\tb\tneutral\nc\td\n",
        ":2: 2 columns where 3 are expected, `label` is missing",
    ),
    ("a column too many", "pairs-tsv", "a\tb\tneutral\nc\td\tneutral\tx\n", ":2: 4 columns"),
    ("one column", "pairs-tsv", "a\n", ":1: 1 column"),
    ("an empty text", "pairs-tsv", "a\t\tneutral\n", ":1: `sentence2` is empty"),
    ("a label cut off", "pairs-tsv", "a\tb\tneutral\nc\td\tentail", ":2: the label `entail` is not one of"),
    (
        "a label outside",
        "mnli-jsonl",
        '{"sentence1":"a","sentence2":"b","gold_label":"maybe"}',
        ":1: the label `maybe`",
    ),
    ("a missing key", "mnli-jsonl", '{"sentence1":"a","gold_label":"neutral"}', ":1: `sentence2` is missing"),
    ("a number as text", "mnli-jsonl", '{"sentence1":1,"gold_label":"neutral"}', ":1: `sentence1` is 1, not a text"),
    ("half a pair", "mnli-jsonl", '{"sentence1":"\\ud800","gold_label":"neutral"}', "surrogate"),
    ("JSON cut off", "mnli-jsonl", '{"sentence1":"a"\n', ":1: no valid JSON"),
    ("a list", "xcopa-jsonl", "[1]", ":1: a JSON object is expected"),
    ("no header", "mnli-glue", "a\tb\n", "no column `sentence1`"),
    ("a short row", "mnli-glue", "sentence1\tsentence2\tgold_label\na\tb\n", ":2: 2 columns where the header has 3"),
    ("JSON cut off", "squad-json", squad(question())[:-9], "no valid JSON"),
    ("no data", "squad-json", "{}", "a list `data` is expected"),
    ("no questions", "squad-json", '{"data":[]}', "holds no question"),
    ("not in its context", "squad-json", squad(question(answers=[{"text": "dog", "answer_start": 4}])), "question q1"),
    ("at another place", "squad-json", squad(question(answers=[{"text": "cat", "answer_start": 5}])), "at character 5"),
    ("before the start", "squad-json", squad(question(answers=[{"text": ".", "answer_start": -1}])), "at character -1"),
    ("no start", "squad-json", squad(question(answers=[{"text": "cat"}])), "`answer_start` is null"),
    ("an empty answer", "squad-json", squad(question(answers=[{"text": "", "answer_start": 3}])), "an answer is empty"),
    ("no id", "squad-json", squad({"question": "Who?"}), "a question without `id`"),
    ("no answers", "squad-json", squad({"id": 1, "question": "Who?"}), "question 1: a list `answers`"),
    ("no bool", "squad-json", squad(question(is_impossible="no")), "neither true nor false"),
    ("endings missing", "hellaswag-jsonl", '{"ctx_a":"a","ctx_b":"b","label":0}', ":1: `endings`"),
    ("a label beyond", "hellaswag-jsonl", '{"ctx_a":"a","ctx_b":"b","label":2,"endings":["c","d"]}', "the label 2"),
    (
        "a label of letters",
        "hellaswag-jsonl",
        '{"ctx_a":"a","ctx_b":"b","label":"x","endings":["c","d"]}',
        "`label` is",
    ),
    ("neither cause nor effect", "xcopa-jsonl", '{"premise":"a","question":"why"}', "`question` is `why`"),
    ("a word without a tag", "tags-tsv", "the\tDET\ncat\n", ":2: the word `cat` has no tag"),
    ("a tag without a word", "tags-tsv", "\tDET\n", ":1: no word"),
    ("a tag outside", "tags-tsv", "the\tARTICLE\n", ":1: the label `ARTICLE`"),
    ("nine columns", "conllu", "1\ta\t_\tNOUN\t_\t_\t0\troot\t_\n", ":1: 9 columns where CoNLL-U has 10"),
    ("no number", "conllu", conllu("one a _ NOUN _ _ 0 root _ _"), ":2: the id or the head is no number"),
    ("no tag", "conllu", conllu("1 a _ _ _ _ 0 root _ _"), ":2: the word `a` has no universal tag"),
    ("a range of nothing", "conllu", conllu("1-2 a _ _ _ _ _ _ _ _"), "the words 1-2 are missing"),
    ("no text", "conllu", conllu("1 _ _ NOUN _ _ 0 root _ _"), "holds no sentence with text"),
]


@pytest.mark.parametrize(
    ("format_name", "content", "said"), [row[1:] for row in BAD], ids=[f"{row[1]}: {row[0]}" for row in BAD]
)
def test_wrong_content_is_named_with_its_place(tmp_path: Path, format_name: str, content: Any, said: str) -> None:
    path = write(tmp_path, content)
    labels = ("DET", "NOUN") if format_name in ("tags-tsv", "conllu") else NLI
    with pytest.raises(DataError) as raised:
        read(format_name, path, labels=labels)
    assert str(path) in raised.value.message
    assert said in raised.value.message


def test_sides_of_different_length_and_blank_lines(tmp_path: Path) -> None:
    three, two = write(tmp_path, "a\nb\nc\n", "de"), write(tmp_path, "x\ny\n", "en")
    with pytest.raises(DataError, match=r"has 3 lines and .* has 2"):
        read("parallel-lines", three, pair=two)
    with pytest.raises(DataError, match="en:2: a blank line"):
        read("parallel-lines", write(tmp_path, "a\nb\n", "de"), pair=write(tmp_path, "x\n\n", "en"))
    with pytest.raises(SpecError, match="one side"):
        read("parallel-lines", three)


def test_missing_files_formats_and_empty_shares(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot be read"):
        read("text-lines", tmp_path / "nothing")
    with pytest.raises(SpecError, match="no format `parquet`"):
        read("parquet", tmp_path)
    with pytest.raises(DataError, match="no record in the share"):
        read("text-lines", write(tmp_path, "a\n"), rows=(0.0, 0.0))
