from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.sampling import dev_sample, mixture_probabilities, mixture_schedule


def test_the_cap_bounds_what_a_large_task_counts() -> None:
    shares = mixture_probabilities([400_000, 100_000, 50], cap=100_000)
    assert shares == pytest.approx([100_000 / 200_050, 100_000 / 200_050, 50 / 200_050])


def test_a_schedule_is_seeded_and_keeps_the_shares() -> None:
    sizes = [9000, 3000, 1000]
    schedule = mixture_schedule(sizes, 4000, 20_000, seed=7)
    assert (schedule == mixture_schedule(sizes, 4000, 20_000, seed=7)).all()
    assert (schedule != mixture_schedule(sizes, 4000, 20_000, seed=8)).any()
    shares = np.bincount(schedule, minlength=3) / len(schedule)
    assert shares == pytest.approx([4 / 8, 3 / 8, 1 / 8], abs=0.02)


@given(st.integers(0, 500), st.integers(1, 600), st.integers(0, 99))
def test_a_sample_is_sorted_without_repeats_and_seeded(count: int, size: int, seed: int) -> None:
    sample = dev_sample(count, size, seed)
    assert len(sample) == min(count, size)
    assert (np.diff(sample) > 0).all()
    assert ((sample >= 0) & (sample < count)).all()
    assert (sample == dev_sample(count, size, seed)).all()
