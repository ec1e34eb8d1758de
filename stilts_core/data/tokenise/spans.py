"""Questions on contexts: windows over each context, and where in them the answer stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stilts_core.data.records import SpanRecord
from stilts_core.data.tokenise.encoder import Encoded, TextEncoder, segments
from stilts_core.data.tokenise.part import Part
from stilts_core.data.tokenise.ragged import Ints, Pieces, offsets_of
from stilts_core.errors import SpecError

OUTSIDE = -1
BLANKS = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)


def spans(
    encoder: TextEncoder, records: Sequence[SpanRecord], *, max_length: int, doc_stride: int, question_length: int
) -> Part:
    """Span extraction: one feature a window of the context, after the question.

    The windows are those of transformers' fast tokenizers with ``truncation="only_second"`` and
    ``stride=doc_stride``. An answer begins at the last token that begins at or before it and ends at the first token
    that ends at or behind it; both are position 0 in a window that does not hold all of it, or where there is none.

    Columns: start, end (F); char_start, char_end (T), of the context, without the blanks around a token; second (F).
    Examples: id, context, answers (None where they are withheld), impossible.

    Raises:
        SpecError: the lengths leave no room for a context.
    """
    questions = encoder.encode([record.question for record in records])
    contexts = encoder.encode([record.context for record in records], spans=True)
    base = offsets_of(np.fromiter(map(len, contexts.texts), np.int64, len(contexts.texts)))[:-1]
    characters = _without_blanks(contexts, base)

    frame = encoder.pair
    asked = np.minimum(questions.rows.lengths[questions.of], question_length)
    size = contexts.rows.lengths[contexts.of]
    room = max_length - frame.size - asked
    step = room - doc_stride
    long = size > room
    if (room < 1).any() or (long & (step < 1)).any():
        raise SpecError(
            f"max_length {max_length} leaves no room for a context beside a question of up to {question_length} tokens "
            f"and an overlap of {doc_stride}.",
            hint="Raise max_length, or lower question_length or doc_stride.",
        )
    windows = np.where(long, 1 - (room - size) // np.maximum(step, 1), 1)
    example_of = np.repeat(np.arange(len(records)), windows)
    number = np.arange(len(example_of)) - np.repeat(offsets_of(windows)[:-1], windows)
    begin = number * step[example_of]
    length = np.minimum(room[example_of], size[example_of] - begin)

    question_base = frame.size + questions.rows.starts[questions.of]
    context_base = frame.size + len(questions.rows.values) + contexts.rows.starts[contexts.of]
    pieces = Pieces.of(
        frame.before,
        (question_base[example_of], asked[example_of]),
        frame.between,
        (context_base[example_of] + begin, length),
        frame.after,
    )
    pool = np.concatenate((frame.ids, questions.rows.values, contexts.rows.values))
    beside = np.full((len(pool) - len(characters), 2), OUTSIDE, dtype=np.int32)
    index = pieces.index
    places = np.concatenate((beside, characters))[index]

    first, last = _answer_tokens(records, contexts, characters, base)
    inside = (first[example_of] >= begin) & (last[example_of] < begin + length)
    ahead = frame.before[1] + asked[example_of] + frame.between[1] - begin
    return Part(
        ids=pool.astype(encoder.dtype)[index],
        offsets=pieces.offsets,
        example_of=example_of,
        columns={
            "start": np.where(inside, first[example_of] + ahead, 0).astype(np.int32),
            "end": np.where(inside, last[example_of] + ahead, 0).astype(np.int32),
            "char_start": np.ascontiguousarray(places[:, 0]),
            "char_end": np.ascontiguousarray(places[:, 1]),
            **segments(frame, asked[example_of]),
        },
        examples=[_example(record) for record in records],
        counts={
            "truncated": int(np.count_nonzero(questions.rows.lengths[questions.of] > question_length)),
            "windows_with_answer": int(np.count_nonzero(inside)),
            "without_gold": sum(not record.has_gold for record in records),
            **{name: count + questions.fertility[name] for name, count in contexts.fertility.items()},
        },
    )


def _example(record: SpanRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "context": record.context,
        "answers": [text for text, _ in record.answers] if record.has_gold else None,
        "impossible": record.impossible,
    }


def _without_blanks(contexts: Encoded, base: Ints) -> npt.NDArray[np.int32]:
    """The characters of each token of the contexts, (T, 2), without blanks at either side.

    Args:
        contexts: encoded with spans.
        base: where each of them begins when they stand one after another.
    """
    assert contexts.spans is not None  # noqa: S101 (the caller asked for them)
    code = np.frombuffer("".join(contexts.texts).encode("utf-32-le"), dtype=np.uint32)
    solid = ~np.isin(code, BLANKS)
    place = np.arange(len(code), dtype=np.int64)
    nowhere = np.array([len(code)])
    following = np.concatenate((np.minimum.accumulate(np.where(solid, place, len(code))[::-1])[::-1], nowhere))
    preceding = np.concatenate((np.array([0]), np.maximum.accumulate(np.where(solid, place + 1, 0))))
    shift = np.repeat(base, contexts.rows.lengths)
    begin, end = contexts.spans[:, 0] + shift, contexts.spans[:, 1] + shift
    begin = np.minimum(following[begin], end)
    end = np.maximum(preceding[end], begin)
    return np.stack((begin - shift, end - shift), axis=1).astype(np.int32)


def _answer_tokens(
    records: Sequence[SpanRecord], contexts: Encoded, characters: npt.NDArray[np.int32], base: Ints
) -> tuple[Ints, Ints]:
    """The first and the last token of each record's first answer within its context; -1 for none."""
    begin = np.full(len(records), OUTSIDE, dtype=np.int64)
    end = begin.copy()
    for index, record in enumerate(records):
        if record.answers:
            answer, start = record.answers[0]
            begin[index] = start + len(answer) - len(answer.lstrip())
            end[index] = start + len(answer.rstrip())
    rows, of = contexts.rows, contexts.of
    # One search for all: contexts one after another, kept apart by one place, are a sorted array.
    apart = base + np.arange(len(base))
    shift = np.repeat(apart, rows.lengths)
    starts = np.maximum.accumulate(characters[:, 0] + shift)
    ends = np.maximum.accumulate(characters[:, 1] + shift)
    first = np.searchsorted(starts, begin + apart[of], side="right") - 1 - rows.starts[of]
    last = np.searchsorted(ends, end + apart[of], side="left") - rows.starts[of]
    size = rows.lengths[of]
    first = np.clip(first, 0, np.maximum(size - 1, 0))
    last = np.clip(last, first, np.maximum(size - 1, 0))
    none = (begin < 0) | (size == 0)
    return np.where(none, OUTSIDE, first), np.where(none, OUTSIDE, last)
