"""The `similarity` stage: how alike tasks are, from the encoder and prepared data on a seeded sample."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import nn

from stilts_core.data.dataset import Array, Dataset
from stilts_core.errors import StoppedError
from stilts_core.evaluation.outputs import require_finite
from stilts_core.evaluation.similarity import (
    cosine,
    effective_rank,
    fisher_cosine,
    largest_inner_product,
    linear_cka,
    logme,
)
from stilts_core.modeling.encoder import load_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.inference import Inference
from stilts_core.modeling.model import load_with_heads
from stilts_core.modeling.sampled import choose, fisher_diagonal, labelled, sample_states, some_tokens
from stilts_core.planning.params import CompareParams, EncoderSource, FeaturesParams, FisherParams, ProbeParams
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.handoff import encoder_location

Measures = dict[str, dict[str, dict[str, float]]]


def similarity(context: StageContext) -> dict[str, Any]:
    """Measure, and commit small arrays (see `planning.params.FeaturesParams` and the classes after it)."""
    torch.set_num_threads(context.resources.threads)
    match context.stage.params:
        case FeaturesParams() as params:
            return _features(context, params)
        case FisherParams() as params:
            return _fisher(context, params)
        case ProbeParams() as params:
            return _probe(context, params)
        case CompareParams() as params:
            return _compare(context, params)
    raise TypeError(f"{type(context.stage.params).__name__} is no parameter of a similarity stage")


def _features(context: StageContext, params: FeaturesParams) -> dict[str, Any]:
    dataset = Dataset.open(context.inputs["data"] / "data")
    features = choose(dataset, params.split, params.examples, params.seed)
    positions = some_tokens(dataset, features, params.tokens, params.seed)
    states = sample_states(_inference(context), _encoder(context, params.encoder), dataset, features, positions)
    require_finite(states.mean, states.tokens)
    np.save(context.out / "text.npy", states.mean.mean(axis=0), allow_pickle=False)
    np.save(context.out / "tokens.npy", states.tokens.astype(np.float16), allow_pickle=False)
    return {"examples": _examples(dataset, features), "tokens": len(positions)}


def _fisher(context: StageContext, params: FisherParams) -> dict[str, Any]:
    dataset = Dataset.open(context.inputs["data"] / "data")
    device = torch.device(context.resources.device)
    items = Items.of(dataset, "train").index
    chosen = np.sort(np.random.default_rng(params.seed).permutation(items)[: params.examples])
    model = load_with_heads(context.inputs["model"] / "encoder", context.inputs["model"]).to(device)

    def one_by_one() -> Any:
        for done, item in enumerate(chosen):
            _tick(context, done, len(chosen))
            yield item

    units, diagonal = fisher_diagonal(model, dataset, one_by_one(), len(chosen), device)
    require_finite(diagonal)
    np.save(context.out / "fisher.npy", diagonal, allow_pickle=False)
    (context.out / "fisher.json").write_text(json.dumps(units, indent=1) + "\n", encoding="utf-8")
    return {"examples": len(chosen), "units": len(diagonal)}


def _probe(context: StageContext, params: ProbeParams) -> dict[str, Any]:
    dataset = Dataset.open(context.inputs["data"] / "data")
    features = choose(dataset, params.split, params.examples, params.seed)
    known = labelled(dataset, features, params.tokens, params.seed) if params.split == "train" else None
    positions = np.empty(0, dtype=np.int64) if known is None or known.positions is None else known.positions
    inference = _inference(context)
    location, _ = encoder_location(context, None, role="model")
    after = sample_states(inference, load_encoder(location).to(inference.device), dataset, features, positions)
    require_finite(after.mean, after.tokens)
    none = np.empty(0, dtype=np.int64)
    before = sample_states(inference, _encoder(context, params.encoder), dataset, features, none)
    found: dict[str, Any] = {
        "examples": _examples(dataset, features),
        "logme": None,
        "rank": effective_rank(after.mean),
        "cka": linear_cka(before.mean, after.mean),
    }
    if known is not None and len(np.unique(known.labels)) > 1:
        found["logme"] = logme(after.sentence if known.positions is None else after.tokens, known.labels)
    (context.out / "probe.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _compare(context: StageContext, params: CompareParams) -> dict[str, Any]:
    found: Measures = {"text": {}, "tokens": {}, "fisher": {}}
    for i, source in enumerate(params.sources):
        for measure in found.values():
            measure[source] = {}
        for j, target in enumerate(params.targets):
            one, other = f"source/{i}", f"target/{j}"
            found["text"][source][target] = cosine(_array(context, one, "text"), _array(context, other, "text"))
            found["tokens"][source][target] = largest_inner_product(
                _array(context, one, "tokens"), _array(context, other, "tokens")
            )
            one, other = f"source-fisher/{i}", f"target-fisher/{j}"
            if one in context.inputs and other in context.inputs:
                sizes = json.loads((context.inputs[one] / "fisher.json").read_text(encoding="utf-8")).values()
                found["fisher"][source][target] = fisher_cosine(
                    _array(context, one, "fisher"), _array(context, other, "fisher"), list(sizes)
                )
    (context.out / "similarity.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return dict(found)


def _array(context: StageContext, role: str, name: str) -> Array:
    found: Array = np.load(context.inputs[role] / f"{name}.npy", allow_pickle=False)
    return found


def _encoder(context: StageContext, source: EncoderSource | None) -> nn.Module:
    location, revision = encoder_location(context, source)
    return load_encoder(location, revision=revision).to(context.resources.device)


def _inference(context: StageContext) -> Inference:
    """In fp32: what is compared are small differences of states."""
    resources = context.resources
    return Inference(
        device=torch.device(resources.device),
        precision="fp32",
        tokens=resources.micro_tokens,
        tick=lambda done, total: _tick(context, done, total),
    )


def _tick(context: StageContext, done: int, total: int) -> None:
    context.report(Progress(done, total, "measuring"))
    if context.stop_requested():
        raise StoppedError(f"Stopped on request after {done} of {total} inputs.")


def _examples(dataset: Dataset, features: Array) -> int:
    return len(np.unique(dataset.example_of[features]))
