"""The stages that measure what a study's models cost: added after everything that makes and scores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head
from stilts_core.errors import SpecError
from stilts_core.planning import estimate
from stilts_core.planning.graph import Graph
from stilts_core.planning.params import CostParams, EvaluateParams, ExitParams, MeasuredModel
from stilts_core.planning.plan import Cell, MeasuredArm, Measurement, Stage, StageKind
from stilts_core.spec.names import EFFICIENCY
from stilts_core.spec.study import Measure, Spec


def add_measurements(
    graph: Graph, spec: Spec, catalogue: Catalogue, cells: Sequence[Cell], bodies: Mapping[str, float]
) -> tuple[Measurement, ...]:
    """Adds the stages that a study's question on efficiency needs; none where it does not ask it.

    All models of a target are measured in one stage: only what runs on one machine, by turns, can be compared.

    Args:
        graph: with the stages of the cells in it.
        spec: of the study.
        catalogue: with the study's own tasks in it.
        cells: of the study.
        bodies: encoder → parameters without embeddings, for the estimate of time.

    Raises:
        SpecError: there is nothing to measure.
    """
    if EFFICIENCY not in spec.questions:
        return ()
    measure = spec.measure or Measure()
    classifying = {t.name for t in spec.targets if catalogue.task(t.task).head is Head.CLASSIFICATION}
    wanted = [name for name in dict.fromkeys(cell.target for cell in cells) if name in classifying]
    if measure.targets:
        wanted = [name for name in wanted if name in measure.targets]
    if not wanted:
        raise SpecError(
            "The question on efficiency needs a target that classifies sentences, and the study has none.",
            hint="Add xnli or pawsx to the targets, or leave the question out.",
        )
    return tuple(
        _measurement(graph, measure, name, [cell for cell in cells if cell.target == name], bodies) for name in wanted
    )


def _measurement(
    graph: Graph, measure: Measure, target: str, cells: Sequence[Cell], bodies: Mapping[str, float]
) -> Measurement:
    seeds = tuple(dict.fromkeys(cell.seed for cell in cells))[: measure.seeds]
    mine = [cell for cell in cells if cell.seed in seeds]
    languages = _languages(measure, target, mine[0])
    models: dict[str, MeasuredModel] = {}
    data: dict[str, int] = {}
    arms: list[MeasuredArm] = []
    for cell in mine:
        stage = graph.stage(cell.fingerprint)
        params = stage.params
        assert isinstance(params, EvaluateParams)  # noqa: S101 (a cell's stage is its evaluation)
        model, sentences = stage.parents["model"], stage.parents["data"]
        number = data.setdefault(sentences, len(data))
        models.setdefault(model, MeasuredModel(data=number, labels=params.labels))
        arms.append(
            MeasuredArm(
                encoder=cell.encoder,
                curriculum=cell.curriculum,
                seed=cell.seed,
                model=list(models).index(model),
                exits=_exits(graph, measure, stage, cell, bodies[cell.encoder]) if measure.exits else None,
            )
        )
    of_models = {arm.model: bodies[arm.encoder] for arm in arms}
    fingerprint = graph.add(
        StageKind.MEASURE,
        CostParams(
            task=mine[0].task,
            models=tuple(models.values()),
            languages=languages,
            precisions=measure.precisions,
            batches=measure.batches,
            lengths=measure.lengths,
            blocks=measure.blocks,
            passes=measure.passes,
            warmup=measure.warmup,
            exits=measure.exits,
            machine=measure.machine,
        ),
        {
            **{f"data/{number}": parent for parent, number in data.items()},
            **{f"model/{number}": parent for number, parent in enumerate(models)},
        },
        label=f"cost of {target} · {len(models)} model{'s' * (len(models) != 1)}",
        work=estimate.measure_work(measure, len(languages), of_models.values()),
    )
    return Measurement(target=target, fingerprint=fingerprint, arms=tuple(arms))


def _languages(measure: Measure, target: str, cell: Cell) -> tuple[str, ...]:
    if measure.languages is None:
        return tuple(cell.languages)
    found = tuple(code for code in measure.languages if code in cell.languages)
    if not found:
        raise SpecError(f"{target} is scored in none of the languages that are to be measured.")
    return found


def _exits(graph: Graph, measure: Measure, evaluation: Stage, cell: Cell, body: float) -> str:
    params = evaluation.params
    assert isinstance(params, EvaluateParams)  # noqa: S101 (a cell's stage is its evaluation)
    model = graph.stage(evaluation.parents["model"])
    return graph.add(
        StageKind.MEASURE,
        ExitParams(
            task=cell.task, labels=params.labels, shares=measure.exits, examples=measure.exit_examples, seed=cell.seed
        ),
        {
            "model": evaluation.parents["model"],
            "train": model.parents["data/0"],
            "data": evaluation.parents["data"],
        },
        label=f"early exits of {evaluation.label}",
        work=estimate.exits_work(measure.exit_examples, evaluation.work, body),
    )
