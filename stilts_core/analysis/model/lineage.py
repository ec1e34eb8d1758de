"""The trainings that made a model, as the tables of its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stilts_core.analysis.model.find import ArmModel
from stilts_core.analysis.model.markdown import code, text
from stilts_core.analysis.report import words
from stilts_core.catalog.models import Hyper
from stilts_core.planning.params import PretrainParams, TaskParams, TrainParams
from stilts_core.planning.plan import Stage
from stilts_core.planning.settings import idle_settings
from stilts_core.storage.manifest import Manifest

STEP_HEAD = ("Training", "On", "Steps", "Best step", "Examples", "Tokens", "Development score")
STEP_NUMBERS = 5

_NO = words.NOTHING


def step_rows(model: ArmModel, manifests: Mapping[str, Manifest]) -> Iterator[tuple[str, ...]]:
    """A row for each training, in order: what it was on, and what its manifest says."""
    number = 0
    for stage in model.trail:
        if isinstance(stage.params, TrainParams):
            number += 1
        manifest = manifests.get(stage.fingerprint)
        metrics: Mapping[str, Any] = manifest.metrics if manifest else {}
        counts = (_count(metrics.get(key)) for key in ("steps", "best_step", "examples", "tokens"))
        yield (_what(model, stage, number), _on(model, stage), *counts, _dev(metrics.get("dev")))


def settings_table(model: ArmModel) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The settings: a head, and rows. A column is a task of a training, a row a setting that decides one."""
    tasks = [
        (number, task)
        for number, stage in enumerate(model.trainings, start=1)
        if isinstance(stage.params, TrainParams)
        for task in stage.params.tasks
    ]
    head = ("Setting", *(f"{number}: {code(task.task)}" for number, task in tasks))
    rows = []
    for key in Hyper.model_fields:
        values = [_NO if key in idle_settings(task.head) else _value(getattr(task.hyper, key)) for _, task in tasks]
        if any(value != _NO for value in values):
            rows.append((code(key), *values))
    return head, rows


def mix_lines(model: ArmModel) -> list[str]:
    """A line for each training on a mix."""
    return [
        f"- Training {number} is a mix: a batch is of one task, drawn in proportion to the sizes of the training sets, "
        f"each counted as {stage.params.mix_cap:,} examples at most."
        for number, stage in enumerate(model.trainings, start=1)
        if isinstance(stage.params, TrainParams) and len(stage.params.tasks) > 1
    ]


def _what(model: ArmModel, stage: Stage, number: int) -> str:
    if not isinstance(stage.params, TrainParams):
        return "pretraining"
    if number <= model.steps:
        return f"{number}, step {number} of {model.steps} of the curriculum"
    kept = ", with the head of the training before" if stage.params.keep_head else ""
    return f"{number}, target{kept}"


def _on(model: ArmModel, stage: Stage) -> str:
    if isinstance(stage.params, PretrainParams):
        objectives = (f"{name} {share:g}" for name, share in stage.params.settings.objectives.items() if share)
        return f"plain and parallel text: {', '.join(objectives)}"
    if not isinstance(stage.params, TrainParams):
        return stage.kind.value
    parts = []
    for task, data in zip(stage.params.tasks, model.data_of(stage), strict=True):
        few = isinstance(data.params, TaskParams) and data.params.shots
        parts.append(code(task.task) + (", a few examples" if few else ""))
    return " + ".join(parts)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else words.NOTHING


def _dev(value: object) -> str:
    if not isinstance(value, Mapping) or not value:
        return words.NOTHING
    return ", ".join(f"{text(task)} {words.score(float(score))}" for task, score in value.items())


def _value(value: object) -> str:
    if value is None:
        return words.NOTHING
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"
