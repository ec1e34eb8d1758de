"""stilts data and stilts schema, as a person runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stilts_core.cli.main import main

REAL = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).parents[2].parent / "shared/data"))
STUDY = """\
kind: Study
metadata: {name: a}
spec: {encoders: [xlm-roberta-base], curricula: [baseline], targets: [xnli]}
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "xnli").mkdir(parents=True)
    for name in ("train-en", "dev-en", "dev-de", "test-de"):
        (folder / f"xnli/{name}.tsv").write_text("a\tb\tneutral\n")
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def test_index_writes_the_index(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "index", str(root)]) == 0
    assert "4 files" in capsys.readouterr().out
    assert set(json.loads((root / "stilts-index.json").read_text())["files"]) == {
        "xnli/dev-de.tsv",
        "xnli/dev-en.tsv",
        "xnli/test-de.tsv",
        "xnli/train-en.tsv",
    }


def test_check_shows_what_is_there_and_where_the_rest_is_looked_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(root)]) == 0
    out = capsys.readouterr().out
    rows = {tuple(line.split()[:3]) for line in out.splitlines()}
    assert ("xnli", "train", "present") in rows
    assert ("hellaswag", "train", "missing") in rows
    assert "looked for hellaswag/hellaswag_train.jsonl" in " ".join(out.split())
    assert "scored on dev: en" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_check_of_a_study_says_whether_it_can_run(root: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(root), "--study", str(study)]) == 0
    out = capsys.readouterr().out
    assert "hellaswag" not in out
    (root / "xnli/train-en.tsv").unlink()
    assert main(["data", "check", str(root), "--study", str(study)]) == 66


@pytest.mark.parametrize("text", ["a\tb\n", "a\tb\tmaybe\n", ""], ids=["no labels", "a strange label", "nothing"])
def test_check_names_a_file_that_cannot_be_used(
    text: str, root: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "xnli/dev-de.tsv").write_text(text)
    assert main(["data", "check", str(root), "--study", str(study)]) == 65
    out = capsys.readouterr().out
    assert ["dev", "unusable"] in [line.split()[:2] for line in out.splitlines()]
    assert "dev-de.tsv" in out


def test_check_of_a_root_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path / "none")]) == 66
    assert "is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("document", "kind"), [("study", "Study"), ("profile", "Profile")])
def test_schema_prints_the_schema(document: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", document]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["kind"]["const"] == kind


def test_check_finds_all_that_the_slices_of_real_data_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(REAL)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    states = {(row[0], row[1]): row[2:] for row in rows if len(row) > 3}
    assert states[("mnli", "train")][:2] == ["present", "1,200"]
    assert states[("xquad", "test")][:2] == ["present", "3,576"]
    assert states[("tatoeba", "test")][:2] == ["present", "31,692"]
