"""Whatever goes wrong on the way to an S3 server is tried again or reported, and never taken for success."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faulty_proxy import Fault, Request, always, faulty_proxy, first, share
from servers import S3Server

from stilts_core.errors import StorageError
from stilts_core.storage.commit import (
    Heartbeat,
    Outcome,
    commit_stage,
    materialise,
    new_attempt,
    read_heartbeat,
    read_outcomes,
    record_outcome,
    write_heartbeat,
)
from stilts_core.storage.probe import probe
from stilts_core.storage.s3 import S3Store

Open = Callable[..., S3Store]
BIG = b"0123456789abcdef" * (17 << 16)  # 17 MiB: moved in parts
FINGERPRINT = "ef" * 32


def name_of(value: object) -> str:
    return value if isinstance(value, str) else "large" if value is BIG else "small"


broken_downloads = pytest.mark.parametrize(
    ("fault", "data"),
    [
        (Fault.ERROR_500, b"small"),
        (Fault.CUT_ANSWER, b"small"),
        (Fault.FLIPPED, b"small"),
        (Fault.FLIPPED, BIG),
        (Fault.TRUNCATED, b"small"),
        (Fault.TRUNCATED, BIG),
    ],
    ids=name_of,
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("seed", [1, 2])
def test_five_in_a_hundred_calls_fail(moto: S3Server, s3_at: Open, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for number in range(20):
        (out / f"{number}.bin").write_bytes(bytes([number]) * (1 + 1000 * number))
    with faulty_proxy(moto.endpoint, share(0.05, seed)) as proxy:
        store, attempt = s3_at(proxy.endpoint), new_attempt(1)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for step in range(10):
            write_heartbeat(store, FINGERPRINT, attempt, Heartbeat(updated=now, step=step))
            beat = read_heartbeat(store, FINGERPRINT, attempt)
            assert beat is not None
            assert beat.step == step
        manifest = commit_stage(
            store, stage={}, fingerprint=FINGERPRINT, attempt=attempt, folder=out, metrics={}, run={}
        )
        assert manifest.attempt == attempt
        folder = materialise(store, manifest, tmp_path / "cache")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            path.name: path.read_bytes() for path in out.iterdir()
        }
        won = [store.create(f"race/{number % 10}", f"{number}".encode()) for number in range(20)]
        assert won == [True] * 10 + [False] * 10
        assert record_outcome(store, FINGERPRINT, attempt, Outcome(exit_code=0))
        assert [found for found, _ in read_outcomes(store, FINGERPRINT)] == [attempt]
        for found in list(store.list("race/")):
            assert store.read(found.key) == found.key.removeprefix("race/").encode()
            store.delete(found.key)
        assert list(store.list("race/")) == []
    assert proxy.faults() >= 3


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        (Fault.ERROR_500, b"small"),
        (Fault.ERROR_503, BIG),
        (Fault.CUT_REQUEST, b"small"),
        (Fault.CUT_REQUEST, BIG),
        (Fault.CUT_ANSWER, b"small"),
        (Fault.CUT_ANSWER, BIG),
    ],
    ids=name_of,
)
def test_an_upload_is_tried_again(moto: S3Server, s3_at: Open, tmp_path: Path, fault: Fault, data: bytes) -> None:
    (tmp_path / "source").write_bytes(data)
    with faulty_proxy(moto.endpoint, first(fault, "PUT", times=2)) as proxy:
        store = s3_at(proxy.endpoint)
        assert store.put("key", tmp_path / "source").sha256 == sha256(data)
        assert proxy.faults() == 2
        assert store.read("key") == data


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_500, Fault.CUT_REQUEST, Fault.CUT_ANSWER, Fault.TRUNCATED, Fault.ERROR_IN_200]
)
def test_the_completion_of_a_large_upload_is_tried_again(
    moto: S3Server, s3_at: Open, tmp_path: Path, fault: Fault
) -> None:
    (tmp_path / "source").write_bytes(BIG)
    with faulty_proxy(moto.endpoint, first(fault, "POST", path="uploadId=")) as proxy:
        store = s3_at(proxy.endpoint)
        store.put("key", tmp_path / "source")
        assert proxy.faults() == 1
        store.download("key", tmp_path / "target", sha256=sha256(BIG), size=len(BIG))


@pytest.mark.parametrize("fault", [Fault.ERROR_503, Fault.CUT_REQUEST, Fault.CUT_ANSWER])
def test_an_upload_that_fails_for_good_is_reported(moto: S3Server, s3_at: Open, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "source").write_bytes(BIG)
    with faulty_proxy(moto.endpoint, always(fault, "PUT")) as proxy:
        store = s3_at(proxy.endpoint)
        for source in (b"small", tmp_path / "source"):
            with pytest.raises(StorageError, match="again and again"):
                store.put("key", source)
        with pytest.raises(StorageError, match="again and again"):
            commit_stage(
                store, stage={}, fingerprint=FINGERPRINT, attempt=new_attempt(1), folder=tmp_path, metrics={}, run={}
            )
        assert store.info(f"stages/ef/{FINGERPRINT}/manifest.json") is None


def test_a_failed_large_upload_leaves_no_parts(moto: S3Server, s3_at: Open, tmp_path: Path) -> None:
    import boto3

    (tmp_path / "source").write_bytes(BIG)
    client = boto3.session.Session().client("s3", endpoint_url=moto.endpoint)
    with faulty_proxy(moto.endpoint, always(Fault.ERROR_500, "PUT")) as proxy, pytest.raises(StorageError):
        s3_at(proxy.endpoint).put("key", tmp_path / "source")
    assert "Uploads" not in client.list_multipart_uploads(Bucket="stilts-tests")


def test_a_file_that_changes_under_its_upload_is_not_kept(moto: S3Server, s3_at: Open, tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_bytes(BIG)
    other.write_bytes(BIG[::-1])

    def change(request: Request) -> None:
        if "partNumber=1" in request.path and other.exists():
            other.replace(source)

    with faulty_proxy(moto.endpoint, change) as proxy:
        store = s3_at(proxy.endpoint)
        with pytest.raises(StorageError, match="changed while it was being written"):
            store.put("key", source)
        assert store.info("key") is None


@broken_downloads
def test_a_download_is_tried_again(moto: S3Server, s3_at: Open, tmp_path: Path, fault: Fault, data: bytes) -> None:
    (tmp_path / "source").write_bytes(data)
    with faulty_proxy(moto.endpoint, first(fault, "GET")) as proxy:
        store = s3_at(proxy.endpoint)
        store.put("key", tmp_path / "source")
        store.download("key", tmp_path / "target", sha256=sha256(data), size=len(data))
        assert proxy.faults() == 1
        assert (tmp_path / "target").read_bytes() == data


@broken_downloads
def test_a_download_that_fails_for_good_leaves_nothing(
    moto: S3Server, s3_at: Open, tmp_path: Path, fault: Fault, data: bytes
) -> None:
    (tmp_path / "source").write_bytes(data)
    with faulty_proxy(moto.endpoint, always(fault, "GET")) as proxy:
        store = s3_at(proxy.endpoint)
        store.put("key", tmp_path / "source")
        with pytest.raises(StorageError, match="Could not read s3://"):
            store.download("key", tmp_path / "down" / "target", sha256=sha256(data), size=len(data))
        if data is not BIG:
            with pytest.raises(StorageError, match="Could not read s3://"):
                store.read("key")
    assert list((tmp_path / "down").iterdir()) == []


def test_only_the_broken_part_of_a_large_download_is_repeated(moto: S3Server, s3_at: Open, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(BIG)
    with faulty_proxy(moto.endpoint, first(Fault.TRUNCATED, "GET")) as proxy:
        store = s3_at(proxy.endpoint)
        store.put("key", tmp_path / "source")
        store.download("key", tmp_path / "target", sha256=sha256(BIG), size=len(BIG))
        assert sum(request.method == "GET" for request, _ in proxy.requests) == 4 + 1


@pytest.mark.parametrize("fault", [Fault.CUT_ANSWER, Fault.ERROR_500, Fault.CUT_REQUEST])
def test_a_create_whose_answer_is_lost_is_recognised(moto: S3Server, s3_at: Open, fault: Fault) -> None:
    with faulty_proxy(moto.endpoint, first(fault, "PUT")) as proxy:
        store = s3_at(proxy.endpoint)
        assert store.create("key", b"mine")
        assert proxy.faults() == 1
        assert not store.create("key", b"mine")


@pytest.mark.parametrize("fault", [Fault.CUT_ANSWER, Fault.ERROR_500, Fault.CUT_REQUEST])
def test_a_create_that_came_too_late_is_no_success_when_its_answer_is_lost(
    moto: S3Server, s3_at: Open, fault: Fault
) -> None:
    store = s3_at(moto.endpoint)
    assert store.create("key", b"the same")
    with faulty_proxy(moto.endpoint, first(fault, "PUT")) as proxy:
        late = s3_at(proxy.endpoint, uri=store.uri)
        assert not late.create("key", b"the same")
        assert proxy.faults() == 1


def test_a_slow_answer_is_not_waited_for_for_ever(moto: S3Server, s3_at: Open) -> None:
    with faulty_proxy(moto.endpoint, first(Fault.SLOW, "PUT")) as proxy:
        assert s3_at(proxy.endpoint, read_timeout=0.4).create("key", b"mine")
        assert [fault for request, fault in proxy.requests if request.method == "PUT"] == [Fault.SLOW, None]


def test_a_server_that_is_always_slow_is_reported(moto: S3Server, s3_at: Open) -> None:
    with faulty_proxy(moto.endpoint, always(Fault.SLOW)) as proxy:
        store = s3_at(proxy.endpoint, read_timeout=0.05)
        with pytest.raises(StorageError, match="did not answer in time") as caught:
            store.read("key")
    assert "read_timeout" in str(caught.value)
    assert len(proxy.requests) == 8


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.ERROR_503, Fault.CUT_ANSWER])
def test_a_listing_is_tried_again_and_never_cut_short(moto: S3Server, s3_at: Open, fault: Fault) -> None:
    keys = [f"{number:03d}" for number in range(20)]
    with faulty_proxy(moto.endpoint, first(fault, "GET", times=3)) as proxy:
        store = s3_at(proxy.endpoint)
        for key in keys:
            store.put(key, b"")
        assert [found.key for found in store.list("")] == keys
        assert proxy.faults() == 3
    with faulty_proxy(moto.endpoint, always(fault, "GET")) as proxy, pytest.raises(StorageError):
        list(s3_at(proxy.endpoint).list(""))


def test_a_server_that_loses_metadata_is_reported(moto: S3Server, s3_at: Open) -> None:
    with faulty_proxy(moto.endpoint, always(Fault.NO_METADATA)) as proxy:
        store = s3_at(proxy.endpoint)
        for write in (store.put, store.create):
            with pytest.raises(StorageError, match="does not keep the metadata"):
                write(f"key-{write.__name__}", b"1")


def test_the_probe_finds_a_server_without_create_only_writes(moto: S3Server, s3_at: Open) -> None:
    with faulty_proxy(moto.endpoint, always(Fault.NO_CONDITION, "PUT")) as proxy:
        store = s3_at(proxy.endpoint)
        findings = {finding.name: finding for finding in probe(store)}
        assert list(store.list("")) == []
    assert not findings["create-only write"].ok
    assert findings["large object"].ok
    assert "one driver at a time" in findings["create-only write"].follows
