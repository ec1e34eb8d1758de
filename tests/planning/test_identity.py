"""A fingerprint covers what decides a result, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_support import SOURCE, Files, all_files, fingerprints, plan_of, pretraining, stages_of, study

from stilts_core.catalog.models import Hyper
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.study import Study

ONE_ARM: dict[str, Any] = {"curricula": ["mnli"], "targets": [{"task": "xnli", "languages": ["en", "de"]}], "seeds": 1}
SPANS: dict[str, Any] = {
    **ONE_ARM,
    "curricula": ["squad_v1"],
    "targets": [{"task": "xquad", "languages": ["en", "de"]}],
}
SEARCH: dict[str, Any] = {"curricula": ["baseline"], "targets": [{"task": "lareqa", "languages": ["en"]}], "seeds": 1}
BASE = [
    {"name": "base", "source": "somewhere/base"},
    pretraining(),
]


def shuffled(value: Any, draw: Any) -> Any:
    """The same document with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in keys}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_order_of_keys_metadata_and_order_of_arms_decide_nothing(data: st.DataObject) -> None:
    written = study(encoders=BASE)
    document = json.loads(written.model_dump_json())
    document["metadata"] = {
        "name": data.draw(st.from_regex(r"[a-z]{1,8}", fullmatch=True)),
        "title": data.draw(st.text()),
    }
    for part in ("encoders", "curricula", "targets"):
        document["spec"][part] = data.draw(st.permutations(document["spec"][part]))
    other = Study.model_validate(shuffled(document, data.draw))
    assert fingerprints(plan_of(other)) == fingerprints(plan_of(written))


def test_names_and_places_decide_nothing() -> None:
    before = plan_of(study(encoders=BASE))
    renamed = json.loads(study(encoders=BASE).model_dump_json().replace('"name":"made"', '"name":"other"'))
    renamed["spec"]["encoders"][0]["name"] = "elsewhere"
    for curriculum in renamed["spec"]["curricula"][1:]:
        curriculum["name"] += "-renamed"
    renamed["spec"]["data"] = {"root": "s3://bucket/data"}
    source = EncoderSource(location="/other/place", digest=SOURCE.digest, parameters=7)
    assert fingerprints(plan_of(Study.model_validate(renamed), source=source)) == fingerprints(before)


def test_where_a_file_lies_decides_nothing() -> None:
    """The same content under the path of another layout: XTREME's or the original one."""
    files = all_files()
    moved = Files([*files.without("udpos/*").paths, "udpos/xtreme/train-en.tsv", "udpos/xtreme/test-de.tsv"])
    moved.content = {"udpos/xtreme/train-en.tsv": "udpos/train-en.tsv", "udpos/xtreme/test-de.tsv": "udpos/test-de.tsv"}
    plain = files.without("udpos/dev-en.tsv")
    written = study(targets=[{"task": "udpos", "languages": ["de"]}])
    assert fingerprints(plan_of(written, moved)) == fingerprints(plan_of(written, plain))


def kinds_that_differ(before: Plan, after: Plan) -> set[str]:
    known = fingerprints(before)
    return {_what(stage) for stage in after.stages if stage.fingerprint not in known}


def _what(stage: Stage) -> str:
    if stage.kind is StageKind.PREPARE:
        return f"prepare {getattr(stage.params, 'purpose', stage.params.what)}"
    if stage.kind is StageKind.TRAIN:
        return "train target" if " > " in stage.label else "train step"  # every arm here has one step
    return stage.kind.value


TRAINING = {"train step", "train target", "evaluate"}
TARGET = {"train target", "evaluate"}
EVERYTHING = {"prepare train", "prepare evaluate", *TRAINING}


@pytest.mark.parametrize(
    ("name", "value", "spec", "differ"),
    [
        ("learning_rate", 1e-3, ONE_ARM, TRAINING),
        ("batch_size", 7, ONE_ARM, TRAINING),
        ("epochs", 9, ONE_ARM, TRAINING),
        ("max_steps", 11, ONE_ARM, TRAINING),
        ("embedding_rate", 0.5, ONE_ARM, TRAINING),
        ("warmup", 0.3, ONE_ARM, TRAINING),
        ("weight_decay", 0.3, ONE_ARM, TRAINING),
        ("clip", 3, ONE_ARM, TRAINING),
        ("adam_epsilon", 1e-3, ONE_ARM, TRAINING),
        ("adam_beta2", 0.9, ONE_ARM, TRAINING),
        ("patience", 2, ONE_ARM, TRAINING),
        ("evaluate_every", 17, ONE_ARM, TRAINING),
        ("dev_examples", 17, ONE_ARM, TRAINING),
        ("max_length", 99, ONE_ARM, EVERYTHING),
        ("mlm_probability", 0.2, ONE_ARM, set()),
        ("doc_stride", 20, ONE_ARM, set()),
        ("question_length", 20, ONE_ARM, set()),
        ("answer_length", 9, ONE_ARM, set()),
        ("doc_stride", 20, SPANS, EVERYTHING),
        ("question_length", 20, SPANS, EVERYTHING),
        # The step chooses its weights by a development score, the target's training does not.
        ("answer_length", 9, SPANS, TRAINING),
        ("pool", 5, ONE_ARM, set()),
        ("scale", 5, ONE_ARM, set()),
        ("pool", 5, SEARCH, {"train step", "evaluate"}),
        ("scale", 5, SEARCH, {"train step", "evaluate"}),
        ("question_length", 20, SEARCH, {"prepare train", "prepare evaluate", "train step", "evaluate"}),
        # A dual encoder keeps its last weights.
        ("patience", 2, SEARCH, set()),
        ("evaluate_every", 17, SEARCH, set()),
        ("dev_examples", 17, SEARCH, set()),
    ],
)
def test_each_setting_decides_what_it_decides(name: str, value: float, spec: dict[str, Any], differ: set[str]) -> None:
    changed = {**spec, "overrides": [{"set": {name: value}}]}
    assert kinds_that_differ(plan_of(study(**spec)), plan_of(study(**changed))) == differ


