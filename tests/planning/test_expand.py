"""What a study becomes: which stages, what they share, what they stand on."""

from __future__ import annotations

from typing import Any

import pytest
from planning_support import SOURCE, all_files, fingerprints, plan_of, pretraining, stages_of, study

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head
from stilts_core.errors import DataError, MissingInputError, SpecError, StiltsError
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import UNCAPPED, EvaluateParams, TaskParams, TextParams, TokenizerParams, TrainParams
from stilts_core.planning.plan import Plan, StageKind, fingerprint
from stilts_core.spec.study import Study

BOTH = [{"name": "base", "source": "somewhere/base"}, pretraining()]
MIXED = {"name": "mixed", "steps": [{"mix": ["mnli", "squad_v1", {"mlm": "en, de"}]}]}


def cell(plan: Plan, curriculum: str, target: str, seed: int = 0, encoder: str = "base") -> str:
    (found,) = [
        c.fingerprint
        for c in plan.cells
        if (c.encoder, c.curriculum, c.target, c.seed) == (encoder, curriculum, target, seed)
    ]
    return found


def chain(plan: Plan, evaluation: str) -> list[str]:
    """The trainings behind an evaluation, last first."""
    stages = {stage.fingerprint: stage for stage in plan.stages}
    found = []
    parent = stages[evaluation].parents.get("model")
    while parent is not None:
        found.append(parent)
        parent = stages[parent].parents.get("encoder")
    return found


def test_fingerprints_are_those_of_the_contract() -> None:
    plan = plan_of(study(encoders=BOTH, curricula=["baseline", "mnli", MIXED]))
    for stage in plan.stages:
        assert stage.fingerprint == fingerprint(stage.kind, stage.params, stage.parents, stage.files)


def test_parents_come_first_and_nothing_is_twice_or_idle() -> None:
    plan = plan_of(study(encoders=BOTH, curricula=["baseline", "mnli", MIXED]))
    seen: set[str] = set()
    for stage in plan.stages:
        assert set(stage.parents.values()) <= seen
        assert stage.fingerprint not in seen
        seen.add(stage.fingerprint)
    wanted = {c.fingerprint for c in plan.cells}
    for stage in reversed(plan.stages):
        # Made by the study itself, an encoder may go unused; everything else leads to a result.
        assert stage.fingerprint in wanted
        wanted.update(stage.parents.values())


def test_cells_follow_the_study() -> None:
    written = study(encoders=BOTH, seeds=[7, 3])
    plan = plan_of(written)
    assert [(c.encoder, c.curriculum, c.target, c.seed) for c in plan.cells] == [
        (encoder.name, curriculum.name, target.task, seed)
        for encoder in written.spec.encoders
        for curriculum in written.spec.curricula
        for target in written.spec.targets
        for seed in (7, 3)
    ]


def test_a_sequence_shares_its_prefix() -> None:
    plan = plan_of()
    one, two = (chain(plan, cell(plan, name, "xnli", 1)) for name in ("mnli", "mnli-squad"))
    assert (len(one), len(two)) == (2, 3)
    assert two[-1] == one[-1]


def test_equal_trainings_of_two_targets_are_one() -> None:
    mlqa = {
        **load_catalogue().tasks["xquad"].model_dump(),
        "name": "other-qa",
        "test": [{"path": "xquad/xquad.{lang}.json", "format": "squad-json"}],
    }
    plan = plan_of(
        study(targets=["xquad", "other-qa"], tasks=[mlqa]), all_files(load_catalogue().tasks["xquad"].languages)
    )
    assert chain(plan, cell(plan, "mnli", "xquad")) == chain(plan, cell(plan, "mnli", "other-qa"))
    assert cell(plan, "mnli", "xquad") != cell(plan, "mnli", "other-qa")


def test_a_target_does_not_train_as_an_intermediate_task_of_the_same_data_does() -> None:
    plan = plan_of(study(curricula=["baseline", "squad_v1"]))
    stages = {stage.fingerprint: stage for stage in plan.stages}
    target = stages[chain(plan, cell(plan, "baseline", "xquad"))[0]]
    step = stages[chain(plan, cell(plan, "squad_v1", "xquad"))[1]]
    assert (target.params.tasks[0].task, step.params.tasks[0].task) == ("squad_v1", "squad_v1")
    assert target.params.hyper.batch_size != step.params.hyper.batch_size
    assert target.parents["data/0"] == step.parents["data/0"]


