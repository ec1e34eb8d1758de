"""Stages that are killed, evicted, hang, fail or run out of memory: what becomes of them, who pays, what comes out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from cluster.commands import wait_until
from cluster.kubernetes import has_condition
from cluster.machine.cluster import MachineCluster
from cluster.provider import NotHereError, Provider
from cluster.stand_in_stages import release, tell
from cluster.studies import TITLES, ClusterStudy, evict, kill
from stilts_core.engine.kubernetes.render import StageAttempt, Submission, render_stage
from stilts_core.engine.kubernetes.retrying import retry
from stilts_core.engine.kubernetes.submissions import find_submitted
from stilts_core.engine.states import State
from stilts_core.errors import Budget
from stilts_core.storage.attempts import new_attempt

Studies = Callable[..., ClusterStudy]
APPLICATION, INFRASTRUCTURE, NONE = Budget.APPLICATION, Budget.INFRASTRUCTURE, Budget.NONE
SUPERVISOR = "stilts_core.engine.kubernetes.supervisor"


def test_nothing_happens(new_study: Studies, undisturbed: dict[str, bytes]) -> None:
    study = new_study()
    study.submit()
    assert study.end() == "done", study.log()
    assert study.results() == undisturbed
    study.check_manifests()


def test_a_pod_that_is_killed_is_charged_to_the_application(
    provider: Provider, new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    if not isinstance(provider, MachineCluster):
        raise NotHereError("the processes of this cluster are not on this machine")
    study = new_study(retries={"application": 1})
    tell(study.store, study.stage("mnli"), ["hold"])
    study.submit()
    kill(study.await_activity("mnli", "hold"), SUPERVISOR)
    assert study.end() == "done", study.log()
    assert study.ends("mnli") == [(1, -9, APPLICATION)]
    assert "SIGKILL" in study.messages("mnli")[0]
    assert study.committed_by("mnli") == 2
    assert study.results() == undisturbed


def test_a_pod_that_is_evicted_and_one_that_hangs_are_charged_to_the_infrastructure(
    new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    study = new_study(retries={"infrastructure": 1}, stall_seconds=8)
    tell(study.store, study.stage("baseline"), ["hang"])
    tell(study.store, study.stage("mnli"), ["hold"])
    study.submit()
    evict(study.cluster, study.await_activity("mnli", "hold"))
    assert study.end() == "done", study.log()
    assert study.ends("mnli") == [(1, 75, INFRASTRUCTURE)]
    assert study.ends("baseline") == [(1, 76, INFRASTRUCTURE)]
    assert {study.committed_by("mnli"), study.committed_by("baseline")} == {2}
    assert study.results() == undisturbed


def test_what_another_attempt_would_only_repeat_fails_at_once_and_can_be_retried(
    new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    study = new_study(retries={"application": 3, "infrastructure": 3})
    tell(study.store, study.stage("prepare-mnli"), ["fail=SpecError"])
    tell(study.store, study.stage("baseline"), ["fail=DivergedError"])
    tell(study.store, study.stage("prepare-tests"), ["eat"])
    study.submit()
    assert study.end() == "failed", study.log()
    assert study.ends("prepare-mnli") == [(1, 64, NONE)]
    assert study.ends("baseline") == [(1, 70, NONE)]
    assert study.ends("prepare-tests") == [(1, 71, NONE)]
    states = {name: status.state for name, status in study.statuses().items()}
    assert states == {
        "prepare-mnli": State.FAILED,
        "prepare-xnli": State.DONE,
        "prepare-tests": State.FAILED,
        "baseline": State.FAILED,
        "mnli": State.BLOCKED,
        "mnli-xnli": State.BLOCKED,
        "evaluate-baseline": State.BLOCKED,
        "evaluate-mnli": State.BLOCKED,
    }
    (driver,) = study.driver_pods()
    said = driver["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    assert "The study is not whole" in said
    assert study.results()["tables/missing.csv"].count(b"\n") > 1
    (submitted,) = find_submitted(study.api, study.plan.name)
    failed = {study.stage(name): 1 for name in ("prepare-mnli", "baseline", "prepare-tests")}
    retry(study.api, submitted, failed, lambda: None)
    assert study.end() == "done", study.log()
    assert study.results() == undisturbed


@pytest.mark.parametrize("taken_away", [True, False], ids=["evicted", "by-itself"])
def test_exit_status_0_without_a_manifest_is_a_failed_attempt(
    new_study: Studies, undisturbed: dict[str, bytes], taken_away: bool
) -> None:
    study = new_study(retries={"application": 1})
    if taken_away:
        tell(study.store, study.stage("prepare-mnli"), ["hold"])
    else:
        tell(study.store, study.stage("mnli"), ["leave=0"])
    study.submit()
    if taken_away:
        study.await_activity("prepare-mnli", "hold")
        _begin_instead(study, "mnli", "trap 'exit 0' TERM; sleep 600 & wait")
        wait_until(lambda: any(pod["status"]["phase"] == "Running" for pod in study.pods("mnli")), "the trap", 60)
        wait_until(lambda: study.statuses()["mnli"].state is State.STARTING, "the driver sees it", 60)
        evict(study.cluster, study.pods("mnli")[0])
        wait_until(lambda: study.ends("mnli") != [], "the record of its end", 60)
        release(study.store, study.stage("prepare-mnli"))
    assert study.end() == "done", study.log()
    assert study.ends("mnli") == [(1, 0 if taken_away else 1, APPLICATION)]
    assert "exit status 0" in study.messages("mnli")[0]
    assert study.committed_by("mnli") == 2
    assert study.results() == undisturbed


def _begin_instead(study: ClusterStudy, name: str, script: str) -> None:
    """Make the first attempt at a stage in the driver's place, as a second driver might, with another program."""
    (stage,) = (each for each in study.plan.stages if each.fingerprint == study.stage(name))
    anchor = study.cluster.get("configmap", study.anchor)
    uri = str(study.placement.store.uri)
    submission = Submission(
        study.plan.name, study.plan.digest(), study.anchor, anchor["metadata"]["uid"], study.cluster.namespace, uri, uri
    )
    job = render_stage(stage, StageAttempt(1, new_attempt(1)), submission, study.placement)
    job["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", script]
    study.cluster.apply(job)


