"""Plans of the targets that search: which files, which lengths, and what is missing."""

from __future__ import annotations

import pytest
from planning_support import SOURCE, Files, plan_of, stages_of, study

from stilts_core.errors import MissingInputError, SpecError
from stilts_core.planning.params import EvaluateParams, TaskParams
from stilts_core.planning.plan import Plan, StageKind

BUCC = [f"bucc2018/de-en.{split}.{part}" for split in ("dev", "test") for part in ("de", "en", "gold")]
ORIGINAL = [f"bucc2018/fr-en/fr-en.{split}.{part}" for split in ("sample", "training") for part in ("fr", "en", "gold")]
MEWSLI = ["mewslix/wikinews_mentions-test.jsonl", "mewslix/candidate_set_entities.jsonl"]
LAREQA = [f"lareqa/xquad-r/{code}.json" for code in ("de", "en")]
TRAINING = ["squad/train-v1.1.json", "mewslix/wikipedia_pairs-train.jsonl"]
FILES = Files([*BUCC, *ORIGINAL, *MEWSLI, *LAREQA, *TRAINING])


def searches(*targets: dict[str, object], files: Files = FILES) -> Plan:
    return plan_of(study(curricula=["baseline"], targets=list(targets)), files)


def roles(plan: Plan) -> list[tuple[str, str]]:
    (stage,) = stages_of(plan, StageKind.PREPARE, TaskParams)
    return [(file.role, file.path) for file in stage.files]


def test_bucc_brings_the_development_set_for_its_threshold() -> None:
    plan = searches({"task": "bucc", "languages": ["de", "fr"]})
    assert roles(plan)[:6] == [
        ("dev/de", "bucc2018/de-en.dev.de"),
        ("dev/de/pair", "bucc2018/de-en.dev.en"),
        ("dev/de/gold", "bucc2018/de-en.dev.gold"),
        ("test/de", "bucc2018/de-en.test.de"),
        ("test/de/pair", "bucc2018/de-en.test.en"),
        ("test/de/gold", "bucc2018/de-en.test.gold"),
    ]
    assert roles(plan)[6:9] == [
        ("dev/fr", "bucc2018/fr-en/fr-en.sample.fr"),
        ("dev/fr/pair", "bucc2018/fr-en/fr-en.sample.en"),
        ("dev/fr/gold", "bucc2018/fr-en/fr-en.sample.gold"),
    ]
    assert plan.cells[0].languages == {"de": "test", "fr": "test"}
    (scoring,) = stages_of(plan, StageKind.EVALUATE, EvaluateParams)
    assert scoring.params.pooling == "mean"
    assert not plan.notes


def test_bucc_without_its_gold_file_is_planned_and_without_development_set_refused() -> None:
    files = FILES.without("bucc2018/de-en.test.gold")
    assert ("test/de/gold", "bucc2018/de-en.test.gold") not in roles(
        searches({"task": "bucc", "languages": ["de"]}, files=files)
    )
    with pytest.raises(MissingInputError, match=r"de-en\.dev\.de"):
        searches({"task": "bucc", "languages": ["de"]}, files=FILES.without("bucc2018/de-en.dev.*"))
    alone = searches({"task": "bucc", "languages": ["de"], "split": "dev"}, files=FILES.without("bucc2018/*.test.*"))
    assert {role for role, _ in roles(alone)} == {"dev/de", "dev/de/pair", "dev/de/gold"}


def test_the_lengths_of_lareqa_are_those_of_questions_and_answers() -> None:
    untrained = {"task": "lareqa", "languages": ["de", "en"], "training": False}
    (stage,) = stages_of(searches(untrained), StageKind.PREPARE, TaskParams)
    assert (stage.params.max_length, stage.params.question_length) == (352, 96)
    (stage,) = stages_of(searches({"task": "bucc", "languages": ["de"]}), StageKind.PREPARE, TaskParams)
    assert (stage.params.max_length, stage.params.question_length) == (512, 0)


def test_the_entities_belong_to_every_language() -> None:
    plan = searches({"task": "mewslix", "languages": ["de", "ja"], "training": False})
    assert roles(plan) == [
        ("test/de", MEWSLI[0]),
        ("test/de/pair", MEWSLI[1]),
        ("test/ja", MEWSLI[0]),
        ("test/ja/pair", MEWSLI[1]),
    ]


