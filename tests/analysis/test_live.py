from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_study import entry, make_manifests, make_plan

from stilts_core.analysis.collect import files, read
from stilts_core.analysis.live import LiveReport, Serving
from stilts_core.errors import StorageError
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import Manifest, manifest_key

PLAN = make_plan()
MANIFESTS = make_manifests(PLAN, lambda cell, code: entry(60.0 + 4 * (cell.curriculum == "mnli")))


def put(store: FolderStore, manifests: dict[str, Manifest]) -> None:
    for name, one in manifests.items():
        store.put(manifest_key(name), one.model_dump_json().encode())


def live_report(store: FolderStore) -> LiveReport:
    return LiveReport(lambda: " ".join(info.key for info in store.list("stages/")), lambda: files(read(store, PLAN)))


@contextmanager
def served(live: LiveReport, interval: float = 0.02) -> Iterator[str]:
    with Serving(live, interval=interval) as serving:
        yield serving.address.removeprefix("http://").rstrip("/")


def get(host: str, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def next_version(events: http.client.HTTPResponse) -> int:
    while True:
        line = events.readline()
        assert line, "the stream has ended"
        if line.startswith(b"data: "):
            return int(line.removeprefix(b"data: "))


def test_a_commit_reaches_the_browser(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with served(live_report(store)) as host:
        answer, page = get(host, "/")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Nothing has been measured yet" in page.decode()
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/events")
        events = connection.getresponse()
        assert events.headers["Content-Type"] == "text/event-stream"
        assert next_version(events) == 1
        writer = threading.Thread(target=put, args=(store, MANIFESTS))
        writer.start()
        version = next_version(events)
        writer.join()
        while "mnli gains most, +4.0 points" not in (page := get(host, "/")[1]).decode():
            version = next_version(events)
        assert version > 1
        assert b"mnli" in get(host, "/summary.csv")[1]
        assert get(host, "/tables/gains.csv")[0].headers["Content-Type"] == "text/csv; charset=utf-8"
        connection.close()


def test_the_page_may_run_its_own_script_and_no_other(tmp_path: Path) -> None:
    with served(live_report(FolderStore(tmp_path))) as host:
        page = get(host, "/")[1].decode()
        assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'" in page
        assert page.count("<script") == 1
        answer, script = get(host, "/live.js")
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert b"EventSource" in script
    assert b"<script" not in files(read(FolderStore(tmp_path), PLAN))["report.html"]


@pytest.mark.parametrize(
    "path",
    [
        "/../store/x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/tables/../../x",
        "/report.html/",
        "/stages",
        "/etc/passwd",
    ],
)
def test_no_path_reaches_the_disk(tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_text("secret", encoding="utf-8")
    with served(live_report(FolderStore(tmp_path / "store"))) as host:
        answer, body = get(host, path)
        assert answer.status == 404
        assert b"secret" not in body
        assert b"root:" not in body


def test_only_this_machines_names_are_answered(tmp_path: Path) -> None:
    with served(live_report(FolderStore(tmp_path))) as host:
        assert host.startswith("127.0.0.1:")
        assert get(host, "/", Host="evil.example:80")[0].status == 421
        assert get(host, "/", Host="localhost:80")[0].status == 200
        answer, body = get(host, "/", "HEAD")
        assert (answer.status, body) == (200, b"")
        assert get(host, "/", "POST")[0].status == 501


def test_a_store_that_fails_keeps_the_last_report(tmp_path: Path) -> None:
    broken = threading.Event()

    def state() -> str:
        if broken.is_set():
            raise StorageError("The store is gone.")
        return "same"

    live = LiveReport(state, lambda: {"report.html": b"<head></head>"})
    broken.set()
    assert not live.refresh()
    assert live.problem == "The store is gone."
    assert live.read("/") is not None
    broken.clear()
    assert not live.refresh()
    assert live.problem == ""


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    live = live_report(FolderStore(tmp_path))
    with served(live) as host, pytest.raises(StorageError, match="can't be had"):
        Serving(live, port=int(host.rpartition(":")[2]))


def test_it_ends_while_a_browser_listens(tmp_path: Path) -> None:
    with served(live_report(FolderStore(tmp_path))) as host:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/events")
        events = connection.getresponse()
        assert next_version(events) == 1
    assert events.read() in (b"", b"\n")