def test_seeds_are_paired_across_arms() -> None:
    plan = plan_of(study(seeds=[11, 5]))
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for result in plan.cells:
        for training in chain(plan, result.fingerprint):
            assert stages[training].params.seed == result.seed


def test_what_no_seed_decides_is_done_once() -> None:
    plan = plan_of(study(seeds=3, encoders=BOTH))
    for encoder in ("base", "made"):
        assert len({cell(plan, "baseline", "tatoeba", seed, encoder) for seed in range(3)}) == 1
        assert len({cell(plan, "mnli", "tatoeba", seed, encoder) for seed in range(3)}) == 3


def test_an_encoder_that_is_there_is_a_parameter_until_something_was_trained() -> None:
    plan = plan_of()
    stages = {stage.fingerprint: stage for stage in plan.stages}
    untrained = stages[cell(plan, "baseline", "tatoeba")]
    assert isinstance(untrained.params, EvaluateParams)
    assert untrained.params.encoder == SOURCE
    assert set(untrained.parents) == {"data"}
    for stage in stages_of(plan, StageKind.TRAIN, TrainParams):
        assert (stage.params.encoder is None) == ("encoder" in stage.parents)
    for stage in stages_of(plan, StageKind.PREPARE, TaskParams):
        assert stage.params.encoder == SOURCE
        assert not stage.parents


def test_an_encoder_of_the_study_is_made_by_stages() -> None:
    plan = plan_of(study(encoders=[pretraining()]))
    (tokenizer,) = stages_of(plan, StageKind.PREPARE, TokenizerParams)
    (text,) = stages_of(plan, StageKind.PREPARE, TextParams)
    (made,) = stages_of(plan, StageKind.PRETRAIN)
    assert text.parents == {"tokenizer": tokenizer.fingerprint}
    assert made.parents == {"tokenizer": tokenizer.fingerprint, "text": text.fingerprint}
    assert [file.role for file in text.files] == ["text/0/en", "text/0/de", "text/1/sw", "text/1/sw/pair"]
    assert [(file.parallel, file.rows) for file in text.files] == 2 * [(False, (0, 1))] + 2 * [(True, (0, 0.5))]
    for stage in stages_of(plan, StageKind.PREPARE, TaskParams):
        assert stage.parents == {"tokenizer": tokenizer.fingerprint}  # it can run beside the pretraining
    for stage in stages_of(plan, StageKind.TRAIN):
        assert "encoder" in stage.parents


def test_a_mix_has_a_data_parent_for_each_task() -> None:
    plan = plan_of(study(curricula=[MIXED], targets=[{"task": "tatoeba", "languages": ["sw"]}], seeds=1))
    (stage,) = stages_of(plan, StageKind.TRAIN, TrainParams)
    by_fingerprint = {s.fingerprint: s for s in plan.stages}
    data = [by_fingerprint[stage.parents[f"data/{i}"]] for i in range(3)]
    assert [task.head for task in stage.params.tasks] == [Head.CLASSIFICATION, Head.SPAN, Head.MLM]
    assert isinstance(data[2].params, TextParams)
    assert [file.role for file in data[2].files] == ["text/0/en", "text/0/de"]
    # What the step decides is the same for all its tasks.
    assert {task.hyper.learning_rate for task in stage.params.tasks} == {stage.params.hyper.learning_rate}
    assert stage.params.tasks[0].hyper.batch_size != stage.params.tasks[1].hyper.batch_size


def test_the_cap_of_a_mix_does_not_shorten_a_training_alone() -> None:
    plan = plan_of(study(curricula=["mnli", MIXED], protocol="corrected"))
    cap = load_catalogue().protocols["corrected"].mix_cap
    for stage in stages_of(plan, StageKind.TRAIN, TrainParams):
        assert stage.params.mix_cap == (cap if len(stage.params.tasks) > 1 else UNCAPPED)


def test_a_mix_learns_slower_with_masked_text() -> None:
    without = {"name": "plain", "steps": [{"mix": ["mnli", "squad_v1"]}]}
    rates = []
    for curriculum in (without, MIXED):
        plan = plan_of(study(curricula=[curriculum], targets=[{"task": "tatoeba", "languages": ["sw"]}]))
        rates.append(stages_of(plan, StageKind.TRAIN, TrainParams)[0].params.hyper.learning_rate)
    assert rates[1] < rates[0]


