"""Rough costs, and the time of a plan on some slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_support import plan_of, stages_of, study

from stilts_core.catalog.models import Hyper
from stilts_core.planning.estimate import (
    DEFAULT_RATE,
    STAGE_SECONDS,
    Amount,
    estimate,
    measured_rates,
    train_work,
    transformer_parameters,
)
from stilts_core.planning.plan import StageKind
from stilts_core.planning.sharing import sharing

PLAN = plan_of()
SECONDS = {stage.fingerprint: stage.work / DEFAULT_RATE + STAGE_SECONDS for stage in PLAN.stages}


def test_parameters_of_xlm_r_without_embeddings() -> None:
    assert transformer_parameters(12, 768) == pytest.approx(85e6, rel=0.01)
    assert transformer_parameters(24, 1024) == pytest.approx(302e6, rel=0.01)


def test_one_slot_takes_the_sum_and_many_slots_the_longest_chain() -> None:
    one, many = estimate(PLAN, slots=1), estimate(PLAN, slots=1000)
    assert one.wall_seconds == pytest.approx(sum(SECONDS.values()))
    assert one.slot_seconds == pytest.approx(sum(one.by_kind.values()))
    assert many.wall_seconds == pytest.approx(many.critical_seconds)


@given(
    slots=st.integers(1, 9), done=st.sets(st.sampled_from([s.fingerprint for s in PLAN.stages])), wide=st.integers(1, 4)
)
def test_time_lies_between_its_bounds(slots: int, done: set[str], wide: int) -> None:
    found = estimate(PLAN, slots=slots, done=done, widths={StageKind.TRAIN: wide})
    least = max(found.critical_seconds, found.slot_seconds / slots)
    assert least * (1 - 1e-9) <= found.wall_seconds <= sum(found.by_kind.values()) * (1 + 1e-9)
    assert found.wall_seconds <= estimate(PLAN, slots=1).wall_seconds * (1 + 1e-9)


def test_what_is_done_takes_no_time() -> None:
    done = {stage.fingerprint for stage in PLAN.stages}
    assert estimate(PLAN, done=done).wall_seconds == 0


def test_measured_stages_set_the_rate_of_their_kind() -> None:
    trained = stages_of(PLAN, StageKind.TRAIN)[:3]
    rates = measured_rates((stage, stage.work / 1e9 + STAGE_SECONDS) for stage in trained)
    assert rates == {StageKind.TRAIN: pytest.approx(1e9)}
    found = estimate(PLAN, rates=rates)
    assert found.measured == {StageKind.TRAIN}
    assert found.by_kind[StageKind.TRAIN] > 10 * estimate(PLAN).by_kind[StageKind.TRAIN]
    assert found.by_kind[StageKind.EVALUATE] == estimate(PLAN).by_kind[StageKind.EVALUATE]


def test_steps_and_caps_bound_the_work_of_a_training() -> None:
    big = Amount(examples=1000, tokens=50_000)
    whole = train_work([big], Hyper(epochs=2), [10], 10**9, body=1.0)
    assert whole == 6 * 50_000 * 2
    assert train_work([big], Hyper(epochs=2, max_steps=20), [10], 10**9, body=1.0) == pytest.approx(whole / 10)
    assert train_work([big, big], Hyper(epochs=2), [10, 10], 100, body=1.0) == pytest.approx(2 * whole / 10)


def test_sharing_counts_what_each_result_stands_on() -> None:
    plan = plan_of(study(curricula=["baseline", "mnli"], targets=[{"task": "xnli", "languages": ["en"]}], seeds=1))
    shares = sharing(plan)
    # Two results; both need the data of xnli, one also those of mnli.
    assert {kind.value: (share.stages, share.alone) for kind, share in shares.items()} == {
        "prepare": (3, 5),
        "train": (3, 3),
        "evaluate": (2, 2),
    }
    assert shares[StageKind.TRAIN].work == shares[StageKind.TRAIN].work_alone
    assert shares[StageKind.PREPARE].work < shares[StageKind.PREPARE].work_alone
