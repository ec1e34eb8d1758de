"""Phase 1 in memory: the pretrained transformer that every head stands on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.catalog.encoders import EncoderTraits, traits_of
from stilts_core.catalog.load import load_architectures
from stilts_core.data.encoder_config import read_config
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
    """The encoder of a folder or hub id, in fp32, without pooler, decoder and heads.

    Only safetensors weights are read, and no code of the repository is run.

    Raises:
        MissingInputError: there is no such folder or hub id, or it has no safetensors weights.
        IncompatibleCheckpointError: the weights do not fit the configuration, or are not all there.
        SpecError: there is no adapter for its architecture (`catalog.encoders`).
    """
    try:
        with _quiet():
            traits = traits_of(read_config(location, revision), load_architectures(), encoder=location)
            encoder, found = _load(traits, str(location), {"revision": revision} if revision else {})
    except OSError as error:
        raise MissingInputError(
            f"The encoder {location} cannot be loaded: {_first_line(error)}",
            hint="Give a folder with config.json and model.safetensors, or a hub id that this machine can reach. "
            "Weights in another format have to be saved as safetensors once (docs/encoders.md).",
        ) from error
    except (RuntimeError, ValueError) as error:
        raise IncompatibleCheckpointError(f"The encoder {location} cannot be loaded: {_first_line(error)}") from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise IncompatibleCheckpointError(
            f"The encoder {location} lacks {len(missing)} of its weights, such as {missing[0]}.",
            hint="Save it again with save_pretrained; weights that are not there would be random.",
        )
    use_matrix_attention(encoder)
    return encoder


def _load(traits: EncoderTraits, location: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Mapping[str, Any]]:
    """The model of the architecture's class, and what was found of its weights."""
    import transformers

    if traits.body is None:
        # Architectures without a pooler do not know the first of these arguments.
        attempts: list[dict[str, Any]] = [{"add_pooling_layer": False}, {}]
        kind = transformers.AutoModel
        more: dict[str, Any] = {"trust_remote_code": False}
    else:
        attempts, kind, more = [{}], getattr(transformers, traits.body), {}
    for attempt in attempts:
        try:
            found: tuple[nn.Module, Mapping[str, Any]] = kind.from_pretrained(
                location,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **attempt,
                **more,
                **arguments,
            )
        except TypeError:
            if attempt is attempts[-1]:
                raise
        else:
            return found
    raise AssertionError("there is at least one attempt")


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


def encoder_traits(encoder: nn.Module) -> EncoderTraits:
    """The adapter of a loaded encoder."""
    return traits_of(encoder_config(encoder), load_architectures(), encoder=type(encoder).__name__)


def encoder_config(encoder: nn.Module) -> Mapping[str, Any]:
    """The configuration of a loaded encoder as it would be written."""
    return encoder.config.to_dict()  # type: ignore[no-any-return, operator, union-attr]


def encode(encoder: nn.Module, input_ids: Tensor, mask: Tensor | None, segments: Tensor | None = None) -> Tensor:
    """Last hidden states (B, L, H) of token ids (B, L).

    Args:
        mask: False at padding; none means no padding, which is the faster path.
        segments: 0 at the first text of a pair and 1 at the second; used where the encoder has embeddings for both.
    """
    return encoder(input_ids=input_ids, attention_mask=mask, **_segments(encoder, segments))[0]  # type: ignore[no-any-return]


def encode_states(
    encoder: nn.Module, input_ids: Tensor, mask: Tensor | None, segments: Tensor | None = None
) -> tuple[Tensor, ...]:
    """All hidden states, the embedding output first: layers + 1 tensors of (B, L, H).

    Raises:
        IncompatibleCheckpointError: the architecture gives another number of them.
    """
    output = encoder(
        input_ids=input_ids, attention_mask=mask, output_hidden_states=True, **_segments(encoder, segments)
    )
    states: tuple[Tensor, ...] = output.hidden_states
    layers = int(encoder.config.num_hidden_layers)  # type: ignore[arg-type, union-attr]
    if len(states) != layers + 1:
        raise IncompatibleCheckpointError(
            f"{type(encoder).__name__} gives {len(states)} hidden states for {layers} layers; the output of its "
            f"embeddings and that of each layer are needed."
        )
    return states


def _segments(encoder: nn.Module, segments: Tensor | None) -> dict[str, Tensor]:
    if segments is None or (getattr(encoder.config, "type_vocab_size", None) or 0) < 2:
        return {}
    return {"token_type_ids": segments}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
