from __future__ import annotations

from stilts_core.training.cadence import LEAST_SECONDS, SHARE, Cadence


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_save_costs_a_hundredth_of_the_time_between_two() -> None:
    clock = Clock()
    cadence = Cadence(guess=2.0, clock=clock)
    clock.now = 199.9
    assert not cadence.due(10)
    clock.now = 200.0
    assert cadence.due(10)
    cadence.saved(10, 0.5)
    clock.now = 200.0 + 0.5 / SHARE
    assert cadence.due(20)
    cadence.saved(20, 1e-3)
    clock.now += LEAST_SECONDS - 1
    assert not cadence.due(30)


def test_what_the_profile_says_goes_before_what_was_measured() -> None:
    clock = Clock()
    by_steps = Cadence(steps=50, guess=2.0, clock=clock)
    clock.now = 1e6
    assert not by_steps.due(49)
    assert by_steps.due(50)
    by_time = Cadence(seconds=60.0, guess=2.0, clock=clock)
    clock.now += 59
    assert not by_time.due(1)
    clock.now += 1
    assert by_time.due(1)
    either = Cadence(steps=50, seconds=60.0, clock=clock)
    assert either.due(50)
    clock.now += 60
    assert either.due(1)


def test_a_training_that_goes_on_counts_from_there() -> None:
    cadence = Cadence(steps=10, clock=Clock())
    cadence.begin(25)
    assert not cadence.due(30)
    assert cadence.due(35)
