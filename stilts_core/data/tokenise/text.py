"""Plain and parallel text for masked training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilts_core.data.tokenise.encoder import TextEncoder
from stilts_core.data.tokenise.part import Part
from stilts_core.data.tokenise.ragged import Ints, gather_index, offsets_of
from stilts_core.data.tokenise.sentences import single_texts
from stilts_core.errors import SpecError


def blocks(encoder: TextEncoder, texts: Sequence[str], sequence_length: int) -> Part:
    """Masked text: whole texts one after another in blocks, each text closed by the tokenizer's last special tokens.

    A text that is longer than a block is cut into several. One block is one example. Examples: id.
    """
    frame = encoder.single
    closing = frame.after[1]
    room = sequence_length - frame.size
    if room < 1:
        raise SpecError(f"A sequence length of {sequence_length} leaves no room for text.", hint="Raise it.")
    encoded = encoder.encode(texts)
    starts, lengths = _cut(frame.size + encoded.rows.starts[encoded.of], encoded.rows.lengths[encoded.of], room)
    first = _block_openings(lengths + closing, room + closing)
    block_of = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(lengths))))
    with_closing = np.stack((starts, np.full(len(starts), frame.after[0])), axis=1).ravel()
    sizes = np.stack((lengths, np.full(len(lengths), closing)), axis=1).ravel()
    index = gather_index(
        np.insert(with_closing, 2 * first, frame.before[0]), np.insert(sizes, 2 * first, frame.before[1])
    )
    tokens = np.bincount(block_of, weights=lengths + closing, minlength=len(first)).astype(np.int64)
    return Part(
        ids=np.concatenate((frame.ids, encoded.rows.values)).astype(encoder.dtype)[index],
        offsets=offsets_of(tokens + frame.before[1]),
        example_of=np.arange(len(first)),
        columns={},
        examples=[{"id": str(number)} for number in range(len(first))],
        counts={"texts": len(texts), **encoded.fertility},
    )


def parallel(encoder: TextEncoder, texts: Sequence[str], groups: Sequence[int], sequence_length: int) -> Part:
    """Parallel text: one example a sentence. Columns: group (E). Examples: id."""
    part = single_texts(encoder, texts, sequence_length)
    return Part(
        ids=part.ids,
        offsets=part.offsets,
        example_of=part.example_of,
        columns={"group": np.array(groups, dtype=np.int32)},
        examples=[{"id": str(number)} for number in range(len(texts))],
        counts={"texts": len(texts), **part.counts},
    )


def _cut(starts: Ints, lengths: Ints, room: int) -> tuple[Ints, Ints]:
    """Texts as pieces of at most ``room`` tokens; texts without any token are gone."""
    pieces = -(-lengths // room)
    number = np.arange(int(pieces.sum())) - np.repeat(offsets_of(pieces)[:-1], pieces)
    begin = number * room
    return np.repeat(starts, pieces) + begin, np.minimum(room, np.repeat(lengths, pieces) - begin)


def _block_openings(lengths: Ints, room: int) -> Ints:
    """The pieces that open a block, when each block takes as many as fit."""
    ends = np.cumsum(lengths)
    first, used = [], 0
    at = 0
    while at < len(lengths):
        first.append(at)
        at = int(np.searchsorted(ends, used + room, side="right"))
        used = int(ends[at - 1])
    return np.array(first, dtype=np.int64)
