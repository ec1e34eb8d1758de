"""Several pods that share an attempt: one ending for all of them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_support import until
from pod_support import FIRST, Cluster, Pod

from stilts_core.planning.plan import StageKind
from stilts_core.storage.attempts import Outcome, list_attempts, read_log, read_outcomes, record_outcome
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import Attempt

MakeCluster = Callable[..., Cluster]
AGAIN = Attempt(number=1, token=f"{FIRST.token}r01")


def start_both(place: Cluster, **changes: object) -> list[Pod]:
    return [place.start(index=index, nodes=2, leader="127.0.0.1", **changes) for index in range(2)]


def test_all_succeed_when_the_first_has_committed(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"mark={tmp_path} node=0 await={tmp_path / 'go'}", kind=StageKind.TRAIN)
    first, second = start_both(place)
    until(lambda: "this node's part is done" in second.output)
    assert second.process.poll() is None
    (tmp_path / "go").touch()
    assert [first.wait(), second.wait()] == [0, 0], first.output + second.output
    manifest = read_manifest(place.store, place.stage.fingerprint)
    assert manifest is not None
    assert manifest.attempt == FIRST
    for node in range(2):
        assert "stilts: only" in (read_log(place.store, place.stage.fingerprint, FIRST, node) or "")


def test_all_end_as_the_one_that_knows_why(cluster: MakeCluster, tmp_path: Path) -> None:
    """The others notice through the store, whatever their own processes are waiting for."""
    place = cluster(f"mark={tmp_path} wait=60", kind=StageKind.TRAIN)
    first = place.start(index=0, nodes=2, leader="127.0.0.1")
    until((tmp_path / "starts.jsonl").exists)
    stage = place.stage.model_copy(update={"label": "only raise=DataError"})
    place.plan = place.plan.model_copy(update={"stages": (stage,)})
    place.put_plan()
    second = place.start(index=1, nodes=2, leader="127.0.0.1")
    assert [second.wait(), first.wait()] == [65, 65], first.output
    assert "The group ended because of" in first.message
    assert "This fake stage fails." in first.message


def test_a_group_that_begins_again_heeds_no_earlier_end(cluster: MakeCluster) -> None:
    """Only the first pod had begun before the group was evicted."""
    place = cluster(kind=StageKind.TRAIN)
    store, name = place.store, place.stage.fingerprint
    store.create(f"stages/{name[:2]}/{name}/attempts/{FIRST.folder}/claim.json", b"{}")
    record_outcome(store, name, FIRST, Outcome(exit_code=75, message="stopped"))
    pods = start_both(place)
    assert [pod.wait() for pod in pods] == [0, 0], pods[1].output
    manifest = read_manifest(store, name)
    assert manifest is not None
    assert manifest.attempt == AGAIN
    assert list_attempts(store, name) == [FIRST, AGAIN]


def test_a_stop_of_one_is_a_stop_of_all(cluster: MakeCluster) -> None:
    place = cluster("wait=60", kind=StageKind.TRAIN)
    pods = start_both(place)
    for pod in pods:
        until(lambda: "attempt 1" in pod.output)  # noqa: B023
    pods[1].process.terminate()
    assert [pod.wait() for pod in pods] == [75, 75]
    assert "The group ended because of" in pods[0].message


def test_a_group_out_of_device_memory_goes_on_with_half_the_tokens(cluster: MakeCluster) -> None:
    pytest.importorskip("torch", reason="the training packages are an extra")
    place = cluster(kind=StageKind.TRAIN)
    port = free_port()
    options = {"registry": "pod_memory", "port": port, "ranks_per_node": 1}
    first = start_both(place, **options)
    assert [pod.wait() for pod in first] == [71, 71], first[0].output + first[1].output
    assert all("ran out of memory" in pod.message for pod in first)
    outcomes = [outcome.exit_code for _, outcome in read_outcomes(place.store, place.stage.fingerprint)]
    assert 71 in outcomes
    again = start_both(place, **options, attempt="002-3fa9c2", halvings=1)
    assert [pod.wait() for pod in again] == [0, 0], again[0].output + again[1].output
    manifest = read_manifest(place.store, place.stage.fingerprint)
    assert manifest is not None
    assert manifest.metrics == {"halvings": 1}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
