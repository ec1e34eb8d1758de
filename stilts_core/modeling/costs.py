"""What a model costs by its architecture: layers that can be left out, parameters, floating-point operations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from stilts_core.errors import IncompatibleCheckpointError
from stilts_core.modeling.encoder import encode
from stilts_core.modeling.model import TaskModel


def classify(model: TaskModel, batch: Mapping[str, Tensor]) -> Tensor:
    """Logits (B, labels) of a batch of sentences, from the model's only head."""
    states = encode(model.encoder, batch["input_ids"], batch.get("mask"), batch.get("segments"))
    return model.heads[0](states, batch.get("mask"))  # type: ignore[no-any-return]


def depth_of(encoder: nn.Module) -> int:
    """The number of an encoder's layers."""
    return int(encoder.config.num_hidden_layers)  # type: ignore[arg-type, union-attr]


def exit_layers(layers: int, shares: tuple[float, ...]) -> tuple[int, ...]:
    """The layers after which an early exit lies: shares of all layers, rounded, each once, the last one left out."""
    found = (min(max(round(share * layers), 1), layers) for share in shares)
    return tuple(dict.fromkeys(layer for layer in found if layer < layers))


@contextlib.contextmanager
def cut(encoder: nn.Module, layers: int) -> Iterator[None]:
    """The encoder with its first layers alone, while the context lasts. What follows the layers stays.

    Raises:
        IncompatibleCheckpointError: the architecture has no single list of its layers.
    """
    if layers >= depth_of(encoder):
        yield
        return
    stack = _stack(encoder)
    kept = dict(stack._modules)
    try:
        for name in list(stack._modules)[layers:]:
            del stack._modules[name]
        yield
    finally:
        stack._modules.clear()
        stack._modules.update(kept)


def _stack(encoder: nn.Module) -> nn.ModuleList:
    layers = depth_of(encoder)
    lists = {n: m for n, m in encoder.named_modules() if isinstance(m, nn.ModuleList) and len(m) == layers}
    # A layer may itself be a list, by chance of as many parts.
    found = [m for name, m in lists.items() if not any(name.startswith(f"{outer}.") for outer in lists)]
    if len(found) != 1:
        raise IncompatibleCheckpointError(
            f"{type(encoder).__name__} has {len(found)} lists of {layers} layers, so an exit before the last one "
            "cannot be measured.",
            hint="Leave `exits` out of the study's `measure`.",
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What can be counted of a model (as it is cut).

    Attributes:
        parameters: of the layers and of the head: all but the embeddings.
        embeddings: parameters of the embeddings.
        per_token: multiplied weights that every token meets.
        per_sentence: multiplied weights of the head, which reads one vector a sentence.
        attention: width of the queries times the number of layers.
    """

    parameters: int
    embeddings: int
    per_token: int
    per_sentence: int
    attention: int

    def flops(self, tokens: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Floating-point operations of a forward pass over a sentence of so many tokens, padding left out.

        2 L Σ W + 4 L² A + 2 H: a multiplication and an addition for each weight W of the layers' matrices and each of L
        tokens; the two products of attention, queries with keys and weights with values, of width A summed over the
        layers; and the weights H of the head. Kaplan et al. (2020), table 1, with L for the context and the embeddings'
        lookup, normalisations, biases and activations left out; Narayanan et al. (2021), section 5.1, has the same for
        four H² and two 4 H² matrices a layer: 24 L H² + 4 L² H. Attention within a window is counted as a whole, and
        products of relative positions are not.
        """
        length = np.asarray(tokens, dtype=np.float64)
        return np.asarray(2 * length * self.per_token + 4 * length**2 * self.attention + 2 * self.per_sentence)


def architecture(model: TaskModel, layers: int) -> Architecture:
    """Counts a model with one head and its first so many layers."""
    encoder, head = model.encoder, model.heads[0]
    with cut(encoder, layers):
        looked_up = [m for m in encoder.modules() if isinstance(m, nn.Embedding)]
        embeddings = _size({id(p): p for m in looked_up for p in m.parameters()})
        whole = _size({id(p): p for p in model.parameters()})
        matrices = sum(m.in_features * m.out_features for m in encoder.modules() if isinstance(m, nn.Linear))
    return Architecture(
        parameters=whole - embeddings,
        embeddings=embeddings,
        per_token=matrices,
        per_sentence=sum(m.in_features * m.out_features for m in head.modules() if isinstance(m, nn.Linear)),
        attention=_attention_width(encoder) * layers,
    )


def _size(parameters: Mapping[int, nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters.values())


def _attention_width(encoder: nn.Module) -> int:
    """Heads times their width; mT5's is not that of its hidden states."""
    config = encoder.config
    own = getattr(config, "d_kv", None) or getattr(config, "head_dim", None)
    if own:
        return int(own) * int(config.num_attention_heads)  # type: ignore[arg-type, union-attr]
    return int(config.hidden_size)  # type: ignore[arg-type, union-attr]
