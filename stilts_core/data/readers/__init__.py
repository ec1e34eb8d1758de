"""Files as records: one module a family of formats, and the table that finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.data.readers import tables
from stilts_core.data.readers.choices import (
    read_commonsenseqa,
    read_copa_xml,
    read_cosmosqa_csv,
    read_cosmosqa_jsonl,
    read_hellaswag,
    read_socialiqa,
    read_xcopa,
)
from stilts_core.data.readers.labels import read_label_json, read_label_lines
from stilts_core.data.readers.own import Columns, read_choices, read_table
from stilts_core.data.readers.pairs import read_anli, read_mnli_jsonl, read_pairs_tsv
from stilts_core.data.readers.plain import read_parallel_lines, read_text_lines
from stilts_core.data.readers.search import (
    read_bucc,
    read_entities,
    read_lareqa,
    read_mention_pairs,
    read_mentions,
    read_squad_sentences,
)
from stilts_core.data.readers.spans import read_squad, read_tydiqa
from stilts_core.data.readers.tags import read_ccg, read_conllu, read_panx, read_tags_tsv
from stilts_core.data.readers.texts import in_share, record_texts, row_numbers
from stilts_core.data.records import PairRecord, SearchRecord, TagRecord, TextRecord
from stilts_core.errors import DataError, SpecError

ALL_ROWS = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Request:
    path: Path
    pair: Path | None
    gold: Path | None
    labels: Sequence[str]
    language: str
    columns: Columns | None


_READERS: dict[str, Callable[[_Request], Sequence[Any]]] = {
    "pairs-tsv": lambda r: read_pairs_tsv(r.path, r.labels),
    "mnli-jsonl": lambda r: read_mnli_jsonl(r.path, r.labels),
    "mnli-glue": lambda r: tables.read_table(r.path, r.labels, tables.MNLI_GLUE),
    "anli-jsonl": lambda r: read_anli(r.path, r.labels),
    "qqp-glue": lambda r: tables.read_table(r.path, r.labels, tables.QQP_GLUE),
    "xnli-tsv": lambda r: tables.read_table(r.path, r.labels, tables.XNLI, r.language),
    "xnli-jsonl": lambda r: read_mnli_jsonl(r.path, r.labels, r.language),
    "xnli-mt-tsv": lambda r: tables.read_table(r.path, r.labels, tables.XNLI_MT),
    "pawsx-tsv": lambda r: tables.read_table(r.path, r.labels, tables.PAWSX),
    "squad-json": lambda r: read_squad(r.path),
    "tydiqa-json": lambda r: read_tydiqa(r.path, r.language),
    "hellaswag-jsonl": lambda r: read_hellaswag(r.path),
    "xcopa-jsonl": lambda r: read_xcopa(r.path),
    "copa-xml": lambda r: read_copa_xml(r.path),
    "cosmosqa-csv": lambda r: read_cosmosqa_csv(r.path),
    "cosmosqa-jsonl": lambda r: read_cosmosqa_jsonl(r.path),
    "commonsenseqa-jsonl": lambda r: read_commonsenseqa(r.path),
    "socialiqa-jsonl": lambda r: read_socialiqa(r.path, r.pair),
    "tags-tsv": lambda r: read_tags_tsv(r.path, r.labels),
    "panx-tsv": lambda r: read_panx(r.path, r.labels, r.language),
    "conllu": lambda r: read_conllu(r.path, r.labels, r.language),
    "ccg-tsv": lambda r: read_ccg(r.path, r.labels),
    "parallel-lines": lambda r: read_parallel_lines(r.path, r.pair),
    "bucc": lambda r: read_bucc(r.path, r.pair, r.gold),
    "lareqa-json": lambda r: read_lareqa(r.path, r.language),
    "squad-sentences": lambda r: read_squad_sentences(r.path),
    "mewslix-jsonl": lambda r: read_mentions(r.path, r.language),
    "mewslix-pairs": lambda r: read_mention_pairs(r.path, r.language),
    "text-lines": lambda r: read_text_lines(r.path),
    "table": lambda r: read_table(r.path, r.labels, r.columns),
    "choices-jsonl": lambda r: read_choices(r.path),
}
_LABEL_READERS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "label-lines": read_label_lines,
    "label-json": read_label_json,
}
POOLS: dict[str, Callable[[Path], list[SearchRecord]]] = {"mewslix-jsonl": read_entities}
"""Formats whose pair holds the candidates of all languages, and what reads those."""

READABLE = frozenset(_READERS)
LABEL_FORMATS = frozenset(_LABEL_READERS)


def labels_in(
    format: str,  # noqa: A002 (as in `read`)
    path: Path,
    *,
    language: str = "en",
    columns: Columns | None = None,
) -> tuple[str, ...]:
    """The list of labels that a file gives: a list of labels, or labelled texts or words, whose labels are sorted.

    Raises:
        DataError: the file has the wrong content.
        MissingInputError: it cannot be read.
        SpecError: its format gives no labels.
    """
    if format in _LABEL_READERS:
        return _LABEL_READERS[format](path)
    labels: set[str] = set()
    for record in read(format, path, language=language, columns=columns):
        if isinstance(record, TagRecord):
            labels.update(record.tags or ())
        elif isinstance(record, PairRecord) and record.label is not None:
            labels.add(record.label)
    if len(labels) < 2:
        raise SpecError(
            f"{path}, read as `{format}`, gives no list of labels: it has {len(labels)}.",
            hint=f"Name a file of labelled texts or words, or one of {', '.join(sorted(_LABEL_READERS))}.",
        )
    return tuple(sorted(labels))


def read(
    format: str,  # noqa: A002 (the word of the catalogue)
    path: Path,
    *,
    pair: Path | None = None,
    gold: Path | None = None,
    labels: Sequence[str] = (),
    language: str = "en",
    rows: tuple[float, float] = ALL_ROWS,
    columns: Columns | None = None,
) -> list[Any]:
    """Read a file, strictly.

    Args:
        format: one of `catalog.models.Source.format`.
        path: the file.
        pair: the English side of a parallel file.
        gold: the right pairs of sentences to mine.
        labels: the closed list of labels; none are checked where it is empty.
        language: of the file, where the format's rules differ by it.
        rows: the share of the rows that is kept, as in `planning.plan.DataFile`.
        columns: of a table, as in `catalog.models.Source`.

    Returns:
        Records of one class of `data.records`, in the order of the file.

    Raises:
        DataError: the file has the wrong content; the message names the line or the record.
        MissingInputError: it cannot be read.
        SpecError: no such format, or a parallel file without its other side.
    """
    if format not in _READERS:
        raise SpecError(f"There is no format `{format}`.", hint=f"The formats are {', '.join(sorted(_READERS))}.")
    records = list(_READERS[format](_Request(path, pair, gold, labels, language, columns)))
    if rows != ALL_ROWS:
        records = [record for row, record in zip(row_numbers(records), records, strict=True) if in_share(row, rows)]
    if not records:
        share = "" if rows == ALL_ROWS else f" in the share {rows[0]} to {rows[1]} of its rows"
        raise DataError(f"{path} holds no record{share}.")
    return records


def texts(
    format: str,  # noqa: A002 (the word of the catalogue)
    path: Path,
    *,
    pair: Path | None = None,
    language: str = "en",
    rows: tuple[float, float] = ALL_ROWS,
) -> list[TextRecord]:
    """The plain texts of a file of any format, both sides of a parallel one; see `texts_by_language`."""
    by_language = texts_by_language(format, path, pair=pair, language=language, rows=rows)
    return [text for _, side in by_language for text in side]


def texts_by_language(
    format: str,  # noqa: A002 (the word of the catalogue)
    path: Path,
    *,
    pair: Path | None = None,
    language: str = "en",
    rows: tuple[float, float] = ALL_ROWS,
) -> list[tuple[str, list[TextRecord]]]:
    """The plain texts of a file of any format, for pretraining: the same text once, with its group (`record_texts`).

    Returns:
        (language, texts): one entry, or two for a parallel file, the English side last. For the rest see `read`.
    """
    records = read(format, path, pair=pair, language=language)
    sides = [(language, records)]
    if format == "parallel-lines":
        sides = [
            (side, [TextRecord(getattr(record, name), record.id) for record in records])
            for side, name in ((language, "source"), ("en", "target"))
        ]
    return [(side, record_texts(content, rows)) for side, content in sides]
