"""The loss of a dual encoder, and that it does not matter how a step is cut."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import VOCABULARY, settings, write_dataset

from stilts_core.catalog.models import Head
from stilts_core.modeling.dropout import use_bit_dropout
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.heads import DualHead
from stilts_core.modeling.model import TaskModel, new_task_model

pytest.importorskip("deepspeed", reason="the training packages are an extra")
from stilts_core.training.dual import DualBatch, DualStream, told_apart

CPU = torch.device("cpu")


def test_the_loss_is_the_softmax_over_what_the_pool_looks_for() -> None:
    rng = np.random.default_rng(0)
    looking, answers = rng.normal(size=(2, 6, 4))
    looking, answers = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (looking, answers))
    pools, things = [0, 0, 0, 0, 1, 1], [7, 8, 7, 9, 8, 5]
    found = DualHead.losses(
        torch.from_numpy(looking), torch.from_numpy(answers), torch.tensor(pools), torch.tensor(things), 20.0
    )
    for row in range(6):
        rivals = [c for c in range(6) if pools[c] == pools[row] and (c == row or things[c] != things[row])]
        assert len(rivals) == {0: 3, 1: 4, 2: 3, 3: 4, 4: 2, 5: 2}[row], "the same thing is no wrong answer"
        scores = {c: 20 * float(looking[row] @ answers[c]) for c in rivals}
        expected = math.log(sum(math.exp(score) for score in scores.values())) - scores[row]
        assert float(found[row]) == pytest.approx(expected, rel=1e-9)


def test_one_that_is_alone_has_nothing_to_learn() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(1, 4), dim=-1).requires_grad_()
    loss = DualHead.losses(vectors, vectors.detach(), torch.zeros(1), torch.zeros(1), 100.0).sum()
    loss.backward()
    assert float(loss.detach()) == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


class OneRank:
    """What `told_apart` asks of an engine, for a model in this process."""

    ranks = 1
    width = 32

    def __init__(self, model: TaskModel) -> None:
        self.model = model

    def outputs(self, task: int, batch: dict[str, Tensor], dtype: torch.dtype) -> Tensor:
        with torch.no_grad():
            output: Tensor = self.model(task, batch)
        return output

    def total(self, value: Tensor) -> Tensor:
        return value


@pytest.fixture
def stream(tmp_path: Path) -> DualStream:
    return DualStream(Items.of(write_dataset(tmp_path / "data", Head.RETRIEVAL), "train"), 20, 0, pool=8, scale=20.0)


def new_model(dropout: float) -> TaskModel:
    torch.manual_seed(0)
    encoder = new_encoder(settings(dropout=dropout), VOCABULARY, 1, 0, 2)
    encoder.get_input_embeddings().weight.data.mul_(30)  # type: ignore[operator] # vectors that differ
    model = new_task_model(encoder, [(Head.RETRIEVAL, 0)], seed=0)
    use_bit_dropout(model)
    return model.train()


def step(model: TaskModel, batch: Any, micro_tokens: int) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a step in micro-batches, dropout seeded."""
    model.zero_grad()
    torch.manual_seed(5)
    (shares,) = batch.split(1, micro_tokens)
    batch = told_apart(OneRank(model), 0, batch, shares, CPU, torch.float32)  # type: ignore[arg-type]
    total = 0.0
    for rows in shares:
        loss = model(0, batch.tensors(rows, CPU))
        loss.backward()
        total += float(loss.detach())
    return total, {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("micro_tokens", [40, 200])
def test_small_forward_passes_give_the_gradient_of_the_whole(stream: DualStream, micro_tokens: int) -> None:
    model = new_model(0.0)
    batch = stream.batch(0)
    assert len(batch.split(1, micro_tokens)[0]) > 2
    whole, expected = step(model, batch, 100_000)
    parts, found = step(model, batch, micro_tokens)
    assert parts == pytest.approx(whole, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_both_passes_drop_out_the_same(stream: DualStream) -> None:
    """The reference draws each micro-batch once and keeps what it needs for the gradient."""
    model = new_model(0.3)
    batch = stream.batch(0)
    assert isinstance(batch, DualBatch)
    loss, found = step(model, batch, 60)
    model.zero_grad()
    torch.manual_seed(5)
    (shares,) = batch.split(1, 60)
    parts = [model(0, batch.tensors(rows, CPU)) for rows in shares]
    order = torch.from_numpy(np.argsort(np.concatenate(shares)))
    vectors = torch.cat(parts)[order]
    expected = DualHead.losses(vectors[:, 0], vectors[:, 1], batch.pools, batch.things, batch.scale).sum()
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_an_epoch_takes_every_text_that_looks_for_something_once(stream: DualStream) -> None:
    assert stream.size == 24
    assert stream.batches_per_epoch == 2
    batches = [stream.batch(number) for number in range(2)]
    assert sorted(int(row) for batch in batches for row in batch.rows) == list(range(24))
    assert [batch.examples for batch in batches] == [batch.units for batch in batches]
    assert sum(batch.tokens for batch in batches) == int(stream.items.lengths.sum())
