"""stilts data and stilts schema, as a person runs them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from stilts_core.catalog.load import load_catalogue
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


def rows_of(out: str) -> list[list[str]]:
    """The words of each line, with the task repeated where the table leaves it out."""
    rows, task = [], ""
    for line in out.splitlines():
        words = line.split()
        if words and line.startswith("  ") and not line.startswith("   "):
            task = words[0]
            rows.append(words)
        elif words:
            rows.append([task, *words])
    return rows


def test_check_shows_what_is_there_and_where_the_rest_is_looked_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(root)]) == 0
    out = capsys.readouterr().out
    rows = rows_of(out)
    assert ["xnli", "train", "different", "1", "392,702", "en"] in rows
    assert ["hellaswag", "train", "missing", "39,905", "en"] in rows
    assert "looked for hellaswag/hellaswag_train.jsonl" in out
    assert "Fewer is a slice" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_check_of_tasks_shows_them_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(root), "xnli", "xquad"]) == 0
    out = capsys.readouterr().out
    assert {row[0] for row in rows_of(out) if len(row) > 2 and row[1] in ("train", "dev", "test")} >= {"xnli", "xquad"}
    assert "hellaswag" not in out
    assert main(["data", "check", str(root), "xnly"]) == 64
    assert "xnli" in capsys.readouterr().err


def test_check_says_what_a_missing_file_blocks(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(
        STUDY.replace("curricula: [baseline]", "curricula: [baseline, squad_v1]").replace("[xnli]", "[xnli, xquad]")
    )
    assert main(["data", "check", str(root), "--study", str(study), "--json"]) == 66
    found = json.loads(capsys.readouterr().out)["blocked"]
    training = next(entry for entry in found if entry["effect"] == "training")
    assert (training["task"], training["languages"]) == ("squad_v1", ["en"])
    assert training["what"] == ["curriculum squad_v1", "target xquad"]
    assert "squad/train-v1.1.json" in training["looked_for"]
    scoring = {entry["task"]: entry["languages"] for entry in found if entry["effect"] == "scoring"}
    assert len(scoring["xquad"]) == 11
    assert "de" not in scoring["xnli"]
    assert [entry["languages"] for entry in found if entry["effect"] == "moved"] == [["en"]]
    assert main(["data", "check", str(root), "--study", str(study)]) == 66
    out = capsys.readouterr().out
    assert "curriculum squad_v1, target xquad" in out
    assert "mnli" not in out


def test_check_names_a_known_faulty_copy(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "pawsx").mkdir()
    (root / "pawsx/dev-es.tsv").write_text("".join(f"a\tb\t{n % 2}\n" for n in range(1961)))
    (root / "pawsx/test-es.tsv").write_text("a\tb\n" * 2000)
    assert main(["data", "check", str(root), "pawsx"]) == 0
    out = capsys.readouterr().out
    assert "pawsx-lossy" in out
    assert ["pawsx", "dev", "different", "1,961", "2,000", "es"] in rows_of(out)
    assert ["pawsx", "test", "withheld", "2,000", "2,000", "es"] in rows_of(out)
    assert "labels-withheld" in out
    assert max(map(len, out.splitlines())) <= 80


def test_check_can_ask_for_the_official_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(root), "xnli", "--exact"]) == 65
    assert main(["data", "check", str(root), "hellaswag", "--exact"]) == 66
    assert main(["data", "check", str(REAL), "tatoeba", "--exact"]) == 0


def test_check_reads_large_files_whole_where_it_is_asked_to(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "a\tb\tneutral\na\tb\tentailment\n" * 160_000
    (root / "xnli/train-en.tsv").write_text(rows + "a\tb\tmaybe\n")
    assert (root / "xnli/train-en.tsv").stat().st_size > 4 << 20
    assert main(["data", "check", str(root), "xnli"]) == 0
    assert "320,001" in capsys.readouterr().out
    assert main(["data", "check", str(root), "xnli", "--strict"]) == 65
    assert "maybe" in capsys.readouterr().out


def test_check_in_colour_says_the_same(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["data", "check", str(root)])
    plain = capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["data", "check", str(root)])
    coloured = capsys.readouterr().out
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()


def test_layout_says_which_file_belongs_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layout", "xnli", "--language", "sw"]) == 0
    out = capsys.readouterr().out
    for path in ("xnli/dev-sw.tsv", "XNLI-1.0/xnli.dev.tsv", "xnli/test-sw.tsv"):
        assert path in out
    assert "{lang}" not in out
    assert "CC BY-NC 4.0" in out
    assert "https://github.com/facebookresearch/XNLI" in out
    assert "2,490 records" in out
    assert "without a header" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_layout_of_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    for task in load_catalogue().tasks:
        assert main(["data", "layout", task, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["tasks"][0]["name"] == task
        assert all(found["formats"].values())
        assert [split for each in found["tasks"] for split in each["splits"]]


def test_layout_shows_what_a_target_is_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layout", "xcopa", "--language", "th"]) == 0
    out = capsys.readouterr().out
    assert "xcopa/data/th/test.th.jsonl" in out
    assert "copa/train.jsonl" in out
    assert "siqa/socialiqa-train-dev/train-labels.lst" in out


def test_layout_of_a_language_that_a_task_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layout", "xquad", "--language", "fi"]) == 64
    assert "xquad has no files in fi" in capsys.readouterr().err


def test_check_of_a_study_says_whether_it_can_run(root: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(STUDY.replace("[xnli]", "[{task: xnli, languages: [en, de]}]"))
    assert main(["data", "check", str(root), "--study", str(study)]) == 0
    out = capsys.readouterr().out
    assert "hellaswag" not in out
    (root / "xnli/train-en.tsv").unlink()
    assert main(["data", "check", str(root), "--study", str(study)]) == 66


@pytest.mark.parametrize(
    ("text", "state"),
    [("a\tb\n", "withheld"), ("a\tb\tmaybe\n", "unusable"), ("", "unusable")],
    ids=["no labels", "a strange label", "nothing"],
)
def test_check_names_a_file_that_cannot_be_used(
    text: str, state: str, root: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "xnli/test-de.tsv").unlink()
    (root / "xnli/dev-de.tsv").write_text(text)
    study.write_text(STUDY.replace("[xnli]", "[{task: xnli, split: dev}]"))
    assert main(["data", "check", str(root), "--study", str(study)]) == 65
    out = capsys.readouterr().out
    assert ["xnli", "dev", state] in [row[:3] for row in rows_of(out)]
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
    rows = rows_of(capsys.readouterr().out)
    states = {(row[0], row[1]): row[2:] for row in rows if len(row) > 4}
    assert states[("mnli", "train")][:3] == ["different", "1,200", "392,702"]
    assert states[("xquad", "test")][:3] == ["different", "3,576", "14,280"]
    assert states[("xcopa", "test")][:3] == ["present", "5,500", "5,500"]
