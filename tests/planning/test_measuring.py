"""The stages that measure what models cost: planned where a study asks, and only there."""

from __future__ import annotations

from typing import Any

import pytest
from planning_support import plan_of, stages_of, study

from stilts_core.errors import SpecError
from stilts_core.planning.params import CostParams, ExitParams
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.planning.sharing import sharing, trainings

ASKS = ("transfer", "efficiency")
THREE = {"curricula": ["baseline", "mnli", "squad_v1"]}


def asked(measure: dict[str, Any] | None = None, **spec: Any) -> Plan:
    return plan_of(study(questions=ASKS, **({"measure": measure} if measure else {}), **{**THREE, **spec}))


def test_a_study_that_does_not_ask_measures_nothing_and_keeps_its_digest() -> None:
    plan = plan_of(study(**THREE))
    assert not plan.measurements
    assert not stages_of(plan, StageKind.MEASURE)
    more = asked()
    assert {stage.fingerprint for stage in plan.stages} < {stage.fingerprint for stage in more.stages}
    assert plan.cells == more.cells
    assert plan.digest() != more.digest()


def test_all_models_of_a_target_are_measured_in_one_stage_with_the_seed_that_is_first() -> None:
    plan = asked()
    (stage,) = stages_of(plan, StageKind.MEASURE, CostParams)
    (one,) = plan.measurements
    assert (one.target, one.fingerprint) == ("xnli", stage.fingerprint)
    assert [(arm.curriculum, arm.seed, arm.model) for arm in one.arms] == [
        ("baseline", 0, 0),
        ("mnli", 0, 1),
        ("squad_v1", 0, 2),
    ]
    assert isinstance(stage.params, CostParams)
    assert stage.params.languages == ("en", "de")
    evaluations = {cell.curriculum: cell.fingerprint for cell in plan.cells if cell.target == "xnli" and cell.seed == 0}
    stages = {found.fingerprint: found for found in plan.stages}
    for arm in one.arms:
        scored = stages[evaluations[arm.curriculum]]
        assert stage.parents[f"model/{arm.model}"] == scored.parents["model"]
        assert stage.parents["data/0"] == scored.parents["data"]
    assert plan.stages.index(stage) > max(plan.stages.index(stages[parent]) for parent in stage.parents.values())


def test_an_early_exit_has_a_stage_for_each_model() -> None:
    plan = asked({"exits": [0.5], "seeds": 2, "exit_examples": 7})
    exits = stages_of(plan, StageKind.MEASURE, ExitParams)
    assert len(exits) == 3 * 2
    stages = {found.fingerprint: found for found in plan.stages}
    for stage in exits:
        trained = stages[stage.parents["model"]]
        assert trained.kind is StageKind.TRAIN
        assert stage.parents["train"] == trained.parents["data/0"]
    (one,) = plan.measurements
    assert {arm.exits for arm in one.arms} == {stage.fingerprint for stage in exits}


def test_measuring_adds_no_training_and_counts_as_itself() -> None:
    assert trainings(asked()) == trainings(plan_of(study(**THREE)))
    share = sharing(asked({"exits": [0.5]}))[StageKind.MEASURE]
    assert (share.stages, share.alone) == (4, 4)
    assert share.work == share.work_alone > 0


def test_a_plan_with_measurements_is_read_back_as_it_was() -> None:
    plan = asked({"exits": [0.25, 0.5]})
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_without_a_target_that_classifies_there_is_nothing_to_measure() -> None:
    with pytest.raises(SpecError, match="needs a target that classifies"):
        asked(targets=[{"task": "xquad", "languages": ["en"]}])


def test_languages_that_are_not_scored_are_not_measured() -> None:
    (stage,) = stages_of(asked({"languages": ["sw", "de"]}), StageKind.MEASURE, CostParams)
    assert isinstance(stage.params, CostParams)
    assert stage.params.languages == ("de",)
    with pytest.raises(SpecError, match="in none of the languages"):
        asked({"languages": ["sw"]})


@pytest.mark.parametrize(
    ("measure", "sentence"),
    [
        ({"batches": [8, 1]}, "batches must rise"),
        ({"lengths": [32, 32]}, "lengths must rise"),
        ({"precisions": ["fp32", "fp32"]}, "precisions has one twice"),
        ({"exits": [1.0]}, "less than 1"),
        ({"blocks": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(measure: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        study(questions=ASKS, measure=measure)
