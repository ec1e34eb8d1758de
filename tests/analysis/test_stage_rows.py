"""What the stages before an evaluation tell, as rows of the long table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_study import manifest

from stilts_core.analysis.stage_rows import stage_rows
from stilts_core.planning.load import load_plan
from stilts_core.planning.params import TaskParams, TrainParams
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.study import Study

STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: told}
spec:
  encoders: [xlm-roberta-base]
  curricula:
    - baseline
    - {name: two, steps: [{task: mnli, languages: [en, de]}, {mix: [squad_v1, hellaswag]}]}
  targets: [{task: xnli, languages: [en, de, zh]}, {task: udpos, languages: [de, zh]}, {task: tatoeba, languages: [fr]}]
  protocol: xtreme-2020
  overrides: [{match: {kind: train}, set: {batch_size: 10}}]
"""
SIZES = {
    "mnli": {"train/en": 300, "train/de": 100, "dev/en": 50},
    "squad_v1": {"train/en": 90},
    "hellaswag": {"train/en": 10},
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path: Path = tmp_path_factory.mktemp("told") / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return load_plan(path, no_data=True).plan


def measured(stage: Stage) -> dict[str, Any]:
    match stage.params:
        case TaskParams(task=task, purpose="evaluate"):
            rates = {
                "xnli": {"en": 1.2, "de": 1.6, "zh": 20.0},
                "udpos": {"de": 2.0, "zh": 1.5},
                "tatoeba": {"fr": 9.0},
            }
            return {"languages": {code: {"tokens_per_word": rate} for code, rate in rates[task].items()}}
        case TaskParams(task=task):
            return {"files": {name: {"examples": size} for name, size in SIZES.get(task, {}).items()}}
        case TrainParams(tasks=tasks):
            names = [task.task for task in tasks]
            points = [
                {"step": step, "tasks": {name: {"score": step + at, "loss": 1 / step} for at, name in enumerate(names)}}
                for step in (10, 20)
            ]
            return {"steps": 20, "best_step": 10, "examples": 200, "points": points}
    return {}


def told(plan: Plan, *left_out: StageKind) -> dict[tuple[str, str, str], float]:
    manifests = {
        stage.fingerprint: manifest(stage, measured(stage))
        for stage in plan.stages
        if stage.kind not in (StageKind.EVALUATE, *left_out)
    }
    rows = stage_rows(plan, Study.model_validate(plan.study), manifests)
    assert {row.target for row in rows} <= {"-"}
    return {(row.curriculum, row.metric, row.language): row.value for row in rows}


def test_the_last_step_of_a_curriculum_is_measured(plan: Plan) -> None:
    found = told(plan)
    assert found["two", "intermediate_score", "-"] == 10.5  # at the step whose weights were handed on, mean of the mix
    assert found["two", "intermediate_score@20", "-"] == 20.5
    assert found["two", "intermediate_loss@10", "-"] == 0.1
    assert not [key for key in found if key[0] == "baseline" and key[1].startswith("intermediate")]


def test_amounts_are_of_all_steps(plan: Plan) -> None:
    found = told(plan)
    assert found["two", "intermediate_examples", "-"] == 300 + 100 + 90 + 10
    assert found["two", "intermediate_steps", "-"] == 40
    # 200 of 400 examples seen were of the first step, a quarter of these German
    assert found["two", "mix_share", "de"] == pytest.approx(12.5)
    assert found["two", "mix_share", "en"] == pytest.approx(87.5)


def test_fertility_is_of_words(plan: Plan) -> None:
    found = told(plan)
    fertility = {key[2]: value for key, value in found.items() if key[1] == "fertility"}
    assert fertility == {"en": 1.2, "de": 2.0, "zh": 1.5}  # treebanks first; no blanks in Chinese; no sides of a pair
    assert found["baseline", "parameters", "-"] == pytest.approx(12 * 12 * 768**2, rel=0.01)


@pytest.mark.parametrize("kind", [StageKind.PREPARE, StageKind.TRAIN])
def test_what_has_not_committed_gives_no_row(plan: Plan, kind: StageKind) -> None:
    metrics = {metric for _, metric, _ in told(plan, kind)}
    assert "mix_share" not in metrics
    assert ("fertility" in metrics) is (kind is StageKind.TRAIN)
    assert ("intermediate_loss" in metrics) is (kind is StageKind.PREPARE)
