"""Formats for tasks of one's own: a table of texts and labels, and choices as JSON lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from stilts_core.catalog.nearest import unknown
from stilts_core.data.readers.lines import (
    FETCH_AGAIN,
    checked_label,
    checked_text,
    read_json_lines,
    read_lines,
    text_field,
    whole_number,
)
from stilts_core.data.readers.pairs import is_quoted, unquoted
from stilts_core.data.records import ChoiceRecord, PairRecord
from stilts_core.errors import DataError

Role = Literal["text", "pair", "label"]
Columns = Mapping[Role, str | int]

HEADINGS: Mapping[Role, tuple[str, ...]] = {
    "text": ("text", "sentence", "sentence1", "text_a", "premise"),
    "pair": ("pair", "sentence2", "text_b", "hypothesis"),
    "label": ("label", "gold_label", "class"),
}
"""The names by which a header's columns are known without being told."""

_ORDER: Mapping[int, tuple[Role, ...]] = {1: ("text",), 2: ("text", "label"), 3: ("text", "pair", "label")}


def read_table(path: Path, labels: Sequence[str], columns: Columns | None) -> list[PairRecord]:
    """A table of one or two texts and a label, tab-separated where the first line has a tab, else comma-separated.

    Which column is what: as ``columns`` says, by the names of a header or by numbers from 1 (then there is no header);
    else by the header's usual names (`HEADINGS`); else, without such a header, by the order text, label or text, pair,
    label. A table without a column of labels is a test file that withholds them.
    """
    rows = _rows(path)
    places, begin = _places(path, rows[0][1], columns)
    width = len(rows[0][1])
    records: list[PairRecord] = []
    for number, row in rows[begin:]:
        where = f"{path}:{number}"
        if len(row) != width:
            raise DataError(f"{where}: {_counted(len(row))} where {width} are expected.", hint=FETCH_AGAIN)
        for role in ("text", "pair"):
            if role in places and not row[places[role]].strip():
                raise DataError(f"{where}: the {role} is empty.", hint=FETCH_AGAIN)
        records.append(
            PairRecord(
                id=str(len(records)),
                text_a=row[places["text"]],
                text_b=row[places["pair"]] if "pair" in places else None,
                label=checked_label(row[places["label"]], labels, where) if "label" in places else None,
            )
        )
    return records


def read_choices(path: Path) -> list[ChoiceRecord]:
    """JSON lines with ``context``, ``choices`` (two texts or more) and ``label``, the number of the right one from 0.

    Without ``label`` in a line its answer is withheld; ``id`` is optional.
    """
    records: list[ChoiceRecord] = []
    for where, row in read_json_lines(path):
        choices = row.get("choices")
        if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(text, str) for text in choices):
            raise DataError(f"{where}: `choices` must be a list of two texts or more.", hint=FETCH_AGAIN)
        label = whole_number(row["label"], f"{where}: `label`") if "label" in row else None
        if label is not None and not 0 <= label < len(choices):
            raise DataError(f"{where}: the label {label} is not one of the choices, 0 to {len(choices) - 1}.")
        records.append(
            ChoiceRecord(
                id=str(row.get("id", len(records))),
                context=text_field(row, "context", where),
                choices=tuple(checked_text(text, f"{where}: `choices`") for text in choices),
                label=label,
            )
        )
    return records


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows with the number of their first line; tabs are quoted only if every quote is a csv writer's."""
    lines = read_lines(path)
    if "\t" in lines[0]:
        rows = [line.split("\t") for line in lines]
        quoted = [field for row in rows for field in row if '"' in field]
        if quoted and all(is_quoted(field) for field in quoted):
            rows = [[unquoted(field) for field in row] for row in rows]
        return [(number, row) for number, row in enumerate(rows, start=1) if row != [""]]
    try:
        reader = csv.reader(io.StringIO("\n".join(lines) + "\n"), strict=True)
        found: list[tuple[int, list[str]]] = []
        line = 1
        for row in reader:
            if row:
                found.append((line, row))
            line = reader.line_num + 1
        return found
    except csv.Error as error:
        raise DataError(f"{path}:{line}: no valid CSV ({error}).", hint=FETCH_AGAIN) from error


def _places(path: Path, first: Sequence[str], columns: Columns | None) -> tuple[dict[Role, int], int]:
    """Role → index of its column, and the index of the first row that is data."""
    if columns:
        return _told(path, first, columns)
    header = [cell.strip().lower() for cell in first]
    named: dict[Role, int] = {}
    for role, names in HEADINGS.items():
        at = next((header.index(name) for name in names if name in header), None)
        if at is not None:
            named[role] = at
    if "text" in named and ("label" in named or "pair" in named or len(first) == 1):
        return named, 1
    order = _ORDER.get(len(first))
    if order is None:
        raise DataError(
            f"{path}:1: {_counted(len(first))}, and no header that names the text: {', '.join(first[:8])}.",
            hint="Say which is which, as in `columns: {text: review, label: stars}`, or by numbers from 1.",
        )
    return {role: index for index, role in enumerate(order)}, 0


def _told(path: Path, first: Sequence[str], columns: Columns) -> tuple[dict[Role, int], int]:
    header = [cell.strip() for cell in first]
    places: dict[Role, int] = {}
    for role, column in columns.items():
        if isinstance(column, int):
            if column > len(first):
                raise DataError(f"{path}:1: there is no column {column}: the first row has {_counted(len(first))}.")
            places[role] = column - 1
        elif column in header:
            places[role] = header.index(column)
        elif role != "label":  # a test file may withhold its labels
            raise DataError(f"{path}:1: {unknown('column', column, header)}", hint="Correct `columns` of the task.")
    return places, int(any(isinstance(column, str) for column in columns.values()))


def _counted(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
