"""One pod with an S3 server that is not always there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_support import until
from faulty_proxy import Fault, always, faulty_proxy
from pod_support import FIRST, Cluster
from servers import S3Server, has_go, moto_server, versitygw_server

from stilts_core.storage.attempts import read_log, read_outcome
from stilts_core.storage.commit import read_manifest

MakeCluster = Callable[..., Cluster]


@pytest.fixture(scope="module", params=["moto", "versitygw"])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    if request.param == "versitygw" and not has_go():
        pytest.skip("versitygw is built with Go")
    with moto_server() if request.param == "moto" else versitygw_server() as running:
        running.make_bucket("studies")
        yield running


@pytest.fixture
def bucket(cluster: MakeCluster, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    def make(words: str = "", prefix: str = "") -> Cluster:
        place = cluster(words)
        place.uri = f"s3://studies/{prefix}"
        place.put_plan()
        return place

    return make


def test_a_stage_that_commits(bucket: MakeCluster) -> None:
    place = bucket(prefix="whole")
    pod = place.start()
    assert pod.wait() == 0, pod.output
    assert read_manifest(place.store, place.stage.fingerprint) is not None
    assert "fake stage did its work" in (read_log(place.store, place.stage.fingerprint, FIRST) or "")
    outcome = read_outcome(place.store, place.stage.fingerprint, FIRST)
    assert outcome is not None
    assert outcome.exit_code == 0


def test_a_store_that_comes_late(bucket: MakeCluster, server: S3Server) -> None:
    place = bucket(prefix="late")
    open_now = threading.Event()
    with faulty_proxy(server.endpoint, lambda _: None if open_now.is_set() else Fault.CUT_REQUEST) as proxy:
        place.environment = {"AWS_ENDPOINT_URL": proxy.endpoint}
        pod = place.start()
        until(lambda: proxy.faults() >= 4)
        open_now.set()
        assert pod.wait() == 0, pod.output


def test_a_store_that_goes_while_the_stage_works(bucket: MakeCluster, server: S3Server, tmp_path: Path) -> None:
    place = bucket(f"mark={tmp_path} await={tmp_path / 'go'}", prefix="gone")
    away = threading.Event()
    with faulty_proxy(server.endpoint, lambda _: Fault.CUT_REQUEST if away.is_set() else None) as proxy:
        place.environment = {"AWS_ENDPOINT_URL": proxy.endpoint}
        pod = place.start()
        until((tmp_path / "starts.jsonl").exists)
        away.set()
        (tmp_path / "go").touch()
        until(lambda: proxy.faults() >= 4)
        away.clear()
        assert pod.wait() == 0, pod.output
    assert read_manifest(place.store, place.stage.fingerprint) is not None


def test_a_pod_that_waits_for_its_store_is_stopped_at_once(bucket: MakeCluster, server: S3Server) -> None:
    place = bucket(prefix="never")
    with faulty_proxy(server.endpoint, always(Fault.CUT_REQUEST)) as proxy:
        place.environment = {"AWS_ENDPOINT_URL": proxy.endpoint}
        pod = place.start()
        until(lambda: proxy.faults() >= 1)
        pod.process.terminate()
        assert pod.wait() == 75, pod.output
    assert pod.message == "It was stopped on request before it had begun."
