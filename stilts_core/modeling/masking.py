"""Masked-language batches: which tokens are hidden, decided by the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stilts_core.data.batches import pad
from stilts_core.modeling.feed import to_device
from stilts_core.modeling.heads import IGNORED

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The token ids that masking needs.

    Attributes:
        size: of the vocabulary; random replacements are drawn below it.
        special: ids that are never hidden and never drawn.
    """

    size: int
    pad_id: int
    mask_id: int
    special: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskedText:
    """The sequences of one optimiser step, masked: flat ids and labels (T,), offsets (B + 1,)."""

    ids: Array
    label: Array
    offsets: Array
    pad_id: int

    @property
    def lengths(self) -> Array:
        return np.diff(self.offsets)

    @property
    def units(self) -> int:
        """Masked tokens."""
        return int(np.count_nonzero(self.label != IGNORED))

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        """``input_ids``, ``label`` (B, L) and ``mask`` where there is padding."""
        ids, mask = pad(self.ids, self.offsets, rows, self.pad_id)
        label, _ = pad(self.label, self.offsets, rows, IGNORED)
        batch = {"input_ids": torch.from_numpy(ids), "label": torch.from_numpy(label)}
        if mask is not None:
            batch["mask"] = torch.from_numpy(mask)
        return to_device(batch, device)


def mask_tokens(
    sequences: Sequence[Array], vocabulary: Vocabulary, probability: float, rng: np.random.Generator
) -> MaskedText:
    """Hide tokens as BERT does (Devlin et al. 2019, section 3.1): of the chosen, 80 % masked, 10 % random, 10 % kept.

    Every sequence with an ordinary token has at least one chosen.
    """
    offsets = np.concatenate(([0], np.cumsum([len(s) for s in sequences]))).astype(np.int64)
    ids = np.concatenate(sequences).astype(np.int64)
    ordinary = ~np.isin(ids, vocabulary.special)
    draw = np.where(ordinary, rng.random(len(ids)), 2.0)
    chosen = draw < probability
    least = np.minimum.reduceat(draw, offsets[:-1])
    chosen |= (draw == np.repeat(least, np.diff(offsets))) & ordinary
    label = np.where(chosen, ids, IGNORED)
    kind = rng.random(len(ids))
    candidates = np.setdiff1d(np.arange(vocabulary.size), vocabulary.special)
    replacement = candidates[rng.integers(len(candidates), size=len(ids))]
    masked = np.where(chosen & (kind < 0.8), vocabulary.mask_id, ids)
    masked = np.where(chosen & (kind >= 0.8) & (kind < 0.9), replacement, masked)
    return MaskedText(masked, label, offsets, vocabulary.pad_id)
