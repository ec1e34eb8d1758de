"""A study in a cluster as a person sees it: for each stage why it waits, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cluster_objects import BEGAN, Object, at, condition, pod
from engine_plans import diamond, plan_of
from fake_api import FakeApi, serving

from stilts_core.engine.kubernetes.anchor_notes import forgiving_patch
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS
from stilts_core.engine.kubernetes.labels import (
    ANCHOR,
    ATTEMPT,
    COMPONENT,
    DRIVER,
    FINGERPRINT,
    PLAN,
    STAGE,
    STORED_ATTEMPT,
)
from stilts_core.engine.kubernetes.look import Overview, look
from stilts_core.engine.kubernetes.names import fingerprint_label
from stilts_core.engine.states import State, Status
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import Placement
from stilts_core.storage.attempts import Heartbeat, Outcome, record_outcome, write_heartbeat
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.open import open_store

STUDY = plan_of(diamond())
TOP, *MIDDLE, LAST = STUDY.stages
NOW = BEGAN + 100.0


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A namespace with a submitted study whose driver is at work."""
    with serving() as api:
        api.put("configmaps", {"metadata": {"name": "anchor", "uid": "anchor-uid"}})
        labels = {COMPONENT: DRIVER, ANCHOR: "anchor"}
        api.put("jobs", {"metadata": {"name": "driver", "labels": labels}})
        running = pod()
        api.put("pods", {**running, "metadata": {"name": "driver-x", "labels": labels}})
        yield api


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def marks(of: Stage, number: int) -> dict[str, str]:
    return {
        COMPONENT: STAGE,
        PLAN: fingerprint_label(STUDY.digest()),
        FINGERPRINT: fingerprint_label(of.fingerprint),
        ATTEMPT: str(number),
    }


def put_job(api: FakeApi, of: Stage, *conditions: Object, number: int = 1, suspend: bool = False) -> Object:
    name = f"{of.label.split()[0]}-{number}"
    metadata = {
        "name": name,
        "labels": marks(of, number),
        "annotations": {STORED_ATTEMPT: f"{number:03d}-aa"},
        "ownerReferences": [{"kind": "ConfigMap", "name": "anchor", "uid": "anchor-uid"}],
        "creationTimestamp": at(0),
    }
    body = {"metadata": metadata, "spec": {"suspend": suspend}, "status": {"conditions": list(conditions)}}
    return api.put("jobs", body)


def put_pod(api: FakeApi, of: Stage, body: Object, number: int = 1) -> None:
    name = f"{of.label.split()[0]}-{number}-x"
    api.put("pods", {**body, "metadata": {**body["metadata"], "name": name, "labels": marks(of, number)}})


def commit(store: Store, of: Stage, folder: Path) -> None:
    (folder / of.fingerprint).mkdir()
    attempt, run = Attempt(number=1, token="aa"), {"finished": datetime.fromtimestamp(BEGAN, UTC).isoformat()}
    out = folder / of.fingerprint
    (out / "file").write_text("x")
    commit_stage(store, stage={}, fingerprint=of.fingerprint, attempt=attempt, folder=out, metrics={}, run=run)


def seen(api: FakeApi, store: Store) -> Overview:
    return look(api.cluster(), store, STUDY, "anchor", Placement(), NOW)


