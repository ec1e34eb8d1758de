"""Commands that read committed files, where one of them is damaged: a sentence that helps, and no half of a result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_study import entry, make_plan

import stilts_core.planning.load as load
from stilts_core.cli.main import main
from stilts_core.evaluation.benchmarks import BENCHMARKS, Benchmark
from stilts_core.evaluation.evaluate import OUTCOMES_FILE
from stilts_core.evaluation.outcomes import OutcomeTable
from stilts_core.planning.plan import Plan
from stilts_core.storage.commit import commit_stage, new_attempt, read_manifest
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import attempt_prefix, manifest_key

LANGUAGES = BENCHMARKS["xtreme"].entries["xnli"].languages
PREDICTIONS = "predictions/xnli/test-sw.tsv"
EXPORT = ["export", "study.yaml", "--out", "given/submissions"]
RESULTS = ["results", "study.yaml", "--out", "given/results"]
REPORT = ["report", "study.yaml", "--out", "given/report.html"]


@pytest.fixture
def plan() -> Plan:
    return make_plan(targets={"xnli": LANGUAGES}, seeds=(0, 1))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan) -> FolderStore:
    """A working directory with a study of which everything has committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "plan_study", lambda *_, **__: plan)
    small = Benchmark("xtreme", {"xnli": BENCHMARKS["xtreme"].entries["xnli"]}, {"classification": ("xnli",)})
    monkeypatch.setattr("stilts_core.evaluation.benchmarks.BENCHMARKS", {"xtreme": small})
    outcomes = OutcomeTable()
    for code in LANGUAGES:
        outcomes.add(code, ["0", "1"], {"correct": np.array([1.0, 0.0])})
    store = FolderStore(tmp_path / "store")
    for stage in plan.stages:
        out = tmp_path / "made"
        (out / PREDICTIONS).parent.mkdir(parents=True)
        for code in LANGUAGES:
            (out / f"predictions/xnli/test-{code}.tsv").write_text("neutral\n" * 5010, encoding="utf-8")
        outcomes.write(out / OUTCOMES_FILE)
        commit_stage(
            store,
            stage=stage.model_dump(mode="json"),
            fingerprint=stage.fingerprint,
            attempt=new_attempt(1),
            folder=out,
            metrics={"metric": "accuracy", "steps": 2, "languages": {code: entry(50.0, n=2) for code in LANGUAGES}},
            run={},
        )
        shutil.rmtree(out)
    return store


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def lost(data: bytes) -> None:
    return None


Damage = Callable[[bytes], bytes | None]


def damage(store: FolderStore, key: str, how: Damage) -> None:
    path = store.root / key
    data = how(path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("how", [flipped, cut, lost])
@pytest.mark.parametrize(
    ("arguments", "name"), [(EXPORT, PREDICTIONS), (RESULTS, OUTCOMES_FILE), (REPORT, OUTCOMES_FILE)]
)
def test_a_damaged_file_is_named_with_its_stage_and_what_to_do(
    store: FolderStore,
    plan: Plan,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    name: str,
    how: Damage,
) -> None:
    # Of the last arm, so that the others would be there already if they were written one by one.
    fingerprint = plan.cells[-1].fingerprint
    manifest = read_manifest(store, fingerprint)
    assert manifest is not None
    key = attempt_prefix(fingerprint, manifest.attempt) + name
    damage(store, key, how)
    assert main(arguments) == 73
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert f"Stage {fingerprint[:12]} ({manifest.stage['label']}): {store.uri}/{key} should be " in said.err
    assert f"Run `stilts doctor --store {store.uri} --deep --repair`, then its study again" in said.err
    assert not Path("given").exists()
    main(["doctor", "--store", store.uri, "--deep", "--repair"])
    assert f"{store.uri}/{key}" in capsys.readouterr().out
    assert read_manifest(store, fingerprint) is None


@pytest.mark.parametrize("arguments", [EXPORT, RESULTS, REPORT])
def test_a_damaged_manifest_is_named_with_its_stage(
    store: FolderStore, plan: Plan, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    fingerprint = plan.cells[-1].fingerprint
    damage(store, manifest_key(fingerprint), flipped)
    assert main(arguments) == 73
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert f"Stage {fingerprint[:12]}: {store.uri}/{manifest_key(fingerprint)} is not " in said.err
    assert f"Run `stilts doctor --store {store.uri} --deep --repair`" in said.err
    assert not Path("given").exists()


def test_what_lay_there_from_an_earlier_export_stays(store: FolderStore, plan: Plan) -> None:
    assert main(EXPORT) == 0
    there = {path: path.read_bytes() for path in Path("given").rglob("*") if path.is_file()}
    assert len(there) == 4 * (len(LANGUAGES) + 1)
    manifest = read_manifest(store, plan.cells[-1].fingerprint)
    assert manifest is not None
    damage(store, attempt_prefix(manifest.fingerprint, manifest.attempt) + PREDICTIONS, lost)
    assert main(EXPORT) == 73
    assert {path: path.read_bytes() for path in Path("given").rglob("*") if path.is_file()} == there
    assert [path.name for path in Path("given").iterdir()] == ["submissions"]
