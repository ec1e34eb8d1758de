"""Sentences that are encoded one by one: the two sides of retrieval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from stilts_core.data.records import PairRecord, SearchRecord, SentencePairRecord
from stilts_core.data.tokenise.encoder import TextEncoder
from stilts_core.data.tokenise.pairs import pairs
from stilts_core.data.tokenise.part import Part, join
from stilts_core.data.tokenise.ragged import Pieces

FOREIGN, ENGLISH = 0, 1


def single_texts(encoder: TextEncoder, texts: Sequence[str], max_length: int) -> Part:
    """One feature a text, its end cut away where it is too long; no columns, and no examples."""
    frame = encoder.single
    encoded = encoder.encode(texts)
    lengths = encoded.rows.lengths[encoded.of]
    room = max_length - frame.size
    pieces = Pieces.of(
        frame.before, (frame.size + encoded.rows.starts[encoded.of], np.minimum(lengths, room)), frame.after
    )
    return Part(
        ids=np.concatenate((frame.ids, encoded.rows.values)).astype(encoder.dtype)[pieces.index],
        offsets=pieces.offsets,
        example_of=np.arange(len(texts)),
        columns={},
        examples=[],
        counts={"truncated": int(np.count_nonzero(lengths > room)), **encoded.fertility},
    )


def translations(encoder: TextEncoder, records: Sequence[SentencePairRecord], max_length: int) -> Part:
    """Retrieval: all foreign sentences, then all English ones in the same order.

    Columns: side (E). Examples: id, the same on both sides of a translation, and text.
    """
    sides = [[record.source for record in records], [record.target for record in records]]
    part = single_texts(encoder, [text for side in sides for text in side], max_length)
    return Part(
        ids=part.ids,
        offsets=part.offsets,
        example_of=part.example_of,
        columns={"side": np.repeat(np.array([FOREIGN, ENGLISH], dtype=np.int8), len(records))},
        examples=[
            {"id": record.id, "text": text} for side in sides for record, text in zip(records, side, strict=True)
        ],
        counts=part.counts,
    )


LOOKING, CANDIDATE = FOREIGN, ENGLISH


def searched(encoder: TextEncoder, records: Sequence[SearchRecord], question_length: int, max_length: int) -> Part:
    """Retrieval: what looks for others and what is looked for, in the order of the records.

    Args:
        question_length: tokens of a text that looks for others, out of ``max_length``; the candidates have the rest.
            0: both have all of it.

    Columns: side (E), and second as `pairs` has it. Examples: id, keys (null where they are not known), and text where
    the record has it raw.
    """
    questions = question_length or max_length
    parts: list[Part] = []
    for run in _runs(records):
        texts = [record.text for record in run]
        if run[0].context is not None:
            together = [PairRecord("", record.text, record.context or "", None) for record in run]
            parts.append(pairs(encoder, together, (), max_length - question_length))
        else:
            candidates = run[0].candidate
            parts.append(single_texts(encoder, texts, max_length - question_length if candidates else questions))
    whole = join([Part(p.ids, p.offsets, p.example_of, {}, [{}] * (len(p.offsets) - 1), p.counts) for p in parts])
    columns = {"side": np.array([CANDIDATE if record.candidate else LOOKING for record in records], dtype=np.int8)}
    if any("second" in part.columns for part in parts):  # a text alone has no second segment: it would begin at its end
        ends = [part.columns.get("second", np.diff(part.offsets)) for part in parts]
        columns["second"] = np.concatenate(ends).astype(np.int32)
    return Part(
        ids=whole.ids,
        offsets=whole.offsets,
        example_of=whole.example_of,
        columns=columns,
        examples=[
            {"id": record.id, "keys": None if record.keys is None else list(record.keys)}
            | ({} if record.raw is None else {"text": record.raw})
            for record in records
        ],
        counts=whole.counts,
    )


def answer_distances(records: Sequence[SearchRecord]) -> npt.NDArray[np.int32]:
    """How many records after each text the first thing stands that it looks for; 0 for one that looks for nothing.

    Files of training sets hold what is looked for after what looks for it.
    """
    place: dict[str, int] = {}
    for number, record in enumerate(records):
        for key in (record.keys or ()) if record.candidate else ():
            place.setdefault(key, number)
    found = np.zeros(len(records), dtype=np.int32)
    for number, record in enumerate(records):
        if not record.candidate:
            found[number] = next((place[key] - number for key in record.keys or () if key in place), 0)
    return found


def with_answers(part: Part, distances: npt.NDArray[np.int32]) -> Part:
    """The part of a training set: with the column ``answer`` (E), as `answer_distances` has it."""
    return replace(part, columns={**part.columns, "answer": distances})


def _runs(records: Sequence[SearchRecord]) -> Iterator[list[SearchRecord]]:
    """Neighbouring records that are encoded in the same way."""
    for _, run in groupby(records, key=lambda record: (record.candidate, record.context is None)):
        yield list(run)
