from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_study import make_plan, manifest

import stilts_core.planning.load as load
from stilts_core.cli.main import main
from stilts_core.evaluation.benchmarks import BENCHMARKS, Benchmark
from stilts_core.planning.plan import Plan
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.hashing import record_of
from stilts_core.storage.manifest import attempt_prefix, manifest_key

TARGETS = {"xnli": BENCHMARKS["xtreme"].entries["xnli"].languages}


@pytest.fixture
def plan() -> Plan:
    return make_plan(targets=TARGETS, seeds=(0, 1))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan) -> Path:
    """A working directory with the fake study; of the benchmark only XNLI is asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "plan_study", lambda *_, **__: plan)
    xnli = BENCHMARKS["xtreme"].entries["xnli"]
    small = Benchmark("xtreme", {"xnli": xnli}, {"classification": ("xnli",)})
    monkeypatch.setattr("stilts_core.evaluation.benchmarks.BENCHMARKS", {"xtreme": small})
    return tmp_path


def commit(
    place: Path, plan: Plan, *, curricula: tuple[str, ...], n: int = 5010, without: tuple[str, ...] = ()
) -> None:
    store = FolderStore(place / "store")
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for cell in plan.cells:
        if cell.curriculum not in curricula:
            continue
        made = manifest(stages[cell.fingerprint], {"metric": "accuracy", "languages": {}})
        files = {
            f"predictions/xnli/test-{code}.tsv": f"{cell.curriculum} {cell.seed} {code}\n".encode() * n
            for code in cell.languages
            if code not in without
        }
        made = made.model_copy(update={"files": {name: record_of(content) for name, content in files.items()}})
        for name, content in files.items():
            store.put(attempt_prefix(made.fingerprint, made.attempt) + name, content)
        store.put(manifest_key(made.fingerprint), made.model_dump_json().encode())


def test_each_arm_and_seed_is_a_folder(place: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    commit(place, plan, curricula=("baseline", "mnli"))
    assert main(["export", "study.yaml", "--format", "xtreme", "--out", "out"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"out/tiny/{arm}/seed{seed}: 15 files, whole" for arm in ("baseline", "mnli") for seed in (0, 1)
    ]
    folder = place / "out/tiny/mnli/seed1"
    assert sorted(path.name for path in folder.iterdir()) == ["about.json", "xnli"]
    assert len(list((folder / "xnli").iterdir())) == 15
    assert (folder / "xnli/test-sw.tsv").read_text(encoding="utf-8").startswith("mnli 1 sw\n")
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    assert (about["curriculum"], about["seed"], about["protocol"]) == ("mnli", 1, "xtreme-2020")
    assert about["stages"]["xnli"] in {cell.fingerprint for cell in plan.cells}


def test_an_arm_that_is_not_whole_is_refused(place: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    commit(place, plan, curricula=("baseline",))
    assert main(["export", "study.yaml", "--out", "out"]) == 66
    said = capsys.readouterr()
    assert "tiny/mnli/seed0: not written\n  xnli has not been evaluated yet" in said.out
    assert "2 of 4 arms are no whole submission to xtreme." in said.err
    assert [path.name for path in (place / "out/tiny").iterdir()] == ["baseline"]


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"n": 20}, "xnli/test-ar.tsv holds 20 predictions; the official test file has 5010 examples."),
        ({"without": ("sw",)}, "xnli lacks sw: stage"),
    ],
)
def test_counts_and_files_are_checked(place: Path, plan: Plan, capsys, how, problem: str) -> None:
    commit(place, plan, curricula=("baseline", "mnli"), **how)
    assert main(["export", "study.yaml", "--out", "out"]) == 66
    assert problem in capsys.readouterr().out
    assert not (place / "out").exists()
    assert main(["export", "study.yaml", "--out", "out", "--partial"]) == 0
    assert "files, not whole" in capsys.readouterr().out
    assert (place / "out/tiny/mnli/seed0/xnli/test-de.tsv").is_file()


def test_what_was_scored_on_a_development_set_is_no_test_file(
    place: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [cell.model_copy(update={"languages": {**cell.languages, "de": "dev"}}) for cell in plan.cells]
    monkeypatch.setattr(load, "plan_study", lambda *_, **__: plan.model_copy(update={"cells": tuple(cells)}))
    commit(place, plan, curricula=("baseline", "mnli"))
    assert main(["export", "study.yaml", "--out", "out"]) == 66
    assert "xnli lacks de: evaluated on the dev set, not on the test set." in capsys.readouterr().out


def test_a_file_that_changed_in_the_store_is_refused(place: Path, plan: Plan) -> None:
    commit(place, plan, curricula=("baseline", "mnli"))
    for path in (place / "store").rglob("test-ur.tsv"):
        path.write_text("x\n" * 5010, encoding="utf-8")
    assert main(["export", "study.yaml", "--out", "out"]) == 73
