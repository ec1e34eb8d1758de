"""The plain text of any record, and which rows of a file a share of it holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from stilts_core.data.readers.choices import ASKED
from stilts_core.data.records import (
    ChoiceRecord,
    PairRecord,
    Record,
    SearchRecord,
    SpanRecord,
    TagRecord,
    TextRecord,
)

UNSPACED = re.compile(
    "[\u3000-\u303f\uff00-\uffef\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
# After a mark that ends a sentence: a blank where the script has blanks, nothing after a full-width mark.
SENTENCE_END = re.compile(r"(?<=[.!?\u061f\u06d4\u0964\u0965\u1362\u0589])\s+|(?<=[\u3002\uff01\uff1f])|\n+")
NOT_TRANSLATED = "NS"  # what PAWS-X writes for a sentence that was not translated


def split_sentences(text: str) -> list[str]:
    """A text cut after its sentence-final marks; close enough for masked training."""
    return [sentence for part in SENTENCE_END.split(text) if (sentence := part.strip())]


def join_words(words: Sequence[str]) -> str:
    """The words of a tagged sentence as running text, without blanks between words of a script that has none."""
    pieces = [words[0]]
    for before, word in pairwise(words):
        if not _written_together(before[-1], word[0]):
            pieces.append(" ")
        pieces.append(word)
    return "".join(pieces)


def _written_together(left: str, right: str) -> bool:
    left_unspaced, right_unspaced = UNSPACED.match(left), UNSPACED.match(right)
    return bool((left_unspaced and (right_unspaced or not right.isalnum())) or (right_unspaced and not left.isalnum()))


def record_texts(records: Sequence[Record], rows: tuple[float, float]) -> list[TextRecord]:
    """Every text of a share of the rows once, in the order of the records.

    ``group`` is the row and the column of a text: rows of one number in the files of several languages are
    translations of each other. Texts whose rows say nothing of other
    files (questions, tagged sentences) have none.
    """
    seen: dict[str, TextRecord] = {}
    for row, record in zip(row_numbers(records), records, strict=True):
        if not in_share(row, rows):
            continue
        for column, text in _columns(record):
            if text and text not in seen:
                seen[text] = TextRecord(text, None if column is None else f"{row}{column}")
    return list(seen.values())


def row_numbers(records: Sequence[Record]) -> list[int]:
    """The number of each record's row; the questions on one context are one row, so that no share splits them."""
    contexts: dict[str, int] = {}
    return [
        contexts.setdefault(record.context, len(contexts)) if isinstance(record, SpanRecord) else index
        for index, record in enumerate(records)
    ]


def in_share(row: int, share: tuple[float, float]) -> bool:
    """Whether a row belongs to the share ``[from, to)`` of all rows: by its number alone, so alike in all languages."""
    place = int.from_bytes(hashlib.sha256(str(row).encode()).digest()[:8], "big") / 2**64
    return share[0] <= place < share[1]


def _columns(record: Record) -> Iterator[tuple[str | None, str]]:
    match record:
        case PairRecord():
            yield from ((c, t) for c, t in (("a", record.text_a), ("b", record.text_b)) if t and t != NOT_TRANSLATED)
        case SpanRecord():
            yield from ((None, sentence) for sentence in split_sentences(record.context))
            yield None, record.question.strip()
        case ChoiceRecord():
            context = record.context
            for asked in ASKED.values():
                context = context.removesuffix(f" {asked}")
            yield "c", context
            yield from ((str(index), choice) for index, choice in enumerate(record.choices))
        case TagRecord():
            yield None, join_words(record.words)
        case SearchRecord():
            yield None, record.text
        case TextRecord():
            yield "", record.text
