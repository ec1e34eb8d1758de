"""A study of five small stages that train, save, go on and evaluate as the real ones do, on random data.

A registry of stage kinds, like `stilts_core.stages.registry`.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from faults.injection import become, effect

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from synthetic import LABELS, VOCABULARY, settings, write_dataset

from stilts_core.catalog.models import Head, Hyper
from stilts_core.data.dataset import Dataset
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.inference import Inference
from stilts_core.modeling.masking import Vocabulary
from stilts_core.modeling.model import TaskModel, new_task_model
from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import Plan, Stage, StageKind, fingerprint
from stilts_core.stages.context import Progress, StageContext, StageFunction
from stilts_core.stages.keeping import Journal, parts_of
from stilts_core.stages.ranked import run_training
from stilts_core.stages.saving import checkpoint_of
from stilts_core.storage.manifest import manifest_key
from stilts_core.training.engine import Engine
from stilts_core.training.loop import Schedule, StepReport
from stilts_core.training.loop import train as run_steps
from stilts_core.training.ranks import Rank
from stilts_core.training.streams import MaskedStream, SupervisedStream

PRELOAD: tuple[str, ...] = ()
HEADS = (Head.CLASSIFICATION, Head.TAGGING, Head.MLM)
STEPS, SAVE_STEPS = 12, 3
CPU = torch.device("cpu")


def plan() -> Plan:
    """Data, two trainings on it, and an evaluation of each."""
    data = _stage("data", StageKind.PREPARE, {})
    trains = [_stage(f"train-{seed}", StageKind.TRAIN, {"data": data.fingerprint}) for seed in range(2)]
    ends = [
        _stage(f"evaluate-{seed}", StageKind.EVALUATE, {"data": data.fingerprint, "model": train.fingerprint})
        for seed, train in enumerate(trains)
    ]
    return Plan(name="faults", protocol="jiant", data_root="data", study={}, stages=(data, *trains, *ends), cells=())


def fingerprints() -> dict[str, str]:
    """Label → fingerprint."""
    return {stage.label: stage.fingerprint for stage in plan().stages}


def _stage(label: str, kind: StageKind, parents: dict[str, str]) -> Stage:
    params = TokenizerParams(vocabulary=300 + sum(label.encode()), max_length=16)
    name = fingerprint(kind, params, {**parents, "name": label.encode().hex()})
    return Stage(fingerprint=name, kind=kind, version=1, params=params, parents=parents, label=label)


def stage_function(kind: StageKind) -> StageFunction:
    return {StageKind.PREPARE: prepare, StageKind.TRAIN: train, StageKind.EVALUATE: evaluate}[kind]


def prepare(context: StageContext) -> dict[str, Any]:
    _begin(context)
    for head in HEADS:
        write_dataset(context.out / head.value, head)
        with effect("step"):
            context.report(Progress(activity=f"writing {head}"))
    return {"heads": [head.value for head in HEADS]}


def train(context: StageContext) -> dict[str, Any]:
    _begin(context)
    return run_training(context, _on_rank)


def evaluate(context: StageContext) -> dict[str, Any]:
    _begin(context)
    torch.set_num_threads(1)
    model = _model()
    model.load_state_dict(load_file(context.inputs["model"] / "weights.safetensors"), strict=False)
    dataset = Dataset.open(context.inputs["data"] / Head.TAGGING.value)

    def tick(done: int, total: int) -> None:
        with effect("step"):
            context.report(Progress(done, total, "predicting"))

    journal = Journal(parts_of(context), context.out.parent / "journal", seconds=0.0)
    tags = Inference(device=CPU, precision="fp32", tokens=100, tick=tick, recall=journal).tag_indices(model, 1, dataset)
    np.save(context.out / "tags.npy", tags)
    return {"sum": int(tags.astype(np.int64).sum())}


def _begin(context: StageContext) -> None:
    become(context.stage.label, manifest_key(context.stage.fingerprint))


def _model(seed: int = 0) -> TaskModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = new_encoder(settings(dropout=0.1), VOCABULARY, 1, 0, 2)
        return new_task_model(encoder, [(head, LABELS.get(head, 0)) for head in HEADS], seed=seed)


def _on_rank(context: StageContext, rank: Rank) -> dict[str, Any]:
    become(f"{context.stage.label}/{rank.rank}")
    seed = int(context.stage.label.rpartition("-")[2])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    model = _model(seed)
    model.train()
    vocabulary = Vocabulary(VOCABULARY, 1, 3, (0, 1, 2, 3))
    streams = [
        MaskedStream(dataset, batch_size=12, vocabulary=vocabulary, probability=0.3, seed=seed + at)
        if head is Head.MLM
        else SupervisedStream(Items.of(dataset, "train"), 12, seed + at)
        for at, (head, dataset) in enumerate(
            (head, Dataset.open(context.inputs["data"] / head.value)) for head in HEADS
        )
    ]
    hyper = Hyper(learning_rate=1e-3, batch_size=12, epochs=1, evaluate_every=4, patience=3)
    schedule = Schedule(streams, np.arange(STEPS) % len(HEADS), hyper, seed)
    engine = Engine.start(model, hyper, zero_stage=context.resources.zero_stage, device=CPU)

    def score(step: int) -> dict[str, dict[str, float]]:
        """It follows from the weights and from every generator; the best is one in the middle."""
        weights = next(tensor for _, tensor in engine.state())
        drawn = random.random() + np.random.random() + float(torch.rand(1))
        return {"noise": {"score": drawn + (10.0 if step == 8 else 0.0) + float(weights.double().sum())}}

    def report(at: StepReport) -> None:
        with effect("step"):
            if rank.rank == 0:
                context.report(Progress(at.step, at.total, "training", at.loss))

    try:
        weights, history = run_steps(
            engine,
            schedule,
            device=CPU,
            precision="fp32",
            score_dev=score,
            report=report,
            stop_requested=rank.stop_requested,
            checkpoint=checkpoint_of(context, rank, schedule, 0, CPU),
        )
    finally:
        engine.close()
    if rank.rank:
        return {}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, context.out / "weights.safetensors")
    (context.out / "history.json").write_text(json.dumps({"loss": history.loss, "dev": history.dev}))
    return {"best_step": history.best_step, "loss": history.loss[-1]}