def test_every_setting_is_tried() -> None:
    (mark,) = test_each_setting_decides_what_it_decides.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == set(Hyper.model_fields)


def test_answer_length_leaves_a_training_alone_that_has_no_use_for_it() -> None:
    changed = {**SPANS, "overrides": [{"match": {"kind": "target"}, "set": {"answer_length": 9}}]}
    assert kinds_that_differ(plan_of(study(**SPANS)), plan_of(study(**changed))) == {"evaluate"}


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ({"seeds": [4]}, TRAINING),
        ({"targets": [{"task": "xnli", "languages": ["en"]}]}, {"prepare evaluate", "evaluate"}),
        ({"targets": [{"task": "xnli", "languages": ["de", "en"]}]}, {"prepare evaluate", "evaluate"}),
        ({"targets": [{"task": "xnli", "languages": ["en", "de"], "limit": 5}]}, {"prepare evaluate", "evaluate"}),
        ({"targets": [{"task": "xnli", "languages": ["en", "de"], "split": "dev"}]}, {"prepare evaluate", "evaluate"}),
        ({"targets": [{"task": "xnli", "languages": ["en", "de"], "train_limit": 5}]}, {"prepare train", *TARGET}),
        ({"curricula": [{"name": "mnli", "steps": [{"task": "mnli", "limit": 5}]}]}, {"prepare train", *TRAINING}),
        ({"curricula": ["hellaswag"]}, {"prepare train", *TRAINING}),
        ({"protocol": "jiant"}, {"prepare train", "prepare evaluate", *TARGET}),
        ({"questions": []}, set()),
    ],
)
def test_each_part_of_a_study_decides_what_it_decides(change: dict[str, Any], differ: set[str]) -> None:
    assert kinds_that_differ(plan_of(study(**ONE_ARM)), plan_of(study(**{**ONE_ARM, **change}))) == differ


@pytest.mark.parametrize(
    ("path", "differ"),
    [
        ("mnli/multinli_1.0_train.jsonl", {"prepare train", *TRAINING}),
        ("mnli/multinli_1.0_dev_matched.jsonl", {"prepare train", *TRAINING}),
        ("xnli/train-en.tsv", {"prepare train", *TARGET}),
        ("xnli/test-de.tsv", {"prepare evaluate", "evaluate"}),
        ("xnli/test-sw.tsv", set()),
    ],
)
def test_a_changed_file_changes_what_reads_it(path: str, differ: set[str]) -> None:
    files = all_files()
    changed = Files(files.paths, {path: "something else"})
    written = study(**ONE_ARM)
    assert kinds_that_differ(plan_of(written, files), plan_of(written, changed)) == differ


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ({"layers": 7}, {"pretrain", *TRAINING}),
        ({"seed": 1}, {"pretrain", *TRAINING}),
        ({"steps": 11}, {"pretrain", *TRAINING}),
        ({"objectives": {"mlm": 1}}, {"pretrain", *TRAINING}),
        ({"sequence_length": 64}, {"prepare text", "pretrain", *TRAINING}),
        ({"vocabulary": 999}, {"prepare tokenizer", "prepare text", "pretrain", *EVERYTHING}),
    ],
)
def test_each_setting_of_a_pretraining_decides_what_it_decides(change: dict[str, Any], differ: set[str]) -> None:
    def plan(**changes: Any) -> Plan:
        return plan_of(study(**{**ONE_ARM, "encoders": [pretraining(**changes)]}))

    assert kinds_that_differ(plan(), plan(**change)) == differ


def test_another_encoder_changes_everything() -> None:
    source = EncoderSource(location=SOURCE.location, digest="f" * 64, parameters=SOURCE.parameters)
    before, after = plan_of(), plan_of(source=source)
    assert not fingerprints(before) & fingerprints(after)


def test_a_version_of_a_kind_changes_what_stands_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from stilts_core.planning.plan import KIND_VERSIONS

    before = plan_of(study(**ONE_ARM))
    monkeypatch.setitem(KIND_VERSIONS, StageKind.TRAIN, 99)
    after = plan_of(study(**ONE_ARM))
    assert kinds_that_differ(before, after) == TRAINING
    assert {stage.version for stage in stages_of(after, StageKind.TRAIN)} == {99}


def test_the_digest_of_a_plan_is_of_its_name_and_results() -> None:
    from stilts_core.catalog.load import load_catalogue

    plan = plan_of()
    again = make_plan(study(), load_catalogue(), all_files(), {"base": SOURCE})
    assert again.digest() == plan.digest()
    assert plan_of(study(seeds=3)).digest() != plan.digest()
