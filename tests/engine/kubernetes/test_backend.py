"""The driver on a cluster of which the API is real HTTP, and the rest is played."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_play import Play, identify, pod_of, stamp
from engine_plans import diamond, plan_of
from engine_support import until
from fake_api import QUICK, FakeApi, Object, serving, status

from stilts_core.engine.driver import Driver, Pace
from stilts_core.engine.kubernetes.client import Patience
from stilts_core.engine.kubernetes.launch import kubernetes_driver
from stilts_core.engine.kubernetes.look import look
from stilts_core.engine.kubernetes.render import Submission
from stilts_core.engine.states import State, Status
from stilts_core.errors import ClusterError, MissingInputError
from stilts_core.planning.plan import Plan
from stilts_core.spec.kubernetes import Kubernetes
from stilts_core.spec.profile import Placement, Retries
from stilts_core.storage.attempts import list_attempts, new_attempt, read_outcomes
from stilts_core.storage.base import Store
from stilts_core.storage.commit import committed
from stilts_core.storage.open import open_store

STAGES = diamond()
PLAN = plan_of(STAGES)
TOP = STAGES[0].fingerprint
PLACEMENT = Placement(kubernetes=Kubernetes(lost_node_seconds=0), retries=Retries(application=1, infrastructure=2))


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.statuses: dict[str, Status] = {}

    def update(self, statuses: dict[str, Status], observations: object) -> None:  # type: ignore[override]
        self.statuses = dict(statuses)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serving() as api:
        api.put("configmaps", {"metadata": {"name": "anchor", "uid": "anchor-uid"}})
        yield api


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def play(api: FakeApi, store: Store, tmp_path: Path) -> Iterator[Play]:
    with Play(api, store, tmp_path / "work") as play:
        yield play


@contextmanager
def driving(
    api: FakeApi,
    store: Store,
    placement: Placement = PLACEMENT,
    uid: str = "anchor-uid",
    plan: Plan = PLAN,
    patience: Patience = QUICK,
) -> Iterator[tuple[Driver, Ear]]:
    ear = Ear()
    submission = Submission(plan.name, plan.digest(), "anchor", uid, "lab", "s3://bucket/x", "s3://bucket/x/plan.json")
    pace = Pace(sweep=0.5, grace=1.0, storage_retry=0.05, storage_patience=1.0)
    with kubernetes_driver(
        plan, store, api.cluster(patience), submission, placement, ear, pace=pace, backoff=0.01, period=0.1
    ) as driver:
        yield driver, ear


def run(api: FakeApi, store: Store, placement: Placement = PLACEMENT, uid: str = "anchor-uid") -> dict[str, Status]:
    with driving(api, store, placement, uid) as (driver, _):
        return driver.run()


@contextmanager
def in_background(driver: Driver) -> Iterator[dict[str, Status]]:
    found: dict[str, Status] = {}
    thread = threading.Thread(target=lambda: found.update(driver.run()), daemon=True)
    thread.start()
    yield found
    thread.join(20.0)
    assert not thread.is_alive()


def states(found: dict[str, Status]) -> set[State]:
    return {status.state for status in found.values()}


def jobs(api: FakeApi) -> list[Object]:
    return list(api.objects.get("jobs", {}).values())


def test_a_plan_runs_to_its_end_each_stage_once(api: FakeApi, store: Store, play: Play) -> None:
    assert states(run(api, store)) == {State.DONE}
    assert sorted(play.made) == sorted((stage.fingerprint, 1) for stage in STAGES)
    assert api.count("POST", "/jobs") == len(STAGES)
    assert states(run(api, store)) == {State.REUSED}
    assert api.count("POST", "/jobs") == len(STAGES)


def test_a_failure_that_another_attempt_would_repeat_is_final(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: 65 if fingerprint == TOP else 0
    found = run(api, store)
    assert found[TOP] == Status(State.FAILED, "It ended with 65.", 1, 65, since=found[TOP].since)
    assert states(found) == {State.FAILED, State.BLOCKED}
    # Another driver of the same submission finds it so, with its Job and without.
    assert run(api, store)[TOP].state is State.FAILED
    for job in jobs(api):
        api.remove("jobs", job["metadata"]["name"])
    assert run(api, store)[TOP].state is State.FAILED
    assert play.made == [(TOP, 1)]
    api.remove("configmaps", "anchor")
    api.put("configmaps", {"metadata": {"name": "anchor", "uid": "another-uid"}})
    # A new submission has new budgets, and goes on where the numbers end.
    play.deed = lambda fingerprint, number: 0
    play.submission = "another-uid"
    assert states(run(api, store, uid="another-uid")) == {State.DONE}
    assert (TOP, 2) in play.made


@pytest.mark.parametrize(("code", "attempts"), [(73, 3), (1, 2), (137, 2)])
def test_budgets_outlive_the_driver_and_the_jobs(
    api: FakeApi, store: Store, play: Play, code: int, attempts: int
) -> None:
    play.deed = lambda fingerprint, number: code
    with driving(api, store) as (driver, ear), in_background(driver):
        assert driver
    assert ear.statuses[TOP].state is State.FAILED
    assert play.made == [(TOP, number) for number in range(1, attempts + 1)]
    assert [outcome.exit_code for _, outcome in read_outcomes(store, TOP)] == [-9 if code == 137 else code] * attempts
    for plural, names in [("jobs", list(api.objects["jobs"])), ("pods", list(api.objects["pods"]))]:
        for name in names:
            api.remove(plural, name)
    assert run(api, store)[TOP].state is State.FAILED
    assert len(play.made) == attempts


def test_what_one_driver_began_the_next_goes_on_with(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if fingerprint == TOP else 0
    with driving(api, store) as (driver, ear):
        thread = threading.Thread(target=driver.run, daemon=True)
        thread.start()
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
    (job,) = jobs(api)  # the driver has gone, the Job has not
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        play.commit(TOP, identify(job)[2])
        play.end(job, 0)
    assert states(found) == {State.DONE}
    assert play.made.count((TOP, 1)) == 1


def test_two_drivers_at_once_make_each_job_once(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: 73 if number == 1 else 0
    with driving(api, store) as (one, _), driving(api, store) as (other, _), in_background(one) as left:
        right = other.run()
    assert states(dict(left)) <= {State.DONE, State.REUSED}
    assert states(right) <= {State.DONE, State.REUSED}
    assert sorted(play.made) == sorted((stage.fingerprint, number) for stage in STAGES for number in (1, 2))


def test_a_job_that_somebody_deletes_is_made_anew_under_a_free_number(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if (fingerprint, number) == (TOP, 1) else 0
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        (job,) = jobs(api)
        api.remove("jobs", job["metadata"]["name"])
        until(lambda: "its Job was deleted" in ear.statuses[TOP].why)
        api.remove("pods", f"{job['metadata']['name']}-0-x")
    assert states(found) == {State.DONE}
    assert (TOP, 2) in play.made
    assert [attempt.number for attempt in list_attempts(store, TOP)] == [1, 2]


def test_a_pod_on_a_node_that_is_gone_is_given_up(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if (fingerprint, number) == (TOP, 1) else 0
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        (job,) = jobs(api)
        pod = pod_of(job, {"running": {"startedAt": stamp()}}, "Running")
        pod["metadata"]["deletionTimestamp"] = "2026-05-04T12:00:00Z"
        api.put("pods", pod)
    assert states(found) == {State.DONE}
    assert job["metadata"]["name"] not in api.objects["jobs"]  # or it would wait for the node for ever
    assert "is gone" in read_outcomes(store, TOP)[0][1].message


def test_a_suspended_job_is_queued_and_not_replaced(api: FakeApi, store: Store, play: Play) -> None:
    play.hold = True
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: len(jobs(api)) == 1)
        (job,) = jobs(api)
        api.put("jobs", {**job, "spec": {**job["spec"], "suspend": True}})
        until(lambda: ear.statuses[TOP].why == "its Job is suspended")
        api.put("jobs", job)
        play.hold = False
    assert states(found) == {State.DONE}
    assert play.made.count((TOP, 1)) == 1


def test_a_quota_of_jobs_is_waited_for(api: FakeApi, store: Store, play: Play) -> None:
    full = 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1'
    api.refuse = lambda method, path: (403, status(403, "Forbidden", full)) if method == "POST" else None
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: "exceeded quota" in ear.statuses.get(TOP, Status(State.WAITING)).why)
        assert ear.statuses[TOP].state is State.QUEUED
        api.refuse = lambda method, path: None
    assert states(found) == {State.DONE}


def test_what_the_cluster_will_never_take_fails_the_stage(api: FakeApi, store: Store, play: Play) -> None:
    api.refuse = lambda method, path: (422, status(422, "Invalid", "spec: wrong")) if method == "POST" else None
    found = run(api, store)
    assert found[TOP].state is State.FAILED
    assert "spec: wrong" in found[TOP].why


def test_a_missing_right_ends_the_run_with_a_sentence(api: FakeApi, store: Store, play: Play) -> None:
    said = 'User "driver" cannot create resource "jobs" in API group "batch"'
    api.refuse = lambda method, path: (403, status(403, "Forbidden", said)) if method == "POST" else None
    with driving(api, store) as (driver, _), pytest.raises(ClusterError, match="no right"):
        driver.run()
    api.refuse = lambda method, path: (403, status(403, "Forbidden", "pods is forbidden")) if "pods" in path else None
    with pytest.raises(ClusterError, match="list pods"), driving(api, store):
        pass


def test_a_server_that_knows_no_rights_yet_is_not_believed(api: FakeApi, store: Store, play: Play) -> None:
    patience = replace(QUICK, refusal=60.0)
    no = (403, status(403, "Forbidden", "not yet"))
    api.refuse = lambda method, path: no if method == "POST" else None
    with driving(api, store, patience=patience) as (driver, ear), in_background(driver) as found:
        until(lambda: "not yet" in ear.statuses.get(TOP, Status(State.WAITING)).why)
        api.refuse = lambda method, path: no
        api.cut()
        until(lambda: any("not yet" in note for note in ear.notes))
        api.refuse = lambda method, path: None
    assert states(found) == {State.DONE}


def test_an_outage_of_the_api_is_survived_and_told(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if fingerprint == TOP else 0
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        api.refuse = lambda method, path: (503, status(503, "ServiceUnavailable", "away"))
        api.cut()
        until(lambda: any("503" in note for note in ear.notes))
        api.refuse = lambda method, path: None
        (job,) = jobs(api)
        play.commit(TOP, identify(job)[2])
        play.end(job, 0)
    assert states(found) == {State.DONE}
    assert "the API server answers again" in ear.notes


def test_a_cancelled_study_gets_no_other_job(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None
    with driving(api, store) as (driver, ear):
        thread = threading.Thread(target=driver.run, daemon=True)
        thread.start()
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
    api.remove("configmaps", "anchor")
    for plural in ("jobs", "pods"):
        for name in list(api.objects[plural]):
            api.remove(plural, name)
    with driving(api, store) as (driver, _), pytest.raises(MissingInputError, match="cancelled"):
        driver.run()
    assert not jobs(api)


def test_stopping_deletes_the_jobs(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        driver.stop()
        until(lambda: not jobs(api))
        for name in list(api.objects["pods"]):
            api.remove("pods", name)
    assert states(found) == {State.CANCELLED}


def test_who_is_about_to_end_after_the_commit_is_left_alone(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if fingerprint == TOP else 0
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        (job,) = jobs(api)
        play.commit(TOP, identify(job)[2])
        until(lambda: ear.statuses[TOP].state is State.DONE)  # the store was swept before the pod ended
    assert states(found) == {State.DONE}
    assert job["metadata"]["name"] in api.objects["jobs"]


def test_who_was_overtaken_by_a_commit_is_stopped_at_once(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: None if fingerprint == TOP else 0
    with driving(api, store) as (driver, ear), in_background(driver) as found:
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
        (job,) = jobs(api)
        play.commit(TOP, new_attempt(7))
        until(lambda: job["metadata"]["name"] not in api.objects["jobs"])
    assert states(found) == {State.DONE}


def test_the_window_bounds_the_jobs_in_flight(api: FakeApi, store: Store, play: Play) -> None:
    play.deed = lambda fingerprint, number: 0 if fingerprint == TOP else None
    placement = PLACEMENT.model_copy(update={"kubernetes": Kubernetes(window=2)})
    with driving(api, store, placement) as (driver, ear):
        thread = threading.Thread(target=driver.run, daemon=True)
        thread.start()
        until(lambda: any("a place among the Jobs in flight" in status.why for status in ear.statuses.values()))
        until(lambda: len(play.made) == 3)  # the first, which is done, and two in flight
        until(lambda: sum(status.state is State.RUNNING for status in ear.statuses.values()) == 2)
    assert len(jobs(api)) == 3


def test_a_person_sees_store_and_cluster_together(api: FakeApi, store: Store, play: Play) -> None:
    cluster = api.cluster()

    def seen() -> dict[str, Status]:
        return dict(look(cluster, store, PLAN, "anchor", PLACEMENT, 2e9).statuses)

    assert "its Job is not there" in seen()[TOP].why
    play.deed = lambda fingerprint, number: None
    with driving(api, store) as (driver, ear):
        thread = threading.Thread(target=driver.run, daemon=True)
        thread.start()
        until(lambda: ear.statuses.get(TOP, Status(State.WAITING)).state is State.RUNNING)
    assert seen()[TOP].state is State.RUNNING
    assert seen()[STAGES[1].fingerprint].state is State.WAITING
    (job,) = jobs(api)
    play.end(job, 65)
    assert (seen()[TOP].state, seen()[TOP].why) == (State.FAILED, "It ended with 65.")
    play.commit(TOP, identify(job)[2])
    assert committed(store, [TOP])
    assert seen()[TOP].state is State.DONE
    api.remove("configmaps", "anchor")
    overview = look(cluster, store, PLAN, "anchor", PLACEMENT, 2e9)
    assert not overview.submitted
    assert "not submitted, or was cancelled" in overview.statuses[STAGES[1].fingerprint].why
