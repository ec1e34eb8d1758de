"""Sentences that are encoded one by one: the two sides of retrieval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilts_core.data.records import SentencePairRecord
from stilts_core.data.tokenise.encoder import TextEncoder
from stilts_core.data.tokenise.part import Part
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
