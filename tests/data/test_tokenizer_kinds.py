"""Every kind of tokenizer: frames, segments, words, answers and truncation against transformers' own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import SENTENCES
from tokenizer_kinds import KINDS, Kind

from stilts_core.data.records import ChoiceRecord, PairRecord, SentencePairRecord, SpanRecord, TagRecord
from stilts_core.data.tokenise import Part, TextEncoder, choices, pairs, spans, tagged, translations

TEXTS = [*SENTENCES.values(), "In 1999, 42 dogs ran.", "½ ﬁne … e\u0301t\u00e9 😀"]
LABELS = ("no", "yes")
SEGMENTED = {"mdeberta", "rembert", "mbert"}
ADDS_BLANK = {"xlm-r", "mt5", "mdeberta", "rembert"}
WORDS = {
    "en": ("The", "quick", "brown", "fox", "."),
    "tr": ("Köpek", "dün", "gece", "nerede", "uyudu", "?"),
    "zh": ("敏捷", "的", "棕色", "狐狸", "。"),
    "ja": ("素早い", "茶色", "の", "狐", "。"),
    "th": ("สุนัข", "นอน", "ที่ไหน"),
    "ar": ("أين", "نام", "الكلب", "؟"),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, Kind]:
    return request.param, KINDS[request.param](SENTENCES.values())


@pytest.fixture(scope="module")
def words(kind: tuple[str, Kind]) -> TextEncoder:
    return TextEncoder.of(kind[1].tokenizer)


def rows(part: Part) -> list[list[int]]:
    return [part.ids[a:b].tolist() for a, b in zip(part.offsets, part.offsets[1:], strict=False)]


def reference(tokenizer: Any, *texts: list[str], **settings: Any) -> Any:
    """What transformers makes of texts, segments included."""
    return tokenizer(*texts, return_token_type_ids=True, **settings)


def segments(part: Part) -> list[list[int]]:
    """Of each feature, token by token."""
    lengths = np.diff(part.offsets)
    second = part.columns.get("second", lengths)
    return [(np.arange(length) >= at).astype(int).tolist() for length, at in zip(lengths, second, strict=True)]


@pytest.mark.parametrize("max_length", [9, 16, 64])
def test_pairs_and_their_segments(kind: tuple[str, Kind], words: TextEncoder, max_length: int) -> None:
    name, made = kind
    records = [PairRecord(f"{i}", a, b, None) for i, (a, b) in enumerate((a, b) for a in TEXTS for b in TEXTS[:4])]
    part = pairs(words, records, LABELS, max_length)
    texts = [r.text_a for r in records], [r.text_b for r in records]
    expected = reference(made.tokenizer, *texts, truncation=True, max_length=max_length)
    assert rows(part) == expected["input_ids"]
    assert segments(part) == expected["token_type_ids"]
    assert ("second" in part.columns) == (name in SEGMENTED)


def test_choices_lose_the_beginning_of_their_context(kind: tuple[str, Kind], words: TextEncoder) -> None:
    record = ChoiceRecord("0", TEXTS[0], ("the dog", "fox"), 0)
    full = choices(words, [record], 256)
    expected = reference(kind[1].tokenizer, [record.context] * 2, list(record.choices))
    assert rows(full) == expected["input_ids"]
    assert segments(full) == expected["token_type_ids"]
    short = choices(words, [record], 16)
    assert np.diff(short.offsets).tolist() == [16, 16]
    frame = words.pair
    context = words.encode([record.context]).rows.values
    for ids, choice, types in zip(rows(short), record.choices, segments(short), strict=True):
        ending = words.encode([choice]).rows.values
        kept = 16 - frame.size - len(ending)
        assert ids[frame.before[1] :][:kept] == context[-kept:].tolist()
        assert ids[16 - frame.after[1] - len(ending) : 16 - frame.after[1]] == ending.tolist()
        if "second" in short.columns:
            assert sum(types) == len(ending) + frame.after[1]


@pytest.mark.parametrize(("max_length", "doc_stride"), [(48, 8), (200, 32)])
def test_windows(kind: tuple[str, Kind], words: TextEncoder, max_length: int, doc_stride: int) -> None:
    context = " ".join(TEXTS)
    records = [SpanRecord("0", "Who?", context, (("dog", 40),)), SpanRecord("1", "dog", "It is.", ())]
    part = spans(words, records, max_length=max_length, doc_stride=doc_stride, question_length=10)
    expected = reference(
        kind[1].tokenizer,
        [r.question for r in records],
        [r.context for r in records],
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
    )
    assert rows(part) == expected["input_ids"]
    # Of tokenizers without segments, transformers numbers those of the windows after the first all the same.
    if kind[0] in SEGMENTED:
        assert segments(part) == expected["token_type_ids"]
    else:
        assert "second" not in part.columns


@pytest.mark.parametrize("language", SENTENCES)
def test_every_character_of_a_context_can_be_answered(
    kind: tuple[str, Kind], words: TextEncoder, language: str
) -> None:
    """The gold tokens of an answer cover it, and go beyond it by no more than the rest of a token."""
    context = f"😀  {SENTENCES[language]} ½ "
    answers = [(context[a:b], a) for a in range(3, len(context) - 3) for b in (a + 1, a + 2, a + 5)]
    answers = [(text, a) for text, a in answers if text == text.strip() and a + len(text) < len(context)]
    records = [SpanRecord(str(i), "?", context, (answer,)) for i, answer in enumerate(answers)]
    part = spans(words, records, max_length=512, doc_stride=8, question_length=8)
    starts = part.offsets[:-1]
    begin = part.columns["char_start"][starts + part.columns["start"]]
    end = part.columns["char_end"][starts + part.columns["end"]]
    pieces = words.backend.encode(context, add_special_tokens=False)
    widest = max(b - a for a, b in pieces.offsets)
    for (text, at), a, b in zip(answers, begin.tolist(), end.tolist(), strict=True):
        if "[UNK]" not in pieces.tokens:
            assert a <= at, (text, context[a:b])
            assert b >= at + len(text), (text, context[a:b])
        assert at - a < widest
        assert b - at - len(text) < widest


@pytest.mark.parametrize("language", WORDS)
def test_the_first_piece_of_a_word_has_its_label(kind: tuple[str, Kind], words: TextEncoder, language: str) -> None:
    name, made = kind
    sentence = WORDS[language]
    tags = tuple(LABELS[i % 2] for i in range(len(sentence)))
    part = tagged(words, [TagRecord("0", sentence, tags)], LABELS, 256)
    at = np.flatnonzero(part.columns["word"] >= 0)
    assert part.columns["word"][at].tolist() == list(range(len(sentence)))
    assert part.columns["label"][at].tolist() == [i % 2 for i in range(len(sentence))]
    ids = made.tokenizer(list(sentence), is_split_into_words=True)
    if name in ADDS_BLANK or name == "mbert":
        assert rows(part) == [ids["input_ids"]]
        first = [ids.word_ids().index(word) for word in range(len(sentence))]
        assert at.tolist() == first
    else:
        # These tokenizers add no blank, and their words begin with one as they do inside of a sentence.
        expected = [made.tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in sentence]
        frame = words.single
        body = part.ids[frame.before[1] : len(part.ids) - frame.after[1]].tolist()
        assert body == [piece for pieces in expected for piece in pieces]
        assert np.diff(at).tolist() == [len(pieces) for pieces in expected[:-1]]
    assert words.word_prefix == ("" if name in ADDS_BLANK or name == "mbert" else " ")


def test_a_sentence_with_blanks_has_the_pieces_of_its_words(kind: tuple[str, Kind], words: TextEncoder) -> None:
    """What the prefix is for: inside of a sentence, words look alike whether they were split before or not."""
    text = "The quick brown dog sleep"
    part = tagged(words, [TagRecord("0", tuple(text.split()), None)], LABELS, 256)
    whole = words.backend.encode(words.word_prefix + text).ids
    assert rows(part) == [whole]


def test_sentences_of_retrieval(kind: tuple[str, Kind], words: TextEncoder) -> None:
    records = [SentencePairRecord(str(i), text, TEXTS[0]) for i, text in enumerate(TEXTS)]
    part = translations(words, records, 24)
    texts = [r.source for r in records] + [r.target for r in records]
    assert rows(part) == kind[1].tokenizer(texts, truncation=True, max_length=24)["input_ids"]
    assert "second" not in part.columns


def test_a_folder_gives_what_transformers_gives(kind: tuple[str, Kind], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    kind[1].tokenizer.save_pretrained(tmp_path)
    read, slow = TextEncoder.load(tmp_path), TextEncoder.of(AutoTokenizer.from_pretrained(tmp_path))
    texts = [*TEXTS, "", " ", "\n\tdog  dog ", "a\u0000b"]
    ours, theirs = read.encode(texts, spans=True), slow.encode(texts, spans=True)
    np.testing.assert_array_equal(ours.rows.values, theirs.rows.values)
    np.testing.assert_array_equal(ours.rows.offsets, theirs.rows.offsets)
    np.testing.assert_array_equal(ours.spans, theirs.spans)
    for name in ("pad_id", "unknown_id", "vocabulary", "word_prefix", "dtype"):
        assert getattr(read, name) == getattr(slow, name), name
    for frame in ("single", "pair"):
        mine, other = getattr(read, frame), getattr(slow, frame)
        assert mine.ids.tolist() == other.ids.tolist()
        assert (mine.before, mine.between, mine.after) == (other.before, other.between, other.after)
