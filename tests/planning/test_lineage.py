"""What a model has seen: few examples, translations, text; and so which languages are zero-shot."""

from __future__ import annotations

from typing import Any

import pytest
from planning_support import Files, all_files, fingerprints, plan_of, stages_of, study

from stilts_core.catalog.load import load_catalogue
from stilts_core.errors import MissingInputError
from stilts_core.planning.params import TaskParams, TrainParams
from stilts_core.planning.plan import Plan, StageKind

XNLI = {"task": "xnli", "languages": ["en", "de", "sw"]}


def with_translations() -> Files:
    files = all_files()
    files.paths += ["xnli/train-de.tsv", "xnli/train-sw.tsv"]
    return files


def plan(*targets: Any, curricula: list[Any] | None = None, **spec: Any) -> Plan:
    written = study(targets=list(targets), curricula=curricula or ["baseline"], seeds=1, **spec)
    return plan_of(written, with_translations())


def seen(found: Plan) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(cell.curriculum, cell.target): cell.labelled for cell in found.cells}


def test_a_few_examples_are_learnt_after_the_english_training_with_its_head() -> None:
    few = {**XNLI, "name": "few", "few_shot": {"examples": 10, "languages": ["sw"]}}
    found = plan(XNLI, few)
    english, last = stages_of(found, StageKind.TRAIN, TrainParams)
    assert last.parents["encoder"] == english.fingerprint  # shared with the zero-shot target
    assert (english.params.keep_head, last.params.keep_head) == (False, True)
    by_fingerprint = {stage.fingerprint: stage for stage in found.stages}
    data = by_fingerprint[last.parents["data/0"]]
    assert isinstance(data.params, TaskParams)
    assert (data.params.shots, data.params.limit) == (10, None)
    assert [(file.role, file.path) for file in data.files] == [("train/sw", "xnli/dev-sw.tsv")]
    assert seen(found) == {("baseline", "xnli"): ("en",), ("baseline", "few"): ("en", "sw")}
    assert last.params.hyper.epochs == load_catalogue().protocols["xtreme-2020"].few_shot["epochs"]


def test_the_number_of_examples_and_their_languages_decide_the_result() -> None:
    def of(**few: Any) -> set[str]:
        return fingerprints(plan({**XNLI, "few_shot": few}))

    first = of(examples=10, languages=["sw"])
    assert first == of(examples=10, languages=["sw"])
    for other in (of(examples=11, languages=["sw"]), of(examples=10, languages=["de"])):
        assert len(first & other) == len(first) - 3  # examples, training, evaluation


def test_overrides_reach_the_few_examples_alone() -> None:
    few = {**XNLI, "few_shot": {"examples": 10, "languages": ["sw"]}}
    override = {"match": {"kind": "few-shot", "task": "xnli"}, "set": {"epochs": 42}}
    trainings = stages_of(plan(few, overrides=[override]), StageKind.TRAIN, TrainParams)
    assert [stage.params.hyper.epochs for stage in trainings] == [5, 42]


def test_translations_are_trained_on_beside_the_english_set() -> None:
    found = plan({**XNLI, "translate_train": {"languages": ["de"], "provenance": "machine-translation"}})
    data = next(s for s in stages_of(found, StageKind.PREPARE, TaskParams) if s.params.purpose == "train")
    assert [file.role for file in data.files] == ["train/en", "train/de", "dev/en"]
    assert [file.provenance and file.provenance.kind for file in data.files][1] == "machine-translation"
    assert seen(found) == {("baseline", "xnli"): ("en", "de")}


def test_where_a_translation_comes_from_decides_no_result() -> None:
    kinds = ({}, {"provenance": "native"}, {"provenance": {"kind": "machine-translation", "note": "by us"}})
    plans = [plan({**XNLI, "translate_train": {"languages": ["de"], **kind}}) for kind in kinds]
    assert len({frozenset(fingerprints(found)) for found in plans}) == 1
    assert any("by us" in note for note in plans[2].notes)


def test_every_step_of_a_curriculum_counts_and_masked_text_does_not() -> None:
    curricula = [
        "baseline",
        {"name": "german", "steps": [{"task": "mnli", "languages": ["de"]}, "squad_v1"]},
        {"name": "text", "steps": [{"mix": ["mnli", {"task": "mlm", "languages": ["sw", "de"]}]}]},
    ]
    found = plan(XNLI, {"task": "tatoeba", "languages": ["de", "sw"]}, curricula=curricula)
    assert seen(found) == {
        ("baseline", "xnli"): ("en",),
        ("german", "xnli"): ("de", "en"),
        ("text", "xnli"): ("en",),
        ("baseline", "tatoeba"): (),
        ("german", "tatoeba"): ("de", "en"),
        ("text", "tatoeba"): ("en",),
    }
    text = {cell.unlabelled for cell in found.cells if cell.curriculum == "text"}
    assert text == {("sw", "de")}


def test_examples_that_are_not_there_are_named() -> None:
    few = {**XNLI, "few_shot": {"examples": 5, "languages": ["sw"]}}
    written = study(targets=[few], curricula=["baseline"])
    with pytest.raises(MissingInputError, match="labelled examples in sw"):
        plan_of(written, all_files().without("xnli/dev-sw.tsv"))
