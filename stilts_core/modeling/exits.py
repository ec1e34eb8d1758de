"""Early exits: classifiers on hidden states before the last, the encoder staying as it is.

The second step of DeeBERT's training (Xin et al. 2020, section 3.2): the fine-tuned model is frozen, and every exit has
a classifier of its own trained on what its hidden state says. An exit here is a fixed layer, for all inputs; there is
no exit by confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stilts_core.catalog.models import Head
from stilts_core.modeling.model import new_task_model

Array = npt.NDArray[Any]
EPOCHS, BATCH, RATE, DECAY = 10, 128, 1e-3, 0.01


def train_exits(
    encoder: nn.Module, states: Sequence[Array], labels: Array, classes: int, seed: int, device: torch.device
) -> nn.ModuleList:
    """A classifier for each exit: AdamW, 10 epochs, decaying linearly, without dropout on the frozen states.

    Args:
        encoder: gives the classifiers their size; it is not touched.
        states: of each exit the vectors of the examples, (N, H).
        labels: (N,).
        seed: of the weights and of the order.
    """
    heads = new_task_model(encoder, [(Head.CLASSIFICATION, classes)] * len(states), seed).heads.to(device).eval()
    target = torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64)).to(device)
    inputs = [torch.from_numpy(found).to(device) for found in states]
    steps = EPOCHS * -(-len(labels) // BATCH)
    optimizer = torch.optim.AdamW(heads.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    random = np.random.default_rng([seed])
    for _ in range(EPOCHS):
        order = torch.from_numpy(random.permutation(len(labels))).to(device)
        for rows in torch.split(order, BATCH):
            losses = [
                nn.functional.cross_entropy(_logits(head, vectors[rows]), target[rows])
                for head, vectors in zip(heads, inputs, strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return heads


def exit_answers(heads: nn.ModuleList, states: Sequence[Array], device: torch.device) -> list[Array]:
    """The likeliest class of each example at each exit, (N,) each."""
    with torch.no_grad():
        return [
            _logits(head, torch.from_numpy(vectors).to(device)).argmax(-1).cpu().numpy()
            for head, vectors in zip(heads, states, strict=True)
        ]


def _logits(head: nn.Module, vectors: Tensor) -> Tensor:
    """The head reads one position a sentence; the vectors stand for it."""
    return head(vectors.unsqueeze(1))  # type: ignore[no-any-return]


def exit_weights(heads: nn.ModuleList, layers: Sequence[int]) -> Mapping[str, Tensor]:
    """The weights by name, ``layer<number>.`` before each."""
    return {
        f"layer{layer}.{name}": value.cpu().contiguous()
        for layer, head in zip(layers, heads, strict=True)
        for name, value in head.state_dict().items()
    }
