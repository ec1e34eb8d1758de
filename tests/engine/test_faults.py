"""Kills at any moment: nothing is lost, nothing that has committed runs again, and no process is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_drive import ladder
from engine_support import gone, results, until

from stilts_core.planning.plan import Stage
from stilts_core.storage.commit import committed
from stilts_core.storage.manifest import manifest_key
from stilts_core.storage.open import open_store

HERE = Path(__file__).parent


def drive(folder: Path, *deeds: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "engine_drive.py"), str(folder), *deeds],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])},
    )


def starts(folder: Path) -> list[dict[str, object]]:
    marks = folder / "starts.jsonl"
    return [json.loads(line) for line in marks.read_text().splitlines()] if marks.exists() else []


def done(folder: Path, stages: list[Stage]) -> set[str]:
    return committed(open_store(str(folder / "store")), [stage.fingerprint for stage in stages])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert drive(folder).wait(60) == 0
    return named(folder)


def named(folder: Path) -> dict[str, bytes]:
    """What was committed, by the stage's name, so that folders of different tests compare."""
    stages = ladder(folder)
    found = results(open_store(str(folder / "store")), stages)
    return {stage.label.split()[0]: found[stage.fingerprint] for stage in stages if stage.fingerprint in found}


@pytest.mark.parametrize("seed", range(2))
def test_a_driver_killed_again_and_again(tmp_path: Path, undisturbed: dict[str, bytes], seed: int) -> None:
    dice = random.Random(seed)
    stages = ladder(tmp_path)
    for _ in range(3):
        before, started = done(tmp_path, stages), len(starts(tmp_path))
        driver = drive(tmp_path)
        target = started + dice.randrange(1, 4)
        until(lambda: len(starts(tmp_path)) >= target or driver.poll() is not None)  # noqa: B023
        time.sleep(dice.random() * 0.06)  # anywhere in the life of a stage
        driver.send_signal(signal.SIGKILL)
        driver.wait(10)
        assert all(gone(int(str(mark["pid"]))) for mark in starts(tmp_path))
        assert not {mark["stage"] for mark in starts(tmp_path)[started:]} & before
    before, started = done(tmp_path, stages), len(starts(tmp_path))
    assert drive(tmp_path).wait(60) == 0
    assert not {mark["stage"] for mark in starts(tmp_path)[started:]} & before
    assert named(tmp_path) == undisturbed
    assert not list((tmp_path / "cache" / "runs").iterdir())


def test_two_drivers_at_once_do_no_harm(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    drivers = [drive(tmp_path), drive(tmp_path)]
    assert [driver.wait(60) for driver in drivers] == [0, 0]
    assert named(tmp_path) == undisturbed


def test_a_stage_killed_from_outside_is_tried_again(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    driver = drive(tmp_path, "sleep=0.2")
    until(lambda: bool(starts(tmp_path)))
    os.kill(int(str(starts(tmp_path)[0]["pid"])), signal.SIGKILL)
    assert driver.wait(60) == 0
    assert named(tmp_path) == undisturbed


def test_driver_and_server_killed_together_leave_no_stage(tmp_path: Path) -> None:
    driver = drive(tmp_path, "deaf=60")
    until(lambda: len(starts(tmp_path)) == 2)
    pids = [int(str(mark["pid"])) for mark in starts(tmp_path)]
    server = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGSTOP)  # it cannot see that the driver has gone
    driver.send_signal(signal.SIGKILL)
    driver.wait(10)
    os.kill(server, signal.SIGKILL)
    assert all(gone(pid) for pid in [server, *pids])


def test_an_interrupted_driver_goes_on_where_it_was(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    stages = ladder(tmp_path)
    driver = drive(tmp_path)
    until(lambda: len(done(tmp_path, stages)) >= 2)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == 1
    before, started = done(tmp_path, stages), len(starts(tmp_path))
    assert drive(tmp_path).wait(60) == 0
    assert not {mark["stage"] for mark in starts(tmp_path)[started:]} & before
    assert named(tmp_path) == undisturbed


def test_a_manifest_that_comes_from_elsewhere_ends_the_wait(tmp_path: Path) -> None:
    stages = ladder(tmp_path)
    assert drive(tmp_path).wait(60) == 0
    store = open_store(str(tmp_path / "store"))
    key = manifest_key(stages[-1].fingerprint)
    manifest = store.read(key)
    store.delete(key)
    driver = drive(tmp_path, "wait=60")
    started = len(ladder(tmp_path))
    until(lambda: len(starts(tmp_path)) > started)
    assert store.create(key, manifest)
    assert driver.wait(30) == 0
