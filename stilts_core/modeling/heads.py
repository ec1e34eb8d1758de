"""The heads: one small network for each kind of task, on the encoder's last hidden states.

Every head gives raw outputs with `forward` and the *sum* of its losses with `loss`; the caller divides by the units of
the whole optimiser step (examples, windows, labelled words or masked tokens), so that a batch may be cut into
micro-batches and spread over ranks in any way without changing the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from stilts_core.catalog.encoders import Pooling
from stilts_core.catalog.models import Head
from stilts_core.modeling.pooling import pool

IGNORED = -1
"""The label of a position that has none."""


class SentenceHead(nn.Module):
    """Classification of whole inputs: dropout, dense, tanh, dropout, projection, as XLM-R's own head has it.

    With ``outputs`` 1 it scores the choices of a multiple-choice task.

    Args:
        pooling: what stands for an input, which is the architecture's (`catalog.encoders.EncoderTraits`).
    """

    def __init__(self, hidden: int, outputs: int, dropout: float, pooling: Pooling = "first") -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, hidden)
        self.project = nn.Linear(hidden, outputs)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """States (B, L, H), and the mask where there is padding → logits (B, outputs)."""
        pooled = self.dropout(pool(states, mask, self.pooling))
        return self.project(self.dropout(torch.tanh(self.dense(pooled))))  # type: ignore[no-any-return]


class ClassificationHead(SentenceHead):
    def loss(self, states: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed cross-entropy with ``label`` (B,)."""
        return functional.cross_entropy(self(states, batch.get("mask")).float(), batch["label"], reduction="sum")


