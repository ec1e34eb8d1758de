"""What a stage gets from the outside, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_core.planning.plan import Stage
from stilts_core.stages.saving import Saving
from stilts_core.training.group import ALONE, Group


@dataclass(frozen=True, slots=True)
class Resources:
    """What one attempt may use: placement, never science.

    Attributes:
        device: ``cpu`` or ``cuda``.
        threads: cores of one rank.
        ranks: processes of a training, on all of its nodes.
        group: the nodes of the training.
        micro_tokens: padded tokens of one forward pass at most; None: by device.
        precision: ``auto``, ``bf16`` or ``fp32``.
        save_steps, save_seconds: between two saves of a training; None: by what a save costs.
        halvings: how often ``micro_tokens`` is to be halved, because memory ran out; it changes no result.
    """

    device: str = "cpu"
    threads: int = 1
    ranks: int = 1
    zero_stage: int = 0
    micro_tokens: int | None = None
    precision: str = "auto"
    group: Group = ALONE
    save_steps: int | None = None
    save_seconds: float | None = None
    halvings: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is, for people only.

    Attributes:
        step, total: optimiser steps, batches or files; total 0 where it is not known.
        activity: what is going on, in two or three words.
        loss: of the last step, where there is one.
        examples_per_second: smoothed.
    """

    step: int = 0
    total: int = 0
    activity: str = ""
    loss: float | None = None
    examples_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class StageContext:
    """One attempt at a stage, as the stage's own code sees it.

    Attributes:
        stage: what is to be done.
        inputs: parent role → folder with that parent's committed files, verified; read only.
        data: path of a data file (as in ``stage.files``) → local file, verified; read only.
        out: an empty folder; everything in it when the stage returns is committed.
        report: takes a `Progress` whenever there is something new; cheap to call often.
        stop_requested: True once the attempt was asked to stop; the stage then raises `errors.StoppedError` soon.
        saving: where unfinished work is kept for another attempt; None: nowhere.
    """

    stage: Stage
    inputs: Mapping[str, Path]
    data: Mapping[str, Path]
    out: Path
    resources: Resources = Resources()
    report: Callable[[Progress], None] = field(default=lambda progress: None)
    stop_requested: Callable[[], bool] = field(default=lambda: False)
    saving: Saving | None = None


StageFunction = Callable[[StageContext], dict[str, Any]]
"""A stage kind: does the work, fills ``out``, returns the manifest's metrics."""
