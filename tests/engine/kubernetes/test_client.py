"""Calls and watches against a server that behaves, and misbehaves, as an API server does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_support import until
from fake_api import QUICK, FakeApi, Object, serving, status

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import JOB_SETS, JOBS, PODS
from stilts_core.engine.kubernetes.refusals import (
    ExpiredError,
    ForbiddenError,
    InvalidError,
    QuotaError,
    UnreachableError,
)
from stilts_core.engine.kubernetes.watching import Watched
from stilts_core.errors import ClusterError


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serving() as api:
        yield api


@pytest.fixture
def cluster(api: FakeApi) -> Cluster:
    return api.cluster()


@pytest.fixture
def watched(api: FakeApi) -> Iterator[Watched]:
    watched = Watched(api.cluster(), JOBS, labels="a=b")
    yield watched
    watched.stop()
    watched.join(5.0)


def job(name: str, **metadata: object) -> Object:
    return {"kind": "Job", "metadata": {"name": name, "labels": {"a": "b"}, **metadata}}


def names(watched: Watched) -> set[str]:
    return {found["metadata"]["name"] for found in watched.objects()}


def test_objects_are_created_read_changed_and_deleted(cluster: Cluster) -> None:
    made = cluster.create(JOBS, job("one"))
    assert made is not None
    assert cluster.create(JOBS, job("one")) is None
    assert cluster.get(JOBS, "two") is None
    assert cluster.patch(JOBS, "two", {}) is None
    changed = cluster.patch(JOBS, "one", {"spec": {"suspend": True}})
    assert changed is not None
    assert changed["spec"] == {"suspend": True}
    assert cluster.replace(JOBS, made) is None  # it was changed since
    assert cluster.replace(JOBS, changed) is not None
    assert not cluster.delete(JOBS, "one", uid="another")
    assert cluster.delete(JOBS, "one", grace=0)
    assert not cluster.delete(JOBS, "one")
    assert cluster.version_of("kueue.x-k8s.io") is None


def test_a_long_listing_comes_in_pages(api: FakeApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stilts_core.engine.kubernetes.client._PAGE", 2)
    for index in range(5):
        api.put("jobs", job(f"job-{index}"))
    assert len(cluster.list(JOBS, labels="a=b").items) == 5
    assert api.count("GET") == 3


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(api: FakeApi, cluster: Cluster, code: int) -> None:
    left = [2]

    def busy(method: str, path: str) -> tuple[int, Object] | None:
        left[0] -= 1
        return (code, status(code, "Busy", "later")) if left[0] >= 0 else None

    api.refuse = busy
    assert cluster.create(JOBS, job("one")) is not None
    assert api.count("POST") == 3
    left[0] = 100
    with pytest.raises(ClusterError, match="later"):
        cluster.list(PODS)
    assert api.count("GET") == QUICK.tries


def test_refusals_say_what_to_do(api: FakeApi, cluster: Cluster) -> None:
    said = {
        'jobs.batch is forbidden: User "driver" cannot create resource "jobs" in API group "batch"': ForbiddenError,
        'jobs "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1': QuotaError,
        'admission webhook "policy.example.org" denied the request: no': InvalidError,
    }
    for message, error in said.items():
        answer = status(403, "Forbidden", message)
        api.refuse = lambda method, path, answer=answer: (403, answer)  # type: ignore[misc]
        with pytest.raises(error) as caught:
            cluster.create(JOBS, job("one"))
        assert "secret-token" not in str(caught.value)
        if error is ForbiddenError:
            assert 'verb "create" on "jobs" of the API group "batch"' in str(caught.value)
    api.refuse = lambda method, path: (422, status(422, "Invalid", "spec.template: is wrong"))
    with pytest.raises(InvalidError, match=r"spec\.template"):
        cluster.create(JOBS, job("one"))
    api.refuse = lambda method, path: (401, status(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(ClusterError, match="credentials"):
        cluster.get(JOBS, "one")


def test_a_server_that_is_away_is_a_sentence() -> None:
    with serving() as api:
        cluster = api.cluster()
    with pytest.raises(UnreachableError, match="does not answer"):
        cluster.get(JOBS, "one")
    assert cluster.log("pod", "stage") is None


def test_an_old_version_is_told_as_one(api: FakeApi, cluster: Cluster) -> None:
    api.forget()
    with pytest.raises(ExpiredError):
        list(cluster.watch(JOBS, "1"))


def test_a_copy_follows_what_happens(api: FakeApi, watched: Watched) -> None:
    api.put("jobs", job("before"))
    api.put("jobs", {"metadata": {"name": "other", "labels": {"a": "c"}}})
    watched.start()
    assert watched.ready(5.0)
    assert names(watched) == {"before"}
    made = api.put("jobs", job("after"))
    until(lambda: names(watched) == {"before", "after"})
    assert watched.has_seen(made)
    api.remove("jobs", "before")
    until(lambda: names(watched) == {"after"})
    assert [found["metadata"]["name"] for found in watched.gone()] == ["before"]
    assert not watched.has_seen({"metadata": {"uid": "new", "resourceVersion": "10000"}})


def test_a_watch_that_breaks_off_goes_on_where_it_was(api: FakeApi, watched: Watched) -> None:
    watched.start()
    assert watched.ready(5.0)
    for index in range(3):
        api.put("jobs", job(f"job-{index}"))
        api.cut()
    until(lambda: len(names(watched)) == 3)
    assert sum("watch=1" not in path for _, path in api.requests) == 1  # listed once


def test_an_event_that_is_torn_is_waited_for_again(api: FakeApi, watched: Watched) -> None:
    watched.start()
    assert watched.ready(5.0)
    until(lambda: api.count("GET", "watch=1") == 1)
    api.cut(b'{"type": "ADDED", "object": {"metada\n')
    api.put("jobs", job("whole"))
    until(lambda: names(watched) == {"whole"})


def test_what_is_too_old_is_listed_again(api: FakeApi, watched: Watched) -> None:
    api.put("jobs", job("gone-meanwhile"))
    api.put("jobs", job("stays"))
    watched.start()
    assert watched.ready(5.0)
    until(lambda: api.count("GET", "watch=1") == 1)
    with api.changed:
        del api.objects["jobs"]["gone-meanwhile"]
    api.forget()
    api.put("jobs", job("new"))
    until(lambda: names(watched) == {"stays", "new"})
    assert [found["metadata"]["name"] for found in watched.gone()] == ["gone-meanwhile"]


def test_a_missing_right_is_known_and_outages_end(api: FakeApi) -> None:
    heard = threading.Event()
    api.refuse = lambda method, path: (403, status(403, "Forbidden", "pods is forbidden"))
    watched = Watched(api.cluster(), PODS, changed=heard.set)
    watched.start()
    assert watched.ready(5.0)
    assert watched.refused is not None
    watched.stop()
    watched.join(5.0)
    api.refuse = lambda method, path: (500, status(500, "InternalError", "etcd is away"))
    watched = Watched(api.cluster(), PODS, changed=heard.set)
    watched.start()
    until(lambda: watched.error is not None)
    api.refuse = lambda method, path: None
    until(lambda: watched.error is None)
    assert watched.ready(5.0)
    watched.stop()
    watched.join(5.0)


def test_a_kubeconfig_gives_server_namespace_and_credentials(api: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "config"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "secret-token"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "lab"}},
            {"name": "other", "context": {"cluster": "c", "user": "u"}},
        ],
        "current-context": "one",
    }
    file.write_text(json.dumps(config))
    cluster = Cluster.connect(kubeconfig=file)
    assert (cluster.url, cluster.namespace) == (api.url, "lab")
    assert cluster.create(JOBS, job("one")) is not None
    assert api.authorization == {"Bearer secret-token"}
    assert Cluster.connect(kubeconfig=file, context="other").namespace == "default"
    assert Cluster.connect(kubeconfig=file, namespace="team").namespace == "team"
    with pytest.raises(ClusterError, match='no context "third"'):
        Cluster.connect(kubeconfig=file, context="third")
    with pytest.raises(ClusterError, match="No cluster is configured"):
        Cluster.connect(kubeconfig=tmp_path / "none")


def test_a_kind_that_the_cluster_lacks_is_said_at_once(api: FakeApi) -> None:
    api.refuse = lambda method, path: (404, status(404, "NotFound", "the server could not find the resource"))
    watched = Watched(api.cluster(), JOB_SETS)
    watched.start()
    assert watched.ready(5.0)
    assert watched.refused is not None
    assert "has this API" in str(watched.refused)
    watched.stop()
    watched.join(5.0)
