"""The `train` stage: phase 2 or 3 on the data of one task or of a mix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset
from stilts_core.data.sampling import mixture_schedule
from stilts_core.errors import DataError, StoppedError
from stilts_core.evaluation.evaluate import SCORE, dev_measures
from stilts_core.modeling.encoder import load_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.heads import MaskedHead
from stilts_core.modeling.inference import MICRO_TOKENS, Inference
from stilts_core.modeling.masked_head import adopt, own_masked_head, write_masked_head
from stilts_core.modeling.model import TaskModel, new_task_model, restore_heads, write_heads
from stilts_core.planning.params import TrainParams, TrainTask
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.dev import development
from stilts_core.stages.handoff import encoder_location, read_vocabulary, write_encoder
from stilts_core.stages.outputs import as_outputs
from stilts_core.stages.ranked import run_training
from stilts_core.stages.saving import checkpoint_of
from stilts_core.training.dual import DualStream
from stilts_core.training.engine import Engine
from stilts_core.training.loop import Schedule, StepReport, steps_of
from stilts_core.training.loop import train as run_steps
from stilts_core.training.position import History, Measures
from stilts_core.training.ranks import Rank
from stilts_core.training.streams import MaskedStream, Stream, SupervisedStream


def train(context: StageContext) -> dict[str, Any]:
    """Train, and commit ``encoder/``, the heads and ``history.json`` (see `planning.params.TrainParams`)."""
    return run_training(context, _on_rank)


def _on_rank(context: StageContext, rank: Rank) -> dict[str, Any]:
    params = context.stage.params
    assert isinstance(params, TrainParams)  # noqa: S101 (the plan pairs kinds with their parameters)
    device = torch.device(rank.device, rank.local) if rank.device == "cuda" else torch.device("cpu")
    location, revision = encoder_location(context, params.encoder)
    datasets = [
        Dataset.open(context.inputs[f"data/{at}"] / ("text" if task.head is Head.MLM else "data"))
        for at, task in enumerate(params.tasks)
    ]
    tasks = tuple(
        task.model_copy(update={"labels": dataset.labels(task.labels)})
        for task, dataset in zip(params.tasks, datasets, strict=True)
    )
    params = params.model_copy(update={"tasks": tasks})
    streams = [
        _stream(task, dataset, location, revision, params.seed + at)
        for at, (task, dataset) in enumerate(zip(params.tasks, datasets, strict=True))
    ]
    kinds = [(task.head, len(task.labels)) for task in params.tasks]
    own_head = own_masked_head(location, revision)
    model, adopted = _model(context, params, kinds, own_head)
    model.train()
    steps = steps_of(streams, params.hyper, params.mix_cap)
    order = mixture_schedule([stream.size for stream in streams], params.mix_cap, steps, params.seed)
    schedule = Schedule(streams, order, params.hyper, params.seed)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    engine = Engine.start(model, params.hyper, zero_stage=context.resources.zero_stage, device=device)
    try:
        weights, history = run_steps(
            engine,
            schedule,
            device=device,
            micro_tokens=context.resources.micro_tokens,
            halvings=context.resources.halvings,
            precision=context.resources.precision,
            score_dev=_dev_scorer(context, rank, engine, steps, params, datasets, model, device),
            report=lambda at: _report(context, rank, at),
            stop_requested=rank.stop_requested,
            checkpoint=checkpoint_of(context, rank, schedule, parameters, device),
        )
    finally:
        engine.close()
    if rank.rank != 0:
        return {}
    _commit(context, model, weights, kinds, location, revision, own_head)
    (context.out / "history.json").write_text(json.dumps(_record(history)) + "\n", encoding="utf-8")
    return _metrics(params, history, steps) | adopted


def _model(
    context: StageContext,
    params: TrainParams,
    kinds: list[tuple[Head, int]],
    own_head: Mapping[str, Tensor] | None,
) -> tuple[TaskModel, dict[str, str]]:
    """The encoder with fresh heads, but with its own for masked text; or the parent's model, to go on with its head.

    Returns:
        The model, and for the record ``masked_head`` where text is masked: ``own``, or ``fresh`` where the encoder has
        none of this shape.
    """
    location, revision = encoder_location(context, params.encoder)
    mean = params.tasks[0].pooling == "mean"  # a dual encoder is trained alone
    encoder = load_encoder(location, revision=revision)
    model = new_task_model(encoder, kinds, params.seed, pooling="mean" if mean else None)
    if params.keep_head:
        restore_heads(model, context.inputs["encoder"], kinds)
        return model, {}
    adopted = {}
    for head in model.heads:
        if isinstance(head, MaskedHead):
            own = own_head is not None and adopt(head, own_head, getattr(model.encoder.config, "layer_norm_eps", None))
            adopted["masked_head"] = "own" if own else "fresh"
    return model, adopted


def _stream(task: TrainTask, dataset: Dataset, location: str | Path, revision: str | None, seed: int) -> Stream:
    if task.head is Head.MLM:
        return MaskedStream(
            dataset,
            batch_size=task.hyper.batch_size,
            vocabulary=read_vocabulary(location, revision),
            probability=task.hyper.mlm_probability,
            seed=seed,
        )
    items = Items.of(dataset, "train")
    if not len(items):
        raise DataError(f"The training set of {task.task} is empty.", hint="Check it with `stilts data check`.")
    if task.head is Head.RETRIEVAL:
        return DualStream(items, task.hyper.batch_size, seed, pool=task.hyper.pool, scale=task.hyper.scale)
    return SupervisedStream(items, task.hyper.batch_size, seed)


def _dev_scorer(
    context: StageContext,
    rank: Rank,
    engine: Engine,
    steps: int,
    params: TrainParams,
    datasets: list[Dataset],
    model: TaskModel,
    device: torch.device,
) -> Any:
    """Measures of the seeded development samples; None where no task has one. A stop ends it on all ranks."""
    samples: dict[int, tuple[Any, Any]] = {}
    for at, (task, dataset) in enumerate(zip(params.tasks, datasets, strict=True)):
        sample = None if task.head is Head.MLM else development(dataset, task.hyper.dev_examples)
        if sample is not None:
            samples[at] = sample
    if not samples:
        return None
    at_step = 0

    def tick(done: int, total: int) -> None:
        if engine.total(torch.tensor([float(rank.stop_requested())]))[0]:
            raise StoppedError(f"Stopped on request while the development sample was scored, at {done} of {total}.")
        if rank.local == 0:
            context.report(Progress(at_step, steps, f"scoring, {done} of {total}"))

    resources = context.resources
    tokens = (resources.micro_tokens or MICRO_TOKENS[device.type]) >> resources.halvings
    inference = Inference(device=device, precision=resources.precision, tokens=tokens, tick=tick)

    def score(step: int) -> Measures:
        nonlocal at_step
        at_step = step
        scores = {}
        for at, (examples, features) in samples.items():
            task, dataset = params.tasks[at], datasets[at]
            if dataset.head is Head.TAGGING:
                raw = inference.tag_likelihoods(model, at, dataset, features)
            else:
                raw = inference.head_outputs(model, at, dataset, features)
            scores[task.task] = dev_measures(dataset, task, as_outputs(dataset.head, raw), examples)
        return scores

    return score


def _report(context: StageContext, rank: Rank, at: StepReport) -> None:
    if rank.local == 0:  # each node is watched for progress on its own
        context.report(
            Progress(
                step=at.step,
                total=at.total,
                activity="training",
                loss=at.loss,
                examples_per_second=at.examples_per_second,
            )
        )


def _commit(
    context: StageContext,
    model: nn.Module,
    weights: Mapping[str, Tensor],
    kinds: list[tuple[Head, int]],
    location: str | Path,
    revision: str | None,
    own_head: Mapping[str, Tensor] | None,
) -> None:
    encoder = {name.removeprefix("encoder."): t for name, t in weights.items() if name.startswith("encoder.")}
    write_encoder(context.out / "encoder", model.encoder, encoder, location, revision)  # type: ignore[arg-type]
    heads = {name.removeprefix("heads."): t for name, t in weights.items() if name.startswith("heads.")}
    write_heads(context.out, kinds, heads)
    masked = next((str(at) for at, (head, _) in enumerate(kinds) if head is Head.MLM), None)
    if masked is not None:
        own_head = {name.removeprefix(f"{masked}."): t for name, t in heads.items() if name.startswith(f"{masked}.")}
    if own_head is not None:
        write_masked_head(context.out / "encoder", own_head)


def _record(history: History) -> dict[str, Any]:
    return {"loss": history.loss, "dev": _points(history)}


def _points(history: History) -> list[dict[str, Any]]:
    return [{"step": step, "tasks": measures} for step, measures in history.dev]


def _metrics(params: TrainParams, history: History, steps: int) -> dict[str, Any]:
    best = next((measures for step, measures in history.dev if step == history.best_step), {})
    return {
        "tasks": [task.task for task in params.tasks],
        "steps": len(history.loss),
        "steps_planned": steps,
        "best_step": history.best_step,
        "stopped_early": history.stopped_early,
        "examples": history.examples,
        "tokens": history.tokens,
        "loss_first": history.loss[0],
        "loss_last": history.loss[-1],
        "dev": {task: measures[SCORE] for task, measures in best.items()},
        "points": _points(history),
    }
