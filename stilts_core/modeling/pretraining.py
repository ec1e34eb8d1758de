"""An encoder made from scratch: masked text, masked translations, and translations told from other sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional

from stilts_core.modeling.encoder import encode, encode_states
from stilts_core.modeling.heads import MaskedHead
from stilts_core.modeling.pooling import mean_pool

TEMPERATURE = 0.05
MIDDLE = 2 / 3
"""Share of the layers where the means of the tokens are contrasted: about where retrieval is scored (8 of 12 layers).

Of the last layer the first tokens are, since classification reads nothing else."""


class Objective(StrEnum):
    MLM = "mlm"
    TLM = "tlm"
    CONTRASTIVE = "contrastive"
    LEXICAL = "lexical"


class PretrainingModel(nn.Module):
    """An encoder, the masked-language head, and the objectives in the order of the training's tasks."""

    def __init__(self, encoder: nn.Module, head: MaskedHead, objectives: Sequence[Objective]) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.objectives = tuple(objectives)
        self.middle = round(MIDDLE * int(encoder.config.num_hidden_layers))  # type: ignore[arg-type, union-attr]

    @property
    def embeddings(self) -> Tensor:
        return self.encoder.get_input_embeddings().weight  # type: ignore[no-any-return, operator]

    def forward(self, task: int, batch: Mapping[str, Tensor]) -> Tensor:
        """The summed loss of one micro-batch; every parameter gets a gradient, as in `modeling.model.TaskModel`."""
        objective = self.objectives[task]
        if objective is Objective.LEXICAL:
            return self._lexical(batch)
        if objective is not Objective.CONTRASTIVE:
            states = encode(self.encoder, batch["input_ids"], batch.get("mask"))
            return self.head.loss(states, batch, self.embeddings)
        left = encode_states(self.encoder, batch["input_ids"], batch.get("mask"))
        right = encode_states(self.encoder, batch["other_ids"], batch.get("other_mask"))
        middle = contrastive_loss(
            mean_pool(left[self.middle], batch.get("mask")), mean_pool(right[self.middle], batch.get("other_mask"))
        )
        loss = 0.5 * (middle + contrastive_loss(left[-1][:, 0].float(), right[-1][:, 0].float()))
        idle: Tensor = self.head(left[-1][0, :1], self.embeddings)
        return loss + 0.0 * idle.float().sum()

    def _lexical(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Sentences as bags of words: their mean embeddings are contrasted, which aligns the words themselves."""
        words: nn.Module = self.encoder.get_input_embeddings()  # type: ignore[operator]
        left = mean_pool(words(batch["input_ids"]), batch.get("mask"))
        right = mean_pool(words(batch["other_ids"]), batch.get("other_mask"))
        states = encode(self.encoder, batch["input_ids"][:1, :1], None)
        idle: Tensor = self.head(states[0], self.embeddings)
        return contrastive_loss(left, right) + 0.0 * idle.float().sum()


def contrastive_loss(left: Tensor, right: Tensor) -> Tensor:
    """Summed InfoNCE in both directions over pairs of vectors (N, H), cosine over a temperature (Chi et al. 2021)."""
    similarity = functional.normalize(left, dim=-1) @ functional.normalize(right, dim=-1).T / TEMPERATURE
    diagonal = torch.arange(len(left), device=left.device)
    return 0.5 * (
        functional.cross_entropy(similarity, diagonal, reduction="sum")
        + functional.cross_entropy(similarity.T, diagonal, reduction="sum")
    )
