"""What follows from a file that is missing, for tasks and for the targets and curricula of a study."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.data.blocked import Needs, needs_of, needs_of_study
from stilts_core.data.bucket_root import BucketRoot
from stilts_core.data.check import DataReport, check_data
from stilts_core.data.root import open_data_root
from stilts_core.spec.study import Study
from stilts_core.storage.folder import FolderStore

CATALOGUE = load_catalogue()
PAIRS = "a\tb\tneutral\nc\td\tentailment\n"


def checked(tmp_path: Path, files: Iterable[str], needs: Needs) -> DataReport:
    for name in files:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAIRS)
    (tmp_path / "data").mkdir(exist_ok=True)
    root = open_data_root(str(tmp_path / "data"), tmp_path / "cache")
    return check_data(root, CATALOGUE, needs, cache=tmp_path / "cache")


def study(targets: list[Any], curricula: list[Any] | None = None) -> Needs:
    spec = {"encoders": ["xlm-roberta-base"], "curricula": curricula or ["baseline"], "targets": targets}
    document = json.dumps({"kind": "Study", "metadata": {"name": "a"}, "spec": spec})
    return needs_of_study(CATALOGUE, Study.model_validate_json(document).spec)


def fates(report: DataReport) -> set[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]]:
    return {(entry.effect, entry.task, entry.split, entry.languages, entry.what) for entry in report.blocked}


def test_a_training_set_that_several_targets_use_blocks_them_all(tmp_path: Path) -> None:
    report = checked(tmp_path, (), needs_of(CATALOGUE, ["xquad", "mlqa"]))
    training = [entry for entry in report.blocked if entry.effect == "training"]
    assert [(entry.task, entry.what) for entry in training] == [("squad_v1", ("xquad", "mlqa"))]
    assert report.exit_code() == 0
    assert report.exit_code(exact=True) == 66


def test_the_parts_of_a_task_are_needed_one_by_one(tmp_path: Path) -> None:
    report = checked(tmp_path, ["mnli/train-en.tsv"], study(["xnli"], [{"name": "all", "steps": ["anli_plus"]}]))
    parts = {entry.task for entry in report.blocked if entry.effect == "training"}
    assert parts == {"snli", "anli_r1", "anli_r2", "anli_r3", "xnli"}
    assert all("curriculum all" in entry.what for entry in report.blocked if entry.task == "snli")


def test_a_language_is_scored_on_the_other_split_where_its_own_is_missing(tmp_path: Path) -> None:
    files = ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/dev-sw.tsv"]
    report = checked(tmp_path, files, study([{"task": "xnli", "languages": ["sw", "de"]}]))
    assert fates(report) == {
        ("moved", "xnli", "test", ("sw",), ("xnli",)),
        ("scoring", "xnli", "test", ("de",), ("xnli",)),
    }
    assert report.exit_code() == 66


def test_withheld_answers_are_not_replaced_by_the_other_split(tmp_path: Path) -> None:
    files = ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/dev-sw.tsv"]
    (tmp_path / "data/xnli").mkdir(parents=True)
    (tmp_path / "data/xnli/test-sw.tsv").write_text("a\tb\n")
    report = checked(tmp_path, files, study([{"task": "xnli", "languages": ["sw"]}]))
    assert fates(report) == {("scoring", "xnli", "test", ("sw",), ("xnli",))}
    assert report.exit_code() == 65
    asked = checked(tmp_path, files, study([{"task": "xnli", "languages": ["sw"], "split": "dev"}]))
    assert not [entry for entry in asked.blocked if entry.effect == "scoring"]


def test_translated_training_sets_and_few_examples_are_needed_too(tmp_path: Path) -> None:
    targets = [
        {"task": "xnli", "languages": ["de"], "translate_train": {"languages": ["sw"]}},
        {"task": "xnli", "name": "few", "languages": ["de"], "few_shot": {"languages": ["th", "tr"], "examples": 4}},
    ]
    files = ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/test-de.tsv", "xnli/dev-th.tsv"]
    found = fates(checked(tmp_path, files, study(targets)))
    assert found == {
        ("training", "xnli", "train", ("sw",), ("target xnli",)),
        ("training", "xnli", "train", ("tr",), ("target few",)),
    }


def test_a_whole_study_is_not_blocked(tmp_path: Path) -> None:
    files = ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/test-de.tsv"]
    report = checked(tmp_path, files, study([{"task": "xnli", "languages": ["de"]}], ["baseline", "mnli"]))
    assert not report.blocked
    assert report.exit_code() == 0


@pytest.mark.parametrize("several", [False, True])
def test_one_of_several_files_and_several_of_one(several: bool, tmp_path: Path) -> None:
    """A treebank may be one of several; of two files that fit one place neither is taken."""
    line = "1\tHaus\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
    names = ["udpos/UD_German-A/de_a-ud-test.conllu", "udpos/UD_German-B/de_b-ud-test.conllu"]
    for name in names[: 1 + several]:
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_text(line * 3)
    report = checked(tmp_path, (), needs_of(CATALOGUE, ["udpos"]))
    (state,) = (state for state in report.states if state.paths)
    assert state.records == 3 * (1 + several)
    assert list(state.paths) == names[: 1 + several]


def test_sentences_to_mine_are_counted_on_their_own_side_and_known_without_distractors(tmp_path: Path) -> None:
    folder = tmp_path / "data/bucc2018"
    folder.mkdir(parents=True)
    for split, count in (("dev", 257), ("test", 300)):
        for side in ("zh", "en"):
            rows = (f"{side}-{n}\tSentence {n}\n" for n in range(count))
            (folder / f"zh-en.{split}.{side}").write_text("".join(rows))
    (folder / "zh-en.dev.gold").write_text("".join(f"zh-{n}\ten-{n}\n" for n in range(257)))
    report = checked(tmp_path, (), needs_of(CATALOGUE, ["bucc"]))
    states = {state.split: state for state in report.states if state.paths}
    assert (states["dev"].records, states["test"].records) == (257, 300)
    assert [quirk.name for quirk in states["dev"].quirks] == ["bucc-without-distractors"]
    assert states["test"].state == "withheld"  # its right pairs are not there
    assert report.exit_code() == 0


def test_a_bucket_is_checked_like_a_folder(tmp_path: Path) -> None:
    files = ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/test-de.tsv"]
    needs = study([{"task": "xnli", "languages": ["de", "sw"]}])
    folder = checked(tmp_path, files, needs)
    bucket = BucketRoot(FolderStore(tmp_path / "data"), tmp_path / "other")
    assert check_data(bucket, CATALOGUE, needs, cache=tmp_path / "other").states == folder.states
