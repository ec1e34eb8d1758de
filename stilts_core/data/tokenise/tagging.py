"""Words with tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from stilts_core.catalog.models import LongTagging
from stilts_core.data.records import TagRecord
from stilts_core.data.tokenise.encoder import TextEncoder
from stilts_core.data.tokenise.part import Part
from stilts_core.data.tokenise.ragged import Ints, gather_index, offsets_of
from stilts_core.errors import SpecError

NONE = -1


def tagged(
    encoder: TextEncoder,
    records: Sequence[TagRecord],
    labels: Sequence[str],
    max_length: int,
    long: LongTagging = LongTagging.SPLIT,
) -> Part:
    """Tagging: the pieces of each word one after another, the label at the first.

    A sentence that is too long goes on in further features, cut between words, so that every word is predicted once;
    or, with ``LongTagging.TRUNCATE``, it ends where the feature does, if need be within a word, and the words beyond
    are neither predicted nor scored.
    A word without a piece, or with more than a feature holds, is the unknown token, as in XTREME's preprocessing.

    Columns: label, word (T), -1 at other tokens; the label is -1 too where the file has none or an unlisted one.
    Examples: id, words, tags.
    """
    frame = encoder.single
    # XTREME's scripts count one special token less than a pair has, also where a single text has fewer (XLM-R).
    room = max_length - (max(frame.size, encoder.pair.size - 1) if long is LongTagging.SPLIT_XTREME else frame.size)
    if room < 1:
        raise SpecError(f"max_length {max_length} leaves no room for a word.", hint="Raise max_length.")
    words, sentence = _flat(records)
    encoded = encoder.encode([encoder.word_prefix + word for word in words])
    lost = 0
    if long is LongTagging.TRUNCATE:
        whole = len(words)
        records = _shortened(records, np.maximum(encoded.rows.lengths[encoded.of], 1), sentence, room)
        words, sentence = _flat(records)
        lost = whole - len(words)
        encoded = encoder.encode([encoder.word_prefix + word for word in words])
    size = encoded.rows.lengths[encoded.of]
    if long is LongTagging.TRUNCATE:
        size = np.minimum(size, room - _before(np.maximum(size, 1), sentence))
    strange = (size == 0) | (size > room)
    begin = np.where(strange, frame.size, frame.size + 1 + encoded.rows.starts[encoded.of])
    size = np.where(strange, 1, size)

    opens = _feature_openings(size, sentence, room)
    feature_of = np.cumsum(opens) - 1
    features = int(feature_of[-1]) + 1
    starts, lengths = _with_frame(begin, size, opens, frame.before, frame.after)
    pool = np.concatenate((frame.ids, np.array([encoder.unknown_id], np.int32), encoded.rows.values))
    ids = pool.astype(encoder.dtype)[gather_index(starts, lengths)]

    # A word's first token: what lies before it are words, and the frames of its own and of earlier features.
    at = offsets_of(size)[:-1] + feature_of * frame.size + frame.before[1]
    offsets = offsets_of(np.bincount(feature_of, weights=size, minlength=features).astype(np.int64) + frame.size)
    label = np.full(len(ids), NONE, dtype=np.int16)
    word = np.full(len(ids), NONE, dtype=np.int32)
    word[at] = np.arange(len(words)) - np.repeat(sentence[:-1], np.diff(sentence))
    number = {tag: index for index, tag in enumerate(labels)}
    label[at] = [
        NONE if record.tags is None else number.get(record.tags[place], NONE)
        for record in records
        for place in range(len(record.words))
    ]
    sentence_of = np.repeat(np.arange(len(records)), np.diff(sentence))
    return Part(
        ids=ids,
        offsets=offsets,
        example_of=sentence_of[opens],
        columns={"label": label, "word": word},
        examples=[
            {"id": record.id, "words": list(record.words), "tags": None if record.tags is None else list(record.tags)}
            for record in records
        ],
        counts={
            "split_sentences": features - len(records),
            "unknown_words": int(np.count_nonzero(strange)),
            **({"lost_words": lost} if long is LongTagging.TRUNCATE else {}),
            "words": len(words),
            "characters": sum(map(len, words)),
            "subwords": int(size.sum()),
        },
    )


def _flat(records: Sequence[TagRecord]) -> tuple[list[str], Ints]:
    """The words of all sentences, and where each sentence begins."""
    words = [word for record in records for word in record.words]
    return words, offsets_of(np.fromiter((len(record.words) for record in records), np.int64, len(records)))


def _shortened(records: Sequence[TagRecord], size: Ints, sentence: Ints, room: int) -> list[TagRecord]:
    """The sentences with their words that begin within one feature."""
    inside = _before(size, sentence) < room
    counts = np.add.reduceat(inside, sentence[:-1]).tolist()
    return [
        replace(record, words=record.words[:count], tags=None if record.tags is None else record.tags[:count])
        for record, count in zip(records, counts, strict=True)
    ]


def _before(size: Ints, sentence: Ints) -> Ints:
    """The pieces that lie before each word in its sentence, (W,)."""
    begins = np.cumsum(size) - size
    return begins - np.repeat(begins[sentence[:-1]], np.diff(sentence))


def _feature_openings(size: Ints, sentence: Ints, room: int) -> np.ndarray:
    """Whether a word opens a feature, (W,): the first of a sentence, and where the room is used up."""
    opens = np.zeros(len(size), dtype=np.bool_)
    opens[sentence[:-1]] = True
    ends = np.cumsum(size)
    before = ends - size
    for first, stop in pairwise(sentence.tolist()):
        at = first
        while ends[stop - 1] - before[at] > room:
            at = int(np.searchsorted(ends, before[at] + room, side="right"))
            opens[at] = True
    return opens


def _with_frame(
    begin: Ints, size: Ints, opens: np.ndarray, before: tuple[int, int], after: tuple[int, int]
) -> tuple[Ints, Ints]:
    """The pieces of the words with those of the special tokens put in around each feature."""
    at = np.flatnonzero(opens)
    ends = np.append(at[1:], len(begin))
    where = np.concatenate((ends, at))  # an end comes before the beginning of the next feature at the same place
    starts = np.insert(begin, where, np.repeat([after[0], before[0]], len(at)))
    lengths = np.insert(size, where, np.repeat([after[1], before[1]], len(at)))
    return starts, lengths
