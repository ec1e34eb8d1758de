"""Sequences of tasks in a study, and what a plan measures beside its scores for them."""

from __future__ import annotations

from typing import Any

import pytest
from planning_support import plan_of, stages_of, study
from pydantic import ValidationError

from stilts_core.planning.params import CompareParams, FeaturesParams, FisherParams, ProbeParams, RetainedParams
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.sequences import Sequences
from stilts_core.spec.study import Study

TASKS = ["mnli", "squad_v1", "hellaswag"]


def names(**fields: Any) -> list[str]:
    return [curriculum.name for curriculum in Sequences.model_validate({"tasks": TASKS, **fields}).curricula()]


def planned(**fields: Any) -> Plan:
    spec: dict[str, Any] = {"curricula": ["baseline"], "sequences": {"tasks": ["mnli", "squad_v1"], **fields}}
    return plan_of(study(**spec))


def test_all_ordered_pairs_with_joint_training_as_a_control() -> None:
    assert names() == [
        *TASKS,
        *("mnli-squad_v1", "mnli-hellaswag", "squad_v1-mnli", "squad_v1-hellaswag", "hellaswag-mnli"),
        "hellaswag-squad_v1",
        *("mnli.squad_v1", "mnli.hellaswag", "squad_v1.hellaswag"),
    ]
    assert names(length=1) == TASKS
    assert len(names(length=3)) == 3 + 6 + 6 + 3 + 1
    assert not any("." in name for name in names(joint=False))


def test_a_best_first_round_goes_on_from_what_it_is_given_and_has_the_reverse_of_each() -> None:
    found = names(begin=[["mnli", "squad_v1"]])
    assert found == [
        *TASKS,
        "mnli-squad_v1",
        *("mnli-squad_v1-hellaswag", "hellaswag-squad_v1-mnli"),
        *("mnli.squad_v1", "mnli.squad_v1.hellaswag"),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tasks": ["mnli", "mnli"]}, "more than once"),
        ({"begin": [["mnli", "qqp"]]}, "names qqp, which is not among the tasks"),
        ({"begin": [["mnli", "mnli"]]}, "a list of different tasks"),
        ({"tasks": [f"task{n}" for n in range(12)], "length": 5}, "more than 1,000 sequences"),
    ],
)
def test_what_makes_no_sense_is_said(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Sequences.model_validate({"tasks": TASKS, **fields})


def test_long_names_are_cut_and_stay_apart() -> None:
    long = Sequences.model_validate({"tasks": ["commonsenseqa", "socialiqa", "anli_plus", "hellaswag"], "length": 4})
    found = [curriculum.name for curriculum in long.curricula()]
    assert max(map(len, found)) <= 40
    assert len(set(found)) == len(found)


def test_a_plans_record_of_its_study_reads_back_as_the_same_study() -> None:
    written = study(curricula=["baseline", "mnli"], sequences={"tasks": ["mnli", "squad_v1"]})
    assert [one.name for one in written.spec.curricula].count("mnli") == 1
    assert Study.model_validate(written.model_dump(mode="json")) == written
    with pytest.raises(ValidationError, match="curricula has another mnli-squad_v1 than sequences makes"):
        study(
            curricula=["baseline", {"name": "mnli-squad_v1", "steps": ["squad_v1"]}],
            sequences={"tasks": ["mnli", "squad_v1"]},
        )


def test_a_sequence_shares_the_training_that_it_begins_with() -> None:
    both = planned(joint=False, similarity=None, forgetting=False)
    alone = plan_of(study(curricula=["baseline", "mnli", "squad_v1"]))
    mine = {stage.fingerprint for stage in stages_of(both, StageKind.TRAIN)}
    theirs = {stage.fingerprint for stage in stages_of(alone, StageKind.TRAIN)}
    assert theirs <= mine
    # two more intermediate trainings a seed, and two targets after each of them; squad_v1 > xquad is shared
    assert not stages_of(both, StageKind.SIMILARITY)


def test_an_earlier_task_is_scored_after_every_later_step_with_its_own_head() -> None:
    plan = planned(similarity=None)
    stages = {stage.fingerprint: stage for stage in plan.stages}
    retained = stages_of(plan, StageKind.EVALUATE, RetainedParams)
    assert len(retained) == 2 * 2  # orders × seeds
    for stage in retained:
        later, earlier = stages[stage.parents["model"]], stages[stage.parents["heads"]]
        assert later.parents["encoder"] == earlier.fingerprint
        assert earlier.parents["data/0"] == stage.parents["data"]
    found = {(one.curriculum, one.metric) for one in plan.readings if one.metric.startswith("after_")}
    assert found == {
        *(("mnli", "after_1_mnli"), ("squad_v1", "after_1_squad_v1")),
        *(("mnli-squad_v1", name) for name in ("after_1_mnli", "after_2_mnli", "after_2_squad_v1")),
        *(("squad_v1-mnli", name) for name in ("after_1_squad_v1", "after_2_squad_v1", "after_2_mnli")),
        *(("mnli.squad_v1", name) for name in ("after_1_mnli", "after_1_squad_v1")),
    }


def test_similarity_is_measured_once_for_each_task_target_and_model() -> None:
    plan = planned(forgetting=False)
    assert len(stages_of(plan, StageKind.SIMILARITY, CompareParams)) == 1
    # xquad trains on squad_v1, so the two have the same features; tatoeba's are those of its test sentences
    assert len(stages_of(plan, StageKind.SIMILARITY, FeaturesParams)) == len({"mnli", "squad_v1", "xnli", "tatoeba"})
    # ... and after no other training xquad's model is squad_v1's own, if their settings agree
    assert len(stages_of(plan, StageKind.SIMILARITY, FisherParams)) in (3, 4)
    assert len(stages_of(plan, StageKind.SIMILARITY, ProbeParams)) == 2 * 3 * 2  # tasks × targets × seeds
    (compared,) = stages_of(plan, StageKind.SIMILARITY, CompareParams)
    assert "target-fisher/2" not in compared.parents  # tatoeba has no labels
    measured = {one.metric for one in plan.readings if one.target == "tatoeba" and one.metric.startswith("similarity_")}
    assert measured == {f"similarity_{name}" for name in ("text", "tokens", "fisher", "rank", "cka")}


def test_a_plan_without_sequences_has_the_digest_that_it_had() -> None:
    plan = plan_of()
    assert plan.readings == ()
    assert plan.digest() == plan.model_copy(update={"readings": ()}).digest()
    assert planned().digest() != planned(forgetting=False).digest()