def test_each_stage_says_what_it_waits_for_and_since_when(api: FakeApi, store: Store, tmp_path: Path) -> None:
    commit(store, TOP, tmp_path)
    unschedulable = condition("PodScheduled", "Unschedulable", "0/3 nodes: Insufficient gpu", status="False", after=20)
    put_job(api, MIDDLE[0])
    put_pod(api, MIDDLE[0], pod(0, unschedulable, phase="Pending", node="", state={}))
    put_job(api, MIDDLE[1])
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    put_pod(api, MIDDLE[1], pod(phase="Pending", state=pulling))
    quota = put_job(api, MIDDLE[2])
    event = {"reason": "FailedCreate", "message": "Error creating: exceeded quota: small", "lastTimestamp": at(30)}
    api.put("events", {"metadata": {"name": "e"}, "involvedObject": {"uid": quota["metadata"]["uid"]}, **event})
    found = seen(api, store)
    assert found.driver == Status(State.RUNNING, since=BEGAN + 10)
    assert not found.over
    expected = [
        (TOP, State.DONE, "", 0),
        (MIDDLE[0], State.QUEUED, "no node takes it: 0/3 nodes: Insufficient gpu", 20),
        (MIDDLE[1], State.QUEUED, "the image stilts-train:1 cannot be pulled: not found", 2),
        (MIDDLE[2], State.QUEUED, "its pods cannot be created: exceeded quota: small", 0),
    ]
    for stage, state, why, since in expected:
        status = found.statuses[stage.fingerprint]
        assert (status.state, status.why, status.since) == (state, why, BEGAN + since)
    last = found.statuses[LAST.fingerprint]
    assert (last.state, last.why) == (State.WAITING, "for prepare middle-0  and 2 more")


def test_progress_is_that_of_the_latest_heartbeat(api: FakeApi, store: Store) -> None:
    put_job(api, TOP)
    put_pod(api, TOP, pod())
    moment = datetime.fromtimestamp(BEGAN + 90, UTC)
    beat = Heartbeat(updated=moment, since=datetime.fromtimestamp(BEGAN + 12, UTC), step=20, total=100, loss=0.5)
    write_heartbeat(store, TOP.fingerprint, Attempt(number=1, token="aa"), beat)
    status = seen(api, store).statuses[TOP.fingerprint]
    assert (status.state, status.why) == (State.RUNNING, "step 20/100, loss 0.500")
    assert status.since == BEGAN + 12


def test_a_job_that_was_suspended_after_it_ran_is_evicted(api: FakeApi, store: Store) -> None:
    put_job(api, TOP, condition("Suspended", after=40), suspend=True)
    beat = Heartbeat(updated=datetime.fromtimestamp(BEGAN + 30, UTC))
    write_heartbeat(store, TOP.fingerprint, Attempt(number=1, token="aa"), beat)
    status = seen(api, store).statuses[TOP.fingerprint]
    assert (status.state, status.since) == (State.EVICTED, BEGAN + 40)


def test_a_failure_is_final_once_its_budget_is_used_up_until_it_is_forgiven(api: FakeApi, store: Store) -> None:
    ended = Outcome(
        exit_code=65,
        message="No label.",
        finished=datetime.fromtimestamp(BEGAN + 50, UTC),
        submission="anchor-uid",
    )
    record_outcome(store, TOP.fingerprint, Attempt(number=1, token="aa"), ended)
    found = seen(api, store)
    status = found.statuses[TOP.fingerprint]
    assert (status.state, status.why, status.since) == (State.FAILED, "No label.", BEGAN + 50)
    assert found.statuses[LAST.fingerprint].state is State.BLOCKED
    assert found.over
    api.cluster().patch(
        CONFIG_MAPS, "anchor", forgiving_patch(api.objects["configmaps"]["anchor"], {TOP.fingerprint: 1})
    )
    found = seen(api, store)
    status = found.statuses[TOP.fingerprint]
    assert (status.state, status.why) == (State.QUEUED, "the driver is about to make its Job")
    assert not found.over


def test_without_a_driver_nothing_will_happen(api: FakeApi, store: Store) -> None:
    api.remove("jobs", "driver")
    found = seen(api, store)
    assert found.driver.state is State.CANCELLED
    assert found.over
    assert "the driver is not at work" in found.statuses[TOP.fingerprint].why


def test_a_study_that_was_never_submitted(api: FakeApi, store: Store) -> None:
    api.remove("configmaps", "anchor")
    found = seen(api, store)
    assert not found.submitted
    assert found.over
