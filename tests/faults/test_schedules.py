"""Schedules follow from their seed; `make test-faults` runs any number of them, this one a single one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from faults.schedule import END, Damage, Effect, Kind, damage_schedule, schedule_of, training_schedule

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


def test_damage_is_done_beside_the_faults_of_its_number_and_after_a_commit() -> None:
    effects = [
        *EFFECTS[:-1],
        Effect("train-0", 0, "create", "stages/aa/aa/resume/000000003-001-t/manifest.json"),
        Effect("train-0", 1, "create", "stages/aa/aa/manifest.json"),
        *EFFECTS[:7],
        Effect("evaluate-0", 0, "create", "stages/bb/bb/manifest.json"),
    ]
    kinds = set()
    for seed in range(200):
        schedule, base = damage_schedule(seed, effects), schedule_of(seed, effects)
        faults = schedule.faults[len(base.faults) :]
        assert schedule == damage_schedule(seed, effects)
        assert schedule == replace(base, faults=(*base.faults, *faults))
        assert 1 <= len(faults) <= 3
        kinds |= {fault.kind for fault in faults}
        for fault in faults:
            later = EFFECTS[:7] if fault.stage == "train-0" else []
            allowed = {(END, 0), *((effect.role, effect.number) for effect in later)}
            assert (fault.role, fault.number) in allowed | ({("evaluate-0", 0)} if later else set())
    assert kinds == set(Damage)


@pytest.mark.train
@pytest.mark.timeout(600)
def test_a_schedule_of_faults_and_damage_holds() -> None:
    pytest.importorskip("deepspeed", reason="the training packages are an extra")
    command = [sys.executable, "-m", "faults", "--seeds", "1", "--from", "2", "--damage"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
