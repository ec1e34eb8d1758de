"""Tokenised examples against what transformers' own tokenizer makes of them, and back to the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stilts_core.data.readers import read
from stilts_core.data.records import ChoiceRecord, PairRecord, SentencePairRecord, SpanRecord, TagRecord
from stilts_core.data.tokenise import (
    Part,
    TextEncoder,
    blocks,
    choices,
    join,
    pairs,
    parallel,
    spans,
    tagged,
    translations,
)
from stilts_core.errors import MissingInputError, SpecError

LABELS = ("no", "yes")


def rows(part: Part) -> list[list[int]]:
    return [part.ids[a:b].tolist() for a, b in zip(part.offsets, part.offsets[1:], strict=False)]


def whole(part: Part) -> None:
    """The arrays fit together."""
    assert part.offsets[0] == 0
    assert part.offsets[-1] == len(part.ids)
    assert (np.diff(part.offsets) > 0).all()
    assert len(part.example_of) == len(part.offsets) - 1
    assert sorted(set(part.example_of.tolist())) == list(range(len(part.examples)))
    assert (np.diff(part.example_of) >= 0).all()


@pytest.mark.parametrize("max_length", [8, 9, 15, 16, 40, 64])
def test_pairs_are_what_the_tokenizer_makes(
    encoder: TextEncoder, tokenizer: Any, sentences: dict[str, str], max_length: int
) -> None:
    texts = [*sentences.values(), "dog", "a"]
    records = [PairRecord(str(i), a, b, LABELS[i % 2]) for i, (a, b) in enumerate((a, b) for a in texts for b in texts)]
    part = pairs(encoder, records, LABELS, max_length)
    whole(part)
    expected = tokenizer(
        [r.text_a for r in records], [r.text_b for r in records], truncation=True, max_length=max_length
    )
    assert rows(part) == expected["input_ids"]
    assert part.columns["label"].tolist() == [i % 2 for i in range(len(records))]
    assert part.examples[3] == {"id": "3", "label": "yes"}


def test_a_pair_without_label_has_none(encoder: TextEncoder) -> None:
    part = pairs(encoder, [PairRecord("0", "a", "b", None)], LABELS, 16)
    assert part.columns["label"].tolist() == [-1]
    assert part.examples == [{"id": "0", "label": None}]


def test_choices_keep_the_end_of_a_long_context(encoder: TextEncoder, tokenizer: Any) -> None:
    context = "The quick brown fox jumps over the lazy dog."
    record = ChoiceRecord("7", context, ("the dog", "the fox jumps over"), 1)
    full = choices(encoder, [record, record], 64)
    whole(full)
    expected = tokenizer([context, context], list(record.choices))["input_ids"]
    assert rows(full) == expected * 2
    assert full.columns["label"].tolist() == [1, 1]
    assert full.example_of.tolist() == [0, 0, 1, 1]

    short = choices(encoder, [record], 24)
    context_ids = tokenizer(context, add_special_tokens=False)["input_ids"]
    for ids, choice in zip(rows(short), record.choices, strict=True):
        choice_ids = tokenizer(choice, add_special_tokens=False)["input_ids"]
        kept = 24 - 4 - len(choice_ids)
        assert ids == [0, *context_ids[-kept:], 2, 2, *choice_ids, 2]
    assert short.counts["truncated"] == 2
    alone = choices(encoder, [record], 10)
    assert [len(ids) for ids in rows(alone)] == [10, 10]


@pytest.mark.parametrize(("max_length", "doc_stride"), [(64, 8), (40, 16), (30, 0), (200, 128)])
def test_windows_are_those_of_the_tokenizer(
    encoder: TextEncoder, tokenizer: Any, sentences: dict[str, str], max_length: int, doc_stride: int
) -> None:
    context = " ".join(sentences.values())
    records = [SpanRecord(str(i), q, context, (("dog", 40),)) for i, q in enumerate(["Who?", "Where is it?"])]
    records.append(SpanRecord("2", "Why?", "It is.", (), impossible=True))
    part = spans(encoder, records, max_length=max_length, doc_stride=doc_stride, question_length=20)
    whole(part)
    expected = tokenizer(
        [r.question for r in records],
        [r.context for r in records],
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
    )
    assert rows(part) == expected["input_ids"]
    assert part.example_of.tolist() == list(expected["overflow_to_sample_mapping"])


def answers_in(part: Part, records: list[SpanRecord]) -> dict[int, set[str]]:
    """By example: the texts that its windows mark."""
    found: dict[int, set[str]] = {}
    starts = part.offsets[:-1]
    for feature in np.flatnonzero(part.columns["start"]):
        example = int(part.example_of[feature])
        begin = part.columns["char_start"][starts[feature] + part.columns["start"][feature]]
        end = part.columns["char_end"][starts[feature] + part.columns["end"][feature]]
        found.setdefault(example, set()).add(records[example].context[begin:end])
    return found


def test_characters_lie_in_the_context_and_nowhere_else(encoder: TextEncoder) -> None:
    records = [SpanRecord("0", "Where did it sleep?", "  The dog\n\n slept  here. ", ((" slept ", 11),))]
    part = spans(encoder, records, max_length=64, doc_stride=8, question_length=20)
    inside = part.columns["char_start"] >= 0
    assert (inside == (part.columns["char_end"] >= 0)).all()
    asked = len(encoder.encode(["Where did it sleep?"]).rows.values)
    assert np.flatnonzero(inside).tolist() == list(range(asked + 3, len(part.ids) - 1))
    begin, end = part.columns["char_start"][inside], part.columns["char_end"][inside]
    pieces = [records[0].context[a:b] for a, b in zip(begin, end, strict=True)]
    assert all(piece == piece.strip() for piece in pieces)
    covered = sorted({place for a, b in zip(begin, end, strict=True) for place in range(a, b)})
    assert "".join(records[0].context[place] for place in covered) == "Thedogslepthere."
    assert answers_in(part, records) == {0: {"slept"}}


def test_a_window_without_the_whole_answer_points_at_its_first_token(encoder: TextEncoder) -> None:
    context = "The quick brown fox jumps over the lazy dog. Where did the dog sleep last night?"
    record = SpanRecord("0", "Who?", context, (("fox", 16),))
    impossible = SpanRecord("1", "Who?", context, (), impossible=True)
    part = spans(encoder, [record, impossible], max_length=32, doc_stride=4, question_length=16)
    starts, ends = part.columns["start"], part.columns["end"]
    assert ((starts == 0) == (ends == 0)).all()
    first = part.example_of == 0
    assert 0 < np.count_nonzero(starts[first]) < np.count_nonzero(first)
    assert not starts[~first].any()
    assert answers_in(part, [record, impossible]) == {0: {"fox"}}
    assert [example["answers"] for example in part.examples] == [["fox"], []]


def test_questions_are_cut_and_lengths_that_leave_no_room_refused(encoder: TextEncoder) -> None:
    record = SpanRecord("0", "dog " * 50, "The dog. " * 50, (("dog", 4),))
    part = spans(encoder, [record], max_length=40, doc_stride=4, question_length=7)
    assert all(ids[8:10] == [2, 2] for ids in rows(part))
    assert part.counts["truncated"] == 1
    with pytest.raises(SpecError, match="leaves no room for a context"):
        spans(encoder, [record], max_length=40, doc_stride=32, question_length=7)
    with pytest.raises(SpecError, match="leaves no room for a context"):
        spans(encoder, [record], max_length=24, doc_stride=4, question_length=64)


def test_words_keep_their_labels(encoder: TextEncoder, tokenizer: Any) -> None:
    records = [
        TagRecord("0", ("The", "quick", "dog", "."), ("no", "yes", "yes", "no")),
        TagRecord("1", ("köpeğin", "狗", "\u200b", "ที่ไหน"), ("yes", "no", "yes", "no")),
        TagRecord("2", ("dog",), None),
    ]
    part = tagged(encoder, records, LABELS, 64)
    whole(part)
    first = tokenizer(list(records[0].words), is_split_into_words=True)
    assert rows(part)[0] == first["input_ids"]
    for feature, record in enumerate(records):
        at = slice(part.offsets[feature], part.offsets[feature + 1])
        labelled = part.columns["word"][at] >= 0
        assert part.columns["word"][at][labelled].tolist() == list(range(len(record.words)))
        gold = [-1] * len(record.words) if record.tags is None else [LABELS.index(tag) for tag in record.tags]
        assert part.columns["label"][at][labelled].tolist() == gold
        assert (part.columns["label"][at][~labelled] == -1).all()
    assert part.examples[2] == {"id": "2", "words": ["dog"], "tags": None}


def test_long_sentences_go_on_between_words_and_endless_words_are_unknown(encoder: TextEncoder) -> None:
    words = ("dog", "q" * 40, "fox", "jumps", "over", "quick", "brown", "lazy", "night")
    part = tagged(encoder, [TagRecord("0", words, ("yes",) * 9), TagRecord("1", ("dog",), ("no",))], LABELS, 16)
    whole(part)
    assert (np.diff(part.offsets) <= 16).all()
    assert len(part.offsets) - 1 > 2
    assert part.columns["word"][part.columns["word"] >= 0].tolist() == [*range(9), 0]
    at = int(np.flatnonzero(part.columns["word"] == 1)[0])
    assert part.ids[at] == encoder.unknown_id
    assert part.counts["unknown_words"] == 1
    assert all(ids[0] == 0 and ids[-1] == 2 and ids.count(2) == 1 for ids in rows(part))
    assert part.example_of.tolist() == [0] * (len(part.offsets) - 2) + [1]


def test_both_sides_of_a_translation(encoder: TextEncoder, tokenizer: Any, sentences: dict[str, str]) -> None:
    records = [SentencePairRecord(str(i), text, sentences["en"]) for i, text in enumerate(sentences.values())]
    part = translations(encoder, records, 24)
    whole(part)
    texts = [r.source for r in records] + [r.target for r in records]
    assert rows(part) == tokenizer(texts, truncation=True, max_length=24)["input_ids"]
    assert part.columns["side"].tolist() == [0] * len(records) + [1] * len(records)
    assert part.examples[len(records) + 1] == {"id": "1", "text": sentences["en"]}


@pytest.mark.parametrize("length", [8, 20, 64])
def test_blocks_hold_all_of_the_text_in_order(
    encoder: TextEncoder, tokenizer: Any, sentences: dict[str, str], length: int
) -> None:
    texts = [part for text in sentences.values() for part in text.split(" ")]
    part = blocks(encoder, texts, length)
    whole(part)
    assert (np.diff(part.offsets) <= length).all()
    assert all(ids[0] == 0 and ids[-1] == 2 and 0 not in ids[1:] for ids in rows(part))
    wanted = [i for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for i in ids]
    assert [i for ids in rows(part) for i in ids if i not in (0, 2)] == wanted
    if length == 64:
        assert part.ids.tolist().count(2) == len(texts)


def test_parallel_text_has_a_group_for_each_sentence(encoder: TextEncoder, tokenizer: Any) -> None:
    part = parallel(encoder, ["the dog", "der Hund", "the fox"], [4, 4, 9], 16)
    whole(part)
    assert rows(part) == tokenizer(["the dog", "der Hund", "the fox"])["input_ids"]
    assert part.columns["group"].tolist() == [4, 4, 9]


def test_files_follow_each_other_in_a_dataset(encoder: TextEncoder) -> None:
    one = tagged(encoder, [TagRecord("0", ("dog",) * 9, ("no",) * 9)], LABELS, 16)
    two = tagged(encoder, [TagRecord("a", ("fox",), ("yes",)), TagRecord("b", ("fox",), ("no",))], LABELS, 16)
    both = join([one, two])
    whole(both)
    assert rows(both) == rows(one) + rows(two)
    assert both.columns["label"].tolist() == one.columns["label"].tolist() + two.columns["label"].tolist()
    assert both.counts["words"] == 11


def test_ids_take_the_smallest_type(encoder: TextEncoder) -> None:
    assert pairs(encoder, [PairRecord("0", "a", "b", "no")], LABELS, 16).ids.dtype == np.uint16


def test_equal_texts_are_tokenised_once(encoder: TextEncoder) -> None:
    encoded = encoder.encode(["dog", "fox", "dog"])
    assert len(encoded.rows) == 2
    assert encoded.of.tolist() == [0, 1, 0]


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta"}')
    with pytest.raises(MissingInputError, match="has no tokenizer"):
        TextEncoder.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(MissingInputError, match="cannot be loaded"):
        TextEncoder.load(tmp_path)


def test_frames_of_other_tokenizers_are_found() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "a": 4, "b": 5}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    assert rows(pairs(TextEncoder.of(fast), [PairRecord("0", "a", "b a", "no")], LABELS, 16)) == [[1, 4, 2, 5, 4, 2]]

    backend.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 2)]
    )
    suffix_only = TextEncoder.of(PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]"))
    assert rows(blocks(suffix_only, ["a", "b", "b b"], 6)) == [[4, 2, 5, 2], [5, 5, 2]]
    assert rows(tagged(suffix_only, [TagRecord("0", ("a", "b"), ("no", "yes"))], LABELS, 6)) == [[4, 5, 2]]


def test_a_tokenizer_that_needs_a_blank_before_a_word_gets_one() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "<unk>": 1, "a": 2, "Ġa": 3, "b": 4, "Ġb": 5}
    backend = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder = TextEncoder.of(PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>"))
    part = tagged(encoder, [TagRecord("0", ("a", "b"), ("no", "yes"))], LABELS, 8)
    assert rows(part) == [[3, 5]]


@pytest.mark.parametrize("language", ["ar", "th", "tr", "zh"])
def test_answers_come_back_from_their_characters(data: Path, real_encoder: TextEncoder, language: str) -> None:
    records = read("squad-json", data / f"xquad/xquad.{language}.json")
    part = spans(real_encoder, records, max_length=256, doc_stride=64, question_length=64)
    whole(part)
    found = answers_in(part, records)
    wrong = [
        (texts, records[example].answers[0][0])
        for example, texts in found.items()
        # A token may hold more than the answer (a quote before it, say), never less.
        if not all(records[example].answers[0][0].strip() in text for text in texts)
    ]
    assert wrong == []
    assert len(found) > 0.98 * len(records)
    exact = sum(texts == {records[example].answers[0][0]} for example, texts in found.items())
    assert exact > 0.95 * len(records)


@pytest.mark.parametrize("language", ["ja", "th", "zh"])
@pytest.mark.parametrize("max_length", [24, 128])
def test_words_and_tags_stay_together(data: Path, real_encoder: TextEncoder, language: str, max_length: int) -> None:
    source = {"th": "udpos/UD_Thai-PUD/th_pud-ud-test.conllu"}.get(language, f"udpos/xtreme/dev-{language}.tsv")
    records = read("conllu" if source.endswith("conllu") else "tags-tsv", data / source, language=language)
    labels = sorted({tag for record in records for tag in record.tags})
    part = tagged(real_encoder, records, labels, max_length)
    whole(part)
    assert (np.diff(part.offsets) <= max_length).all()
    starts = np.searchsorted(part.example_of, np.arange(len(records) + 1))
    for example, record in enumerate(records):
        at = slice(part.offsets[starts[example]], part.offsets[starts[example + 1]])
        word, label = part.columns["word"][at], part.columns["label"][at]
        assert word[word >= 0].tolist() == list(range(len(record.words)))
        assert [labels[index] for index in label[word >= 0]] == list(record.tags)
    if language == "ja":
        index = part.columns["word"][: part.offsets[1]]
        first = real_encoder.encode([records[0].words[0]]).rows.values
        assert part.ids[1 : 1 + len(first)].tolist() == first.tolist()
        assert index[1] == 0


def test_a_folder_is_read_without_transformers_and_gives_the_same_tokens(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    tokenizer.save_pretrained(tmp_path)
    slow = TextEncoder.of(transformers.AutoTokenizer.from_pretrained(tmp_path))
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", None)
    fast = TextEncoder.load(tmp_path)
    texts = ["a b", "Ein Satz.", "日本語", "  blanks  ", "", "<s> </s>"]
    one, other = (encoder.encode(texts, spans=True) for encoder in (slow, fast))
    assert one.rows.values.tolist() == other.rows.values.tolist()
    assert one.rows.offsets.tolist() == other.rows.offsets.tolist()
    assert one.spans is not None
    assert other.spans is not None
    assert one.spans.tolist() == other.spans.tolist()
    assert (fast.vocabulary, fast.pad_id, fast.unknown_id) == (slow.vocabulary, slow.pad_id, slow.unknown_id)
    assert fast.pair.ids.tolist() == slow.pair.ids.tolist()


def test_a_damaged_tokenizer_is_named(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version":', encoding="utf-8")
    with pytest.raises(MissingInputError, match=r"cannot be loaded: tokenizer\.json is damaged"):
        TextEncoder.load(tmp_path)
