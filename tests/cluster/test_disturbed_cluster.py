"""What surrounds the stages fails: a node, and the store. To be run alone: every pod of the cluster feels it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.commands import wait_until
from cluster.kubernetes import Kubernetes, Object, has_condition
from cluster.losable import losable
from cluster.provider import Provider
from cluster.s3 import ClusterS3
from cluster.stand_in_stages import release, tell
from cluster.studies import TITLES, ClusterStudy
from stilts_core.engine.states import State
from stilts_core.errors import Budget

pytestmark = pytest.mark.alone

Studies = Callable[..., ClusterStudy]
OUTAGE_SECONDS = 30.0


@pytest.fixture
def places(kubernetes: Kubernetes, s3: ClusterS3) -> Iterator[dict[str, Any]]:
    """Where pods go, so that a node can be lost."""
    with losable(kubernetes) as nodes:
        yield nodes.settings


@pytest.mark.parametrize("first", ["the-later-attempt", "the-lost-pod"])
def test_a_node_is_cut_off_and_comes_back(
    provider: Provider,
    kubernetes: Kubernetes,
    new_study: Studies,
    undisturbed: dict[str, bytes],
    places: dict[str, Any],
    first: str,
) -> None:
    study = new_study(retries={"infrastructure": 1}, device="auto", **places)
    mnli = study.stage("mnli")
    tell(study.store, mnli, ["hold=lost:deaf"], ["hold=later"])
    study.submit()
    pod = study.await_activity("mnli", "hold")
    node = pod["spec"]["nodeName"]
    provider.cut(node)
    try:
        study.await_activity("mnli", "hold", attempt=2)
        assert study.ends("mnli") == [(1, 1, Budget.INFRASTRUCTURE)]
        assert f"the node {node} is gone" in study.messages("mnli")[0]
        release(study.store, mnli, "lost")  # it will hear of that as soon as the cable is in again
        if first == "the-later-attempt":
            release(study.store, mnli, "later")
            wait_until(lambda: study.statuses()["mnli"].state is State.DONE, "the later attempt commits", 60, pause=0.5)
    finally:
        provider.restore(node)
    kubernetes.wait("node", node, until=lambda found: has_condition(found, "Ready"), seconds=60)
    assert study.end() == "done", study.log()
    assert study.committed_by("mnli") == (2 if first == "the-later-attempt" else 1)
    assert study.results() == undisturbed
    study.check_manifests()
    wait_until(lambda: not _is_there(study, pod), "the end of the lost pod", 60)
    wait_until(lambda: not _open_jobs(study), "the end of every Job", 60)
    assert {name: study.ends(name) for name in TITLES if name != "mnli"} == {n: [] for n in TITLES if n != "mnli"}


def _open_jobs(study: ClusterStudy) -> list[Object]:
    return [job for job in study.jobs() if not (has_condition(job, "Complete") or has_condition(job, "Failed"))]


def _is_there(study: ClusterStudy, pod: Object) -> bool:
    return any(each["metadata"]["uid"] == pod["metadata"]["uid"] for each in study.pods("mnli"))


def test_the_store_is_gone_for_half_a_minute(s3: ClusterS3, new_study: Studies, undisturbed: dict[str, bytes]) -> None:
    study = new_study(retries={"infrastructure": 2})
    tell(study.store, study.stage("mnli"), ["sleep=10"])  # it commits into the outage
    tell(study.store, study.stage("prepare-tests"), ["hold"])
    study.submit()
    study.await_activity("prepare-tests", "hold")
    study.await_activity("mnli", "sleep")
    with s3.outage():
        time.sleep(OUTAGE_SECONDS)
    release(study.store, study.stage("prepare-tests"))
    assert study.end() == "done", study.log()
    assert study.results() == undisturbed
    study.check_manifests()
    budgets = {budget for name in TITLES for _, _, budget in study.ends(name)}
    assert budgets <= {Budget.INFRASTRUCTURE}
