"""The host holds the whole weights once, also when better ones take the place of the best so far."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")

from stilts_core.training import loop  # noqa: E402
from stilts_core.training.position import Position  # noqa: E402

pytestmark = pytest.mark.train


class Gathering:
    """An engine whose weights are new tensors each time, and which sees whether those before are still there."""

    rank = 0

    def __init__(self) -> None:
        self.given: list[weakref.ref[Any]] = []
        self.alive: list[int] = []

    def state(self) -> Iterator[tuple[str, Any]]:
        self.alive.append(sum(one() is not None for one in self.given))
        for name in ("a", "b"):
            tensor = torch.zeros(4)
            self.given.append(weakref.ref(tensor))
            yield name, tensor


def test_better_weights_let_go_of_those_before_them() -> None:
    engine, position = Gathering(), Position.beginning(1)
    for mean in (1.0, 2.0, 3.0):
        loop._evaluate(cast(Any, engine), position, lambda _, mean=mean: {"task": {"score": mean}}, keep_best=True)
    assert engine.alive == [0, 0, 0]
    assert list(position.best) == ["a", "b"]
    assert position.best_score == 3.0
    loop._evaluate(cast(Any, engine), position, lambda _: {"task": {"score": 2.5}}, keep_best=True)
    assert len(engine.alive) == 3
    assert position.since_best == 1