def test_roles_of_what_is_trained_and_evaluated() -> None:
    plan = plan_of(study(curricula=[{"name": "translated", "steps": [{"task": "mnli", "languages": ["de", "sw"]}]}]))
    by_task = {(s.params.task, s.params.purpose): s for s in stages_of(plan, StageKind.PREPARE, TaskParams)}
    roles = {key: [(file.role, file.path) for file in stage.files] for key, stage in by_task.items()}
    assert roles["mnli", "train"] == [
        ("train/de", "mnli/train-de.tsv"),
        ("train/sw", "mnli/train-sw.tsv"),
        ("dev/en", "mnli/multinli_1.0_dev_matched.jsonl"),
    ]
    assert roles["xnli", "evaluate"] == [("test/en", "xnli/test-en.tsv"), ("test/de", "xnli/test-de.tsv")]
    assert roles["tatoeba", "evaluate"] == [
        ("test/de", "tatoeba/v1/tatoeba.deu-eng.deu"),
        ("test/de/pair", "tatoeba/v1/tatoeba.deu-eng.eng"),
        ("test/sw", "tatoeba/v1/tatoeba.swh-eng.swh"),
        ("test/sw/pair", "tatoeba/v1/tatoeba.swh-eng.eng"),
    ]


def test_rows_and_limits_reach_the_stages() -> None:
    targets = [
        {"task": "tatoeba", "languages": ["sw"], "rows": [0.5, 1]},
        {"task": "xnli", "languages": ["en"], "limit": 20, "train_limit": 300},
    ]
    plan = plan_of(study(targets=targets, curricula=[{"name": "few", "steps": [{"task": "mnli", "limit": 50}]}]))
    prepared = {(s.params.task, s.params.purpose): s for s in stages_of(plan, StageKind.PREPARE, TaskParams)}
    assert {file.rows for file in prepared["tatoeba", "evaluate"].files} == {(0.5, 1.0)}
    assert {key: stage.params.limit for key, stage in prepared.items()} == {
        ("tatoeba", "evaluate"): None,
        ("xnli", "evaluate"): 20,
        ("xnli", "train"): 300,
        ("mnli", "train"): 50,
    }


@pytest.mark.parametrize(
    ("asked", "gone", "splits", "noted"),
    [
        ("test", (), {"en": "test", "de": "test"}, False),
        ("dev", (), {"en": "dev", "de": "dev"}, False),
        ("test", ("xnli/test-de.tsv",), {"en": "test", "de": "dev"}, True),
        ("dev", ("xnli/dev-*.tsv",), {"en": "test", "de": "test"}, True),
    ],
)
def test_the_split_asked_for_else_the_other(
    asked: str, gone: tuple[str, ...], splits: dict[str, str], noted: bool
) -> None:
    target = {"task": "xnli", "languages": ["en", "de"], "split": asked}
    plan = plan_of(study(targets=[target]), all_files().without(*gone))
    assert plan.cells[0].languages == splits
    assert any(note.startswith("xnli: scored on") for note in plan.notes) is noted


def test_inputs_are_cut_to_what_the_encoder_takes_and_it_is_said() -> None:
    plan = plan_of(
        study(
            encoders=[pretraining(max_length=200)],
            targets=[{"task": "tatoeba", "languages": ["sw"]}, "xnli"],
            curricula=["baseline"],
        ),
        all_files(load_catalogue().tasks["xnli"].languages),
    )
    lengths = {s.params.task: s.params.max_length for s in stages_of(plan, StageKind.PREPARE, TaskParams)}
    assert lengths == {"tatoeba": 200, "xnli": 128}
    assert "made: takes 200 tokens at most, so longer inputs are cut: tatoeba (512)." in plan.notes


def test_files_that_are_scored_and_used_before_are_named() -> None:
    files = all_files()
    text = [{"path": "xnli/test-{lang}.tsv", "format": "pairs-tsv", "languages": ["de"], "parallel": True}]
    plan = plan_of(study(encoders=[pretraining(text=text)]), files)
    assert [note for note in plan.notes if "without labels" in note] == [
        "made: pretrained on the text, without labels, that is scored in xnli (1 of 2 files)."
    ]
    rows = [{**text[0], "path": "tatoeba/v1/tatoeba.deu-eng.deu", "rows": [0, 0.5]}]
    apart = {"task": "tatoeba", "languages": ["de"], "rows": [0.5, 1]}
    plan = plan_of(study(encoders=[pretraining(text=rows)], targets=[apart]), files)
    assert not [note for note in plan.notes if "without labels" in note]


