"""The training loop: streams of batches, one optimiser step after another, the best or the last weights at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stilts_core.catalog.models import Hyper
from stilts_core.errors import DeviceMemoryError, DivergedError, StoppedError
from stilts_core.modeling.inference import MICRO_TOKENS, pick_precision
from stilts_core.training.dual import told_apart
from stilts_core.training.engine import Engine, learning_rate
from stilts_core.training.streams import Stream

RATE_SMOOTHING = 0.9
SIZED_STEPS = 8  # the first steps, which tell how large a forward pass is


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step tells the outside."""

    step: int
    total: int
    loss: float
    examples_per_second: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a training.

    Attributes:
        streams: one a task.
        order: the task of each step, (steps,).
        hyper: learning rate, warm-up, patience.
        seed: of dropout.
    """

    streams: Sequence[Stream]
    order: np.ndarray[Any, np.dtype[np.int64]]
    hyper: Hyper
    seed: int

    def tokens_per_step(self) -> float:
        """Mean tokens of the first steps, over all ranks."""
        numbers = [0] * len(self.streams)
        tokens: list[int] = []
        for task in self.order[:SIZED_STEPS].tolist():
            tokens.append(self.streams[task].batch(numbers[task]).tokens)
            numbers[task] += 1
        return sum(tokens) / len(tokens)


@dataclass
class History:
    """What happened, for the stage's record.

    Attributes:
        loss: mean loss of each step.
        dev: (steps done, score of each task by name) of each evaluation.
    """

    loss: list[float] = field(default_factory=list)
    dev: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    examples: int = 0
    tokens: int = 0
    best_step: int = 0
    stopped_early: bool = False


def steps_of(streams: Sequence[Stream], hyper: Hyper, cap: int) -> int:
    """Optimiser steps of a training: ``epochs`` passes over the sets, each up to the cap, within ``max_steps``."""
    share = [min(stream.size, cap) / stream.size * stream.batches_per_epoch for stream in streams]
    steps = max(1, math.ceil(hyper.epochs * sum(share) - 1e-9))
    return min(steps, hyper.max_steps) if hyper.max_steps else steps


def evaluation_interval(schedule: Schedule) -> int:
    """Steps between evaluations on the development sample; once an epoch where the settings give none."""
    if schedule.hyper.evaluate_every:
        return schedule.hyper.evaluate_every
    return max(1, round(len(schedule.order) / schedule.hyper.epochs))


def train(
    engine: Engine,
    schedule: Schedule,
    *,
    device: torch.device,
    micro_tokens: int | None = None,
    precision: str = "auto",
    score_dev: Callable[[], dict[str, float]] | None = None,
    report: Callable[[StepReport], None] = lambda step: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Tensor], History]:
    """Run all steps.

    With patience, the development sample is scored at intervals, training stops after so many evaluations without gain,
    and the weights of the best one are returned; without, the last weights.

    Args:
        score_dev: scores of the development samples by task, alike on every rank; None where there are none.

    Returns:
        The whole weights on the host (on rank 0; empty elsewhere), and the history.

    Raises:
        DivergedError: a loss is not finite.
        StoppedError: a stop was requested of any rank; all ranks raise it at the same step.
        DeviceMemoryError: the device ran out of memory.
    """
    total = len(schedule.order)
    budget = micro_tokens or MICRO_TOKENS[device.type]
    tokens = min(budget, schedule.tokens_per_step() / engine.ranks)
    dtype = pick_precision(precision, device, width=engine.width, tokens=tokens, safe=engine.precisions)
    numbers = np.zeros(len(schedule.streams), dtype=np.int64)
    history = History()
    patience = schedule.hyper.patience if score_dev else 0
    interval = evaluation_interval(schedule)
    best, best_score, since_best = dict[str, Tensor](), -math.inf, 0
    clock, rate = time.perf_counter(), 0.0
    for step in range(total):
        task = int(schedule.order[step])
        batch = schedule.streams[task].batch(int(numbers[task]))
        numbers[task] += 1
        _seed_dropout(_dropout_seed(schedule.seed, step, engine.rank), device)
        shares = batch.split(engine.ranks, budget)[engine.rank]
        loss = torch.zeros(2, dtype=torch.float64)
        try:
            batch = told_apart(engine, task, batch, shares, device, dtype)
            for place, rows in enumerate(shares):
                # A rank without rows takes part in the collectives with a row that weighs nothing.
                tensors = batch.tensors(rows if len(rows) else np.zeros(1, dtype=np.int64), device)
                scale = 1.0 / batch.units if len(rows) else 0.0
                part = engine.backward(task, tensors, scale, dtype=dtype, last=place == len(shares) - 1)
                loss[0] += part.double().cpu()
            loss[1] = float(stop_requested())
            loss = engine.total(loss)
            if not math.isfinite(loss[0]):
                raise DivergedError(
                    f"The loss is {float(loss[0])} at step {step + 1} of {total}.",
                    hint="A lower learning rate or a longer warm-up (overrides: in the study) usually helps.",
                )
            if loss[1]:
                raise StoppedError(f"Stopped on request at step {step + 1} of {total}.")
            engine.step(learning_rate(step, total, schedule.hyper.learning_rate, schedule.hyper.warmup))
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError(
                f"The device ran out of memory at step {step + 1} of {total}.",
                hint="Lower training.micro_tokens in the profile; the results stay the same.",
            ) from error
        history.loss.append(float(loss[0]))
        history.examples += batch.examples
        history.tokens += batch.tokens
        now = time.perf_counter()
        rate = _smooth(rate, batch.examples / (now - clock))
        clock = now
        report(StepReport(step + 1, total, float(loss[0]), rate))
        if patience and score_dev and ((step + 1) % interval == 0 or step + 1 == total):
            scores = score_dev()
            history.dev.append((step + 1, scores))
            mean = sum(scores.values()) / len(scores)
            if mean > best_score:
                best, best_score, since_best = _weights(engine), mean, 0
                history.best_step = step + 1
            else:
                since_best += 1
            if since_best >= patience:
                history.stopped_early = step + 1 < total
                break
            clock = time.perf_counter()
    if not patience:
        best, history.best_step = _weights(engine), total
        if score_dev:
            history.dev.append((total, score_dev()))
    return best, history


def _weights(engine: Engine) -> dict[str, Tensor]:
    """Every rank takes part in gathering; rank 0 alone keeps the copy."""
    return {name: tensor for name, tensor in engine.state() if engine.rank == 0}


def _seed_dropout(seed: int, device: torch.device) -> None:
    """Seed the generator of one device: `torch.manual_seed` seeds all, and keeps a note of it for each absent one."""
    generator = torch.cuda.default_generators[device.index or 0] if device.type == "cuda" else torch.default_generator
    generator.manual_seed(seed)


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """A step's dropout follows from where it is, not from what ran before it."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _smooth(old: float, new: float) -> float:
    return RATE_SMOOTHING * old + (1 - RATE_SMOOTHING) * new if old else new
