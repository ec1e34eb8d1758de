"""What a training stage keeps of itself while it runs, so that another attempt goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_core.spec.profile import StoreSettings
from stilts_core.storage.manifest import Attempt

if TYPE_CHECKING:
    import torch

    from stilts_core.stages.context import StageContext
    from stilts_core.training.checkpoint import Checkpoint
    from stilts_core.training.loop import Schedule
    from stilts_core.training.ranks import Rank

_BYTES_PER_PARAMETER = 12  # the weight and AdamW's two moments, in fp32


@dataclass(frozen=True, slots=True)
class Saving:
    """Where an attempt keeps what it is not yet done with.

    Attributes:
        store: with its address; each process opens it for itself.
        inputs: parent role → digest of the parent's committed files.
        scratch: a folder of the attempt alone.
        grace: seconds that a save may take once the attempt is asked to stop.
    """

    store: StoreSettings
    attempt: Attempt
    inputs: Mapping[str, str]
    scratch: Path
    grace: float


def checkpoint_of(
    context: StageContext, rank: Rank, schedule: Schedule, parameters: int, device: torch.device
) -> Checkpoint:
    """How a rank of a training saves and goes on; nothing is kept where the attempt has no place for it.

    Args:
        parameters: of the model, for a guess of what saving will cost.
    """
    from stilts_core.storage.open import open_store
    from stilts_core.training.cadence import Cadence
    from stilts_core.training.checkpoint import (
        BYTES_PER_SECOND,
        Facts,
        NoCheckpoint,
        Place,
        StoredCheckpoint,
        order_digest,
    )

    saving, resources = context.saving, context.resources
    if saving is None:
        return NoCheckpoint()
    store = open_store(saving.store.uri or "", saving.store.s3)
    scratch = saving.scratch / f"rank-{rank.rank}"
    identity = {
        "steps": len(schedule.order),
        "order of tasks": order_digest(schedule.order),
        "examples": [stream.size for stream in schedule.streams],
        "inputs": dict(saving.inputs),
    }
    guess = parameters * _BYTES_PER_PARAMETER / rank.ranks / BYTES_PER_SECOND
    cadence = Cadence(steps=resources.save_steps, seconds=resources.save_seconds, guess=guess)
    return StoredCheckpoint(
        Place(store, context.stage.fingerprint, saving.attempt, scratch),
        Facts(identity, _versions(context, device)),
        cadence,
        device=device,
        grace=saving.grace,
        say=say,
    )


def _versions(context: StageContext, device: torch.device) -> dict[str, Any]:
    """What decides the last bits of a training, beside its layout."""
    from stilts_core.stages.machine import cpu_model, device_name, package_versions

    resources = context.resources
    return {
        **package_versions(("torch", "deepspeed", "transformers", "numpy")),
        "device": cpu_model() if device.type == "cpu" else device_name(device.type),
        "threads": resources.threads if device.type == "cpu" else None,
        "micro_tokens": resources.micro_tokens,
        "halvings": resources.halvings,
        "precision": resources.precision,
    }


def say(text: str) -> None:
    """Add a line to the stage's log."""
    stamp = datetime.now(UTC).strftime("%H:%M:%S")
    print(f"{stamp} stilts: {text}", flush=True)  # noqa: T201 (the stage's log)
