"""How a model is loaded in Python: the lines that its card shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stilts_core.catalog.encoders import EncoderTraits, Pooling
from stilts_core.catalog.models import Head

_POOLED: Mapping[Pooling, str] = {"first": "states[:, 0]", "mean": "states.mean(1)", "last": "states[:, -1]"}


def loader_of(traits: EncoderTraits) -> str:
    """The class of transformers that loads the encoder: AutoModel, but where that would add a decoder."""
    return traits.body or "AutoModel"


def encoder_lines(traits: EncoderTraits, files: Collection[str]) -> list[str]:
    """Three lines, run in the model's folder: the tokenizer and the encoder, and the vectors of a text.

    Args:
        files: names of the files in the folder.
    """
    loader, tokenizer = loader_of(traits), _tokenizer_of(traits, files)
    imported = ", ".join(sorted((tokenizer, loader)))
    return [
        f"from transformers import {imported}",
        f'tokenizer, model = {tokenizer}.from_pretrained("."), {loader}.from_pretrained(".")',
        'states = model(**tokenizer("Habari ya asubuhi!", return_tensors="pt")).last_hidden_state',
    ]


def _tokenizer_of(traits: EncoderTraits, files: Collection[str]) -> str:
    """AutoTokenizer, but where it would look for the files of another class (`data.tokenise.library`)."""
    of_layers = {"tokenizer.json", "vocab.txt"} & set(files)
    mixed = traits.name == "bert" and "sentencepiece.bpe.model" in files and not of_layers
    return "XLMRobertaTokenizer" if mixed else "AutoTokenizer"


def head_lines(head: Head, traits: EncoderTraits, config: Mapping[str, Any]) -> list[str]:
    """The lines after those of the encoder that give the head's output, as `modeling.heads` computes it.

    They are for one input without padding, where pooling needs no mask.
    """
    lines = ["from safetensors.torch import load_file", 'head = load_file("heads.safetensors")']
    if head in (Head.CLASSIFICATION, Head.CHOICE):
        pooled = _POOLED[traits.sentence_pooling(config)]
        return [
            *lines,
            f'hidden = ({pooled} @ head["0.dense.weight"].T + head["0.dense.bias"]).tanh()',
            'logits = hidden @ head["0.project.weight"].T + head["0.project.bias"]',
        ]
    return [*lines, 'logits = states @ head["0.project.weight"].T + head["0.project.bias"]']


def vector_lines(pooling: str | None, traits: EncoderTraits, config: Mapping[str, Any]) -> list[str]:
    """The lines after those of the encoder that give the vector of a dual encoder, for one input without padding.

    Args:
        pooling: as in `planning.params.TrainTask`.
    """
    pooled = _POOLED["mean" if pooling == "mean" else traits.sentence_pooling(config)]
    return [f"vector = {pooled}", "vector = vector / vector.norm(dim=-1, keepdim=True)"]


def head_meaning(head: Head, labels: Sequence[str]) -> str:
    """What the logits are."""
    match head:
        case Head.CLASSIFICATION:
            return "one logit for each label" + _labels(labels)
        case Head.CHOICE:
            return "one score for an input that holds a choice; the choice with the highest is the answer"
        case Head.SPAN:
            return "for each token a score as the start and one as the end of the answer; the first token is no answer"
        case _:
            return "for each token one logit for each label, of which that of a word's first token counts" + _labels(
                labels
            )


def _labels(labels: Sequence[str]) -> str:
    return f", in this order: {', '.join(f'`{label}`' for label in labels)}" if labels else ""
