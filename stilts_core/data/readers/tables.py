"""Pairs of texts in tab-separated files with a header: GLUE's, SNLI's, XNLI's and PAWS-X's. None of them is quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_label, read_lines
from stilts_core.data.readers.pairs import NO_GOLD, columns, found_in
from stilts_core.data.records import PairRecord
from stilts_core.errors import DataError

_BROKEN_SHARE = 1000  # one row in so many may be broken where a release is known for it
_BROKEN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a release, by the names in its header.

    Attributes:
        identifier: none for the number of the row.
        language: the column that says a row's language, in a file of all languages.
        renamed: labels that the release writes in another way.
        broken_rows: rows without all of their columns are left out, as every program for the release does; a file with
            more than a few of them is refused all the same.
    """

    first: str
    second: str
    label: str
    identifier: str | None = None
    language: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    broken_rows: bool = False


MNLI_GLUE = Table("sentence1", "sentence2", "gold_label", identifier="pairID")
# A few of Quora's questions hold a line break or a tab, and GLUE's copy of them has rows that are cut off there.
QQP_GLUE = Table("question1", "question2", "is_duplicate", identifier="id", broken_rows=True)
XNLI = Table("sentence1", "sentence2", "gold_label", language="language", renamed={"contradictory": "contradiction"})
XNLI_MT = Table("premise", "hypo", "label", renamed={"contradictory": "contradiction"})
PAWSX = Table("sentence1", "sentence2", "label", identifier="id")


def read_table(path: Path, labels: Sequence[str], table: Table, language: str = "en") -> list[PairRecord]:
    """The rows of a file, of one language where it has several; those without a gold label are left out.

    A file without the column of the labels is one that withholds them.

    Raises:
        DataError: a column is missing; a row has another number of them, an empty text or an unknown label; a file of
            several languages has no row in this one.
    """
    lines = read_lines(path)
    header = lines[0].split("\t")
    first, second = (_place(header, name, path) for name in (table.first, table.second))
    gold = header.index(table.label) if table.label in header else None
    identifier = header.index(table.identifier) if table.identifier in header else None
    spoken = None if table.language is None else _place(header, table.language, path)
    records: list[PairRecord] = []
    broken: list[DataError] = []
    for number, line in enumerate(lines[1:], start=2):
        row = line.split("\t")
        fault = _fault(row, len(header), (first, second), header)
        if fault:
            broken.append(DataError(f"{path}:{number}: {fault}.", hint=FETCH_AGAIN))
            if not table.broken_rows:
                raise broken[0]
            continue
        if (spoken is not None and row[spoken] != language) or (gold is not None and row[gold] in NO_GOLD):
            continue
        label = None
        if gold is not None:
            label = checked_label(table.renamed.get(row[gold], row[gold]), labels, f"{path}:{number}")
        key = row[identifier] if identifier is not None else str(len(records) if spoken is not None else number - 2)
        records.append(PairRecord(id=key, text_a=row[first], text_b=row[second], label=label))
    if len(broken) > max(_BROKEN_ROWS, len(lines) // _BROKEN_SHARE):
        raise broken[0]
    return found_in(path, records, None if spoken is None else language)


def _place(header: list[str], name: str, path: Path) -> int:
    if name not in header:
        raise DataError(f"{path}:1: the header has no column `{name}`.", hint=FETCH_AGAIN)
    return header.index(name)


def _fault(row: list[str], width: int, texts: tuple[int, int], header: list[str]) -> str | None:
    if len(row) != width:
        return f"{columns(len(row))} where the header has {width}"
    return next((f"`{header[place]}` is empty" for place in texts if not row[place].strip()), None)
