"""Dropout for processors, whose own draws one Bernoulli variable at a time from a serial generator.

Sixteen random bits an element are enough: a 64-bit draw serves four of them, and the mask gets several times cheaper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 1 << 16


class BitDropout(nn.Dropout):
    """Inverted dropout (Srivastava et al. 2014) with the rate rounded to a multiple of 1/65536; seeded by torch."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.dropped = round(rate * LEVELS)
        self.scale = LEVELS / (LEVELS - self.dropped)

    def forward(self, values: Tensor) -> Tensor:  # the base class calls its argument `input`
        if not self.training or not self.dropped:
            return values
        count = values.numel()
        bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), 2**63 - 1).view(torch.int16)[:count]
        keep = (bits >= self.dropped - LEVELS // 2).view(values.shape)
        return values * keep.to(values.dtype).mul_(self.scale)


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
