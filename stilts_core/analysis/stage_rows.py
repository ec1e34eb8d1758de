"""From the manifests of the stages before an evaluation to rows of the long table.

Of an encoder (curriculum ``baseline``, target ``-``):

    parameters             of its body, embeddings left out; language ``-``
    fertility              subwords a word in a language, on the texts of the targets: those of Universal Dependencies
                           where they are scored, whose words are given; else the mean over the targets' running text in
                           a language that separates words by blanks
    pretraining_tokens     tokens of a language's text in the pretraining, of an encoder that the study makes

Of a curriculum with a seed (target ``-``):

    intermediate_NAME      a measure of the last step's development sample, mean over the tasks of a mix, at the step
                           whose weights were handed on; ``intermediate_NAME@STEP`` at every evaluation
    intermediate_examples  of the training sets of all steps, each once
    intermediate_steps     optimiser steps that were made
    mix_share              of a language: percent of the examples that were seen
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stilts_core.analysis.table import ResultRow
from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head
from stilts_core.data.sampling import mixture_probabilities
from stilts_core.planning.estimate import transformer_parameters
from stilts_core.planning.params import PretrainParams, TaskParams, TrainParams
from stilts_core.planning.plan import Cell, Plan, Stage, StageKind
from stilts_core.spec.study import BASELINE, Study
from stilts_core.storage.manifest import Manifest

NONE = "-"
WORDS_GIVEN = "udpos"
"""The task whose treebanks say what a word is, in languages without blanks as well."""


@dataclass(frozen=True, slots=True)
class _Fact:
    metric: str
    value: float
    language: str = NONE
    split: str = ""


def stage_rows(plan: Plan, study: Study | None, manifests: Mapping[str, Manifest]) -> tuple[ResultRow, ...]:
    """The rows, encoders before curricula, in the order of the study; what has not committed gives none.

    Args:
        plan: says how results hang together.
        study: that it was made from; without it the steps of a curriculum are not known, and it gives no rows.
        manifests: by fingerprint.
    """
    return tuple(_rows(_Sources(plan, manifests), study))


@dataclass(frozen=True, slots=True)
class _Sources:
    plan: Plan
    manifests: Mapping[str, Manifest]

    def metrics(self, fingerprint: str | None) -> Mapping[str, Any]:
        manifest = self.manifests.get(fingerprint or "")
        return {} if manifest is None else manifest.metrics


def _rows(sources: _Sources, study: Study | None) -> Iterator[ResultRow]:
    plan = sources.plan
    stages = {stage.fingerprint: stage for stage in plan.stages}
    arms: dict[str, dict[tuple[str, int], list[Cell]]] = {}
    for cell in plan.cells:
        arms.setdefault(cell.encoder, {}).setdefault((cell.curriculum, cell.seed), []).append(cell)
    steps = {one.name: len(one.steps) for one in study.spec.curricula} if study else {}
    for encoder, of_encoder in arms.items():
        cells = [cell for mine in of_encoder.values() for cell in mine]
        for fact in _encoder_facts(sources, stages, cells):
            yield _row(plan, encoder, BASELINE, cells[0].seed, fact, "")
    for encoder, of_encoder in arms.items():
        for (curriculum, seed), cells in of_encoder.items():
            chain = _chain(stages, cells[0])[: steps.get(curriculum, 0)]
            for fact in _training_facts(sources, chain) if chain else ():
                yield _row(plan, encoder, curriculum, seed, fact, chain[-1].fingerprint)


def _row(plan: Plan, encoder: str, curriculum: str, seed: int, fact: _Fact, fingerprint: str) -> ResultRow:
    return ResultRow(
        study=plan.name,
        arm=f"{encoder}/{curriculum}",
        encoder=encoder,
        curriculum=curriculum,
        target=NONE,
        language=fact.language,
        zero_shot=False,
        seed=seed,
        protocol=plan.protocol,
        split=fact.split or "train",
        metric=fact.metric,
        value=fact.value,
        n=0,
        fingerprint=fingerprint,
    )


def _chain(stages: Mapping[str, Stage], cell: Cell) -> list[Stage]:
    """The trainings behind a result, the first one first."""
    chain: list[Stage] = []
    model = stages[cell.fingerprint].parents.get("model")
    while model is not None and stages[model].kind is StageKind.TRAIN:
        chain.insert(0, stages[model])
        model = stages[model].parents.get("encoder")
    return chain


# Encoders


def _encoder_facts(sources: _Sources, stages: Mapping[str, Stage], cells: Sequence[Cell]) -> Iterator[_Fact]:
    made = next((stage for cell in cells if (stage := _pretraining(stages, cell)) is not None), None)
    parameters = _parameters(stages, cells, made)
    if parameters:
        yield _Fact("parameters", float(parameters))
    for language, value in _fertility(sources, stages, cells).items():
        yield _Fact("fertility", value, language, "test")
    if made is not None:
        files = _files(sources.metrics(made.parents.get("text")).get("text"))
        amounts = _by_language({name: entry.get("tokens") for name, entry in files.items()})
        for language, tokens in sorted(amounts.items()):
            yield _Fact("pretraining_tokens", tokens, language)


def _pretraining(stages: Mapping[str, Stage], cell: Cell) -> Stage | None:
    model = stages[cell.fingerprint].parents.get("model")
    while model is not None and stages[model].kind is not StageKind.PRETRAIN:
        model = stages[model].parents.get("encoder")
    return None if model is None else stages[model]


def _parameters(stages: Mapping[str, Stage], cells: Sequence[Cell], made: Stage | None) -> float | None:
    if made is not None and isinstance(made.params, PretrainParams):
        settings = made.params.settings
        return transformer_parameters(settings.layers, settings.hidden, settings.intermediate)
    for cell in cells:
        for stage in (stages[cell.fingerprint], *_chain(stages, cell)):
            source = getattr(stage.params, "encoder", None)
            if source is not None and source.parameters:
                return float(source.parameters)
    return None


def _fertility(sources: _Sources, stages: Mapping[str, Stage], cells: Sequence[Cell]) -> dict[str, float]:
    atlas = load_catalogue().languages
    given: dict[str, float] = {}
    running: dict[str, list[float]] = {}
    for prepared in dict.fromkeys(stages[cell.fingerprint].parents.get("data") for cell in cells):
        params = stages[prepared].params if prepared else None
        rates = sources.metrics(prepared).get("languages")
        if not isinstance(params, TaskParams) or params.head is Head.RETRIEVAL or not isinstance(rates, Mapping):
            continue  # the two languages of a pair of sentences are counted together
        for language, entry in rates.items():
            value = _number(entry.get("tokens_per_word")) if isinstance(entry, Mapping) else None
            if not value:
                continue
            if params.task == WORDS_GIVEN:
                given[language] = value
            elif language in atlas and atlas[language].spaces:
                running.setdefault(language, []).append(value)
    means = {language: sum(values) / len(values) for language, values in running.items()}
    return dict(sorted((means | given).items()))


# Curricula


def _training_facts(sources: _Sources, chain: Sequence[Stage]) -> Iterator[_Fact]:
    last = sources.metrics(chain[-1].fingerprint)
    points = last.get("points")
    for point in points if isinstance(points, list | tuple) else ():
        step, measures = int(point["step"]), _means(point["tasks"])
        if step == last.get("best_step"):
            for name, value in measures.items():
                yield _Fact(f"intermediate_{name}", value, split="dev")
        for name, value in measures.items():
            yield _Fact(f"intermediate_{name}@{step}", value, split="dev")
    trained = [sources.metrics(stage.fingerprint) for stage in chain]
    if all(trained):
        yield _Fact("intermediate_steps", float(sum(int(metrics["steps"]) for metrics in trained)))
    sets = [_sets(sources, stage) for stage in chain]
    if all(sizes and all(sizes) for sizes in sets):
        yield _Fact("intermediate_examples", sum(sum(one.values()) for sizes in sets for one in sizes))
        if all(trained):
            for language, share in _shares(chain, sets, [float(metrics["examples"]) for metrics in trained]).items():
                yield _Fact("mix_share", share, language)


def _means(tasks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The measures of an evaluation, each the mean over the tasks that have it."""
    found: dict[str, list[float]] = {}
    for measures in tasks.values():
        for name, value in measures.items():
            if (number := _number(value)) is not None:
                found.setdefault(name, []).append(number)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _sets(sources: _Sources, stage: Stage) -> list[dict[str, float]]:
    """Of each task of a training the examples by language; an empty one where that is not known."""
    assert isinstance(stage.params, TrainParams)  # noqa: S101 (a chain holds trainings)
    found = []
    for at, task in enumerate(stage.params.tasks):
        metrics = sources.metrics(stage.parents.get(f"data/{at}"))
        files = _files(metrics.get("text") if task.head is Head.MLM else metrics)
        mine = {name: e.get("examples") for name, e in files.items() if task.head is Head.MLM or _trains(name)}
        found.append(_by_language(mine))
    return found


