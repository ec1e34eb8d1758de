"""`stilts run`, `status` and `logs` on a study of fake stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cli_fakes import ENGINE_TESTS, fake_plan, install  # noqa: E402
from engine_support import until  # noqa: E402

from stilts_core.cli.collecting import gap_reasons  # noqa: E402
from stilts_core.cli.main import main  # noqa: E402
from stilts_core.engine.look import look  # noqa: E402
from stilts_core.storage.commit import committed, list_attempts, read_outcomes  # noqa: E402
from stilts_core.storage.open import open_store  # noqa: E402

Stilts = Callable[..., int]


@pytest.fixture
def stilts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stilts:
    """Runs the command in an empty folder, with a study whose first stage does the deed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", ENGINE_TESTS)

    def run(*arguments: str, deed: str = "") -> int:
        install(deed, monkeypatch.setattr)
        return main(arguments)

    return run


def test_a_run_ends_with_its_report_and_a_second_reuses_everything(
    stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("run", "study.yaml", "--slots", "2") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "Report: results/fake/report.html"
    assert sum(": done in " in line for line in out) == 5
    first = {path.name: path.read_bytes() for path in (tmp_path / "results" / "fake").glob("*.csv")}
    assert first
    kept = {info.key.split("/", 3)[3] for info in open_store("store").list("studies/fake/")}
    assert {"plan.json", "results/report.html", "results/results.csv"} <= kept
    assert stilts("run", "study.yaml", "--slots", "2") == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["fake: 5 of 5 stages done (5 reused)", "Report: results/fake/report.html"]
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "results" / "fake").glob("*.csv")}


def test_a_failure_says_which_stage_and_why_and_how_to_see_its_log(
    stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deed = "raise=DataError"
    assert stilts("run", "study.yaml", "--out", "there", "--store", "elsewhere", deed=deed) == 1
    said = capsys.readouterr()
    top = fake_plan(deed).stages[0]
    assert f"prepare {top.label} failed (exit 65, bad-data): This fake stage fails." in said.err
    assert f"Its log: stilts logs study.yaml {top.fingerprint[:12]} --store elsewhere" in said.err
    assert "4 stages could not run because of that." in said.err
    assert (tmp_path / "there" / "report.html").is_file()
    assert stilts("logs", "study.yaml", top.fingerprint[:12], "--store", "elsewhere", deed=deed) == 0
    assert "This fake stage fails." in capsys.readouterr().out
    assert stilts("status", "study.yaml", "--store", "elsewhere", deed=deed) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fake: 0 of 5 stages done, 1 failed, 4 blocked"
    assert "failed" in lines[2]
    assert "This fake stage fails." in lines[2]


def test_a_stage_is_found_by_its_name_and_doubt_is_said(stilts: Stilts, capsys: pytest.CaptureFixture[str]) -> None:
    assert stilts("run", "study.yaml") == 0
    capsys.readouterr()
    assert stilts("logs", "study.yaml", "last") == 0
    assert "fake stage did its work" in capsys.readouterr().out
    assert stilts("logs", "study.yaml", "last", "--follow") == 0
    assert "fake stage did its work" in capsys.readouterr().out
    assert stilts("logs", "study.yaml", "middle") == 64
    assert '"middle" is 3 stages' in capsys.readouterr().err
    assert stilts("logs", "study.yaml", "nowhere") == 64
    assert stilts("logs", "study.yaml", "last", "--attempt", "7") == 66
    assert stilts("status", "study.yaml", "--all") == 0
    assert capsys.readouterr().out.count(" done ") == 5


def test_status_before_anything_ran(stilts: Stilts, capsys: pytest.CaptureFixture[str]) -> None:
    assert stilts("status", "study.yaml") == 0
    out = capsys.readouterr().out
    assert "fake: 0 of 5 stages done, 1 queued, 4 waiting" in out
    assert "everything that it needs is there" in out
    assert stilts("logs", "study.yaml", "top") == 66
    assert "has not been tried yet" in capsys.readouterr().err


def test_more_than_the_machine_has_is_refused(
    stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        "apiVersion: stilts/v1alpha1\nkind: Profile\nspec: {device: cpu, training: {ranks: 4}, local: {threads: 2}}\n"
    )
    assert stilts("run", "study.yaml", "--profile", str(profile), "--slots", "2") == 64
    assert "4 ranks with 2 threads needs 8 cores, and there are 2 slots" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, number: int) -> None:
    deed = f"once={tmp_path} wait=60"
    command = [sys.executable, str(HERE / "cli_fakes.py"), deed, "run", "study.yaml"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    store = open_store(str(tmp_path / "store"))
    top = fake_plan(deed).stages[0].fingerprint
    run = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: bool(list_attempts(store, top)) and (tmp_path / top).exists())
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert b"stopping the stages" in out
    assert b"Run the same command again to go on" in err
    assert (tmp_path / "results" / "fake" / "report.html").is_file()
    assert not committed(store, [top])
    assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60).returncode == 0
    assert committed(store, [top])


def test_a_divergence_is_kept_and_told_as_what_it_is(stilts: Stilts, capsys: pytest.CaptureFixture[str]) -> None:
    deed = "nan"
    assert stilts("run", "study.yaml", deed=deed) == 1
    assert "failed (exit 70, diverged): The loss became NaN." in capsys.readouterr().err
    top, child, *_ = fake_plan(deed).stages
    ends = [outcome.exit_code for _, outcome in read_outcomes(open_store("store"), top.fingerprint)]
    assert ends == [70]
    reasons = gap_reasons(look(open_store("store"), fake_plan(deed), time.time()))
    assert reasons[top.fingerprint] == "diverged: The loss became NaN."
    assert reasons[child.fingerprint].endswith("failed. It diverged: The loss became NaN.")
