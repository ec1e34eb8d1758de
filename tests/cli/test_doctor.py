"""`stilts doctor` on places that work and places that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.engine.local import checks


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(checks, "find_spec", lambda name: object())
    monkeypatch.setattr(checks, "visible_gpus", list)


def test_a_good_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    assert main(["doctor", "--data", "data"]) == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    assert "create-only" in out
    assert "A study can run here." in out


def test_each_problem_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name in ("torch", "deepspeed") else object())
    profile = tmp_path / "profile.yaml"
    profile.write_text("apiVersion: stilts/v1alpha1\nkind: Profile\nspec: {device: cuda}\n")
    arguments = ["--store", "taken", "--data", "nowhere", "--profile", str(profile)]
    assert main(["doctor", *arguments]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1].rstrip(":,") for line in failed] == ["profile", "packages", "store", "data"]
    assert "without torch, deepspeed" in failed[1]
