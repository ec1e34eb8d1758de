"""What the plan makes of tasks with parts, targets trained twice, several files of a language, and lists of labels."""

from __future__ import annotations

from typing import Any

import pytest
from planning_support import Files, plan_of, study

from stilts_core.errors import MissingInputError
from stilts_core.planning.params import TrainParams
from stilts_core.planning.plan import Plan, Stage, StageKind

PARTS = {
    "snli_1.0/snli_1.0_train.jsonl": "train/snli/en",
    "MNLI/train.tsv": "train/mnli/en",
    "anli_v1.0/R1/train.jsonl": "train/anli_r1/en",
    "anli_v1.0/R2/train.jsonl": "train/anli_r2/en",
    "anli_v1.0/R3/train.jsonl": "train/anli_r3/en",
    "snli_1.0/snli_1.0_dev.jsonl": "dev/snli/en",
    "MNLI/dev_matched.tsv": "dev/mnli/en",
    "anli_v1.0/R1/dev.jsonl": "dev/anli_r1/en",
    "anli_v1.0/R2/dev.jsonl": "dev/anli_r2/en",
    "anli_v1.0/R3/dev.jsonl": "dev/anli_r3/en",
}
TARGET = {"xcopa/test.et.jsonl", "COPA/train.jsonl", "COPA/val.jsonl"}
SOCIAL = {"siqa/socialIQa_v1.4_trn.jsonl", "siqa/socialIQa_v1.4_dev.jsonl"}


def stages(plan: Plan, kind: StageKind) -> list[Stage]:
    return [stage for stage in plan.stages if stage.kind is kind]


def planned(files: Any, **spec: Any) -> Plan:
    return plan_of(study(**({"curricula": ["baseline"], "seeds": 1} | spec)), Files(files))


def test_the_files_of_all_parts_are_one_training_set() -> None:
    plan = planned(PARTS, targets=["anli_plus"])
    scored, training = stages(plan, StageKind.PREPARE)
    assert {file.path: file.role for file in training.files} == PARTS
    assert [file.role for file in scored.files] == [role for role in PARTS.values() if role.startswith("dev/")]
    [train] = stages(plan, StageKind.TRAIN)
    assert isinstance(train.params, TrainParams)
    [task] = train.params.tasks
    assert (task.task, task.labels) == ("anli_plus", ("entailment", "neutral", "contradiction"))
    assert plan.cells[0].languages == {"en": "dev"}


def test_a_part_without_files_is_named() -> None:
    with pytest.raises(MissingInputError, match=r"anli_r2 has no training data in en .*anli/R2/train.jsonl"):
        planned(set(PARTS) - {"anli_v1.0/R2/train.jsonl"}, targets=["anli_plus"])


def test_xcopa_is_trained_on_social_iqa_first_and_keeps_the_head() -> None:
    plan = planned(TARGET | SOCIAL, targets=[{"task": "xcopa", "languages": ["et"]}])
    first, second = stages(plan, StageKind.TRAIN)
    assert isinstance(first.params, TrainParams)
    assert isinstance(second.params, TrainParams)
    assert [stage.params.tasks[0].task for stage in (first, second)] == ["socialiqa", "copa"]  # type: ignore[union-attr]
    assert (first.params.keep_head, second.params.keep_head) == (False, True)
    assert second.parents["encoder"] == first.fingerprint
    assert first.label.startswith("xcopa > socialiqa")
    [evaluation] = stages(plan, StageKind.EVALUATE)
    assert evaluation.parents["model"] == second.fingerprint
    with pytest.raises(MissingInputError, match="socialiqa has no training data"):
        planned(TARGET, targets=[{"task": "xcopa", "languages": ["et"]}])


def test_all_treebanks_of_a_language_are_read_in_the_order_of_their_names() -> None:
    folder = "ud-treebanks-v2.5"
    files = [
        f"{folder}/UD_English-PUD/en_pud-ud-test.conllu",
        f"{folder}/UD_English-ParTUT/en_partut-ud-test.conllu",
        f"{folder}/UD_English-EWT/en_ewt-ud-test.conllu",
        f"{folder}/UD_English-EWT/en_ewt-ud-train.conllu",
        f"{folder}/UD_Kazakh-KTB/kk_ktb-ud-test.conllu",
    ]
    plan = planned(files, targets=[{"task": "udpos", "languages": ["en", "kk"]}])
    scored = next(stage for stage in stages(plan, StageKind.PREPARE) if stage.files[0].role.startswith("test"))
    assert [(file.role, file.path.rpartition("/")[2]) for file in scored.files] == [
        ("test/en", "en_ewt-ud-test.conllu"),
        ("test/1/en", "en_partut-ud-test.conllu"),
        ("test/2/en", "en_pud-ud-test.conllu"),
        ("test/kk", "kk_ktb-ud-test.conllu"),
    ]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"ccg/tags_to_id.json", "ccg/labels.txt"}, ("ccg/tags_to_id.json", "label-json")),
        ({"ccg/labels.txt"}, ("ccg/labels.txt", "label-lines")),
        (set(), ("ccg/ccg.train", "ccg-tsv")),
    ],
)
def test_a_list_of_labels_belongs_to_every_preparation(there: set[str], expected: tuple[str, str]) -> None:
    plan = planned({"ccg/ccg.train", "ccg/ccg.test", *there}, targets=["ccg"])
    for stage in stages(plan, StageKind.PREPARE):
        [labels] = [file for file in stage.files if file.role == "labels/en"]
        assert (labels.path, labels.format) == expected


def test_the_list_of_labels_is_no_training_data() -> None:
    def work(files: set[str]) -> float:
        return stages(planned(files, targets=["ccg"]), StageKind.TRAIN)[0].work

    files = {"ccg/ccg.train", "ccg/ccg.test"}
    assert work(files) == work(files | {"ccg/labels.txt"})


def test_one_file_of_all_languages_is_read_for_each() -> None:
    files = {"XNLI-1.0/xnli.test.tsv", "xnli/train-en.tsv"}
    plan = planned(files, targets=[{"task": "xnli", "languages": ["en", "ur"]}])
    scored = next(stage for stage in stages(plan, StageKind.PREPARE) if stage.files[0].role == "test/en")
    assert [(file.role, file.path) for file in scored.files] == [
        ("test/en", "XNLI-1.0/xnli.test.tsv"),
        ("test/ur", "XNLI-1.0/xnli.test.tsv"),
    ]
