"""`stilts doctor` on places that work and places that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.engine.local import checks
from stilts_core.storage.commit import commit_stage, committed, new_attempt
from stilts_core.storage.folder import FolderStore


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


def test_a_deep_look_names_what_is_damaged_and_what_makes_it_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FolderStore(tmp_path / "store")
    for name in ("aa" * 32, "bb" * 32, "cc" * 32):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result").write_text(f"of {name}")
        commit_stage(store, stage={}, fingerprint=name, attempt=new_attempt(1), folder=folder, metrics={}, run={})
    assert main(["doctor", "--deep"]) == 0
    assert "3 files of 3 committed stages were read" in capsys.readouterr().out
    lost, flipped = ((tmp_path / "store").glob(f"stages/*/{name * 32}/attempts/*/result") for name in ("aa", "bb"))
    next(lost).unlink()
    path = next(flipped)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert main(["doctor", "--deep"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert "but no file is there" in failed[0]
    assert f"stages/aa/{'aa' * 32}" in failed[0]
    assert "result should be 67 bytes" in failed[1]
    assert main(["doctor", "--deep", "--repair"]) == 0
    assert capsys.readouterr().out.count("It counts as done no longer") == 2
    assert committed(store, [name * 32 for name in ("aa", "bb", "cc")]) == {"cc" * 32}
    assert main(["doctor", "--deep"]) == 0
    assert "1 files of 1 committed stages were read" in capsys.readouterr().out
