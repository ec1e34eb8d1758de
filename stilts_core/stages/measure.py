"""The `measure` stages: what forward passes cost, and what a model knows before its last layer."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import torch

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset
from stilts_core.errors import DataError, StoppedError
from stilts_core.modeling.costs import architecture, depth_of, exit_layers
from stilts_core.modeling.exits import exit_answers, exit_weights, train_exits
from stilts_core.modeling.inference import Inference
from stilts_core.modeling.meters import EnergyMeter, MemoryMeter
from stilts_core.modeling.model import TaskModel, load_task_model
from stilts_core.modeling.timing import EVERY, Design, Rows, Sentences, Timing
from stilts_core.planning.params import COSTS_FILE, CostParams, ExitParams
from stilts_core.stages.blocks import KeptBlocks, write_rows
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.keeping import parts_of
from stilts_core.stages.machine import cpu_model, device_name

EXITS_FILE = "exits.json"


def measure(context: StageContext) -> dict[str, Any]:
    """Measure, and commit what is said in `planning.params.CostParams` or `ExitParams`."""
    torch.set_num_threads(context.resources.threads)
    if isinstance(context.stage.params, ExitParams):
        return _exits(context, context.stage.params)
    assert isinstance(context.stage.params, CostParams)  # noqa: S101 (the plan pairs kinds with their parameters)
    return _cost(context, context.stage.params)


def _cost(context: StageContext, params: CostParams) -> dict[str, Any]:
    device = torch.device(context.resources.device)
    design = Design(
        languages=params.languages,
        precisions=params.precisions,
        batches=params.batches,
        lengths=params.lengths,
        blocks=params.blocks,
        passes=params.passes,
        warmup=params.warmup,
        exits=params.exits,
    )
    folders = {role: path for role, path in context.inputs.items() if role.startswith("data/")}
    sentences = {
        int(role.removeprefix("data/")): Sentences.of(Dataset.open(path / "data"), design)
        for role, path in folders.items()
    }
    for number, found in sentences.items():
        if not found.pools:
            raise DataError(f"The data {number} have no sentence in {', '.join(params.languages)}.")

    def load(number: int) -> TaskModel:
        model = params.models[number]
        labels = sentences[model.data].dataset.labels(model.labels)
        return load_task_model(context.inputs[f"model/{number}"], Head.CLASSIFICATION, len(labels))

    def tick(done: int, total: int) -> None:
        context.report(Progress(done, total, "measuring"))
        if context.stop_requested():
            raise StoppedError(f"Stopped on request after {done} conditions were measured.")

    load_before = _load()
    energy, memory = EnergyMeter(device), MemoryMeter(device)
    parts = parts_of(
        context,
        machine=_device(device, context.resources.threads),
        processor=device_name(device.type) if device.type == "cuda" else cpu_model(),
    )
    kept = KeptBlocks(parts, context.out.parent / "blocks")
    own = [sentences[model.data] for model in params.models]
    timing = Timing(design, load, own, device, energy, memory, tick, kept.known, kept.keep)
    timing.run()
    write_rows(Rows(timing.passes, timing.blocks), context.out)
    models = [_counted(load(number), sentences[one.data], params) for number, one in enumerate(params.models)]
    document = {
        "models": models,
        "device": _device(device, context.resources.threads),
        "load": {"before": load_before, "after": _load()},
        "blocks_of_earlier_attempts": kept.used,
        "energy": {"source": energy.source, "absent": energy.absent},
        "memory": {"source": memory.source},
    }
    (context.out / COSTS_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return {
        "conditions": len({block.condition for block in timing.blocks}),
        "passes": len(timing.passes),
        "seconds_timed": round(sum(one.seconds for one in timing.passes), 3),
        **{name: document[name] for name in ("device", "load", "blocks_of_earlier_attempts", "energy", "memory")},
    }


def _counted(model: TaskModel, sentences: Sentences, params: CostParams) -> dict[str, Any]:
    """What follows from architecture and sentences: parameters and, by language, operations and tokens."""
    layers = depth_of(model.encoder)
    lengths = {
        code: sentences.dataset.lengths[sentences.pools[code, EVERY]]
        for code in params.languages
        if (code, EVERY) in sentences.pools
    }
    depths = {}
    for depth in (*exit_layers(layers, params.exits), layers):
        counts = architecture(model, depth)
        depths[str(depth)] = {
            "parameters": counts.parameters,
            "embeddings": counts.embeddings,
            "flops": {code: float(counts.flops(found).mean()) for code, found in lengths.items()},
        }
    buckets = {
        code: {name: len(pool) for (own, name), pool in sentences.pools.items() if own == code} for code in lengths
    }
    return {
        "depths": depths,
        "sentences": {
            code: {"n": len(found), "tokens": float(found.mean()), "buckets": buckets[code]}
            for code, found in lengths.items()
        },
    }


def _device(device: torch.device, threads: int) -> dict[str, Any]:
    if device.type != "cuda":
        return {"kind": "cpu", "threads": threads, "interop_threads": torch.get_num_interop_threads()}
    properties = torch.cuda.get_device_properties(device)
    return {
        "kind": "cuda",
        "name": properties.name,
        "memory": properties.total_memory,
        "cuda": torch.version.cuda,
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }


def _load() -> list[float] | None:
    """Processes that wanted to run, over 1, 5 and 15 minutes: what else the machine did."""
    try:
        return [round(one, 2) for one in os.getloadavg()]
    except OSError:
        return None


def _exits(context: StageContext, params: ExitParams) -> dict[str, Any]:
    from safetensors.torch import save_file

    resources, device = context.resources, torch.device(context.resources.device)
    train = Dataset.open(context.inputs["train"] / "data")
    scored = Dataset.open(context.inputs["data"] / "data")
    labels = scored.labels(params.labels)
    model = load_task_model(context.inputs["model"], Head.CLASSIFICATION, len(labels)).to(device)
    layers = exit_layers(depth_of(model.encoder), params.shares)

    def tick(done: int, total: int) -> None:
        context.report(Progress(done, total, "reading states"))
        if context.stop_requested():
            raise StoppedError(f"Stopped on request after {done} of {total} inputs.")

    inference = Inference(device=device, precision=resources.precision, tokens=resources.micro_tokens, tick=tick)

    def states(dataset: Dataset, features: Any) -> list[Any]:
        found = inference.pooled_states(model.encoder, dataset, "cls", keep=set(layers), features=features)
        return [found[layer][features] for layer in layers]  # type: ignore[index]

    pool = np.concatenate([np.arange(s.start, s.stop) for s in train.select("train")])
    if len(pool) > params.examples:
        pool = np.sort(np.random.default_rng([params.seed, len(pool)]).choice(pool, params.examples, replace=False))
    features = train.feature_ranges[pool]
    context.report(Progress(activity="training exits"))
    known = train.columns["label"][pool]
    heads = train_exits(model.encoder, states(train, features), known, len(labels), params.seed, device)
    of_language: dict[str, dict[str, Any]] = {str(layer): {} for layer in layers}
    answers = exit_answers(heads, states(scored, np.arange(len(scored.offsets) - 1)), device)
    for segment in scored.segments:
        examples = np.arange(segment.start, segment.stop)
        gold = scored.columns["label"][examples]
        mine = examples[gold >= 0]
        for layer, answer in zip(layers, answers, strict=True):
            right = answer[scored.feature_ranges[mine]] == scored.columns["label"][mine]
            if len(mine):
                accuracy = 100.0 * float(right.mean())
                of_language[str(layer)][segment.language] = {
                    "accuracy": accuracy,
                    "n": len(mine),
                    "split": segment.split,
                }
    save_file(dict(exit_weights(heads, layers)), context.out / "exits.safetensors")
    document = {"layers": depth_of(model.encoder), "exits": of_language}
    (context.out / EXITS_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return {"task": params.task, "train_examples": len(pool), **document}
