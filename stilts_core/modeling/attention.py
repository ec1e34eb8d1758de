"""Attention for processors, as plain matrix products where these are the faster way.

torch's fused kernel computes bf16 products on a processor at the speed of fp32 ones, and with dropout on the weights it
is not used at all. On graphics cards, and in fp32 without dropout, attention stays with torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.modeling.dropout import drop

NAME = "stilts"


def use_matrix_attention(encoder: nn.Module) -> None:
    """Let an encoder attend through `attend`, where its class leaves the choice open and has chosen torch's kernel."""
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    if encoder.config._attn_implementation == "sdpa" and encoder._can_set_attn_implementation():  # type: ignore[operator, union-attr]
        encoder.set_attn_implementation(NAME)  # type: ignore[operator]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention under the contract of transformers' attention functions.

    Args:
        query, key, value: (B, heads, L, H / heads).
        attention_mask: True where a token is attended to, (B, 1, L, L); None without padding.
        dropout: on the attention weights.
        scaling: of the scores; default: one over the root of the width of a head.

    Returns:
        What the tokens have gathered, (B, L, heads, H / heads), and None in place of the weights.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    plain = more.get("position_bias") is None and not getattr(module, "is_causal", False) and key.shape == query.shape
    if query.is_cuda or not plain or (query.dtype is torch.float32 and not dropout):
        out: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return out
    scores = (query * (scaling or query.shape[-1] ** -0.5)) @ key.transpose(-1, -2)
    if attention_mask is not None:
        bias = torch.zeros_like(attention_mask, dtype=scores.dtype)
        scores += bias.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    return (drop(weights, dropout) @ value).transpose(1, 2).contiguous(), None
