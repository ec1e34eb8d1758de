"""How well a model still does a task that an earlier step of its curriculum trained."""

from __future__ import annotations

from typing import Any

import torch

from stilts_core.data.dataset import Dataset
from stilts_core.errors import StoppedError
from stilts_core.evaluation.evaluate import dev_score
from stilts_core.modeling.inference import Inference
from stilts_core.modeling.model import load_with_heads
from stilts_core.planning.params import RetainedParams
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.dev import development
from stilts_core.stages.outputs import as_outputs


def retained(context: StageContext, params: RetainedParams) -> dict[str, Any]:
    """Score the task's development sample with the later encoder and the task's own head.

    The head stays as its own training left it, so the score is what a user of both would get: it falls when the encoder
    forgets the task, and also when its states move away from what the head reads. A head trained anew would hide the
    second; it would also cost a training for each earlier task and step.

    Returns:
        ``score``, percent, None where the task has no development set; ``examples``.
    """
    resources = context.resources
    device = torch.device(resources.device)
    torch.set_num_threads(resources.threads)
    dataset = Dataset.open(context.inputs["data"] / "data")
    task = params.task.model_copy(update={"labels": dataset.labels(params.task.labels)})
    sample = development(dataset, task.hyper.dev_examples)
    if sample is None:
        return {"score": None, "examples": 0}
    examples, features = sample

    def tick(done: int, total: int) -> None:
        context.report(Progress(done, total, "predicting"))
        if context.stop_requested():
            raise StoppedError(f"Stopped on request after {done} of {total} inputs.")

    model = load_with_heads(context.inputs["model"] / "encoder", context.inputs["heads"]).to(device)
    inference = Inference(device=device, precision=resources.precision, tokens=resources.micro_tokens, tick=tick)
    raw = inference.head_outputs(model, params.index, dataset, features)
    return {"score": dev_score(dataset, task, as_outputs(dataset.head, raw), examples), "examples": len(examples)}
