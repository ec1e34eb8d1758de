"""Small tokenizers of the kinds that encoders bring: the real classes of transformers where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from stilts_core.data.vocabulary import train_tokenizer

Texts = Iterable[str]


@dataclass(frozen=True)
class Kind:
    """A tokenizer, and the ids of special tokens that the encoder's configuration names."""

    tokenizer: Any
    ids: dict[str, int]


def _pieces(texts: Texts, special: list[str], mask: str | None) -> list[tuple[str, float]]:
    """Unigram pieces as SentencePiece trains them, under other special tokens."""
    trained = json.loads(train_tokenizer(texts, 300, 64).backend_tokenizer.to_str())["model"]["vocab"]
    ordinary = [(piece, score) for piece, score in trained if not (piece.startswith("<") and piece.endswith(">"))]
    return [(name, 0.0) for name in special] + ordinary + ([(mask, 0.0)] if mask else [])


def _kind(tokenizer: Any, **more: int) -> Kind:
    names = {"pad": "pad_token_id", "bos": "bos_token_id", "eos": "eos_token_id"}
    ids = {f"{name}_token_id": getattr(tokenizer, key) for name, key in names.items()}
    return Kind(tokenizer, {name: value for name, value in ids.items() if value is not None} | more)


def xlm_r(texts: Texts) -> Kind:
    """Unigram over words that all begin with a blank; `<s> A </s></s> B </s>`, one segment."""
    from transformers import XLMRobertaTokenizer

    return _kind(XLMRobertaTokenizer(vocab=_pieces(texts, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>")))


def mt5(texts: Texts) -> Kind:
    """Unigram; nothing before a text, `A </s> B </s>`, and no mask."""
    from transformers import T5Tokenizer

    return _kind(T5Tokenizer(vocab=_pieces(texts, ["<pad>", "</s>", "<unk>"], None), extra_ids=0))


def mdeberta(texts: Texts) -> Kind:
    """Unigram; `[CLS] A [SEP] B [SEP]` in two segments."""
    from transformers import DebertaV2Tokenizer

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return _kind(DebertaV2Tokenizer(vocab=_pieces(texts, special, "[MASK]"), unk_id=3))


def rembert(texts: Texts) -> Kind:
    """Unigram; `[CLS] A [SEP] B [SEP]` in two segments, with other ids."""
    from tokenizers import processors
    from transformers import RemBertTokenizer

    special = ["<pad>", "[CLS]", "<unk>", "[SEP]", "[MASK]"]
    fast = RemBertTokenizer(vocab=_pieces(texts, special, None))
    # As the published tokenizer.json has it; made from a vocabulary, the class of transformers 5 loses it.
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 3)],
    )
    return _kind(fast)


def mbert(texts: Texts) -> Kind:
    """WordPiece over words and Chinese characters; `[CLS] A [SEP] B [SEP]` in two segments."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(models.WordPiece({}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    return _kind(BertTokenizer(vocab=backend.get_vocab(), do_lower_case=False))


def mmbert(texts: Texts) -> Kind:
    """BPE of Gemma's kind: no blank is added, unknown characters are bytes; `<bos> A <eos> B <eos>`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    backend = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="never")  # blanks begin a piece
    octets = [f"<0x{octet:02X}>" for octet in range(256)]
    # A rare character is left to the bytes.
    common = [*sorted({c for text in texts for c in text if c < "\u0500"} - {" "}), "▁"]
    backend.train_from_iterator(
        [text for text in texts if max(text) < "\u0500"],
        trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=common),
    )
    model = json.loads(backend.to_str())["model"]
    vocabulary = {name: at for at, name in enumerate([*special, *octets])}
    for piece in sorted(model["vocab"], key=model["vocab"].__getitem__):
        vocabulary.setdefault(piece, len(vocabulary))
    backend.model = models.BPE(
        vocabulary, [tuple(pair) for pair in model["merges"]], unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A <eos> $B <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    roles = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk", "mask")}
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="<bos>", sep_token="<eos>", **roles)
    return _kind(fast, cls_token_id=2, sep_token_id=1)


def eurobert(texts: Texts) -> Kind:
    """Byte-level BPE of Llama 3's kind; padded with the token that ends a text."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|mask|>"]
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    frame = processors.TemplateProcessing(
        single="<|begin_of_text|> $A <|end_of_text|>",
        pair="<|begin_of_text|> $A <|end_of_text|> $B <|end_of_text|>",
        special_tokens=[("<|begin_of_text|>", 0), ("<|end_of_text|>", 1)],
    )
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), frame])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        pad_token="<|end_of_text|>",
        mask_token="<|mask|>",
    )
    return _kind(fast, mask_token_id=2)


KINDS: dict[str, Callable[[Texts], Kind]] = {
    "xlm-r": xlm_r,
    "mt5": mt5,
    "mdeberta": mdeberta,
    "rembert": rembert,
    "mbert": mbert,
    "mmbert": mmbert,
    "eurobert": eurobert,
}
