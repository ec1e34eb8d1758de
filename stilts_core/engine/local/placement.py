"""How a profile's placement becomes cores, GPUs and threads on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stilts_core.engine.graph import Capacity
from stilts_core.errors import SpecError
from stilts_core.planning.params import CostParams
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.spec.profile import Placement
from stilts_core.stages.context import Resources


class LocalPlacement:
    """What each stage gets of this machine.

    Args:
        placement: of the profile.
        slots: cores (or GPUs) to share out; None: the profile's, else all.
        cores: of this machine.
        gpus: of this machine, as CUDA_VISIBLE_DEVICES names them.

    Raises:
        SpecError: something that the profile asks for is more than there is.
    """

    def __init__(self, placement: Placement, *, slots: int | None, cores: int, gpus: Sequence[str]) -> None:
        local, training = placement.local, placement.training
        self._placement = placement
        self.device = ("cuda" if gpus else "cpu") if placement.device == "auto" else placement.device
        if self.device == "cuda" and not gpus:
            raise SpecError(
                "The profile asks for `device: cuda`, but no GPU is to be seen.", hint="See `stilts doctor`."
            )
        self.slots = slots or local.slots or (len(gpus) if self.device == "cuda" else cores)
        if self.device == "cuda":
            if self.slots > len(gpus):
                raise SpecError(f"{self.slots} GPUs are asked for; this machine has {len(gpus)}.")
            self.devices: list[str] | None = list(gpus[: self.slots])
            self.capacity = Capacity(cores=max(cores, local.threads), devices=self.slots)
        else:
            self.devices = None
            self.capacity = Capacity(cores=self.slots)
        widest = training.ranks * (1 if self.device == "cuda" else local.threads)
        for what, wanted in (
            (f"A training of {training.ranks} ranks with {local.threads} threads", widest),
            ("Pretraining", (local.pretrain_threads or 1) if self.device == "cpu" else 1),
        ):
            if wanted > self.slots:
                unit = "GPUs" if self.device == "cuda" else "cores"
                raise SpecError(
                    f"{what} needs {wanted} {unit}, and there are {self.slots} slots.",
                    hint="Lower `training.ranks` or the threads in the profile, or give more slots.",
                )

    def resources(self, stage: Stage) -> Resources:
        """Device, threads and ranks of a stage."""
        local, training = self._placement.local, self._placement.training
        device, threads, ranks = self.device, local.threads, 1
        if stage.kind is StageKind.PREPARE:
            device = "cpu"
        elif stage.kind is StageKind.TRAIN or (stage.kind is StageKind.PRETRAIN and device == "cuda"):
            ranks = training.ranks
        elif stage.kind is StageKind.PRETRAIN:
            threads = local.pretrain_threads or self.slots
        return Resources(
            device=device,
            threads=threads,
            ranks=ranks,
            zero_stage=training.zero_stage,
            micro_tokens=training.micro_tokens,
            precision=training.precision,
            save_steps=training.save_steps,
            save_seconds=training.save_seconds,
        )

    def need(self, stage: Stage) -> Capacity:
        """What a stage occupies while it runs: GPUs, or cores where it uses none; everything where time is measured."""
        if isinstance(stage.params, CostParams):
            return self.capacity
        resources = self.resources(stage)
        if resources.device == "cuda":
            return Capacity(devices=resources.ranks)
        return Capacity(cores=resources.threads * resources.ranks)


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may run on, and no more than its control group allows.

    Args:
        cgroup: where the control group's files are mounted, of either version.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(cgroup) or allowed))


def _quota(cgroup: Path) -> int | None:
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text(encoding="ascii") for name in names).split()
            if int(quota) > 0:
                return max(1, int(quota) // int(period))
        except (OSError, ValueError):  # no such file, or no limit ("max")
            continue
    return None


def visible_gpus(folder: Path = Path("/dev")) -> list[str]:
    """The NVIDIA GPUs that a process started now could use, found without touching CUDA."""
    found = sorted((path.name.removeprefix("nvidia") for path in folder.glob("nvidia[0-9]*")), key=int)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not found:
        return found
    named = [part.strip() for part in visible.split(",")]
    return named[: named.index("-1")] if "-1" in named else [name for name in named if name]