@pytest.mark.parametrize(
    ("spec", "gone", "kind", "named"),
    [
        (
            {},
            ("xnli/*-de.tsv",),
            MissingInputError,
            ["xnli", "de", "xnli/test-de.tsv", "xnli/dev-de.tsv", "languages: [en]"],
        ),
        ({"targets": ["xnli"]}, (), MissingInputError, ["ar, bg", "languages: [de, en, sw, zh]"]),
        ({}, ("xnli/train-en.tsv", "mnli/*"), MissingInputError, ["training data", "xnli/train-en.tsv"]),
        ({}, ("tatoeba/v1/tatoeba.swh-eng.eng",), MissingInputError, ["tatoeba.swh-eng.eng", "sw"]),
        ({"encoders": [pretraining()]}, ("mlm/de.txt",), MissingInputError, ["made", "mlm/de.txt"]),
        ({"curricula": [MIXED]}, ("mlm/de.txt",), MissingInputError, ["mlm", "mlm/de.txt"]),
        ({"curricula": ["tatoeba"]}, (), SpecError, ["tatoeba has no training set"]),
        ({"targets": ["mlm"]}, (), SpecError, ["mlm", "no metric"]),
        ({"targets": [{"task": "xnli", "languages": ["fi"]}]}, (), SpecError, ["fi", "Its languages are"]),
        ({"targets": ["nli"]}, (), SpecError, ["nli"]),
        ({"protocol": "xtreem"}, (), SpecError, ["xtreem"]),
        ({"overrides": [{"set": {"max_length": 100}}]}, (), SpecError, ["windows", "overrides.0", "doc_stride"]),
        ({"overrides": [{"set": {"epoch": 1}}]}, (), SpecError, ["epoch", "epochs"]),
        ({"overrides": [{"set": {"batch_size": 0.5}}]}, (), SpecError, ["overrides.0", "batch_size", "0.5"]),
        ({"curricula": [{"name": "m", "steps": [{"mlm": "xtreme", "limit": 3}]}]}, (), SpecError, ["limit"]),
    ],
)
def test_what_cannot_be_is_said(
    spec: dict[str, Any], gone: tuple[str, ...], kind: type[StiltsError], named: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        plan_of(study(**spec), all_files().without(*gone))
    for word in named:
        assert word in str(caught.value)


def test_a_pattern_that_fits_two_files_is_refused() -> None:
    own = {
        "name": "own",
        "title": "Own",
        "head": "tagging",
        "metric": "tag-f1",
        "labels": ["A", "B"],
        "train": [{"path": "udpos/train-{lang}.tsv", "format": "tags-tsv"}],
        "test": [{"path": "own/*/test-{lang}.tsv", "format": "tags-tsv"}],
    }
    files = all_files()
    files.paths += ["own/a/test-en.tsv", "own/b/test-en.tsv"]
    with pytest.raises(DataError, match=r"fits 2 files .*own/a.*own/b"):
        plan_of(study(targets=["own"], tasks=[own]), files)


def test_a_missing_encoder_is_said() -> None:
    with pytest.raises(MissingInputError, match="base"):
        make_plan(study(), load_catalogue(), all_files(), {})


def test_planning_has_no_memory() -> None:
    assert plan_of() == plan_of()


def test_a_task_of_the_study_may_have_languages_that_the_catalogue_does_not_list() -> None:
    task = {
        "name": "ner",
        "title": "NER",
        "head": "tagging",
        "metric": "tag-f1",
        "labels": ["O", "B-PER", "I-PER"],
        "train": [{"path": "ner/pcm/train.txt", "format": "tags-tsv", "languages": ["pcm"]}],
        "test": [{"path": "ner/{lang}/test.txt", "format": "tags-tsv"}],
        "languages": ["pcm", "hau"],
    }
    files = all_files()
    files.paths += ["ner/pcm/train.txt", "ner/pcm/test.txt", "ner/hau/test.txt"]
    written: Study = study(targets=["ner"], tasks=[task], curricula=["baseline"])
    plan = plan_of(written, files)
    assert plan.cells[0].languages == {"pcm": "test", "hau": "test"}
    assert len(fingerprints(plan)) == 6
