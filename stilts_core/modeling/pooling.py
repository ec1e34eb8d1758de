"""One vector from the hidden states of an input."""

from __future__ import annotations

import torch
from torch import Tensor

from stilts_core.catalog.encoders import Pooling


def pool(states: Tensor, mask: Tensor | None, pooling: Pooling) -> Tensor:
    """Hidden states (B, L, H) as one vector an input (B, H); padding (mask False) stands behind the tokens."""
    match pooling:
        case "first":
            return states[:, 0]
        case "last":
            return last_pool(states, mask)
        case "mean":
            return mean_pool(states, mask)


def mean_pool(states: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of hidden states (B, L, H) over the unmasked tokens, special tokens included, in fp32: (B, H)."""
    if mask is None:
        return states.float().mean(1)
    weights = mask.to(torch.float32).unsqueeze(-1)
    return (states.float() * weights).sum(1) / weights.sum(1)


def last_pool(states: Tensor, mask: Tensor | None) -> Tensor:
    """The state of each input's last token."""
    if mask is None:
        return states[:, -1]
    rows = torch.arange(len(states), device=states.device)
    return states[rows, mask.sum(1) - 1]
