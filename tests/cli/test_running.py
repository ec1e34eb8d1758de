"""A study whose collector finds a file damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stilts_core.cli import running
from stilts_core.engine.states import State, Status
from stilts_core.storage.commit import commit_stage, materialise, new_attempt, read_manifest
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.repair import DamagedStageError
from stilts_core.storage.withdraw import REPAIRS

NAME = "aa" * 32


class Study:
    """One stage, whose file is lost after so many of its commits, and read by the collector alone."""

    def __init__(self, folder: Path, losses: int) -> None:
        self.store, self.folder, self.losses, self.drives = FolderStore(folder / "store"), folder, losses, 0

    def drive(self) -> Mapping[str, Status]:
        self.drives += 1
        out = self.folder / f"out-{self.drives}"
        out.mkdir()
        (out / "result").write_text("what it always is")
        number = new_attempt(self.drives)
        manifest = commit_stage(self.store, stage={}, fingerprint=NAME, attempt=number, folder=out, metrics={}, run={})
        if self.drives <= self.losses:
            next((self.folder / "store").glob(f"stages/*/*/attempts/{manifest.attempt.folder}/result")).unlink()
        return {NAME: Status(State.DONE)}

    def collect(self, opened: Any, statuses: Mapping[str, Status]) -> Mapping[str, bytes]:
        manifest = read_manifest(self.store, NAME)
        if manifest is None:
            return {"missing": b""}
        return {"report": (materialise(self.store, manifest, self.folder / "cache") / "result").read_bytes()}

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, bytes]:
        monkeypatch.setattr(running, "collect_results", self.collect)
        return running.run_and_collect(SimpleNamespace(store=self.store), self.drive)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize("losses", range(REPAIRS + 1))
def test_its_stage_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: int) -> None:
    study = Study(tmp_path, losses)
    assert study.run(monkeypatch) == {"report": b"what it always is"}
    assert study.drives == losses + 1


def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(tmp_path, 99)
    with pytest.raises(DamagedStageError, match="no file is there"):
        study.run(monkeypatch)
    assert study.drives == REPAIRS + 1


def test_a_study_that_is_not_whole_has_a_report_with_the_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(tmp_path, 1)
    drive = study.drive
    monkeypatch.setattr(study, "drive", lambda: {**drive(), "bb" * 32: Status(State.FAILED)})
    assert study.run(monkeypatch) == {"missing": b""}
    assert study.drives == 1
