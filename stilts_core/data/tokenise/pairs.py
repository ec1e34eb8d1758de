"""Pairs of texts: classification, and a context with each of its continuations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilts_core.data.records import ChoiceRecord, PairRecord
from stilts_core.data.tokenise.encoder import Encoded, Frame, TextEncoder, segments
from stilts_core.data.tokenise.part import Part
from stilts_core.data.tokenise.ragged import Ints, Pieces

WITHOUT_LABEL = -1


def pairs(encoder: TextEncoder, records: Sequence[PairRecord], labels: Sequence[str], max_length: int) -> Part:
    """Classification: one feature a pair or a text; of a pair that is too long, the longer text loses its end first.

    Columns: label (E), -1 where the file has none; second (F). Examples: id, label.
    """
    columns = {}
    if all(record.text_b is None for record in records):
        frame, pieces, encoded, truncated = _single_texts(encoder, records, max_length)
    else:
        frame = encoder.pair
        encoded = encoder.encode([text for record in records for text in (record.text_a, record.text_b or "")])
        first, second = encoded.of[0::2], encoded.of[1::2]
        lengths = encoded.rows.lengths
        room = max_length - frame.size
        kept_first, kept_second = _longest_first(lengths[first], lengths[second], room)
        pieces = _pieces(encoder, encoded, (first, 0, kept_first), (second, 0, kept_second))
        truncated = int(np.count_nonzero(lengths[first] + lengths[second] > room))
        columns = segments(frame, kept_first)
    number = {label: index for index, label in enumerate(labels)}
    label = [WITHOUT_LABEL if record.label is None else number[record.label] for record in records]
    return Part(
        ids=_values(encoder, frame, encoded, pieces),
        offsets=pieces.offsets,
        example_of=np.arange(len(records)),
        columns={"label": np.array(label, dtype=np.int32), **columns},
        examples=[{"id": record.id, "label": record.label} for record in records],
        counts={"truncated": truncated, **encoded.fertility},
    )


def choices(encoder: TextEncoder, records: Sequence[ChoiceRecord], max_length: int) -> Part:
    """Multiple choice: one feature a choice, in order, after its context.

    Of a context that is too long the beginning is cut away, since the end is what a choice continues; of a choice that
    leaves no room for any context, the end.

    Columns: label (E), -1 where the file has none; second (F). Examples: id, label.
    """
    encoded = encoder.encode([text for record in records for text in (record.context, *record.choices)])
    counts = np.array([len(record.choices) for record in records], dtype=np.int64)
    example_of = np.repeat(np.arange(len(records)), counts)
    at_context = np.cumsum(counts + 1) - counts - 1
    context = encoded.of[at_context][example_of]
    choice = np.delete(encoded.of, at_context)
    lengths = encoded.rows.lengths
    room = max_length - encoder.pair.size
    kept_choice = np.minimum(lengths[choice], room)
    kept_context = np.minimum(lengths[context], room - kept_choice)
    pieces = _pieces(
        encoder, encoded, (context, lengths[context] - kept_context, kept_context), (choice, 0, kept_choice)
    )
    label = [WITHOUT_LABEL if record.label is None else record.label for record in records]
    return Part(
        ids=_values(encoder, encoder.pair, encoded, pieces),
        offsets=pieces.offsets,
        example_of=example_of,
        columns={"label": np.array(label, dtype=np.int32), **segments(encoder.pair, kept_context)},
        examples=[{"id": record.id, "label": record.label} for record in records],
        counts={"truncated": int(np.count_nonzero(lengths[context] + lengths[choice] > room)), **encoded.fertility},
    )


def _single_texts(
    encoder: TextEncoder, records: Sequence[PairRecord], max_length: int
) -> tuple[Frame, Pieces, Encoded, int]:
    """Features of one text each, and how many lost their end."""
    frame = encoder.single
    encoded = encoder.encode([record.text_a for record in records])
    lengths = encoded.rows.lengths[encoded.of]
    room = max_length - frame.size
    kept = np.minimum(lengths, room)
    start = frame.size + encoded.rows.starts[encoded.of]
    return frame, Pieces.of(frame.before, (start, kept), frame.after), encoded, int(np.count_nonzero(lengths > room))


def _longest_first(first: Ints, second: Ints, room: int) -> tuple[Ints, Ints]:
    """What is left of two texts: the shorter one whole if it fits into half of the room, the longer one the rest."""
    shorter, longer = np.minimum(first, second), np.maximum(first, second)
    fits = first + second <= room
    kept_shorter = np.where(fits, shorter, np.minimum(shorter, room // 2))
    kept_longer = np.where(fits, longer, np.minimum(longer, room - kept_shorter))
    swapped = first > second
    return np.where(swapped, kept_longer, kept_shorter), np.where(swapped, kept_shorter, kept_longer)


Side = tuple[Ints, Ints | int, Ints]
"""A text of each feature: its row, the first token that is kept, and how many are."""


def _pieces(encoder: TextEncoder, encoded: Encoded, first: Side, second: Side) -> Pieces:
    frame, base = encoder.pair, encoded.rows.starts + encoder.pair.size
    return Pieces.of(
        frame.before,
        (base[first[0]] + first[1], first[2]),
        frame.between,
        (base[second[0]] + second[1], second[2]),
        frame.after,
    )


def _values(encoder: TextEncoder, frame: Frame, encoded: Encoded, pieces: Pieces) -> np.ndarray:
    return np.concatenate((frame.ids, encoded.rows.values)).astype(encoder.dtype)[pieces.index]
