"""What the protocols decide beside hyper-parameters, as it reaches the stages."""

from __future__ import annotations

import pytest
from planning_support import SOURCE, Files, all_files, plan_of, stages_of, study

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import LongTagging, SeqevalVersion, SquadRules
from stilts_core.planning.params import EvaluateParams, TaskParams, TrainParams
from stilts_core.planning.plan import StageKind

PROTOCOLS = load_catalogue().protocols
NAMES = (
    *("anli_plus", "snli", "mnli", "anli_r1", "anli_r2", "anli_r3", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg"),
    *("cosmosqa", "commonsenseqa", "socialiqa", "copa", "mlm", "xnli", "pawsx", "udpos", "panx", "xquad", "mlqa"),
    *("tydiqa", "bucc", "tatoeba", "xcopa", "lareqa", "mewslix"),
)


def files() -> Files:
    found = all_files()
    found.paths += [f"bucc2018/de-en.{split}.{side}" for split in ("dev", "test") for side in ("de", "en", "gold")]
    return found


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_knows_every_task(name: str) -> None:
    assert set(PROTOCOLS[name].tasks) >= {*NAMES, "mix"}


@pytest.mark.parametrize(
    ("name", "long", "squad"),
    [
        ("xtreme-2020", LongTagging.SPLIT_XTREME, SquadRules.V1),
        ("jiant", LongTagging.TRUNCATE, SquadRules.V2),
        ("corrected", LongTagging.SPLIT, SquadRules.V1),
    ],
)
def test_the_rules_reach_the_stages(name: str, long: LongTagging, squad: SquadRules) -> None:
    targets = [{"task": task, "languages": ["de"]} for task in ("udpos", "xquad", "xnli")]
    plan = plan_of(study(targets=targets, curricula=["baseline"], protocol=name, seeds=1))
    cut = {stage.params.task: stage.params.long_tagging for stage in stages_of(plan, StageKind.PREPARE, TaskParams)}
    assert cut == {"udpos": long, "squad_v1": None, "xquad": None, "xnli": None}
    rules = {s.params.task: (s.params.seqeval, s.params.squad) for s in stages_of(plan, StageKind.EVALUATE)}
    assert rules == {"udpos": (SeqevalVersion.OLD, None), "xquad": (None, squad), "xnli": (None, None)}


def test_the_hidden_state_of_retrieval_is_the_tasks() -> None:
    targets = [{"task": task, "languages": ["de"]} for task in ("tatoeba", "bucc")]
    states = {}
    for name in PROTOCOLS:
        plan = plan_of(study(targets=targets, curricula=["baseline"], protocol=name), files())
        for stage in stages_of(plan, StageKind.EVALUATE, EvaluateParams):
            states[name, stage.params.task] = (stage.params.pooling, stage.params.retrieval_states)
    assert states["xtreme-2020", "bucc"] == ("mean", {12: 8, 24: 20})
    assert states["xtreme-2020", "tatoeba"] == ("mean", {12: 8, 24: 14})
    for name in ("jiant", "corrected"):
        assert states[name, "bucc"] == states[name, "tatoeba"] == ("mean", {12: 8, 24: 14})


@pytest.mark.parametrize(("layers", "rate"), [(None, 2e-5), (12, 2e-5), (24, 3e-5), (36, 3e-5)])
def test_large_encoders_have_settings_of_their_own(layers: int | None, rate: float) -> None:
    written = study(targets=[{"task": "xnli", "languages": ["en"]}], curricula=["baseline"], seeds=1)
    plan = plan_of(written, source=SOURCE.model_copy(update={"layers": layers}))
    [training] = stages_of(plan, StageKind.TRAIN, TrainParams)
    assert training.params.hyper.learning_rate == rate


def test_every_row_can_be_told_from_one_of_another_protocol() -> None:
    found = {name: plan_of(study(protocol=name)) for name in PROTOCOLS}
    assert {name: plan.protocol for name, plan in found.items()} == {name: name for name in PROTOCOLS}
