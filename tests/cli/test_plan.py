"""`stilts plan`: what a person reads, and what a program reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.storage.commit import commit_stage, new_attempt
from stilts_core.storage.open import open_store

STUDY = """\
kind: Study
metadata: {name: small, question: "Does [English] help?"}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline, nli, {name: nli-nli, steps: [nli, nli]}]
  targets: [nli]
  seeds: 2
  overrides:
    - match: {kind: target}
      set: {epochs: 1.5}
  tasks:
    - name: nli
      title: NLI
      head: classification
      metric: accuracy
      labels: [a, b]
      train: [{path: "nli/train-{lang}.tsv", format: pairs-tsv}]
      dev: [{path: "nli/dev-{lang}.tsv", format: pairs-tsv}]
      languages: [en, de]
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in a folder that holds a study and its data: exit status, output, errors."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "data" / "nli").mkdir(parents=True)
    for name in ("train-en", "dev-en", "dev-de"):
        (tmp_path / "data" / "nli" / f"{name}.tsv").write_text(f"one {name}\ttwo\ta\n" * 50)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["plan", "study.yaml", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def table_row(out: str, first: str) -> list[str]:
    """The cells of the one table row that begins so; a percentage is one cell."""
    (line,) = [line for line in out.split("\nNotes")[0].splitlines() if line.startswith(f"  {first} ")]
    return line.replace(" %", "%").split()


def commit(kinds: set[StageKind], planned: Plan, folder: Path, seconds: float) -> None:
    store = open_store(str(folder))
    (folder / "made").mkdir(parents=True)
    (folder / "made" / "file").write_text("x")
    for stage in planned.stages:
        if stage.kind in kinds:
            commit_stage(
                store,
                stage=stage.model_dump(mode="json"),
                fingerprint=stage.fingerprint,
                attempt=new_attempt(1),
                folder=folder / "made",
                metrics={},
                run={"seconds": seconds},
            )


def test_a_plan_is_shown_with_what_it_shares(plan: Run) -> None:
    status, out, err = plan()
    assert (status, err) == (0, "")
    assert "Does [English] help?" in out
    assert "1 encoder × 3 curricula × 2 seeds; 6 results on 1 target" in out
    # Trainings of a seed: nli as a step, again after it, and nli as a target after none, one and both of them.
    assert table_row(out, "train")[1:3] == ["10", "12"]
    assert table_row(out, "prepare")[1:3] == ["2", "12"]
    assert table_row(out, "nli")[1:] == ["2", "dev", "en", "de"]
    assert "has been measured in this store" in " ".join(out.split())
    assert "nli: scored on dev data, for want of test data" in " ".join(out.split())
    assert "no `revision` is given" in " ".join(out.split())


def test_what_is_done_is_counted_and_sets_the_rate(plan: Run, tmp_path: Path) -> None:
    _, document, _ = plan("--json")
    planned = Plan.model_validate_json(document)
    commit({StageKind.PREPARE, StageKind.TRAIN}, planned, tmp_path / "store", seconds=30)
    _, out, _ = plan()
    assert table_row(out, "prepare")[4:6] == ["2", "0"]
    assert table_row(out, "evaluate")[4:6] == ["0", "6"]
    assert "nothing of the kind evaluate has been measured" in " ".join(out.split())
    commit({StageKind.EVALUATE}, planned, tmp_path / "other", seconds=30)
    _, out, _ = plan("--store", "other", "--slots", "1")
    assert "on 1 core" in " ".join(out.split())


def test_everything_done(plan: Run, tmp_path: Path) -> None:
    _, document, _ = plan("--json")
    commit(set(StageKind), Plan.model_validate_json(document), tmp_path / "store", seconds=3)
    assert "Everything is done." in plan()[1]


@pytest.mark.parametrize("columns", ["80", "160"])
def test_lines_keep_to_the_width(plan: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in ((), ("--explain",)):
        _, out, _ = plan(*arguments)
        assert max(map(len, out.splitlines())) <= int(columns)


def test_colour_only_where_it_is_wanted(plan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in plan()[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[36m" in plan("--explain")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in plan("--explain")[1]


def test_json_is_the_plan(plan: Run) -> None:
    status, out, _ = plan("--json")
    assert status == 0
    planned = Plan.model_validate_json(out)
    assert (planned.name, len(planned.cells)) == ("small", 6)
    assert json.loads(out)["study"]["spec"]["seeds"] == 2


def test_explain_names_the_place_of_every_setting(plan: Run) -> None:
    status, out, _ = plan("--explain")
    assert status == 0
    step, target = out.split("\n\n")
    assert step.startswith("intermediate nli")
    assert table_row(step, "epochs") == ["epochs", "5", "xtreme-2020:", "default"]
    assert table_row(target, "epochs") == ["epochs", "1.5", "override", "1", "at", "study.yaml:10"]
    assert "xlm-roberta-base/baseline" in target


def test_two_ways_to_show_exclude_each_other(plan: Run) -> None:
    status, _, err = plan("--json", "--explain")
    assert status == 64
    assert "exclude" in err


def test_missing_data_are_a_sentence_and_an_exit_code(plan: Run) -> None:
    status, out, err = plan("--data", "elsewhere")
    assert (status, out) == (66, "")
    assert "elsewhere" in err
    Path("data/nli/dev-de.tsv").unlink()
    status, _, err = plan()
    assert status == 66
    assert "nli/dev-de.tsv" in err
    assert "languages: [en]" in err
    assert "Traceback" not in err
