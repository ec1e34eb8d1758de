"""What an encoder makes of a sample of a dataset: mean states, what heads read, and states of chosen tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Array, Dataset
from stilts_core.data.sampling import dev_sample
from stilts_core.modeling.encoder import encoder_config, encoder_traits
from stilts_core.modeling.feed import training_tensors
from stilts_core.modeling.heads import IGNORED
from stilts_core.modeling.inference import Inference
from stilts_core.modeling.model import TaskModel
from stilts_core.modeling.pooling import mean_pool, pool


@dataclass(frozen=True, slots=True)
class Sampled:
    """Last hidden states in fp32.

    Attributes:
        mean: over the tokens of each feature, (F, H).
        sentence: what stands for each feature in the encoder's architecture, as sentence heads read it, (F, H).
        tokens: of the chosen positions, (P, H), in their order.
    """

    mean: Array
    sentence: Array
    tokens: Array


@dataclass(frozen=True, slots=True)
class Labelled:
    """Where a head reads, and what is right there.

    Attributes:
        positions: of tokens in the dataset's flat arrays, (N,); none where each feature is read as a sentence.
        labels: (N,) integers.
    """

    positions: Array | None
    labels: Array


def choose(dataset: Dataset, split: str | None, size: int, seed: int) -> Array:
    """The features of a seeded sample of examples.

    Args:
        dataset: any but masked text.
        split: whose examples; None for all.
        size: examples at most.
        seed: of the sample.
    """
    segments = [segment for segment in dataset.segments if split is None or segment.split == split]
    pool = np.concatenate([np.arange(segment.start, segment.stop) for segment in segments])
    chosen = _some(pool, size, seed)
    ranges = dataset.feature_ranges
    return np.concatenate([np.arange(ranges[i], ranges[i + 1]) for i in chosen])


def some_tokens(dataset: Dataset, features: Array, size: int, seed: int) -> Array:
    """Positions of a seeded sample of the features' tokens, but for the first and last, which are special."""
    inner = [np.arange(dataset.offsets[i] + 1, dataset.offsets[i + 1] - 1) for i in features]
    return _some(np.concatenate(inner), size, seed)


def labelled(dataset: Dataset, features: Array, size: int, seed: int) -> Labelled | None:
    """What the dataset's head has to tell apart in these features.

    Classes of sentences; right and wrong choices; tags of a sample of words; for spans tokens inside an answer and as
    many others of the contexts. None for retrieval.

    Args:
        dataset: with labels.
        features: of the sample.
        size: tokens at most, where tokens are labelled.
        seed: of the sample of tokens.
    """
    columns, offsets = dataset.columns, dataset.offsets
    match dataset.head:
        case Head.CLASSIFICATION:
            return Labelled(None, columns["label"][dataset.example_of[features]])
        case Head.CHOICE:
            examples = dataset.example_of[features]
            place = features - dataset.feature_ranges[examples]
            return Labelled(None, (place == columns["label"][examples]).astype(np.int64))
        case Head.TAGGING:
            tokens = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in features])
            tokens = _some(tokens[columns["label"][tokens] != IGNORED], size, seed)
            return Labelled(tokens, columns["label"][tokens])
        case Head.SPAN:
            return _spans(dataset, features, size, seed)
    return None


def _spans(dataset: Dataset, features: Array, size: int, seed: int) -> Labelled | None:
    inside, outside = [], []
    for i in features:
        tokens = np.arange(dataset.offsets[i], dataset.offsets[i + 1])
        tokens = tokens[dataset.columns["char_start"][tokens] >= 0]
        start, end = dataset.offsets[i] + dataset.columns["start"][i], dataset.offsets[i] + dataset.columns["end"][i]
        answer = (tokens >= start) & (tokens <= end) & (dataset.columns["start"][i] > 0)
        inside.append(tokens[answer])
        outside.append(tokens[~answer])
    right = _some(np.concatenate(inside), size // 2, seed)
    if not len(right):
        return None
    wrong = _some(np.concatenate(outside), len(right), seed)
    return Labelled(np.concatenate([right, wrong]), np.repeat([1, 0], [len(right), len(wrong)]))


def _some(pool: Array, size: int, seed: int) -> Array:
    return np.asarray(pool[dev_sample(len(pool), size, seed)])


def sample_states(
    inference: Inference, encoder: nn.Module, dataset: Dataset, features: Array, positions: Array
) -> Sampled:
    """Run the encoder over some features once.

    Args:
        inference: device and precision.
        encoder: without heads.
        dataset: that the features are of.
        features: (F,).
        positions: of tokens of these features in the dataset's flat arrays, (P,).
    """
    row_of = {int(feature): row for row, feature in enumerate(features)}
    owner = np.searchsorted(dataset.offsets, positions, side="right") - 1
    how = encoder_traits(encoder).sentence_pooling(encoder_config(encoder))
    mean = sentence = tokens = None
    for rows, states, mask in inference.last_states(encoder, dataset, features):
        width = states.shape[-1]
        if mean is None or sentence is None or tokens is None:
            mean, sentence = (np.zeros((len(features), width), dtype=np.float32) for _ in range(2))
            tokens = np.zeros((len(positions), width), dtype=np.float32)
        places = [row_of[int(feature)] for feature in rows]
        mean[places] = mean_pool(states, mask).cpu().numpy()
        sentence[places] = pool(states, mask, how).float().cpu().numpy()
        at = {int(feature): place for place, feature in enumerate(rows)}
        mine = np.flatnonzero(np.isin(owner, rows))
        if len(mine):
            batch = torch.tensor([at[int(feature)] for feature in owner[mine]], device=states.device)
            column = torch.from_numpy(np.asarray(positions[mine] - dataset.offsets[owner[mine]])).to(states.device)
            tokens[mine] = states[batch, column].float().cpu().numpy()
    if mean is None or sentence is None or tokens is None:
        raise ValueError("a sample has at least one feature")
    return Sampled(mean, sentence, tokens)


def fisher_diagonal(
    model: TaskModel, dataset: Dataset, items: Iterable[int], count: int, device: torch.device
) -> tuple[dict[str, int], Array]:
    """The diagonal of the empirical Fisher information of the encoder, 1/n Σ (∂ log p(y|x) / ∂θ)², by unit.

    Squared gradients of single examples (Vu et al. 2020, section 3.2), meaned over the weights of each unit, which is a
    row of a matrix (Achille et al. 2019, section 2.2). The embeddings of the vocabulary are left out: which of them
    have a gradient says only which words the sample has.

    Args:
        model: with the task's head as its first, and as its training left it.
        dataset: of the task.
        items: examples, or features of spans and tags.
        count: how many.
        device: where the model is.

    Returns:
        Parameters with their numbers of units, and the units of all of them one after another, (P,).
    """
    model.eval()
    words = model.encoder.get_input_embeddings().weight  # type: ignore[operator]
    chosen = {name: p for name, p in model.encoder.named_parameters() if p is not words and p.requires_grad}
    total = {name: torch.zeros(parameter.shape[0], dtype=torch.float64) for name, parameter in chosen.items()}
    for item in items:
        model.zero_grad(set_to_none=True)
        loss = model(0, training_tensors(dataset, np.asarray([item]), device))
        loss.backward()
        for name, parameter in chosen.items():
            if parameter.grad is not None:
                squares = parameter.grad.detach().double().square()
                total[name] += squares.reshape(squares.shape[0], -1).mean(dim=1).cpu()
    model.zero_grad(set_to_none=True)
    diagonal = torch.cat([part / count for part in total.values()]).numpy()
    return {name: len(part) for name, part in total.items()}, diagonal
