"""How many records a file holds, counted without building them, and whether they have their answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from stilts_core.catalog.quirks import Gold
from stilts_core.data.index import write_atomically
from stilts_core.data.readers import ALL_ROWS, read
from stilts_core.data.readers.lines import FETCH_AGAIN
from stilts_core.data.readers.own import Columns
from stilts_core.data.readers.pairs import NO_GOLD
from stilts_core.data.readers.spans import of_language
from stilts_core.data.records import SearchRecord
from stilts_core.errors import DataError, MissingInputError
from stilts_core.model import digest

CONSTANT_FROM = 20
"""Records from which one answer to all of them is taken for a placeholder."""
_GOLD = ("present", "absent", "constant", None)
_VERSION = 1  # of what is kept; raised when a count changes


@dataclass(frozen=True, slots=True)
class Tally:
    """What a count found.

    Attributes:
        records: as many as the reader of the format would give.
        gold: whether they have their answers; None where the format holds none.
    """

    records: int
    gold: Gold | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How a file is read, as in `readers.read`.

    Attributes:
        strict: read every record as a training would, so that a fault anywhere is found. Otherwise the formats of
            large files are counted in one pass that looks at no more than it needs.
    """

    format: str
    labels: Sequence[str] = ()
    language: str = "en"
    rows: tuple[float, float] = ALL_ROWS
    columns: Columns | None = None
    strict: bool = False

    @property
    def quick(self) -> bool:
        """Whether the records are counted in one pass."""
        return self.format in _QUICK and not self.strict and self.rows == ALL_ROWS

    def key(self, sha256: Iterable[str]) -> str:
        """What a tally depends on: the bytes of the file and of its pair, and how they are read."""
        columns = None if self.columns is None else dict(self.columns)
        read = [self.format, list(self.labels), self.language, list(self.rows), columns, self.strict]
        return digest([_VERSION, list(sha256), read])


def tally(way: Way, path: Path, pair: Path | None = None, gold: Path | None = None) -> Tally:
    """Count the records of a file.

    Args:
        way: how it is read.
        path: the file.
        pair: its second file, where it has one.
        gold: its file of right pairs, where it has one.

    Raises:
        DataError: the file has the wrong content.
        MissingInputError: it cannot be read.
    """
    quick = _QUICK.get(way.format)
    if quick is None or not way.quick:
        return tally_records(
            read(
                way.format,
                path,
                pair=pair,
                gold=gold,
                labels=way.labels,
                language=way.language,
                rows=way.rows,
                columns=way.columns,
            )
        )
    try:
        found = quick(path, way)
    except OSError as error:
        raise MissingInputError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{path} is not of the format {way.format}: {error}.", hint=FETCH_AGAIN) from error
    if not found.records:
        raise DataError(f"{path} holds no record.", hint=FETCH_AGAIN)
    return found


def tally_records(records: Sequence[Any]) -> Tally:
    """The tally of records that were read. Where texts look for others, those that look are counted."""
    if records and isinstance(records[0], SearchRecord):
        looking = [record for record in records if not record.candidate]
        return Tally(len(looking), "present" if all(record.keys is not None for record in looking) else "absent")
    if not records or not hasattr(records[0], "has_gold"):
        return Tally(len(records))
    if not all(record.has_gold for record in records):
        return Tally(len(records), "absent")
    answers = (getattr(record, "label", index) for index, record in enumerate(records))
    return Tally(len(records), _gold(len(records), answers))


def _gold(records: int, answers: Iterable[Any]) -> Gold:
    return "constant" if records >= CONSTANT_FROM and len(set(answers)) == 1 else "present"


class TallyMemory:
    """The tallies of files that were counted before, by what the files hold: one small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, key: str) -> Tally | None:
        """What was kept under a key of `Way.key`, if anything."""
        try:
            records, gold = json.loads((self._folder / key).read_text(encoding="ascii"))
            return Tally(records, gold) if isinstance(records, int) and gold in _GOLD else None
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, key: str, found: Tally) -> None:
        """Keep a tally; a cache that cannot be written costs time, nothing else."""
        with suppress(OSError):
            write_atomically(self._folder / key, json.dumps([found.records, found.gold]).encode())


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader[FileIO]]:
    with BufferedReader(path.open("rb", buffering=0), 1 << 20) as lines:
        if lines.peek(3)[:3] == b"\xef\xbb\xbf":
            lines.read(3)
        yield lines


def _pairs_tsv(path: Path) -> Tally:
    records, labels = 0, Counter[bytes]()
    with _opened(path) as lines:
        first = next(lines, b"")
        if first.count(b"\t") < 2:
            return Tally(bool(first) + sum(1 for _ in lines), "absent")
        labels[_last(first)] += 1
        labels.update(map(_last, lines))
    for none in NO_GOLD:
        del labels[none.encode()]
    records = labels.total()
    return Tally(records, _gold(records, labels))


def _last(line: bytes) -> bytes:
    return line.rstrip(b"\r\n").rpartition(b"\t")[2]


def _json_lines(path: Path, gold: str, *, without: bool) -> Tally:
    """Rows of JSON; those without an answer are left out by the reader, or (``without``) read as withheld."""
    records, labelled, labels = 0, True, set[str]()
    with _opened(path) as lines:
        for line in lines:
            if not line.strip():
                continue
            label = json.loads(line).get(gold)
            has = label is not None and str(label) not in NO_GOLD
            if has or without:
                records += 1
                labelled = labelled and has
                labels.add(str(label))
    return Tally(records, _gold(records, labels) if labelled else "absent")


def _squad(path: Path, language: str | None = None) -> Tally:
    with _opened(path) as file:
        document = json.load(file)
    questions = [
        question for article in document["data"] for paragraph in article["paragraphs"] for question in paragraph["qas"]
    ]
    if language is not None:
        questions = of_language(questions, language, lambda question: str(question["id"])) or []
    answered = all(
        question.get("is_impossible") or any(answer["text"] for answer in question["answers"]) for question in questions
    )
    return Tally(len(questions), "present" if answered else "absent")


def _tags_tsv(path: Path) -> Tally:
    records, inside, tagged = 0, False, False
    with _opened(path) as lines:
        for line in lines:
            if line.strip():
                records += not inside
                inside = True
                tagged = tagged or b"\t" in line
            else:
                inside = False
    return Tally(records, "present" if tagged else "absent")


def _lines(path: Path) -> Tally:
    with _opened(path) as lines:
        return Tally(sum(1 for _ in lines))


# Formats whose every record is plain to see; the others are read as a training reads them.
_QUICK: dict[str, Callable[[Path, Way], Tally]] = {
    "pairs-tsv": lambda path, way: _pairs_tsv(path),
    "mnli-jsonl": lambda path, way: _json_lines(path, "gold_label", without=False),
    "anli-jsonl": lambda path, way: _json_lines(path, "label", without=False),
    "squad-json": lambda path, way: _squad(path),
    "tydiqa-json": lambda path, way: _squad(path, way.language),
    "hellaswag-jsonl": lambda path, way: _json_lines(path, "label", without=True),
    "xcopa-jsonl": lambda path, way: _json_lines(path, "label", without=True),
    "tags-tsv": lambda path, way: _tags_tsv(path),
    "panx-tsv": lambda path, way: _tags_tsv(path),
    "text-lines": lambda path, way: _lines(path),
}
