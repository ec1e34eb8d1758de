"""Schedules follow from their seed; `make test-faults` runs any number of them, this one only the first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faults.schedule import Effect, Kind, schedule_of, training_schedule

EFFECTS = [
    *(Effect("driver", number, "read") for number in range(5)),
    *(Effect("attempt", number, "put") for number in range(5)),
    *(Effect("train-0/1", number, "step") for number in range(12)),
]


def test_a_seed_is_a_schedule() -> None:
    for seed in range(200):
        schedule = schedule_of(seed, EFFECTS)
        assert schedule == schedule_of(seed, EFFECTS)
        for fault in schedule.faults:
            (effect,) = (each for each in EFFECTS if (each.role, each.number) == (fault.role, fault.number))
            assert fault.kind not in (Kind.TORN, Kind.FULL) or effect.call == "put"
            assert fault.kind is not Kind.SLEEP or schedule.drivers == 2


def test_a_training_is_killed_up_to_three_times() -> None:
    schedules = [training_schedule(seed, EFFECTS) for seed in range(100)]
    assert {len(schedule.faults) for schedule in schedules} == {1, 2, 3}
    assert {fault.role for schedule in schedules for fault in schedule.faults} == {"train-0/1"}


def test_every_kind_of_fault_comes_up() -> None:
    kinds = {fault.kind for seed in range(200) for fault in schedule_of(seed, EFFECTS).faults}
    assert kinds == set(Kind)


@pytest.mark.train
@pytest.mark.timeout(600)
def test_the_first_schedules_hold() -> None:
    pytest.importorskip("deepspeed", reason="the training packages are an extra")
    command = [sys.executable, "-m", "faults", "--seeds", "2"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
