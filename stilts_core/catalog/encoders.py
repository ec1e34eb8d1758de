"""What is known of encoders: the adapter of each architecture, and the encoders that have a short name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from stilts_core.catalog.models import LanguageCode, Name
from stilts_core.errors import SpecError
from stilts_core.model import Frozen

Pooling = Literal["first", "mean", "last"]
Precision = Literal["fp32", "bf16"]

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",  # XLM-R
    "spiece.model",  # mT5
    "spm.model",  # mDeBERTa
    "sentencepiece.model",  # RemBERT
    "tokenizer.model",  # Gemma
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
"""The files that make up a tokenizer, over all architectures."""

VOCABULARY_FILES = tuple(
    name
    for name in TOKENIZER_FILES
    if name not in {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"}
)
"""The files of which a tokenizer has at least one."""

_POOLING_WORDS: Mapping[str, Pooling] = {"cls": "first", "bos": "first", "mean": "mean", "late": "mean"}


class EncoderTraits(Frozen):
    """What stilts has to know of an architecture; everything else is read off its configuration and its tokenizer.

    Attributes:
        name: the `model_type` of the configuration.
        body: the class of transformers that holds the encoder alone; None: what AutoModel gives.
        single, pair: how its pretraining framed texts, for people. What is used is what the tokenizer does itself.
        opened: inputs begin with a special token, which a first-token pooling needs.
        pooling: what stands for a whole input: its first token, the mean of its tokens, or its last token.
        pooling_key: the key of the configuration that says otherwise, where the architecture has one.
        positions: ``absolute`` and ``rotary``: as many as the configuration says; ``after-pad``: numbered from the
            padding index on, so ``pad_token_id + 1`` fewer; ``relative``: no limit of their own.
        length: tokens of its pretraining inputs, where the configuration does not tell.
        layers, hidden, intermediate: the keys of the configuration for depth and widths.
        gated: the feed-forward block has three matrices instead of two.
        dropout: the keys of the configuration for the dropout of a head, the first that is there.
        precisions: of a forward pass that are safe. fp16 is offered for none: mT5 and mDeBERTa overflow in it.
        version: raised when the adapter changes what encoders of the architecture give; part of their digest.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    body: str | None = None
    single: str
    pair: str
    opened: bool = True
    pooling: Pooling = "first"
    pooling_key: str | None = None
    positions: Literal["absolute", "after-pad", "relative", "rotary"] = "absolute"
    length: PositiveInt | None = None
    layers: str = "num_hidden_layers"
    hidden: str = "hidden_size"
    intermediate: str = "intermediate_size"
    gated: bool = False
    dropout: tuple[str, ...] = ("hidden_dropout_prob",)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    version: PositiveInt = 1
    note: str = ""
    presentational: ClassVar[frozenset[str]] = frozenset({"title", "note"})

    def max_length(self, config: Mapping[str, Any]) -> int | None:
        """Tokens of an input at most, special tokens included; None where nothing limits them."""
        positions = config.get("max_position_embeddings")
        if not isinstance(positions, int):
            return self.length
        if self.positions == "after-pad":
            pad = config.get("pad_token_id")
            positions -= (pad if isinstance(pad, int) else 1) + 1
        return positions if positions > 0 else self.length

    def sentence_pooling(self, config: Mapping[str, Any]) -> Pooling:
        """How an input becomes one vector."""
        word = config.get(self.pooling_key) if self.pooling_key else None
        return _POOLING_WORDS.get(word, self.pooling) if isinstance(word, str) else self.pooling

    def head_dropout(self, config: Mapping[str, Any]) -> float:
        """The dropout of a head on this encoder; 0.1 where the configuration names none."""
        found = next((config[key] for key in self.dropout if isinstance(config.get(key), int | float)), 0.1)
        return float(found)


class KnownEncoder(Frozen):
    """An encoder that a study may call by a short name.

    Attributes:
        name: the short name.
        hub: the hub id.
        revision: the commit that is taken where a study names none.
        architecture: the name of its `EncoderTraits`.
        layers: transformer layers.
        hidden: width of a token's vector.
        intermediate: width of the feed-forward block.
        embedding: width of the word embeddings, where it is not ``hidden``.
        heads, key_heads: attention heads, and those of keys and values where they are fewer.
        head: width of an attention head, where it is not ``hidden / heads``.
        vocabulary: rows of the word embeddings.
        parameters: of the encoder as it is fine-tuned here, without pooler, decoder and language-model head.
        max_length: tokens of an input at most, special tokens included.
        seen: the languages of its pretraining among the catalogue's; None where that is not known.
    """

    name: Name
    hub: str
    revision: str | None = None
    title: str
    architecture: str
    layers: PositiveInt
    hidden: PositiveInt
    intermediate: PositiveInt
    embedding: PositiveInt | None = None
    heads: PositiveInt
    key_heads: PositiveInt | None = None
    head: PositiveInt | None = None
    vocabulary: PositiveInt
    parameters: PositiveInt
    max_length: PositiveInt
    seen: tuple[LanguageCode, ...] | None = None
    licence: str
    note: str = ""

    @property
    def body(self) -> int:
        """Parameters without the word embeddings."""
        return self.parameters - self.vocabulary * (self.embedding or self.hidden)


def traits_of(
    config: Mapping[str, Any], architectures: Mapping[str, EncoderTraits], *, encoder: object
) -> EncoderTraits:
    """The adapter for a configuration.

    Args:
        config: the content of ``config.json``.
        architectures: the known ones by `model_type`.
        encoder: what the message calls it.

    Raises:
        SpecError: there is no adapter for its architecture.
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in architectures:
        return architectures[kind]
    what = f"has the architecture {kind}" if kind else "names no architecture (`model_type` in its config.json)"
    code = " It comes with code of its own, which is never run." if config.get("auto_map") else ""
    raise SpecError(
        f"The encoder {encoder} {what}, and stilts knows {', '.join(architectures)}.{code}",
        hint="Take an encoder of a known architecture; a new one needs an entry in catalog/data/architectures.yaml.",
    )
