"""Pairs of texts with a label: XTREME's files, and the JSON lines of MultiNLI, SNLI, XNLI and ANLI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_label, read_json_lines, read_lines, text_field
from stilts_core.data.records import PairRecord
from stilts_core.errors import DataError

COLUMNS = ("sentence1", "sentence2", "label")
NO_GOLD = frozenset({"-", "-1"})
"""What stands for a label where the annotators did not agree: in SNLI and MultiNLI, and in copies that number them."""

ANLI_LABELS = {"e": "entailment", "n": "neutral", "c": "contradiction"}


def read_pairs_tsv(path: Path, labels: Sequence[str]) -> list[PairRecord]:
    """XTREME's layout: sentence1, sentence2, label; no header. Files without any label have two columns.

    XTREME writes with a csv writer, which quotes the fields that hold a quote and doubles the quotes inside. The
    original files are not quoted at all, and a field of theirs may begin with a quote by chance. A file counts as a
    csv writer's only if every field with a quote in it is a well-formed quoted one; else all is taken literally.

    Rows that say that they have no gold label are left out; the others keep the number of their row.
    """
    lines = read_lines(path)
    rows = [line.split("\t") for line in lines]
    width = len(rows[0])
    if width not in (2, 3):
        raise DataError(f"{path}:1: {columns(width)}; {', '.join(COLUMNS)} are expected.", hint=FETCH_AGAIN)
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            missing = f", `{COLUMNS[len(row)]}` is missing" if len(row) < width else ""
            raise DataError(
                f"{path}:{number}: {columns(len(row))} where {width} are expected{missing}.", hint=FETCH_AGAIN
            )
        if not row[0] or not row[1]:
            raise DataError(f"{path}:{number}: `{COLUMNS[0 if not row[0] else 1]}` is empty.", hint=FETCH_AGAIN)
    if all(
        is_quoted(field) for line, row in zip(lines, rows, strict=True) if '"' in line for field in row if '"' in field
    ):
        rows = [
            [unquoted(field) for field in row] if '"' in line else row for line, row in zip(lines, rows, strict=True)
        ]
    without_gold = NO_GOLD.difference(labels) if labels and width > 2 else frozenset[str]()
    return [
        PairRecord(
            id=str(index),
            text_a=row[0],
            text_b=row[1],
            label=checked_label(row[2], labels, f"{path}:{index + 1}") if width > 2 else None,
        )
        for index, row in enumerate(rows)
        if width < 3 or row[2] not in without_gold
    ]


def read_mnli_jsonl(path: Path, labels: Sequence[str], language: str | None = None) -> list[PairRecord]:
    """``multinli_1.0_*.jsonl``, ``snli_1.0_*.jsonl`` and ``xnli.*.jsonl``; pairs without a gold label are left out.

    Args:
        path: the file.
        labels: the closed list.
        language: keep the rows of this language, for XNLI's files of all languages.
    """
    records: list[PairRecord] = []
    for where, row in read_json_lines(path):
        if language is not None and text_field(row, "language", where) != language:
            continue
        label = text_field(row, "gold_label", where)
        if label not in NO_GOLD:
            records.append(_record(row, where, ("sentence1", "sentence2"), "pairID", label, labels, len(records)))
    return found_in(path, records, language)


def read_anli(path: Path, labels: Sequence[str]) -> list[PairRecord]:
    """ANLI's rounds: ``context``, ``hypothesis`` and the label as e, n or c (or written out)."""
    records: list[PairRecord] = []
    for where, row in read_json_lines(path):
        label = text_field(row, "label", where) if "label" in row else None
        if label in NO_GOLD:
            continue
        label = ANLI_LABELS.get(label, label) if label is not None else None
        records.append(_record(row, where, ("context", "hypothesis"), "uid", label, labels, len(records)))
    return records


def _record(
    row: dict[str, Any],
    where: str,
    keys: tuple[str, str],
    identifier: str,
    label: str | None,
    labels: Sequence[str],
    number: int,
) -> PairRecord:
    return PairRecord(
        id=str(row.get(identifier, number)),
        text_a=text_field(row, keys[0], where),
        text_b=text_field(row, keys[1], where),
        label=None if label is None else checked_label(label, labels, where),
    )


def found_in(path: Path, records: list[PairRecord], language: str | None) -> list[PairRecord]:
    """The records themselves, if a file of several languages holds any of the one that is wanted."""
    if language is not None and not records:
        raise DataError(f"{path} holds no row in the language {language}.", hint=FETCH_AGAIN)
    return records


def columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', "")


def unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if '"' in field else field
