"""Batched forward passes without gradients: all features of a dataset as one stream, longest first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stilts_core.catalog.encoders import Pooling
from stilts_core.catalog.models import Head
from stilts_core.data.batches import inference_batches
from stilts_core.data.dataset import Dataset
from stilts_core.errors import SpecError
from stilts_core.modeling.encoder import encode, encode_states, encoder_config, encoder_traits
from stilts_core.modeling.feed import input_tensors
from stilts_core.modeling.model import TaskModel
from stilts_core.modeling.pooling import pool

Array = npt.NDArray[Any]
Tick = Callable[[int, int], None]
"""Called after each batch with the features done and the features in all; may raise to stop."""

Recall = Callable[[Callable[[], list[Array]]], list[Array]]
"""Called for each batch in turn with what makes its outputs; gives those, made now or known from before."""

MICRO_TOKENS = {"cpu": 4096, "cuda": 65536}
BF16_WORK = 1 << 23
"""Width² × tokens of a forward pass from which on bf16 is the faster one on a processor that computes in it.

Measured on two cores: at width 256 from 128 tokens on, at 128 from 512, at 64 from 2048.
"""


def pick_precision(
    precision: str,
    device: torch.device,
    *,
    width: int,
    tokens: float,
    safe: Collection[str] = ("fp32", "bf16"),
) -> torch.dtype:
    """The dtype of forward passes: with ``auto`` bf16 where the device computes in it and it is the faster one.

    Args:
        width: of the encoder.
        tokens: of a forward pass; a processor multiplies small matrices faster in fp32.
        safe: the precisions that the encoder's architecture stands (`catalog.encoders.EncoderTraits`).

    Raises:
        SpecError: the precision asked for is none of these.
    """
    if precision != "auto" and precision not in safe:
        raise SpecError(
            f"Forward passes in {precision} overflow in this encoder's architecture; {' and '.join(safe)} are safe.",
            hint="Set training.precision in the profile to one of these, or to auto.",
        )
    if precision == "fp32" or "bf16" not in safe:
        return torch.float32
    if precision == "bf16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capable = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if capable and width**2 * tokens >= BF16_WORK else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision for a forward pass; nothing for fp32."""
    if dtype is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)


