"""What a prepare stage refuses before it makes inputs that an encoder could not take."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent.parent / "data"))
from tokenizer_kinds import KINDS

from stilts_core.data.tokenise import TextEncoder
from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.stages.adapter import check_inputs
from stilts_core.stages.handoff import read_vocabulary, write_tokenizer

TEXTS = ["The quick brown fox jumps over the lazy dog.", "Hızlı kahverengi tilki", "敏捷的棕色狐狸跳过懒狗。"]
XLM_R = {"model_type": "xlm-roberta", "max_position_embeddings": 66, "pad_token_id": 1}


def folder_of(folder: Path, kind: str, **config: Any) -> TextEncoder:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    KINDS[kind](TEXTS).tokenizer.save_pretrained(folder)
    return TextEncoder.load(folder)


def test_inputs_are_no_longer_than_the_encoder_takes(tmp_path: Path) -> None:
    words = folder_of(tmp_path, "xlm-r", **XLM_R)
    check_inputs(words, tmp_path, max_length=64, pairs=True)
    with pytest.raises(SpecError, match=r"Inputs of 65 tokens .* takes 64 at most") as caught:
        check_inputs(words, tmp_path, max_length=65, pairs=True)
    assert "max_length to 64" in str(caught.value)


@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
def test_positions_that_begin_at_nought_are_all_used(tmp_path: Path, model_type: str) -> None:
    words = folder_of(tmp_path, "mbert", model_type=model_type, max_position_embeddings=64, pad_token_id=0)
    check_inputs(words, tmp_path, max_length=64, pairs=True)
    with pytest.raises(SpecError, match="takes 64 at most"):
        check_inputs(words, tmp_path, max_length=65, pairs=True)


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    words = folder_of(tmp_path, "xlm-r", model_type="quantumbert")
    with pytest.raises(SpecError, match="quantumbert, and stilts knows xlm-roberta, "):
        check_inputs(words, tmp_path, max_length=64, pairs=True)


def test_a_tokenizer_of_another_encoder_is_refused(tmp_path: Path) -> None:
    words = folder_of(tmp_path, "xlm-r", **XLM_R, vocab_size=100_000)
    with pytest.raises(DataError, match=f"has {words.vocabulary} tokens, and the encoder's embeddings 100000 rows"):
        check_inputs(words, tmp_path, max_length=64, pairs=True)
    (tmp_path / "config.json").write_text(json.dumps(XLM_R | {"vocab_size": 10}))
    with pytest.raises(DataError, match="do not belong together"):
        check_inputs(words, tmp_path, max_length=64, pairs=True)


def test_what_stands_for_a_text_must_be_there(tmp_path: Path) -> None:
    """mT5's tokenizer opens no text, so no encoder that reads the first token can use it."""
    words = folder_of(tmp_path, "mt5", **XLM_R)
    with pytest.raises(DataError, match=r"puts no special token before a text.* read <s> A </s></s> B </s>"):
        check_inputs(words, tmp_path, max_length=32, pairs=False)
    for config in ({"model_type": "mt5"}, {"model_type": "modernbert", "classifier_pooling": "mean"}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        check_inputs(words, tmp_path, max_length=32, pairs=True)


def test_texts_of_a_pair_must_not_run_into_each_other(tmp_path: Path) -> None:
    words = folder_of(tmp_path, "mt5", model_type="mt5")
    stored = json.loads((tmp_path / "tokenizer.json").read_text())
    stored["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored))
    words = TextEncoder.load(tmp_path)
    with pytest.raises(DataError, match="puts nothing between the two texts"):
        check_inputs(words, tmp_path, max_length=32, pairs=True)
    check_inputs(words, tmp_path, max_length=32, pairs=False)


def test_masked_training_says_which_encoders_have_no_mask(tmp_path: Path) -> None:
    folder_of(tmp_path, "mt5", model_type="mt5")
    with pytest.raises(MissingInputError, match="has no mask token") as caught:
        read_vocabulary(tmp_path)
    assert "mT5" in str(caught.value)


@pytest.fixture(scope="module")
def sentencepiece_model() -> bytes:
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 4),
        model_writer=out,
        model_type="unigram",
        vocab_size=100,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


@pytest.mark.parametrize(
    ("model_type", "name", "pair"),
    [
        ("xlm-roberta", "sentencepiece.bpe.model", [0, None, 2, 2, None, 2]),
        ("bert", "sentencepiece.bpe.model", [0, None, 2, 2, None, 2]),
        ("mt5", "spiece.model", [None, 2, None, 2]),
    ],
)
def test_encoders_that_bring_a_sentencepiece_model_only(
    tmp_path: Path, sentencepiece_model: bytes, model_type: str, name: str, pair: list[int | None]
) -> None:
    """mMiniLM has BERT's layers and XLM-R's tokenizer, of which AutoTokenizer makes an empty one."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (tmp_path / name).write_bytes(sentencepiece_model)
    words = TextEncoder.load(tmp_path)
    assert words.vocabulary > 30
    frame = words.pair
    laid = [
        *frame.ids[: frame.before[1]].tolist(),
        None,
        *frame.ids[frame.between[0] :][: frame.between[1]].tolist(),
        None,
        *frame.ids[frame.after[0] :].tolist(),
    ]
    assert laid == pair
    pieces = words.backend.encode("the lazy dog", add_special_tokens=False).tokens
    assert "".join(pieces).replace("▁", " ").strip() == "the lazy dog"
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "config.json").write_text((tmp_path / "config.json").read_text())
    write_tokenizer(tmp_path / "next", tmp_path)
    again = TextEncoder.load(tmp_path / "next")
    assert again.encode(TEXTS).rows.values.tolist() == words.encode(TEXTS).rows.values.tolist()
