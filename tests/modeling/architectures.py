"""Encoders with random weights, of the real classes: one of every known architecture, and those of the catalogue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "data"))
from tokenizer_kinds import KINDS, Texts

from stilts_core.catalog.encoders import EncoderTraits, KnownEncoder
from stilts_core.catalog.load import load_architectures, load_catalogue

CATALOGUE = load_catalogue()
ARCHITECTURES = tuple(load_architectures())
CASES = {
    "xlm-roberta": ("xlm-roberta", "xlm-r"),
    "xlm-roberta-xl": ("xlm-roberta-xl", "xlm-r"),
    "roberta": ("roberta", "xlm-r"),
    "camembert": ("camembert", "xlm-r"),
    "bert": ("bert", "mbert"),
    "mminilm": ("bert", "xlm-r"),
    "distilbert": ("distilbert", "mbert"),
    "electra": ("electra", "mbert"),
    "deberta-v2": ("deberta-v2", "mdeberta"),
    "rembert": ("rembert", "rembert"),
    "mt5": ("mt5", "mt5"),
    "umt5": ("umt5", "mt5"),
    "t5": ("t5", "mt5"),
    "modernbert": ("modernbert", "mmbert"),
    "eurobert": ("eurobert", "eurobert"),
}
"""Architecture and kind of tokenizer (`tokenizer_kinds`), as they come together in published encoders."""

PUBLISHED = {
    "xlm-roberta": "XLMRobertaForMaskedLM",
    "xlm-roberta-xl": "XLMRobertaXLForMaskedLM",
    "bert": "BertForPreTraining",
    "distilbert": "DistilBertForMaskedLM",
    "deberta-v2": "DebertaV2ForMaskedLM",
    "rembert": "RemBertForMaskedLM",
    "mt5": "MT5ForConditionalGeneration",
    "modernbert": "ModernBertForMaskedLM",
    "eurobert": "EuroBertForMaskedLM",
}
"""The class that an encoder was published as, where that is more than the encoder."""


def tiny(architecture: str, vocabulary: int, **more: Any) -> KnownEncoder:
    """An encoder of two layers of width 32; of an architecture with narrow embeddings these have half of that."""
    return KnownEncoder(
        name="tiny",
        hub="test/tiny",
        title="tiny",
        architecture=architecture,
        layers=2,
        hidden=32,
        intermediate=64,
        embedding=16 if architecture in ("rembert", "electra") else None,
        heads=4,
        key_heads=2 if architecture == "eurobert" else None,
        head=8 if architecture in ("mt5", "umt5", "t5") else None,
        vocabulary=vocabulary,
        parameters=1,
        max_length=64,
        licence="",
        **more,
    )


def new_config(known: KnownEncoder, **ids: int) -> Any:
    """The configuration of transformers for an encoder of the catalogue, as its publishers set what it does not say.

    Args:
        ids: of special tokens (`pad_token_id` …).
    """
    import transformers

    plain = {
        "vocab_size": known.vocabulary,
        "hidden_size": known.hidden,
        "num_hidden_layers": known.layers,
        "num_attention_heads": known.heads,
        "intermediate_size": known.intermediate,
        "max_position_embeddings": known.max_length,
        **ids,
    }
    match known.architecture:
        case "xlm-roberta" | "xlm-roberta-xl" | "roberta" | "camembert":
            first = ids.get("pad_token_id", 1) + 1
            return getattr(transformers, CONFIGS[known.architecture])(
                **plain | {"type_vocab_size": 1, "max_position_embeddings": known.max_length + first}
            )
        case "bert":
            return transformers.BertConfig(**plain)
        case "electra":
            return transformers.ElectraConfig(**plain, embedding_size=known.embedding or known.hidden)
        case "rembert":
            return transformers.RemBertConfig(**plain, input_embedding_size=known.embedding, output_embedding_size=1664)
        case "deberta-v2":
            return transformers.DebertaV2Config(
                **plain,
                relative_attention=True,
                position_buckets=256,
                norm_rel_ebd="layer_norm",
                share_att_key=True,
                pos_att_type=["p2c", "c2p"],
                position_biased_input=False,
                type_vocab_size=0,
            )
        case "distilbert":
            return transformers.DistilBertConfig(
                vocab_size=known.vocabulary,
                dim=known.hidden,
                n_layers=known.layers,
                n_heads=known.heads,
                hidden_dim=known.intermediate,
                max_position_embeddings=known.max_length,
                **ids,
            )
        case "mt5" | "umt5" | "t5":
            gated = {} if known.architecture == "t5" else {"feed_forward_proj": "gated-gelu"}
            return getattr(transformers, CONFIGS[known.architecture])(
                vocab_size=known.vocabulary,
                d_model=known.hidden,
                num_layers=known.layers,
                num_heads=known.heads,
                d_kv=known.head,
                d_ff=known.intermediate,
                **gated,
                **ids,
            )
        case "modernbert":
            # Some layers attend locally, and these windows must be shorter than the inputs to be seen.
            return transformers.ModernBertConfig(**plain, local_attention=8 if known.name == "tiny" else 128)
        case "eurobert":
            return transformers.EuroBertConfig(**plain, num_key_value_heads=known.key_heads)
    raise AssertionError(f"a new architecture needs a configuration here: {known.architecture}")


CONFIGS = {
    "xlm-roberta": "XLMRobertaConfig",
    "xlm-roberta-xl": "XLMRobertaXLConfig",
    "roberta": "RobertaConfig",
    "camembert": "CamembertConfig",
    "mt5": "MT5Config",
    "umt5": "UMT5Config",
    "t5": "T5Config",
}


def new_model(known: KnownEncoder, **ids: int) -> Any:
    """The encoder with random weights, of the class that loading gives; the caller seeds torch."""
    import transformers

    config = new_config(known, **ids)
    body = traits(known.architecture).body
    if body is not None:
        return getattr(transformers, body)(config)
    try:
        return transformers.AutoModel.from_config(config, add_pooling_layer=False)
    except TypeError:
        return transformers.AutoModel.from_config(config)


def write_case(folder: Path, case: str, texts: Texts) -> KnownEncoder:
    """Write a small encoder with its tokenizer as it is published: with pretraining heads, pooler and decoder."""
    import torch
    import transformers

    architecture, name = CASES[case]
    kind = KINDS[name](texts)
    known = tiny(architecture, len(kind.tokenizer))
    config = new_config(known, **kind.ids)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = getattr(transformers, PUBLISHED[architecture])(config) if architecture in PUBLISHED else None
        if model is None:
            model = new_model(known, **kind.ids)
        # The initial weights of real classes leave tokens almost alike; these tell them apart.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.2)
    model.save_pretrained(folder)
    kind.tokenizer.save_pretrained(folder)
    return known


def traits(architecture: str) -> EncoderTraits:
    return load_architectures()[architecture]
