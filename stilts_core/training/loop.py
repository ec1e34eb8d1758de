"""The training loop: streams of batches, one optimiser step after another, the best or the last weights at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stilts_core.catalog.models import Hyper
from stilts_core.errors import DeviceMemoryError, DivergedError, StoppedError
from stilts_core.modeling.inference import MICRO_TOKENS, pick_precision
from stilts_core.training.checkpoint import Checkpoint, NoCheckpoint
from stilts_core.training.dual import told_apart
from stilts_core.training.engine import Engine, learning_rate
from stilts_core.training.position import History, Measures, Position
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
    halvings: int = 0,
    precision: str = "auto",
    score_dev: Callable[[int], Measures] | None = None,
    report: Callable[[StepReport], None] = lambda step: None,
    stop_requested: Callable[[], bool] = lambda: False,
    checkpoint: Checkpoint | None = None,
) -> tuple[dict[str, Tensor], History]:
    """Run all steps, from where an earlier attempt left off if it saved that.

    With patience, the development sample is scored at intervals, training stops after so many evaluations without gain,
    and the weights of the best one are returned; without, the last weights, and the sample is scored at intervals only
    where the settings give one, else at the end.

    Args:
        halvings: how often ``micro_tokens`` is halved; unlike that, it leaves the precision as it is.
        score_dev: measures of the development samples after so many steps, alike on every rank; None where there are
            none. It may raise `StoppedError`, on all ranks at once.
        stop_requested: heeded when a step is done, by all ranks as soon as one sees it.
        checkpoint: keeps the state for another attempt; None: nothing is kept.

    Returns:
        The whole weights on the host (on rank 0; empty elsewhere), and the history.

    Raises:
        DivergedError: a loss is not finite.
        StoppedError: a stop was requested of any rank; all ranks raise it at the same step, once it is saved.
        DeviceMemoryError: the device ran out of memory.
        IncompatibleCheckpointError: what was saved does not fit.
    """
    checkpoint = checkpoint or NoCheckpoint()
    total = len(schedule.order)
    budget = micro_tokens or MICRO_TOKENS[device.type]
    tokens = min(budget, schedule.tokens_per_step() / engine.ranks)
    dtype = pick_precision(precision, device, width=engine.width, tokens=tokens, safe=engine.precisions)
    patience = schedule.hyper.patience if score_dev else 0
    interval = evaluation_interval(schedule) if patience or schedule.hyper.evaluate_every else total
    position = Position.beginning(len(schedule.streams))
    checkpoint.restore(engine, position)
    history = position.history
    clock, rate = time.perf_counter(), 0.0
    while True:
        step = position.step
        if score_dev and not position.evaluated and (step == total or (step and step % interval == 0)):
            try:
                with _memory_watched(step, total):
                    _evaluate(engine, position, score_dev, keep_best=patience > 0)
            except StoppedError:
                checkpoint.save(engine, position, last=True)
                raise
            clock = time.perf_counter()
        if patience and position.since_best >= patience:
            history.stopped_early = step < total
            break
        if step == total:
            break
        task = int(schedule.order[step])
        batch = schedule.streams[task].batch(int(position.numbers[task]))
        _seed_dropout(_dropout_seed(schedule.seed, step, engine.rank), device)
        shares = batch.split(engine.ranks, max(1, budget >> halvings))[engine.rank]
        # The loss, and over all ranks the wish to save and the wish to stop.
        due = step + 1 < total and checkpoint.wanted(step + 1)
        said = torch.tensor([0.0, due, stop_requested()], dtype=torch.float64)
        with _memory_watched(step + 1, total):
            batch = told_apart(engine, task, batch, shares, device, dtype)
            for place, rows in enumerate(shares):
                # A rank without rows takes part in the collectives with a row that weighs nothing.
                tensors = batch.tensors(rows if len(rows) else np.zeros(1, dtype=np.int64), device)
                scale = 1.0 / batch.units if len(rows) else 0.0
                part = engine.backward(task, tensors, scale, dtype=dtype, last=place == len(shares) - 1)
                said[0] += part.double().cpu()
            loss, save, stop = engine.total(said).tolist()
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The loss is {loss} at step {step + 1} of {total}.",
                    hint="A lower learning rate or a longer warm-up (overrides: in the study) usually helps.",
                )
            engine.step(learning_rate(step, total, schedule.hyper.learning_rate, schedule.hyper.warmup))
        position.numbers[task] += 1
        history.loss.append(loss)
        history.examples += batch.examples
        history.tokens += batch.tokens
        now = time.perf_counter()
        rate = _smooth(rate, batch.examples / (now - clock))
        clock = now
        report(StepReport(step + 1, total, loss, rate))
        if save or stop:
            checkpoint.save(engine, position, last=stop > 0)
        if stop:
            raise StoppedError(f"Stopped on request after step {step + 1} of {total}.")
    checkpoint.close()
    if patience:
        return position.best, history
    history.best_step = total
    return _weights(engine), history


@contextmanager
def _memory_watched(step: int, total: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"The device ran out of memory at step {step} of {total}.",
            hint="Lower training.micro_tokens in the profile; the results stay the same.",
        ) from error


def _evaluate(engine: Engine, position: Position, score_dev: Callable[[int], Measures], *, keep_best: bool) -> None:
    """Score the development samples at this step, and keep the weights if they are the best so far."""
    scores = score_dev(position.step)
    position.history.dev.append((position.step, scores))
    if not keep_best:
        return
    mean = sum(measures["score"] for measures in scores.values()) / len(scores)
    if mean > position.best_score:
        position.best = {}  # before the new ones are gathered, so that the host never holds the whole weights twice
        position.best, position.best_score, position.since_best = _weights(engine), mean, 0
        position.history.best_step = position.step
    else:
        position.since_best += 1


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
