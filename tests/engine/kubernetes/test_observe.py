"""What the driver hears of an attempt, for every state that the cluster's objects are seen in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cluster_objects import (
    BEGAN,
    FP,
    ended,
    failed,
    job,
    job_set,
    pod,
)
from hypothesis import given
from hypothesis import strategies as st
from observed_cases import DISRUPTED, ENDED, LIVE, NOTHING, STORED, Case, heartbeat, see

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import charge
from stilts_core.engine.kubernetes.kinds import JOB_SETS
from stilts_core.engine.kubernetes.observe import Objects, Record, observe
from stilts_core.errors import Budget
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.manifest import Attempt


@pytest.mark.parametrize("case", [*LIVE, *ENDED], ids=lambda case: case.name)
def test_an_attempt_is_seen_as_it_is(case: Case) -> None:
    (seen,) = see(case)
    found = seen.observation
    assert (found.phase, found.exit_code, found.budget) == (case.phase, case.code, case.budget), found
    assert case.why in found.reason
    assert bool(case.why) == bool(found.reason)
    assert (found.fingerprint, found.attempt) == (FP, 1)
    if case.since is not None:
        assert found.since == BEGAN + case.since


@pytest.mark.parametrize("case", NOTHING, ids=lambda case: case.name)
def test_what_is_not_there_is_not_seen(case: Case) -> None:
    assert see(case) == []


def test_an_end_is_told_with_its_name_in_the_store_and_its_last_step() -> None:
    (seen,) = see(Case("", None, jobs=[job(failed())], pods=[ended(70, told="A sentence.", stored="001-aar01")]))
    assert seen.observation.stored == Attempt(number=1, token="aar01")
    assert seen.observation.progress is not None
    assert (seen.observation.progress.step, seen.observation.progress.total) == (7, 9)


def test_the_name_in_the_store_comes_from_pod_then_store_then_job() -> None:
    later = Attempt(number=1, token="aar01")
    (seen,) = see(Case("", None, jobs=[job()], pods=[pod()]))
    assert seen.observation.stored == STORED
    (seen,) = see(Case("", None, jobs=[job()], pods=[pod()], record=Record(later, heartbeat(95, step=3, loss=0.5))))
    assert seen.observation.stored == later
    assert seen.observation.progress is not None
    assert seen.observation.progress.loss == 0.5


def test_what_stands_for_an_attempt_is_its_job_or_jobset() -> None:
    (seen,) = see(Case("", None, jobs=[job()], pods=[pod()]))
    assert (seen.name, seen.uid, seen.anchor, seen.lost) == ("job-1", "uid-1", "anchor-uid", False)
    (seen,) = see(Case("", None, job_sets=[job_set()], jobs=[job()], pods=[pod()]))
    assert (seen.kind, seen.name, seen.uid) == (JOB_SETS, "set-1", "set-uid")
    (seen,) = see(Case("", None, jobs=[job()], pods=[pod(deleted=40)], now=500))
    assert seen.lost


def test_an_old_view_of_a_pod_is_no_reason_to_give_it_up() -> None:
    objects = Objects(jobs=[job()], pods=[pod(deleted=40)])
    (seen,) = observe(objects, [FP], {}, lost_after=float("inf"), now=BEGAN + 10_000)
    assert seen.observation.phase is not Phase.ENDED


def test_attempts_are_seen_each_for_itself() -> None:
    seen = see(
        Case(
            "", None, jobs=[job(failed()), job(attempt=2)], pods=[ended(73), pod(attempt=2)], gone=[ended(1, attempt=3)]
        )
    )
    assert {each.key[1]: each.observation.phase for each in seen} == {1: Phase.ENDED, 2: Phase.STARTING}


@given(
    st.lists(st.sampled_from([0, 1, 64, 65, 70, 71, 73, 74, 75, 76, 137, 143]), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.permutations([0, 1, 2, 3]),
)
def test_an_end_does_not_depend_on_the_order_of_its_pods(
    codes: list[int], disrupted: list[bool], order: list[int]
) -> None:
    pods = [
        ended(code, index, *([DISRUPTED] if disrupted[index] else []), finished=40 + index)
        for index, code in enumerate(codes)
    ]
    case = Case("", None, jobs=[job(failed(), nodes=len(codes))], pods=pods)
    shuffled = [pods[index] for index in order if index < len(pods)]
    (one,), (other,) = see(case), see(replace(case, pods=shuffled))
    assert one.observation == other.observation
    blame(one.observation, codes, disrupted)


def blame(found: Observation, codes: list[int], disrupted: list[bool]) -> None:
    """No pod that only followed is blamed while another explains the end; no success is claimed."""
    causes = [code for code in codes if code not in (0, 74, 75, 143)]
    if any(disrupted[: len(codes)]) and not causes:
        assert charge(found) is Budget.INFRASTRUCTURE
    if causes and not any(disrupted[: len(codes)]):
        assert found.exit_code not in (0, 74, 75, -15)


def test_heartbeats_that_stop_are_told_with_the_time() -> None:
    record = Record(STORED, heartbeat(20))
    (seen,) = see(Case("", None, jobs=[job()], pods=[pod()], record=record))
    last = datetime.fromtimestamp(BEGAN, UTC) + timedelta(seconds=20)
    assert seen.observation.reason.endswith(last.astimezone().strftime("%H:%M:%S"))
