"""`stilts drive`: the driver's pod, against an API of which only HTTP is real."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine" / "kubernetes")]

from cli_fakes import fake_plan, install  # noqa: E402
from cluster_play import Play  # noqa: E402
from fake_api import FakeApi, Object, serving, status  # noqa: E402

from stilts_core.cli.main import main  # noqa: E402
from stilts_core.engine.kubernetes.client import Cluster  # noqa: E402
from stilts_core.storage.manifest import study_prefix  # noqa: E402
from stilts_core.storage.open import open_store  # noqa: E402

PLAN = fake_plan("")
TOP = PLAN.stages[0].fingerprint
PREFIX = study_prefix(PLAN.name, PLAN.digest())
Drive = Callable[..., int]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A namespace with the anchor, a Service of its name, and the driver's own Job and pod."""
    with serving() as api:
        monkeypatch.setattr(Cluster, "connect", lambda **_: api.cluster())
        api.put("configmaps", {"metadata": {"name": "anchor", "uid": "anchor-uid"}})
        api.put("services", {"metadata": {"name": "anchor"}})
        api.put("jobs", {"metadata": {"name": "driver"}, "spec": {"backoffLimit": 10}})
        owners = [{"kind": "Job", "name": "driver", "uid": "x"}]
        api.put("pods", {"metadata": {"name": socket.gethostname(), "ownerReferences": owners}})
        yield api


@pytest.fixture
def play(api: FakeApi, tmp_path: Path) -> Iterator[Play]:
    with Play(api, open_store(str(tmp_path / "store")), tmp_path / "work") as play:
        yield play


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("stilts_core.cli.drive._TERMINATION_LOG", tmp_path / "termination-log")
    (tmp_path / "termination-log").touch()
    install("", monkeypatch.setattr)
    return lambda *more: main(["drive", "study.yaml", "--anchor", "anchor", "--metrics-port", "0", *more])


def word(tmp_path: Path) -> str:
    return (tmp_path / "termination-log").read_text()


def driver_job(api: FakeApi) -> Object:
    return api.objects["jobs"]["driver"]


def test_a_study_ends_with_its_results_in_the_store(
    api: FakeApi, play: Play, drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drive("--plan-digest", PLAN.digest()) == 0
    out = capsys.readouterr().out
    assert "5 of 5 stages done" in out
    assert f"Report: {tmp_path}/store/{PREFIX}results/report.html" in out
    kept = {info.key.removeprefix(PREFIX) for info in play.store.list(PREFIX)}
    assert {"plan.json", "results/report.html", "results/results.csv"} <= kept
    assert not (tmp_path / "results").exists()
    assert "done" in word(tmp_path)
    for found in (driver_job(api), api.objects["services"]["anchor"]):
        (owner,) = found["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("ConfigMap", "anchor-uid")
    assert driver_job(api)["spec"] == {"backoffLimit": 10}
    assert api.objects["leases"]["anchor"]["spec"]["holderIdentity"] == ""
    stage_job = next(job for name, job in api.objects["jobs"].items() if name != "driver")
    command = stage_job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--plan") + 1] == f"{tmp_path}/store/{PREFIX}plan.json"
    assert command[command.index("--submission") + 1] == "anchor-uid"


@pytest.mark.parametrize(("strict", "ended", "others"), [([], 0, 10), (["--strict"], 1, 0)])
def test_a_failed_study_is_collected_and_its_driver_not_begun_again(
    strict: list[str],
    ended: int,
    others: int,
    api: FakeApi,
    play: Play,
    drive: Drive,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    play.deed = lambda fingerprint, number: 65 if fingerprint == TOP else 0
    assert drive(*strict) == ended
    assert "It ended with 65." in capsys.readouterr().err
    assert play.store.info(f"{PREFIX}results/report.html")
    assert driver_job(api)["spec"] == {"backoffLimit": others}
    assert "is not whole: 0 of 5 stages done, 1 failed, 4 blocked" in word(tmp_path)
    notes = api.objects["configmaps"]["anchor"]["metadata"]["annotations"]
    assert notes == {"stilts/outcome": "failed", "stilts/counts": "0 of 5 stages done, 1 failed, 4 blocked"}


def test_a_right_that_is_missing_for_the_outcome_ends_nothing(
    api: FakeApi, play: Play, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = (403, status(403, "Forbidden", "no right"))
    api.refuse = lambda method, path: refused if method == "PATCH" and "configmaps" in path else None
    assert drive() == 0
    assert "does not say how the study ended" in capsys.readouterr().err


def test_another_plan_than_the_submitted_one_is_refused(
    api: FakeApi, drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drive("--plan-digest", "0" * 64) == 64
    assert "Submit the study again" in capsys.readouterr().err
    assert "when it was submitted" in word(tmp_path)
    assert driver_job(api)["spec"] == {"backoffLimit": 0}


def test_a_cancelled_study_is_not_driven(api: FakeApi, drive: Drive, capsys: pytest.CaptureFixture[str]) -> None:
    api.remove("configmaps", "anchor")
    assert drive() == 66
    assert "it was cancelled" in capsys.readouterr().err


def test_a_driver_that_is_asked_to_end_leaves_the_stages_to_the_next(
    api: FakeApi, play: Play, drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def evict(fingerprint: str, number: int) -> int | None:
        os.kill(os.getpid(), signal.SIGTERM)
        return None

    play.deed = evict
    assert drive() == 75
    assert "the next driver takes over" in word(tmp_path)
    assert len(api.objects["jobs"]) == 2
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    play.deed = lambda fingerprint, number: 0
    job = next(job for name, job in api.objects["jobs"].items() if name != "driver")
    play.work(job)
    assert drive() == 0
    assert play.made.count((TOP, 1)) == 1
    capsys.readouterr()


def test_a_second_driver_waits_for_the_first(
    api: FakeApi, play: Play, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    from stilts_core.engine.kubernetes.lease import Lease

    first = Lease(api.cluster(), "anchor", "first", {"kind": "ConfigMap", "name": "anchor", "uid": "anchor-uid"})
    notes: list[str] = []
    assert first.acquire(notes.append)
    seconds: list[float] = []

    def pause(length: float) -> None:
        seconds.append(length)
        first.release()

    second = Lease(api.cluster(), "anchor", "second", {}, pause=pause)
    assert second.acquire(notes.append)
    assert seconds
    assert notes == ["another driver (first) works on this study; waiting for it"]
    second.release()
    api.refuse = lambda method, path: (403, status(403, "Forbidden", "leases")) if "leases" in path else None
    assert not Lease(api.cluster(), "anchor", "third", {}).acquire(notes.append)
    assert drive() == 0  # without a right to Leases it works all the same
    capsys.readouterr()


def test_the_verb_is_hidden_from_people(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "drive" not in capsys.readouterr().out