class Inference:
    """A model's raw outputs over a dataset.

    Args:
        tokens: padded tokens of one forward pass at most; None: by device.
        tick: see `Tick`.
        recall: see `Recall`.
    """

    def __init__(
        self,
        *,
        device: torch.device,
        precision: str = "auto",
        tokens: int | None = None,
        tick: Tick = lambda done, total: None,
        recall: Recall = lambda make: make(),
    ) -> None:
        self.device = device
        self.precision = precision
        self.tokens = tokens or MICRO_TOKENS[device.type]
        self.tick = tick
        self.recall = recall

    def _batches(
        self, dataset: Dataset, features: Array | None, *, model: nn.Module
    ) -> Iterator[tuple[Array, dict[str, Tensor]]]:
        features = np.arange(len(dataset.offsets) - 1) if features is None else features
        encoder = model.encoder if isinstance(model, TaskModel) else model
        width = int(encoder.config.hidden_size)  # type: ignore[arg-type, union-attr]
        tokens = min(self.tokens, int(dataset.lengths[features].sum()))
        safe = encoder_traits(encoder).precisions
        dtype = pick_precision(self.precision, self.device, width=width, tokens=tokens, safe=safe)
        was_training = model.training
        model.eval()
        done = 0
        try:
            with torch.no_grad(), autocast(self.device, dtype):
                for rows in inference_batches(dataset.lengths[features], self.tokens):
                    chosen = features[rows]
                    yield chosen, input_tensors(dataset, chosen, self.device)
                    done += len(chosen)
                    self.tick(done, len(features))
        finally:
            model.train(was_training)

    def sentence_logits(self, model: TaskModel, task: int, dataset: Dataset, features: Array | None = None) -> Array:
        """Logits of classification (F, labels) or choice (F, 1) heads; rows of features left out are NaN."""
        out: Array | None = None
        for rows, batch in self._batches(dataset, features, model=model):
            (logits,) = self.recall(lambda: [_sentence_logits(model, task, batch).cpu().numpy()])  # noqa: B023
            if out is None:
                out = np.full((len(dataset.offsets) - 1, logits.shape[1]), np.nan, dtype=np.float32)
            out[rows] = logits
        return np.empty((0, 1), dtype=np.float32) if out is None else out

    def span_logits(
        self, model: TaskModel, task: int, dataset: Dataset, features: Array | None = None
    ) -> tuple[Array, Array]:
        """Start and end logits of every token, (T,) each; NaN at features left out."""
        out = np.full((len(dataset.ids), 2), np.nan, dtype=np.float32)
        for rows, batch in self._batches(dataset, features, model=model):
            (logits,) = self.recall(lambda: [_real(_token_logits(model, task, batch).float().cpu().numpy(), batch)])  # noqa: B023
            out[_positions(dataset, rows)] = logits
        return np.ascontiguousarray(out[:, 0]), np.ascontiguousarray(out[:, 1])

    def tag_indices(self, model: TaskModel, task: int, dataset: Dataset, features: Array | None = None) -> Array:
        """The likeliest label of every token, (T,) int16; -1 at features left out."""
        out = np.full(len(dataset.ids), -1, dtype=np.int16)
        for rows, batch in self._batches(dataset, features, model=model):
            (tags,) = self.recall(lambda: [_real(_token_logits(model, task, batch).argmax(-1).cpu().numpy(), batch)])  # noqa: B023
            out[_positions(dataset, rows)] = tags
        return out

    def tag_likelihoods(self, model: TaskModel, task: int, dataset: Dataset, features: Array) -> tuple[Array, ...]:
        """As `tag_indices`, with the log-probability of each gold label, and the probability of the likeliest one.

        (T,) each; NaN at features left out, and the first also where a token has no label.
        """
        out = np.full(len(dataset.ids), -1, dtype=np.int16)
        gold, top = (np.full(len(dataset.ids), np.nan, dtype=np.float32) for _ in range(2))
        for rows, batch in self._batches(dataset, features, model=model):
            logs = _token_logits(model, task, batch).float().log_softmax(-1)
            mask = batch.get("mask")
            logs = logs.flatten(0, 1) if mask is None else logs[mask.bool()]
            at = _positions(dataset, rows)
            label = np.asarray(dataset.columns["label"][at], dtype=np.int64)
            chosen = logs.gather(1, torch.from_numpy(np.maximum(label, 0)).to(logs.device).unsqueeze(1)).squeeze(1)
            best = logs.max(-1)
            out[at] = best.indices.cpu().numpy()
            top[at] = best.values.exp().cpu().numpy()
            gold[at] = np.where(label < 0, np.nan, chosen.cpu().numpy())
        return out, gold, top

    def pooled_states(
        self,
        encoder: nn.Module,
        dataset: Dataset,
        pooling: str,
        *,
        keep: Collection[int] | None = None,
        features: Array | None = None,
    ) -> list[Array | None]:
        """Every hidden state of every feature as one vector: layers + 1 arrays of (F, H), fp32.

        Args:
            pooling: ``mean`` over the tokens, or ``cls``: what stands for an input in the encoder's architecture.
            keep: the states that are wanted; None stands in the place of the others. Default: all.
            features: those that are wanted; the vectors of the others are 0. Default: all.
        """
        how = "mean" if pooling == "mean" else encoder_traits(encoder).sentence_pooling(encoder_config(encoder))
        out: list[Array | None] | None = None
        for rows, batch in self._batches(dataset, features, model=encoder):
            states = self.recall(lambda: _pooled(encoder, batch, how, keep))  # noqa: B023
            if out is None:
                out = [
                    np.zeros((len(dataset.offsets) - 1, state.shape[-1]), dtype=np.float32) if len(state) else None
                    for state in states
                ]
            for vectors, state in zip(out, states, strict=True):
                if vectors is not None:
                    vectors[rows] = state
        return out or []

    def last_states(
        self, encoder: nn.Module, dataset: Dataset, features: Array
    ) -> Iterator[tuple[Array, Tensor, Tensor | None]]:
        """The last hidden states (B, L, H) of some features, batch by batch, with the features and the mask."""
        for rows, batch in self._batches(dataset, features, model=encoder):
            mask = batch.get("mask")
            yield rows, encode(encoder, batch["input_ids"], mask, batch.get("segments")), mask

    def head_outputs(self, model: TaskModel, task: int, dataset: Dataset, features: Array | None = None) -> Any:
        """The raw outputs of whichever head the dataset is for."""
        match dataset.head:
            case Head.CLASSIFICATION | Head.CHOICE:
                return self.sentence_logits(model, task, dataset, features)
            case Head.SPAN:
                return self.span_logits(model, task, dataset, features)
            case Head.TAGGING:
                return self.tag_indices(model, task, dataset, features)
        raise ValueError(f"{dataset.head} has no head to run")


def _sentence_logits(model: TaskModel, task: int, batch: dict[str, Tensor]) -> Tensor:
    logits: Tensor = model.heads[task](_states(model, batch), batch.get("mask")).float()
    return logits


def _token_logits(model: TaskModel, task: int, batch: dict[str, Tensor]) -> Tensor:
    logits: Tensor = model.heads[task](_states(model, batch))
    return logits


def _pooled(encoder: nn.Module, batch: dict[str, Tensor], how: Pooling, keep: Collection[int] | None) -> list[Array]:
    """One vector for each input of each hidden state, (B, H); none for a state that is not kept."""
    mask = batch.get("mask")
    states = encode_states(encoder, batch["input_ids"], mask, batch.get("segments"))
    return [
        pool(state, mask, how).float().cpu().numpy()
        if keep is None or at in keep
        else np.empty((0, state.shape[-1]), dtype=np.float32)
        for at, state in enumerate(states)
    ]


def _states(model: TaskModel, batch: dict[str, Tensor]) -> Tensor:
    return encode(model.encoder, batch["input_ids"], batch.get("mask"), batch.get("segments"))


def _positions(dataset: Dataset, features: Array) -> Array:
    """Token positions of features in the flat arrays, one feature after another."""
    starts, counts = dataset.offsets[features], dataset.lengths[features]
    return np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())


def _real(values: Array, batch: dict[str, Tensor]) -> Array:
    """The values at real tokens of (B, L, …), flattened over the first two axes."""
    mask = batch.get("mask")
    if mask is None:
        return values.reshape(-1, *values.shape[2:])
    real: Array = values[mask.cpu().numpy()]
    return real
