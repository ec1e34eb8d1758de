"""Groups of pods as JobSets, and Jobs that a queue suspends and lets go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.commands import wait_until
from cluster.kubernetes import Kubernetes, Object, has_condition
from cluster.stand_in_stages import release, tell
from cluster.studies import ClusterStudy, evict
from stilts_core.engine.states import State
from stilts_core.errors import Budget

Studies = Callable[..., ClusterStudy]
WORKLOADS = "workloads.kueue.x-k8s.io"


@pytest.mark.usefixtures("jobset")
def test_a_group_as_a_jobset_begins_anew_as_a_whole(new_study: Studies, undisturbed: dict[str, bytes]) -> None:
    study = new_study(retries={"infrastructure": 1}, nodes=2, jobset=True)
    for node in range(2):
        tell(study.store, study.stage("mnli"), ["hold"], node=node)
    study.submit()
    study.await_activity("mnli", "hold")
    (first,) = _job_sets(study, "mnli")
    wait_until(lambda: len(_running(study, "mnli")) == 2, "both pods", 60)
    follower = next(
        pod
        for pod in _running(study, "mnli")
        if pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "1"
    )
    evict(study.cluster, follower)
    assert study.end() == "done", study.log()
    assert study.ends("mnli") == [(1, 75, Budget.INFRASTRUCTURE)]
    assert study.committed_by("mnli") == 2
    assert study.results() == undisturbed
    sets = {each["metadata"]["name"]: each for each in _job_sets(study, "mnli")}
    assert len(sets) == 2  # each attempt a JobSet of its own, which restarts nothing
    assert all(each.get("status", {}).get("restarts", 0) == 0 for each in sets.values())
    assert has_condition(sets[first["metadata"]["name"]], "Failed")


@pytest.fixture(scope="module")
def workloads(kubernetes: Kubernetes) -> Iterator[None]:
    """Kueue's API without Kueue: Workloads can be made, and nobody acts on them."""
    if kubernetes.kubectl("get", "crd", WORKLOADS, "--ignore-not-found"):
        yield  # the cluster has a real one
        return
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "workloads", "singular": "workload", "kind": "Workload", "listKind": "WorkloadList"}
    kubernetes.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": WORKLOADS,
                "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
            },
            "spec": {"group": "kueue.x-k8s.io", "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
    kubernetes.wait("crd", WORKLOADS, until=lambda found: has_condition(found, "Established"))
    # served a moment after it is established
    served = "/apis/kueue.x-k8s.io"
    wait_until(lambda: bool(kubernetes.kubectl("get", "--raw", served, check=False)), f"{served} is served", 60)
    yield
    kubernetes.kubectl("delete", "crd", WORKLOADS)


@pytest.mark.usefixtures("workloads")
def test_a_suspended_job_waits_is_explained_and_goes_on_at_no_cost(
    new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    study = new_study(kueue={"queue": "lab"})
    tell(study.store, study.stage("mnli"), ["hold"])
    study.submit()
    study.await_activity("mnli", "hold")
    (job,) = study.jobs("mnli")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "lab"
    _suspend(study, job, suspend=True)
    status = _await_state(study, State.EVICTED)
    assert "in the queue lab" in status.why
    assert not has_condition(study.jobs("mnli")[0], "Failed")
    wait_until(lambda: not study.pods("mnli"), "its pod has ended", 60)
    _explain(study, job, "Evicted", "Preempted", "Preempted to accommodate a workload of a higher priority")
    wait_until(lambda: "higher priority" in study.statuses()["mnli"].why, "it is explained", 60)
    assert study.statuses()["mnli"].state is State.EVICTED
    assert study.statuses()["mnli"].since is not None
    _suspend(study, job, suspend=False)
    assert study.end() == "done", study.log()
    assert [each["metadata"]["uid"] for each in study.jobs("mnli")] == [job["metadata"]["uid"]]
    assert study.committed_by("mnli") == 1
    assert study.results() == undisturbed
    study.check_manifests()


@pytest.mark.usefixtures("workloads")
def test_a_job_that_begins_suspended_is_queued_with_what_is_missing(
    new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    study = new_study(kueue={"queue": "lab"})
    tell(study.store, study.stage("prepare-mnli"), ["hold"])
    study.submit()
    study.await_activity("prepare-mnli", "hold")
    wait_until(lambda: study.statuses()["evaluate-baseline"].state is State.DONE, "all else is done", 120, pause=0.5)
    # what Kueue's webhook does to a Job before it has a pod
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    study.cluster.apply(quota)
    release(study.store, study.stage("prepare-mnli"))
    wait_until(lambda: bool(study.jobs("mnli")), "its Job", 60)
    (job,) = study.jobs("mnli")
    _suspend(study, job, suspend=True)
    missing = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu"
    _explain(study, job, "QuotaReserved", "Pending", missing, status="False")
    status = _await_state(study, State.QUEUED)
    wait_until(lambda: missing in study.statuses()["mnli"].why, "it is explained", 60)
    assert "in the queue lab" in status.why
    study.cluster.kubectl("delete", "resourcequota", "none")
    _suspend(study, job, suspend=False)
    assert study.end() == "done", study.log()
    assert study.ends("mnli") == []
    assert study.results() == undisturbed


def _job_sets(study: ClusterStudy, name: str) -> list[Object]:
    found = study.cluster.get("jobsets")["items"]
    return [each for each in found if each["metadata"]["annotations"]["stilts/whole-fingerprint"] == study.stage(name)]


def _running(study: ClusterStudy, name: str) -> list[Object]:
    return [pod for pod in study.pods(name) if pod["status"]["phase"] == "Running"]


def _suspend(study: ClusterStudy, job: Object, *, suspend: bool) -> None:
    patch = json.dumps({"spec": {"suspend": suspend}})
    study.cluster.kubectl("patch", "job", job["metadata"]["name"], "--type=merge", f"--patch={patch}")


def _await_state(study: ClusterStudy, state: State) -> Any:
    wait_until(lambda: study.statuses()["mnli"].state is state, f"it is {state}", 60, pause=0.3)
    return study.statuses()["mnli"]


def _explain(study: ClusterStudy, job: Object, kind: str, reason: str, message: str, status: str = "True") -> None:
    """Make the Job's Workload, with one condition."""
    name = f"job-{job['metadata']['name']}"
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": job["metadata"]["creationTimestamp"],
    }
    about = {"name": name, "ownerReferences": [owner], "labels": {"kueue.x-k8s.io/job-uid": job["metadata"]["uid"]}}
    workload = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload", "metadata": about}
    study.cluster.apply(workload)
    patch = json.dumps({"status": {"conditions": [condition]}})
    study.cluster.kubectl("patch", WORKLOADS, name, "--subresource=status", "--type=merge", f"--patch={patch}")
