"""Phase 1 in memory: the pretrained transformer that every head stands on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.errors import IncompatibleCheckpointError, MissingInputError
from stilts_core.modeling.attention import use_matrix_attention
from stilts_core.spec.study import Pretraining


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Loading an encoder without its language-model head is meant; the library's warning about it is not wanted."""
    from transformers.utils import logging as hub_logging

    level = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)


def load_encoder(location: str | Path, *, revision: str | None = None) -> nn.Module:
    """The encoder of a folder or hub id, in fp32, without pooler and heads.

    Only safetensors weights are read, and no code of the repository is run.

    Raises:
        MissingInputError: there is no such folder or hub id, or it has no safetensors weights.
        IncompatibleCheckpointError: the weights do not fit the configuration.
    """
    from transformers import AutoModel

    arguments: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        with _quiet():
            try:
                encoder: nn.Module = AutoModel.from_pretrained(
                    str(location), add_pooling_layer=False, use_safetensors=True, dtype=torch.float32, **arguments
                )
            except TypeError:  # architectures without a pooler do not know the argument
                encoder = AutoModel.from_pretrained(
                    str(location), use_safetensors=True, dtype=torch.float32, **arguments
                )
    except OSError as error:
        raise MissingInputError(
            f"The encoder {location} cannot be loaded: {_first_line(error)}",
            hint="Give a folder with config.json and model.safetensors, or a hub id that this machine can reach.",
        ) from error
    except (RuntimeError, ValueError) as error:
        raise IncompatibleCheckpointError(f"The encoder {location} cannot be loaded: {_first_line(error)}") from error
    use_matrix_attention(encoder)
    return encoder


def new_encoder(settings: Pretraining, vocabulary: int, pad_id: int, bos_id: int, eos_id: int) -> nn.Module:
    """An XLM-R-like encoder with random weights; the caller seeds torch."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.intermediate or 4 * settings.hidden,
        # Positions start after the padding index.
        max_position_embeddings=settings.max_length + pad_id + 1,
        hidden_dropout_prob=settings.dropout,
        # None on the attention weights, so that the fused attention kernels can be used.
        attention_probs_dropout_prob=0.0,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=pad_id,
        bos_token_id=bos_id,
        eos_token_id=eos_id,
    )
    encoder: nn.Module = XLMRobertaModel(config, add_pooling_layer=False)
    use_matrix_attention(encoder)
    return encoder


def encode(encoder: nn.Module, input_ids: Tensor, mask: Tensor | None) -> Tensor:
    """Last hidden states (B, L, H) of token ids (B, L); no mask means no padding, which is the faster path."""
    return encoder(input_ids=input_ids, attention_mask=mask)[0]  # type: ignore[no-any-return]


def encode_states(encoder: nn.Module, input_ids: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
    """All hidden states, the embedding output first: layers + 1 tensors of (B, L, H)."""
    output = encoder(input_ids=input_ids, attention_mask=mask, output_hidden_states=True)
    return output.hidden_states  # type: ignore[no-any-return]


def mean_pool(states: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of hidden states (B, L, H) over the unmasked tokens, special tokens included, in fp32: (B, H)."""
    if mask is None:
        return states.float().mean(1)
    weights = mask.to(torch.float32).unsqueeze(-1)
    return (states.float() * weights).sum(1) / weights.sum(1)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
