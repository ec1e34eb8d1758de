"""A stage kind for tests of groups of pods: ranks that do nothing but talk to each other, until they are stopped."""

from __future__ import annotations

import os
import sys
from typing import Any

from stilts_core.errors import StoppedError
from stilts_core.planning.plan import StageKind
from stilts_core.stages.context import Progress, StageContext, StageFunction
from stilts_core.training.ranks import Rank, run_ranks


def stage_function(kind: StageKind) -> StageFunction:
    return talk


def talk(context: StageContext) -> dict[str, Any]:
    def body(rank: Rank) -> dict[str, Any]:
        import torch

        sys.stdout.write(f"rank {rank.rank} is process {os.getpid()}\n")
        step = 0
        while True:
            stop = torch.tensor([float(rank.stop_requested())])
            torch.distributed.all_reduce(stop)
            if stop.item():
                raise StoppedError(f"Stopped on request at step {step}.")
            step += 1
            if rank.local == 0 and step % 100 == 1:
                context.report(Progress(step=step, total=10**6, activity="talking"))

    resources = context.resources
    return run_ranks(
        body,
        ranks=resources.ranks,
        device="cpu",
        threads=1,
        stop_requested=context.stop_requested,
        group=resources.group,
    )
