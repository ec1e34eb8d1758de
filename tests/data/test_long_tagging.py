"""Sentences to tag that are longer than an input: split as XTREME does, split fully, or cut off."""

from __future__ import annotations

import numpy as np
import pytest

from stilts_core.catalog.models import LongTagging
from stilts_core.data.records import TagRecord
from stilts_core.data.tokenise import TextEncoder, tagged

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog")
RECORDS = [TagRecord("0", WORDS, ("X",) * len(WORDS)), TagRecord("1", WORDS[:2], ("X", "X"))]


def test_splitting_leaves_no_word_out(encoder: TextEncoder) -> None:
    whole = tagged(encoder, RECORDS, ["X"], 64)
    assert len(whole.offsets) == 3
    for long in (LongTagging.SPLIT, LongTagging.SPLIT_XTREME):
        part = tagged(encoder, RECORDS, ["X"], 12, long)
        assert np.count_nonzero(part.columns["word"] >= 0) == len(WORDS) + 2
        assert part.counts["split_sentences"] > 0
        assert max(np.diff(part.offsets)) <= 12


def test_xtreme_leaves_room_for_a_token_that_is_not_there(encoder: TextEncoder) -> None:
    assert (encoder.single.size, encoder.pair.size) == (2, 4)  # as XLM-R's
    fully = tagged(encoder, RECORDS, ["X"], 12, LongTagging.SPLIT)
    official = tagged(encoder, RECORDS, ["X"], 12, LongTagging.SPLIT_XTREME)
    shorter = tagged(encoder, RECORDS, ["X"], 11, LongTagging.SPLIT)
    assert official.ids.tolist() == shorter.ids.tolist()
    assert len(official.offsets) >= len(fully.offsets)


@pytest.mark.parametrize("length", [4, 8, 12, 64])
def test_what_is_cut_off_is_neither_predicted_nor_scored(encoder: TextEncoder, length: int) -> None:
    whole = tagged(encoder, RECORDS, ["X"], 64)
    part = tagged(encoder, RECORDS, ["X"], length, LongTagging.TRUNCATE)
    assert len(part.offsets) == 3  # one input a sentence
    for number in range(2):
        cut = part.ids[part.offsets[number] : part.offsets[number + 1]].tolist()
        full = whole.ids[whole.offsets[number] : whole.offsets[number + 1]].tolist()
        assert cut == (full if len(full) <= length else [*full[: length - 1], full[-1]])
        kept = part.examples[number]["words"]
        assert len(part.examples[number]["tags"]) == len(kept)
        assert kept == list(RECORDS[number].words[: len(kept)])
    lost = sum(len(record.words) for record in RECORDS) - sum(len(e["words"]) for e in part.examples)
    assert part.counts["lost_words"] == lost
    assert np.count_nonzero(part.columns["word"] >= 0) == len(WORDS) + 2 - lost