def test_a_driver_that_is_killed_loses_nothing(
    provider: Provider, new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    if not isinstance(provider, MachineCluster):
        raise NotHereError("the processes of this cluster are not on this machine")
    study = new_study()
    tell(study.store, study.stage("mnli"), ["hold"])
    study.submit()
    study.await_activity("mnli", "hold")
    kill(_live_driver(study), "drive")
    release(study.store, study.stage("mnli"))  # it commits while nobody drives
    wait_until(lambda: len(study.driver_pods()) == 2, "another driver", 60, pause=0.5)
    wait_until(lambda: bool(study.jobs("mnli-xnli")), "the next stage", 60, pause=0.1)
    kill(_live_driver(study), "drive")  # in the middle of its work
    assert study.end() == "done", study.log()
    assert study.results() == undisturbed
    assert {name: study.ends(name) for name in TITLES} == {name: [] for name in TITLES}
    assert {study.committed_by(name) for name in TITLES} == {1}


def test_two_drivers_at_once_do_no_harm(new_study: Studies, undisturbed: dict[str, bytes]) -> None:
    study = new_study()
    twin = copy.deepcopy(study.objects[-1])
    twin["metadata"]["name"] += "-twin"
    study.submit()
    study.cluster.apply(twin)
    assert study.end() == "done", study.log()
    study.cluster.wait("job", twin["metadata"]["name"], until=lambda job: has_condition(job, "Complete"), seconds=240)
    assert study.results() == undisturbed
    assert {name: study.ends(name) for name in TITLES} == {name: [] for name in TITLES}
    assert {name: len(study.jobs(name)) for name in TITLES} == dict.fromkeys(TITLES, 1)


def _live_driver(study: ClusterStudy) -> dict[str, object]:
    (live,) = (pod for pod in study.driver_pods() if pod["status"]["phase"] == "Running")
    return live
