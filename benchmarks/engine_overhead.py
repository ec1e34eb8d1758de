"""What the engine costs beside a plain torch loop: the same training steps on both, in turn, in one process.

    python benchmarks/engine_overhead.py [--encoder FOLDER] [--data FOLDER] [--task xnli] [--threads 2]
        [--blocks 12] [--steps 4] [--no-clip]

One rank, ZeRO stage 0. Prints the median milliseconds of a step on both, wall and CPU, their ratios, and how far apart
the losses were. Both run `training.loop.train` from the same weights over blocks of steps that take turns in going
first; the first block of each is not counted.

The engine adds up the gradient norm in another order than torch does. The last bit of the clipping factor differs, and
bf16 makes it visible within a few steps; with ``--no-clip`` the losses are equal to the last bit. On a busy machine
two threads wait for each other: use ``--threads 1`` there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from measured import SEED, TASKS, Stages, Task, existing_encoder
from torch import Tensor

from stilts_core.catalog.models import Hyper
from stilts_core.data.dataset import Dataset
from stilts_core.modeling.dropout import use_bit_dropout
from stilts_core.modeling.encoder import encoder_traits, load_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.inference import autocast
from stilts_core.modeling.model import TaskModel, new_task_model
from stilts_core.training.engine import Engine
from stilts_core.training.loop import Schedule, StepReport, train
from stilts_core.training.ranks import Rank, run_ranks
from stilts_core.training.streams import SupervisedStream

CPU = torch.device("cpu")
WANTED_RATIO = 1.1
LOSS_TOLERANCE = 1e-3
"""Relative, with clipping; bf16 resolves 4e-3."""
NO_CLIP = 1e9


class TorchEngine:
    """`training.engine.Engine` as torch alone has it, for one rank."""

    rank, ranks = 0, 1

    def __init__(self, model: TaskModel, hyper: Hyper) -> None:
        use_bit_dropout(model)
        self._model, self._clip = model, hyper.clip
        parameters = list(model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": hyper.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(
            groups, lr=hyper.learning_rate, betas=(0.9, hyper.adam_beta2), eps=hyper.adam_epsilon, fused=True
        )

    @property
    def width(self) -> int:
        return int(self._model.encoder.config.hidden_size)  # type: ignore[arg-type, union-attr]

    @property
    def precisions(self) -> tuple[str, ...]:
        return encoder_traits(self._model.encoder).precisions  # type: ignore[arg-type]

    def backward(
        self,
        task: int,
        batch: Mapping[str, Tensor],
        scale: float,
        *,
        dtype: torch.dtype,
        last: bool,  # noqa: ARG002 (the engine's signature)
    ) -> Tensor:
        with autocast(CPU, dtype):
            loss: Tensor = self._model(task, batch) * scale
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()

    def total(self, value: Tensor) -> Tensor:
        return value

    def state(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self._model.named_parameters():
            yield name, parameter.detach().to("cpu", copy=True)


@dataclass
class Steps:
    """What each step took, wall and CPU milliseconds, and its loss."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


def run_block(engine: Engine, items: Items, hyper: Hyper, block: int, count: int) -> Steps:
    moments = [(time.perf_counter(), time.process_time())]

    def report(step: StepReport) -> None:  # noqa: ARG001 (the loop's signature)
        moments.append((time.perf_counter(), time.process_time()))

    stream = SupervisedStream(items, hyper.batch_size, SEED + block)
    schedule = Schedule([stream], np.zeros(count, dtype=np.int64), hyper, SEED + block)
    _, history = train(engine, schedule, device=CPU, report=report)
    wall, cpu = (1000 * np.diff(np.array(moments), axis=0)).T.tolist()
    return Steps(wall, cpu, history.loss)


def measure(prepared: Path, task: Task, encoder: Path, blocks: int, count: int) -> dict[str, Any]:
    items = Items.of(Dataset.open(prepared / "data"), "train")

    def model() -> TaskModel:
        made = new_task_model(load_encoder(encoder), [(task.head, len(task.labels))], SEED)
        made.train()
        return made

    deepspeed = Engine.start(model(), task.hyper, zero_stage=0, device=CPU)
    engines = {"deepspeed": deepspeed, "torch": cast(Engine, TorchEngine(model(), task.hyper))}
    timed: dict[str, Steps] = {name: Steps() for name in engines}
    try:
        for block in range(blocks + 1):
            for name in sorted(engines, reverse=bool(block % 2)):
                done = run_block(engines[name], items, task.hyper, block, count)
                timed[name].loss += done.loss
                if block:
                    timed[name].wall += done.wall
                    timed[name].cpu += done.cpu
    finally:
        deepspeed.close()
    wall = {name: statistics.median(steps.wall) for name, steps in timed.items()}
    cpu = {name: statistics.median(steps.cpu) for name, steps in timed.items()}
    losses = zip(timed["deepspeed"].loss, timed["torch"].loss, strict=True)
    return {
        "steps": blocks * count,
        "examples_a_step": task.hyper.batch_size,
        "milliseconds_a_step": {name: round(value, 1) for name, value in wall.items()},
        "cpu_milliseconds_a_step": {name: round(value, 1) for name, value in cpu.items()},
        "ratio": round(wall["deepspeed"] / wall["torch"], 3),
        "cpu_ratio": round(cpu["deepspeed"] / cpu["torch"], 3),
        "wanted_ratio": WANTED_RATIO,
        "losses": len(timed["torch"].loss),
        "largest_relative_difference_of_a_loss": max(abs(ours / plain - 1) for ours, plain in losses),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--encoder", type=Path, default=Path("out/enc"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data slices")
    parser.add_argument("--task", choices=list(TASKS), default="xnli")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--steps", type=int, default=4, help="of a block")
    parser.add_argument("--no-clip", action="store_true", help="the losses must then be equal to the last bit")
    arguments = parser.parse_args()
    encoder = existing_encoder(arguments.encoder)
    task = dataclasses.replace(TASKS[arguments.task], targets={})
    if arguments.no_clip:
        task = dataclasses.replace(task, hyper=task.hyper.model_copy(update={"clip": NO_CLIP}))

    def body(rank: Rank) -> dict[str, Any]:  # noqa: ARG001 (one rank)
        return measure(prepared, task, encoder, arguments.blocks, arguments.steps)

    with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
        stages = Stages(task, arguments.data.resolve(), encoder, Path(folder), arguments.threads)
        prepared, _ = stages.prepare_training()
        figures = run_ranks(body, ranks=1, device="cpu", threads=arguments.threads, stop_requested=lambda: False)
    print(json.dumps(figures, indent=1))
    apart = figures["largest_relative_difference_of_a_loss"]
    equal = apart == 0 if arguments.no_clip else apart <= LOSS_TOLERANCE
    return 0 if equal and figures["ratio"] <= WANTED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
