"""Attention as matrix products gives what torch's kernel gives."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from synthetic import settings  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from stilts_core.modeling.attention import NAME, attend, narrow_mask  # noqa: E402
from stilts_core.modeling.encoder import encode, new_encoder  # noqa: E402


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key and value (3, 4, 10, 16), and a mask that lets the sequences see 10, 7 and 1 tokens."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 4, 10, 16).to(dtype) for _ in range(3))
    seen = torch.arange(10) < torch.tensor([10, 7, 1])[:, None]
    return query, key, value, seen[:, None, None, :].expand(3, 1, 10, 10)


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **more: Any) -> Tensor:
    module = cast(nn.Module, SimpleNamespace(is_causal=False))
    return attend(module, query, key, value, mask, **more)[0].transpose(1, 2)


@pytest.mark.parametrize("padded", [True, False])
def test_it_agrees_with_torch_in_bf16(padded: bool) -> None:
    query, key, value, mask = inputs(torch.bfloat16)
    wanted = scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=mask if padded else None)
    found = attended(query, key, value, mask if padded else None)
    torch.testing.assert_close(found.float(), wanted, atol=2e-2, rtol=2e-2)


def test_dropout_on_the_weights_keeps_the_mean() -> None:
    query, key, value, mask = inputs(torch.float32)
    wanted = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    mean = torch.stack([attended(query, key, value, mask, dropout=0.5) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, wanted, atol=0.1, rtol=0)


def test_gradients_agree_with_torch() -> None:
    gradients = []
    for way in ("ours", "torch"):
        query, key, value, mask = inputs(torch.bfloat16)
        for tensor in (query, key, value):
            tensor.requires_grad_(True)
        if way == "ours":
            out = attended(query, key, value, mask)
        else:
            out = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        (out * torch.linspace(-1, 1, 16)).sum().backward()
        gradients.append([cast(Tensor, tensor.grad) for tensor in (query, key, value)])
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found.float(), wanted.float(), atol=4e-2, rtol=4e-2)


def test_an_encoder_attends_so_and_its_configuration_does_not_tell() -> None:
    torch.manual_seed(0)
    encoder = new_encoder(settings(), 100, 1, 0, 2).eval()
    config = cast(Any, encoder).config
    assert config._attn_implementation == NAME
    assert NAME not in str(config.to_diff_dict().values())
    ids = torch.randint(4, 100, (2, 9))
    mask = torch.arange(9) < torch.tensor([9, 5])[:, None]
    with torch.no_grad():
        whole = encode(encoder, ids, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = encode(encoder, ids, mask)
        alone = encode(encoder, ids[1:, :5], None)
    torch.testing.assert_close(half[mask].float(), whole[mask], atol=0.1, rtol=0.1)
    torch.testing.assert_close(whole[1, :5], alone[0], atol=1e-5, rtol=1e-4)


def test_padding_is_masked_with_one_row_and_windows_with_one_a_token() -> None:
    from transformers.masking_utils import bidirectional_mask_function, sliding_window_bidirectional_mask_function

    seen = torch.arange(6) < torch.tensor([6, 4])[:, None]
    sizes: dict[str, Any] = {"batch_size": 2, "q_length": 6, "kv_length": 6, "attention_mask": seen}
    padding = narrow_mask(mask_function=bidirectional_mask_function, **sizes)
    assert padding is not None
    assert padding.tolist() == seen[:, None, None, :].tolist()
    windows = narrow_mask(mask_function=sliding_window_bidirectional_mask_function(1), **sizes)
    assert windows is not None
    assert windows.shape == (2, 1, 6, 6)
    assert windows[1, 0, 3].tolist() == [False, False, True, True, False, False]
