"""Running a training stage's ranks, and once more with smaller pieces where the device's memory ran out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stilts_core.errors import DeviceMemoryError
from stilts_core.stages.context import StageContext
from stilts_core.stages.saving import say
from stilts_core.training.ranks import Rank, run_ranks

Body = Callable[[StageContext, Rank], dict[str, Any]]


def run_training(context: StageContext, body: Body) -> dict[str, Any]:
    """Run ``body`` on every rank of this node, as `training.ranks.run_ranks` does.

    Where the device's memory runs out, they all run once more on micro-batches of half the tokens, from the last state
    that was saved. Losses are sums, so the results stay the same. Nodes of a group cannot agree on it:
    the driver begins another attempt for them, which has the halving in its orders.

    Raises:
        DeviceMemoryError: it ran out again.
        StiltsError: as `run_ranks`.
    """
    try:
        return _run(context, body)
    except DeviceMemoryError as error:
        if context.resources.group.nodes > 1:
            raise
        say(f"{error.message} Once more with half the tokens in a forward pass.")
    # Outside the handler: the traceback has kept the model alive.
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    resources, saving = context.resources, context.saving
    if saving is not None:
        # Its states must not lie under the keys of those of the first try.
        saving = replace(saving, attempt=saving.attempt.model_copy(update={"token": f"{saving.attempt.token}h"}))
    return _run(replace(context, resources=replace(resources, halvings=resources.halvings + 1), saving=saving), body)


def _run(context: StageContext, body: Body) -> dict[str, Any]:
    resources = context.resources
    return run_ranks(
        lambda rank: body(context, rank),
        ranks=resources.ranks,
        device=resources.device,
        threads=resources.threads,
        stop_requested=context.stop_requested,
        group=resources.group,
    )
