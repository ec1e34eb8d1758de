"""The `pretrain` stage: an XLM-R-like encoder from scratch, on the study's own texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stilts_core.catalog.models import Hyper
from stilts_core.data.dataset import Dataset
from stilts_core.errors import DataError
from stilts_core.modeling.dropout import set_dropout
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.heads import MaskedHead, new_head
from stilts_core.modeling.masked_head import write_masked_head
from stilts_core.modeling.masking import Vocabulary
from stilts_core.modeling.pretraining import Objective, PretrainingModel
from stilts_core.planning.params import PretrainParams
from stilts_core.spec.study import Pretraining
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.handoff import read_vocabulary, write_encoder
from stilts_core.stages.ranked import run_training
from stilts_core.stages.saving import checkpoint_of
from stilts_core.training.engine import Engine
from stilts_core.training.loop import Schedule, StepReport
from stilts_core.training.loop import train as run_steps
from stilts_core.training.ranks import Rank
from stilts_core.training.streams import (
    ContrastiveStream,
    MaskedStream,
    ParallelText,
    Stream,
    TranslationMaskedStream,
)

ADAM_BETA2 = 0.98  # RoBERTa's, which keeps large-batch masked training stable (Liu et al. 2019, section 3.1)
LEXICAL_FACTOR = 4  # a bag of words costs a fraction of a pass through the layers, so a lexical batch is larger
LOSS_WINDOW = 0.05  # of the steps: what the reported losses are averaged over


def pretrain(context: StageContext) -> dict[str, Any]:
    """Pretrain, and commit ``encoder/`` and ``history.json``."""
    return run_training(context, _on_rank)


def _on_rank(context: StageContext, rank: Rank) -> dict[str, Any]:
    params = context.stage.params
    assert isinstance(params, PretrainParams)  # noqa: S101 (the plan pairs kinds with their parameters)
    settings = params.settings
    device = torch.device(rank.device, rank.local) if rank.device == "cuda" else torch.device("cpu")
    tokenizer = context.inputs["tokenizer"] / "tokenizer"
    vocabulary = read_vocabulary(tokenizer)
    shares = {Objective(name): share for name, share in sorted(settings.objectives.items()) if share}
    objectives = list(shares)
    streams = _streams(context.inputs["text"], settings, objectives, vocabulary)
    model = _new_model(settings, vocabulary, objectives, tokenizer)
    set_dropout(model, 0.0)
    model.train()
    probabilities = np.array(list(shares.values()))
    order = _order(objectives, probabilities / probabilities.sum(), settings)
    hyper = Hyper(
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        adam_beta2=ADAM_BETA2,
        batch_size=1,
        epochs=1,
    )
    schedule = Schedule(streams, order, hyper, settings.seed)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    engine = Engine.start(model, hyper, zero_stage=context.resources.zero_stage, device=device)

    def report(at: StepReport) -> None:
        if rank.local == 0:
            context.report(Progress(at.step, at.total, "pretraining", at.loss, at.examples_per_second))

    try:
        weights, history = run_steps(
            engine,
            schedule,
            device=device,
            micro_tokens=context.resources.micro_tokens or settings.batch_tokens,
            halvings=context.resources.halvings,
            precision=context.resources.precision,
            report=report,
            stop_requested=rank.stop_requested,
            checkpoint=checkpoint_of(context, rank, schedule, parameters, device),
        )
    finally:
        engine.close()
    if rank.rank != 0:
        return {}
    encoder = {name.removeprefix("encoder."): t for name, t in weights.items() if name.startswith("encoder.")}
    write_encoder(context.out / "encoder", model.encoder, encoder, tokenizer)
    if set(objectives) & {Objective.MLM, Objective.TLM}:
        head = {name.removeprefix("head."): t for name, t in weights.items() if name.startswith("head.")}
        write_masked_head(context.out / "encoder", head)
    (context.out / "history.json").write_text(json.dumps({"loss": history.loss}) + "\n", encoding="utf-8")
    window = max(1, round(LOSS_WINDOW * settings.steps))
    losses = {
        objective.value: [float(np.mean(part[:window])), float(np.mean(part[-window:]))]
        for at, objective in enumerate(objectives)
        if len(part := np.array(history.loss)[order == at])
    }
    return {
        "steps": settings.steps,
        "examples": history.examples,
        "tokens": history.tokens,
        "parameters": sum(t.numel() for t in encoder.values()),
        "loss_first": {name: first for name, (first, _) in losses.items()},
        "loss_last": {name: last for name, (_, last) in losses.items()},
    }


def _order(
    objectives: list[Objective], shares: np.ndarray[Any, np.dtype[np.float64]], settings: Pretraining
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The objective of each step: drawn by the shares, but half of the lexical steps come before everything else."""
    order = np.random.default_rng(settings.seed).choice(len(objectives), size=settings.steps, p=shares)
    if Objective.LEXICAL in objectives:
        lexical = np.flatnonzero(order == objectives.index(Objective.LEXICAL))
        first = lexical[: len(lexical) // 2]
        order = np.concatenate((order[first], np.delete(order, first)))
    return order


def _streams(text: Path, settings: Pretraining, objectives: list[Objective], vocabulary: Vocabulary) -> list[Stream]:
    plain = Dataset.open(text / "text")
    parallel = None
    if any(objective is not Objective.MLM for objective in objectives):
        parallel = ParallelText(Dataset.open(text / "parallel"))
        if not parallel.groups:
            raise DataError("No two parallel texts share a row, so there is no translation to learn from.")
    streams: list[Stream] = []
    for at, objective in enumerate(objectives):
        seed = settings.seed * len(Objective) + at
        dataset = plain if objective is Objective.MLM or parallel is None else parallel.dataset
        mean_length = max(1.0, float(dataset.lengths.mean()))
        if objective is Objective.MLM:
            streams.append(
                MaskedStream(
                    plain,
                    batch_size=max(1, round(settings.batch_tokens / mean_length)),
                    vocabulary=vocabulary,
                    probability=settings.mlm_probability,
                    seed=seed,
                )
            )
            continue
        if parallel is None:
            raise DataError("The objectives tlm, contrastive and lexical need a text with `parallel: true`.")
        pairs = max(2, round(settings.batch_tokens / (2 * mean_length)))
        if objective in (Objective.CONTRASTIVE, Objective.LEXICAL):
            size = pairs * LEXICAL_FACTOR if objective is Objective.LEXICAL else pairs
            streams.append(ContrastiveStream(parallel, batch_size=size, seed=seed))
        else:
            streams.append(
                TranslationMaskedStream(
                    parallel,
                    batch_size=pairs,
                    vocabulary=vocabulary,
                    probability=settings.mlm_probability,
                    seed=seed,
                )
            )
    return streams


def _new_model(
    settings: Pretraining, vocabulary: Vocabulary, objectives: list[Objective], tokenizer: Path
) -> PretrainingModel:
    from transformers import AutoTokenizer

    from stilts_core.catalog.models import Head

    names = AutoTokenizer.from_pretrained(str(tokenizer))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        encoder = new_encoder(settings, vocabulary.size, vocabulary.pad_id, names.bos_token_id, names.eos_token_id)
        head = new_head(
            Head.MLM, hidden=settings.hidden, dropout=settings.dropout, labels=0, vocabulary=vocabulary.size
        )
    assert isinstance(head, MaskedHead)  # noqa: S101 (narrows the type for mypy)
    return PretrainingModel(encoder, head, objectives)
