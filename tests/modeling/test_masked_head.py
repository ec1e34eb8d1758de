"""The encoder's own head for masked text: found in releases and stages, and the same function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaModel

from stilts_core.modeling.encoder import encode, load_encoder
from stilts_core.modeling.heads import MaskedHead
from stilts_core.modeling.masked_head import adopt, own_masked_head, write_masked_head

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
}
RELEASES = {"xlm-r": (XLMRobertaForMaskedLM, XLMRobertaConfig), "bert": (BertForMaskedLM, BertConfig)}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("sharded", [False, True])
def test_the_head_of_a_release_gives_the_logits_of_the_release(tmp_path: Path, release: str, sharded: bool) -> None:
    model_type, config_type = RELEASES[release]
    torch.manual_seed(0)
    model = model_type(config_type(**SMALL)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    model.save_pretrained(tmp_path, **({"max_shard_size": "2KB"} if sharded else {}))
    assert (tmp_path / "model.safetensors.index.json").is_file() is sharded
    weights = own_masked_head(tmp_path)
    assert weights is not None
    head = MaskedHead(16, 40, 16)
    assert adopt(head, weights, model.config.layer_norm_eps)
    encoder = load_encoder(tmp_path).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        states = encode(encoder, ids, None)
        ours = head(states, encoder.get_input_embeddings().weight)
        theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_head_that_a_stage_wrote_is_found_again(tmp_path: Path) -> None:
    XLMRobertaModel(XLMRobertaConfig(**SMALL), add_pooling_layer=False).save_pretrained(tmp_path)
    assert own_masked_head(tmp_path) is None
    head = MaskedHead(16, 40, 16)
    write_masked_head(tmp_path, head.state_dict())
    found = own_masked_head(tmp_path)
    assert found is not None
    assert found.keys() == head.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in head.state_dict().items())


def test_a_head_of_another_size_is_left_alone() -> None:
    head, other = MaskedHead(16, 40, 16), MaskedHead(16, 41, 16)
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    assert not adopt(head, other.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in head.state_dict().items())
