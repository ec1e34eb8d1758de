"""A stage kind for tests of groups of pods: the second rank pretends a full device until less is asked of it."""

from __future__ import annotations

from typing import Any

from stilts_core.planning.plan import StageKind
from stilts_core.stages.context import StageContext, StageFunction
from stilts_core.stages.ranked import run_training
from stilts_core.training.loop import _memory_watched
from stilts_core.training.ranks import Rank


def stage_function(kind: StageKind) -> StageFunction:
    return train


def train(context: StageContext) -> dict[str, Any]:
    def body(context: StageContext, rank: Rank) -> dict[str, Any]:
        import torch

        halvings = context.resources.halvings
        with _memory_watched(1, 1):
            if rank.rank == 1 and not halvings:
                raise torch.OutOfMemoryError("a pretended device is full")
        torch.distributed.all_reduce(torch.ones(1))
        return {"halvings": halvings}

    return run_training(context, body)
