"""The `evaluate` stage: one model on all languages of a target, in one stream."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset
from stilts_core.errors import DeviceMemoryError, StoppedError
from stilts_core.evaluation.evaluate import score_target
from stilts_core.evaluation.translations import scored_state
from stilts_core.modeling.encoder import load_encoder
from stilts_core.modeling.inference import MICRO_TOKENS, Inference, Tick
from stilts_core.modeling.model import load_task_model
from stilts_core.planning.params import EvaluateParams, RetainedParams
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.handoff import encoder_location
from stilts_core.stages.keeping import Journal, Outputs, parts_of
from stilts_core.stages.machine import cpu_model, device_name
from stilts_core.stages.outputs import as_outputs
from stilts_core.stages.retained import retained
from stilts_core.stages.saving import say

STATES_BYTES = 16 * 2**30
"""Memory for the vectors of a retrieval target. The corpora of BUCC hold three million sentences: one hidden state of a
large encoder then takes 12 GB, all of them 300."""


def evaluate(context: StageContext) -> dict[str, Any]:
    """Predict, score, and commit predictions, outcomes and metrics (see `planning.params.EvaluateParams`)."""
    params = context.stage.params
    if isinstance(params, RetainedParams):
        return retained(context, params)
    assert isinstance(params, EvaluateParams)  # noqa: S101 (the plan pairs kinds with their parameters)
    resources = context.resources
    device = torch.device(resources.device)
    torch.set_num_threads(resources.threads)
    dataset = Dataset.open(context.inputs["data"] / "data")
    params = params.model_copy(update={"labels": dataset.labels(params.labels)})

    def tick(done: int, total: int) -> None:
        context.report(Progress(done, total, "predicting"))
        if context.stop_requested():
            raise StoppedError(f"Stopped on request after {done} of {total} inputs.")

    tokens = resources.micro_tokens or MICRO_TOKENS[device.type]
    try:
        raw = _outputs(context, params, dataset, tick, tokens)
    except DeviceMemoryError as error:
        say(f"{error.message} Once more with half the tokens in a forward pass.")
        raw = None
    if raw is None:  # outside the handler: the traceback has kept the model alive
        gc.collect()
        torch.cuda.empty_cache()
        tokens //= 2
        raw = _outputs(context, params, dataset, tick, tokens)
    context.report(Progress(activity="scoring"))
    outputs = as_outputs(params.head, raw)
    if params.head is not Head.RETRIEVAL:
        return score_target(dataset, params, outputs, context.out, device=resources.device)
    recall = _Searches(context, tokens)
    return score_target(dataset, params, outputs, context.out, device=resources.device, recall=recall)


class _Searches:
    """Searches for neighbours, of which runs are kept for another attempt; a stop is heeded before each."""

    def __init__(self, context: StageContext, tokens: int) -> None:
        self._context, self._done = context, 0
        self._journal = _journal(context, tokens, what="searches")

    def __call__(self, make: Callable[[], Outputs]) -> Outputs:
        if self._context.stop_requested():
            self._journal.keep()
            raise StoppedError(f"Stopped on request after {self._done} searches.")
        found = self._journal(make)
        self._done += 1
        self._context.report(Progress(self._done, 0, "searching"))
        return found


def _outputs(context: StageContext, params: EvaluateParams, dataset: Dataset, tick: Tick, tokens: int) -> Any:
    """The model's raw outputs, of which runs of batches are kept for another attempt.

    Raises:
        DeviceMemoryError: a forward pass of so many tokens is too large for the device.
    """
    resources = context.resources
    device = torch.device(resources.device)
    journal = _journal(context, tokens)
    inference = Inference(device=device, precision=resources.precision, tokens=tokens, tick=tick, recall=journal)
    try:
        if params.head is Head.RETRIEVAL:
            location, revision = encoder_location(context, params.encoder, role="model")
            encoder = load_encoder(location, revision=revision).to(device)
            keep = _states_to_keep(encoder, dataset, params)
            states = inference.pooled_states(encoder, dataset, params.pooling or "mean", keep=keep)
            journal.keep()  # what follows may take long, too
            return states
        model = load_task_model(context.inputs["model"], params.head, len(params.labels)).to(device)
        return inference.head_outputs(model, 0, dataset)
    except StoppedError:
        journal.keep()
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            "The device ran out of memory.",
            hint="Lower training.micro_tokens in the profile; the results stay the same.",
        ) from error


def _journal(context: StageContext, tokens: int, what: str = "batches") -> Journal:
    """Keeps the outputs of runs of batches, which are the same in every attempt of the same layout."""
    resources = context.resources
    parts = parts_of(
        context,
        device=device_name(resources.device) if resources.device == "cuda" else cpu_model(),
        threads=resources.threads,
        precision=resources.precision,
        tokens=tokens,
    )
    return Journal(parts, context.out.parent / "journal", what=what)


def _states_to_keep(encoder: nn.Module, dataset: Dataset, params: EvaluateParams) -> set[int] | None:
    """All hidden states, or where they would take too much memory only the one that is the result."""
    layers, hidden = int(encoder.config.num_hidden_layers), int(encoder.config.hidden_size)  # type: ignore[arg-type, union-attr]
    if 4 * hidden * (layers + 1) * int(dataset.meta["examples"]) <= STATES_BYTES:
        return None
    return {scored_state(layers, params.retrieval_states, params.retrieval_share)}
