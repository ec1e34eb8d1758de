"""Plans of the targets that search: which files, which lengths, and what is missing."""

from __future__ import annotations

import pytest
from planning_support import Files, plan_of, stages_of, study

from stilts_core.errors import MissingInputError
from stilts_core.planning.plan import EvaluateParams, Plan, StageKind, TaskParams

BUCC = [f"bucc2018/de-en.{split}.{part}" for split in ("dev", "test") for part in ("de", "en", "gold")]
ORIGINAL = [f"bucc2018/fr-en/fr-en.{split}.{part}" for split in ("sample", "training") for part in ("fr", "en", "gold")]
MEWSLI = ["mewslix/wikinews_mentions-test.jsonl", "mewslix/candidate_set_entities.jsonl"]
LAREQA = [f"lareqa/xquad-r/{code}.json" for code in ("de", "en")]
FILES = Files([*BUCC, *ORIGINAL, *MEWSLI, *LAREQA])


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
    (stage,) = stages_of(searches({"task": "lareqa", "languages": ["de", "en"]}), StageKind.PREPARE, TaskParams)
    assert (stage.params.max_length, stage.params.question_length) == (352, 96)
    (stage,) = stages_of(searches({"task": "bucc", "languages": ["de"]}), StageKind.PREPARE, TaskParams)
    assert (stage.params.max_length, stage.params.question_length) == (512, 0)


def test_the_entities_belong_to_every_language() -> None:
    plan = searches({"task": "mewslix", "languages": ["de", "ja"]})
    assert roles(plan) == [
        ("test/de", MEWSLI[0]),
        ("test/de/pair", MEWSLI[1]),
        ("test/ja", MEWSLI[0]),
        ("test/ja/pair", MEWSLI[1]),
    ]
