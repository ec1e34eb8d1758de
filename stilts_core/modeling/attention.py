"""Attention for processors, as plain matrix products where these are the faster way.

torch's fused kernel computes bf16 products on a processor at the speed of fp32 ones, and with dropout on the weights it
is not used at all. On graphics cards, and in fp32 without dropout, attention stays with torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.modeling.dropout import drop

NAME = "stilts"


def use_matrix_attention(encoder: nn.Module) -> None:
    """Let an encoder attend through `attend`, where its class leaves the choice open and has chosen torch's kernel."""
    from transformers.masking_utils import AttentionMaskInterface
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, narrow_mask)
    if encoder.config._attn_implementation == "sdpa" and encoder._can_set_attn_implementation():  # type: ignore[operator, union-attr]
        encoder.set_attn_implementation(NAME)  # type: ignore[operator]


def narrow_mask(
    *,
    kv_length: int,
    mask_function: Callable[..., Any],
    attention_mask: Tensor | None = None,
    **more: Any,
) -> Tensor | None:
    """A mask under the contract of transformers' mask functions, without a row a token where all rows are alike.

    Returns:
        True where a token is attended to, (B, 1, 1, L) where padding alone is masked, else (B, 1, L, L); None for all.
    """
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    if (
        mask_function is bidirectional_mask_function
        and attention_mask is not None
        and attention_mask.device.type == "cpu"
        and attention_mask.shape[1:] == (kv_length,)
    ):
        return attention_mask.bool()[:, None, None, :]
    mask: Tensor | None = sdpa_mask(
        kv_length=kv_length, mask_function=mask_function, attention_mask=attention_mask, **more
    )
    return mask


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
        attention_mask: True where a token is attended to, (B, 1, 1 or L, L); None without padding.
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
    batch, heads, length, width = query.shape
    wide = (batch * heads, length, width)
    bias, share = query.new_empty(1, 1, 1), 0
    if attention_mask is not None:
        bias = torch.zeros_like(attention_mask, dtype=query.dtype)
        bias = bias.masked_fill_(~attention_mask, torch.finfo(query.dtype).min)
        bias, share = bias.expand(-1, heads, -1, -1).flatten(0, 1), 1
    # The scaling and the mask are part of the product: passes over the scores of their own take as long as it does.
    scores = torch.baddbmm(
        bias,
        query.reshape(wide),
        key.reshape(wide).transpose(1, 2),
        beta=share,
        alpha=scaling or width**-0.5,
    )
    weights = drop(torch.softmax(scores, dim=-1), dropout)
    gathered = torch.bmm(weights, value.reshape(wide)).view(batch, heads, length, -1)
    return gathered.transpose(1, 2).contiguous(), None
