"""Pairs of texts with a label: XTREME's files and the two releases of MultiNLI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_label, read_json_lines, read_lines, text_field
from stilts_core.data.records import PairRecord
from stilts_core.errors import DataError

COLUMNS = ("sentence1", "sentence2", "label")
NO_GOLD = "-"  # MultiNLI: the annotators did not agree


def read_pairs_tsv(path: Path, labels: Sequence[str]) -> list[PairRecord]:
    """XTREME's layout: sentence1, sentence2, label; no header. Files without any label have two columns.

    XTREME writes with a csv writer, which quotes the fields that hold a quote and doubles the quotes inside. The
    original files are not quoted at all, and a field of theirs may begin with a quote by chance. A file counts as a
    csv writer's only if every field with a quote in it is a well-formed quoted one; else all is taken literally.
    """
    lines = read_lines(path)
    rows = [line.split("\t") for line in lines]
    width = len(rows[0])
    if width not in (2, 3):
        raise DataError(f"{path}:1: {_columns(width)}; {', '.join(COLUMNS)} are expected.", hint=FETCH_AGAIN)
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            missing = f", `{COLUMNS[len(row)]}` is missing" if len(row) < width else ""
            raise DataError(
                f"{path}:{number}: {_columns(len(row))} where {width} are expected{missing}.", hint=FETCH_AGAIN
            )
        if not row[0] or not row[1]:
            raise DataError(f"{path}:{number}: `{COLUMNS[0 if not row[0] else 1]}` is empty.", hint=FETCH_AGAIN)
    if all(
        is_quoted(field) for line, row in zip(lines, rows, strict=True) if '"' in line for field in row if '"' in field
    ):
        rows = [
            [unquoted(field) for field in row] if '"' in line else row for line, row in zip(lines, rows, strict=True)
        ]
    return [
        PairRecord(
            id=str(index),
            text_a=row[0],
            text_b=row[1],
            label=checked_label(row[2], labels, f"{path}:{index + 1}") if width > 2 else None,
        )
        for index, row in enumerate(rows)
    ]


def read_mnli_jsonl(path: Path, labels: Sequence[str]) -> list[PairRecord]:
    """``multinli_1.0_*.jsonl``; pairs without a gold label are left out."""
    records: list[PairRecord] = []
    for where, row in read_json_lines(path):
        label = text_field(row, "gold_label", where)
        if label == NO_GOLD:
            continue
        records.append(
            PairRecord(
                id=str(row.get("pairID", len(records))),
                text_a=text_field(row, "sentence1", where),
                text_b=text_field(row, "sentence2", where),
                label=checked_label(label, labels, where),
            )
        )
    return records


def read_mnli_glue(path: Path, labels: Sequence[str]) -> list[PairRecord]:
    """MultiNLI as in GLUE: tab-separated with a header, never quoted; the test file has no ``gold_label``."""
    lines = read_lines(path)
    header = lines[0].split("\t")
    for name in COLUMNS[:2]:
        if name not in header:
            raise DataError(f"{path}:1: the header has no column `{name}`.", hint=FETCH_AGAIN)
    first, second = header.index("sentence1"), header.index("sentence2")
    identifier = header.index("pairID") if "pairID" in header else None
    gold = header.index("gold_label") if "gold_label" in header else None
    records = []
    for number, line in enumerate(lines[1:], start=2):
        row = line.split("\t")
        if len(row) != len(header):
            raise DataError(
                f"{path}:{number}: {_columns(len(row))} where the header has {len(header)}.", hint=FETCH_AGAIN
            )
        if gold is not None and row[gold] == NO_GOLD:
            continue
        label = None if gold is None else checked_label(row[gold], labels, f"{path}:{number}")
        key = row[identifier] if identifier is not None else str(number - 2)
        records.append(PairRecord(id=key, text_a=row[first], text_b=row[second], label=label))
    return records


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', "")


def unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if '"' in field else field
