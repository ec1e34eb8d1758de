"""The readers on slices of the real data sets, against their list of counts."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stilts_core.data.readers import read, texts

FORMATS = {
    "squad": "squad-json",
    "squad_v2": "squad-json",
    "xquad": "squad-json",
    "mlqa": "squad-json",
    "tydiqa": "squad-json",
    "lareqa": "squad-json",
    "xnli": "pairs-tsv",
    "pawsx": "pairs-tsv",
    "hellaswag": "hellaswag-jsonl",
    "xcopa": "xcopa-jsonl",
    "tatoeba": "text-lines",
}


def test_every_slice_has_the_records_that_its_list_says(data: Path) -> None:
    checked = 0
    with (data / "COUNTS.tsv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = data / row["path"]
            kind = {".conllu": "conllu", ".tsv": "tags-tsv"}[path.suffix] if row["task"] == "udpos" else None
            kind = kind or FORMATS.get(row["task"])
            if kind is not None:
                assert (row["path"], len(read(kind, path, language=row["language"]))) == (
                    row["path"],
                    int(row["records"]),
                )
                checked += 1
    assert checked > 190


def test_quotes_of_a_csv_writer_are_taken_off(data: Path) -> None:
    records = read("pairs-tsv", data / "pawsx/dev-fr.tsv", labels=("0", "1"))
    assert not any('""' in record.text_a or record.text_a.startswith('""') for record in records)
    assert any('"' in record.text_a for record in records)


@pytest.mark.parametrize("languages", [("de", "ja"), ("en", "zh")])
def test_rows_of_one_number_are_translations(data: Path, languages: tuple[str, str]) -> None:
    first, second = (
        {record.group for record in texts("pairs-tsv", data / f"pawsx/dev-{language}.tsv")} for language in languages
    )
    assert len(first & second) > 0.9 * len(first)


def test_fused_forms_agree_with_the_text_of_the_treebank(data: Path) -> None:
    path = next((data / "udpos/UD_German-GSD").glob("*.conllu"))
    wanted = [line[9:].strip() for line in path.read_text(encoding="utf-8").split("\n") if line.startswith("# text = ")]
    for record, text in zip(read("conllu", path, language="de"), wanted, strict=True):
        assert "".join(record.words) == text.replace(" ", "")


def test_japanese_words_are_joined_without_blanks(data: Path) -> None:
    path = next((data / "udpos/UD_Japanese-GSD").glob("*.conllu"))
    assert not any(" " in record.text for record in texts("conllu", path, language="ja")[:5])