def _shares(chain: Sequence[Stage], sets: Sequence[Sequence[dict[str, float]]], seen: list[float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for stage, sizes, examples in zip(chain, sets, seen, strict=True):
        assert isinstance(stage.params, TrainParams)  # noqa: S101
        counts = [sum(one.values()) for one in sizes]
        weights = mixture_probabilities([max(1, round(count)) for count in counts], stage.params.mix_cap)
        batches = [task.hyper.batch_size for task in stage.params.tasks]  # a step is a batch of one task
        parts = [float(weight) * batch for weight, batch in zip(weights, batches, strict=True)]
        for one, part, count in zip(sizes, parts, counts, strict=True):
            for language, size in one.items():
                share = examples * part / sum(parts) * size / count
                total[language] = total.get(language, 0.0) + share
    return {language: 100 * value / sum(seen) for language, value in sorted(total.items())}


def _trains(name: str) -> bool:
    return name.split("/")[0] == "train"


def _files(metrics: object) -> Mapping[str, Mapping[str, Any]]:
    files = metrics.get("files") if isinstance(metrics, Mapping) else None
    return files if isinstance(files, Mapping) else {}


def _by_language(amounts: Mapping[str, object]) -> dict[str, float]:
    """Sums by language, which is the last part of a file's role."""
    found: dict[str, float] = {}
    for name, value in amounts.items():
        number = _number(value)
        if number:
            language = name.removesuffix("/pair").rpartition("/")[2]
            found[language] = found.get(language, 0.0) + number
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
