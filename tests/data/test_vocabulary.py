from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.vocabulary import balanced, train_tokenizer
from stilts_core.errors import DataError


def test_special_tokens_and_pairs_are_those_of_xlm_r(tokenizer: Any) -> None:
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    assert len(tokenizer) <= 300
    one, two = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("dog", "fox"))
    assert tokenizer("dog")["input_ids"] == [0, *one, 2]
    assert tokenizer("dog", "fox")["input_ids"] == [0, *one, 2, 2, *two, 2]
    assert sorted(tokenizer("dog").keys()) == ["attention_mask", "input_ids"]


def test_text_is_normalised_and_comes_back(tokenizer: Any) -> None:
    ids = tokenizer("ｔｈｅ  ﬂ\u00a0dog")["input_ids"]
    assert ids == tokenizer("the fl dog")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the fl dog"
    assert tokenizer.decode(tokenizer("a <mask> dog")["input_ids"], skip_special_tokens=True).split() == ["a", "dog"]


def test_saved_and_loaded_it_is_the_same(tokenizer: Any, tmp_path: Path, sentences: dict[str, str]) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = list(sentences.values())
    assert loaded(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert loaded.model_max_length == 64
    assert (loaded.mask_token_id, loaded.pad_token_id) == (tokenizer.mask_token_id, 1)


def test_equal_texts_give_equal_bytes_in_another_process(tmp_path: Path, sentences: dict[str, str]) -> None:
    # One of its own: a tokenizer that others have used keeps how they had it truncate.
    train_tokenizer(sentences.values(), 300, 64).save_pretrained(tmp_path / "here")
    code = (
        "import sys; from stilts_core.data.vocabulary import train_tokenizer; "
        "train_tokenizer(sys.argv[2:], 300, 64).save_pretrained(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there"), *sentences.values()], check=True)
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in files:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_too_little_text_is_said() -> None:
    with pytest.raises(DataError, match="could be trained on 0 characters"):
        train_tokenizer([], 300, 64)


@given(
    st.dictionaries(st.sampled_from(["en", "fi", "th", "zh"]), st.lists(st.integers(1, 9), min_size=1), min_size=1),
    st.integers(1, 200),
)
def test_a_sample_is_in_order_and_small_languages_are_whole(lengths: dict[str, list[int]], characters: int) -> None:
    texts = {
        language: [f"{language}{index:03d}" + "x" * length for index, length in enumerate(rows)]
        for language, rows in lengths.items()
    }
    sample = balanced(texts, characters)
    assert sample == sorted(set(sample))
    for language, rows in texts.items():
        kept = [text for text in sample if text.startswith(language)]
        assert kept
        assert set(kept) <= set(rows)
        if sum(map(len, rows)) <= characters / len(texts):
            assert kept == rows


def test_large_languages_share_what_small_ones_leave() -> None:
    texts = {"en": ["x" * 10] * 1000, "de": ["y" * 10] * 500, "sw": ["z" * 10] * 10}
    sample = balanced(texts, 2100)
    count = {letter: sum(text[0] == letter for text in sample) for letter in "xyz"}
    assert count == {"x": 100, "y": 100, "z": 10}