def test_a_target_with_a_training_set_is_trained_unless_a_study_says_otherwise() -> None:
    """XTREME-R trains a dual encoder for LAReQA and Mewsli-X; XTREME's own retrieval takes the encoder as it is."""
    as_it_is = {"task": "lareqa", "name": "as-it-is", "languages": ["de"], "training": False}
    plan = searches({"task": "lareqa", "languages": ["de"]}, {"task": "mewslix", "languages": ["de"]}, as_it_is)
    trained = stages_of(plan, StageKind.TRAIN)
    assert [stage.params.tasks[0].task for stage in trained] == ["lareqa", "lareqa", "mewslix", "mewslix"]  # seeds
    settings = [stage.params.tasks[0] for stage in trained[::2]]
    assert [(task.pooling, task.hyper.batch_size, task.hyper.pool, task.hyper.scale) for task in settings] == [
        ("cls", 16, 4, 100.0),
        ("cls", 256, 64, 100.0),
    ]
    learnt = {
        stage.params.task: stage for stage in stages_of(plan, StageKind.PREPARE) if stage.params.purpose == "train"
    }
    assert {name: [(file.role, file.path) for file in stage.files] for name, stage in learnt.items()} == {
        "lareqa": [("train/en", "squad/train-v1.1.json")],
        "mewslix": [("train/en", "mewslix/wikipedia_pairs-train.jsonl")],
    }
    assert (learnt["lareqa"].params.max_length, learnt["lareqa"].params.question_length) == (352, 96)
    assert (learnt["mewslix"].params.max_length, learnt["mewslix"].params.question_length) == (64, 0)
    scored = {cell.target: cell.fingerprint for cell in plan.cells}
    stages = {stage.fingerprint: stage for stage in plan.stages}
    # What was trained is what is scored: the last state, pooled in the same way.
    found = stages[scored["lareqa"]]
    assert found.parents["model"] in {stage.fingerprint for stage in trained}
    assert (found.params.pooling, found.params.retrieval_states, found.params.retrieval_share) == ("cls", {}, 1.0)
    untrained = stages[scored["as-it-is"]]
    assert "model" not in untrained.parents
    assert (untrained.params.pooling, untrained.params.retrieval_states) == ("mean", {12: 8, 24: 14})
    assert untrained.parents["data"] == found.parents["data"]
    assert {(cell.target, cell.labelled) for cell in plan.cells} == {
        ("lareqa", ("en",)),
        ("mewslix", ("en",)),
        ("as-it-is", ()),
    }


def test_a_large_encoder_tells_fewer_mentions_apart_and_a_corrected_study_the_whole_batch() -> None:
    large = SOURCE.model_copy(update={"layers": 24})
    targets = [{"task": "mewslix", "languages": ["de"]}]
    for protocol, expected in (("xtreme-2020", (1e-5, 32, 8)), ("corrected", (1e-5, 32, None))):
        plan = plan_of(study(curricula=["baseline"], targets=targets, protocol=protocol), FILES, large)
        hyper = stages_of(plan, StageKind.TRAIN)[0].params.tasks[0].hyper
        assert (hyper.learning_rate, hyper.batch_size, hyper.pool) == expected


def test_a_training_set_that_is_missing_is_named_and_training_can_be_left_out() -> None:
    files = FILES.without("squad/*")
    with pytest.raises(MissingInputError, match=r"lareqa has no training data in en .*squad/train-v1\.1\.json"):
        searches({"task": "lareqa", "languages": ["de"]}, files=files)
    searches({"task": "lareqa", "languages": ["de"], "training": False}, files=files)


def test_questions_that_leave_no_room_for_answers_are_refused() -> None:
    short = SOURCE.model_copy(update={"max_length": 100})
    written = study(curricula=["baseline"], targets=[{"task": "lareqa", "languages": ["de"]}])
    with pytest.raises(SpecError, match="questions of 96 tokens leave no room for answers out of 100"):
        plan_of(written, FILES, short)


def test_a_dual_encoder_is_no_step_of_a_curriculum() -> None:
    with pytest.raises(SpecError, match="lareqa cannot be a step of a curriculum"):
        plan_of(study(curricula=["lareqa"], targets=["lareqa"]), FILES)