class ChoiceHead(SentenceHead):
    def __init__(self, hidden: int, dropout: float, pooling: Pooling = "first") -> None:
        super().__init__(hidden, 1, dropout, pooling)

    def loss(self, states: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed cross-entropy over the choices: ``label`` (N,), ``slot`` (B,) the choice's place as n * C + c.

        Examples may have different numbers of choices; the missing ones are out of the running.
        """
        label, slot = batch["label"], batch["slot"]
        width = int(batch["choices"])
        scores = torch.full((label.shape[0] * width,), -torch.inf, device=states.device)
        scores = scores.index_put((slot,), self(states, batch.get("mask")).float().squeeze(-1))
        return functional.cross_entropy(scores.view(-1, width), label, reduction="sum")


class SpanHead(nn.Module):
    """Start and end of the answer, a score for each token; the first token stands for no answer."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.project = nn.Linear(hidden, 2)

    def forward(self, states: Tensor) -> Tensor:
        """States (B, L, H) → start and end logits (B, L, 2)."""
        return self.project(states)  # type: ignore[no-any-return]

    def loss(self, states: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed mean of the two cross-entropies with ``start`` and ``end`` (B,); padding cannot be chosen."""
        logits = self(states).float()
        if (mask := batch.get("mask")) is not None:
            logits = logits.masked_fill(~mask.bool().unsqueeze(-1), -torch.inf)
        start, end = logits.unbind(-1)
        return 0.5 * (
            functional.cross_entropy(start, batch["start"], reduction="sum")
            + functional.cross_entropy(end, batch["end"], reduction="sum")
        )


class TaggingHead(nn.Module):
    """A label for each word, at its first token."""

    def __init__(self, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(hidden, outputs)

    def forward(self, states: Tensor) -> Tensor:
        """States (B, L, H) → logits (B, L, outputs)."""
        return self.project(self.dropout(states))  # type: ignore[no-any-return]

    def loss(self, states: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed cross-entropy over the labelled tokens of ``label`` (B, L)."""
        label = batch["label"]
        at = label != IGNORED
        return functional.cross_entropy(self.project(self.dropout(states[at])).float(), label[at], reduction="sum")


class MaskedHead(nn.Module):
    """Restores masked tokens; the output layer is the encoder's own embedding matrix.

    Args:
        width: of the word embeddings, which some architectures have narrower than their layers.
    """

    def __init__(self, hidden: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """States (M, H) of masked tokens → logits over the vocabulary (M, V)."""
        return functional.linear(self.norm(functional.gelu(self.dense(states))), embeddings, self.bias)

    def loss(self, states: Tensor, batch: Mapping[str, Tensor], embeddings: Tensor) -> Tensor:
        """Summed cross-entropy over the masked tokens of ``label`` (B, L)."""
        label = batch["label"]
        at = label != IGNORED
        return functional.cross_entropy(self(states[at], embeddings).float(), label[at], reduction="sum")


class DualHead(nn.Module):
    """Texts and what they look for, told apart by their vectors: one encoder for both sides, and no weights of its own.

    A vector is what stands for an input in the last hidden state, with length 1. A text's loss is the cross-entropy of
    the softmax over scaled cosines to what the texts of its pool look for (van den Oord et al. 2018, equation 4), in
    this one direction. Another text of the pool may look for the same thing, which is then left out: it is no wrong
    answer. XTREME-R knows no such exception, and puts BERT's pooler, a dense layer and tanh, before the normalisation.
    Without one, what is scored is a hidden state, as it is for an encoder that was not trained.

    Args:
        pooling: what stands for an input.
    """

    def __init__(self, pooling: Pooling = "first") -> None:
        super().__init__()
        self.pooling: Pooling = pooling

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """States (B, L, H), and the mask where there is padding → vectors (B, H) of length 1, in fp32."""
        return functional.normalize(pool(states, mask, self.pooling).float(), dim=-1)

    def loss(self, vectors: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed loss of a batch of whole pools, as `losses`: its ``pools`` and ``things`` (B,), and ``scale``.

        Args:
            vectors: of both sides, (B, 2, H).
        """
        with torch.autocast(vectors.device.type, enabled=False):  # scaled cosines need all their digits
            losses = self.losses(vectors[:, 0], vectors[:, 1], batch["pools"], batch["things"], float(batch["scale"]))
        return losses.sum()

    @staticmethod
    def losses(looking: Tensor, answers: Tensor, pools: Tensor, things: Tensor, scale: float) -> Tensor:
        """The loss of each text.

        Args:
            looking, answers: vectors of the texts, and of what each looks for, (N, H).
            pools: number of each text's pool, (N,).
            things: number of what each looks for: equal ones are the same, (N,).
            scale: of the cosines.
        """
        own = torch.eye(len(pools), dtype=torch.bool, device=pools.device)
        rivals = (pools.unsqueeze(1) == pools) & (things.unsqueeze(1) != things)
        scores = (looking @ answers.T * scale).masked_fill(~(own | rivals), -torch.inf)
        return functional.cross_entropy(scores, torch.arange(len(pools), device=pools.device), reduction="none")


def new_head(
    head: Head,
    *,
    hidden: int,
    dropout: float,
    labels: int,
    vocabulary: int,
    width: int | None = None,
    pooling: Pooling = "first",
) -> nn.Module:
    """A head with random weights: normal with deviation 0.02 and zero biases, as the encoders are initialised.

    Args:
        hidden: width of the hidden states.
        vocabulary: rows of the word embeddings.
        width: of the word embeddings, where it is not ``hidden``.
        pooling: what stands for a whole input.
    """
    module: nn.Module
    match head:
        case Head.CLASSIFICATION:
            module = ClassificationHead(hidden, labels, dropout, pooling)
        case Head.CHOICE:
            module = ChoiceHead(hidden, dropout, pooling)
        case Head.SPAN:
            module = SpanHead(hidden)
        case Head.TAGGING:
            module = TaggingHead(hidden, labels, dropout)
        case Head.MLM:
            module = MaskedHead(hidden, vocabulary, width or hidden)
        case Head.RETRIEVAL:
            module = DualHead(pooling)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
    return module
