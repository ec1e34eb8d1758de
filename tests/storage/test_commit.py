from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers import S3Server

from stilts_core.errors import StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.commit import (
    Heartbeat,
    Outcome,
    commit_stage,
    committed,
    download_committed,
    list_attempts,
    materialise,
    new_attempt,
    put_log,
    read_committed,
    read_heartbeat,
    read_log,
    read_manifest,
    read_manifests,
    read_outcomes,
    record_outcome,
    write_heartbeat,
)
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import Attempt, Manifest, attempt_prefix, manifest_key
from stilts_core.storage.repair import DamagedStageError

STAGE = "ab" * 32
OTHER = "cd" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES = {"metrics.json": b'{"f1": 0.5}', "encoder/model.safetensors": b"\x00weights" * 1000, "empty": b""}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def commit(store: Store, out: Path, attempt: Attempt | None = None, fingerprint: str = STAGE, **fields) -> Manifest:
    given = {
        "stage": {"kind": "train", "label": "train mnli"},
        "metrics": {"f1": 0.5},
        "run": {"host": "here"},
        **fields,
    }
    return commit_stage(store, fingerprint=fingerprint, attempt=attempt or new_attempt(1), folder=out, **given)


def test_a_committed_stage_is_read_back_whole(store: Store, out: Path, tmp_path: Path) -> None:
    manifest = commit(store, out)
    assert read_manifest(store, STAGE) == manifest
    assert set(manifest.files) == set(FILES)
    assert committed(store, [STAGE, OTHER]) == {STAGE}
    folder = materialise(store, manifest, tmp_path / "cache")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def test_a_stage_without_files(store: Store, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    manifest = commit(store, tmp_path / "nothing")
    assert list(materialise(store, manifest, tmp_path / "cache").iterdir()) == []


def test_a_folder_store_hands_out_its_own_files(out: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    folder = materialise(store, commit(store, out), tmp_path / "cache")
    assert folder.is_relative_to(store.root)
    assert not (tmp_path / "cache").exists()
    assert (folder / "metrics.json").stat().st_mode & 0o222 == 0


def test_who_comes_second_gets_the_manifest_that_won(store: Store, out: Path) -> None:
    first = commit(store, out)
    (out / "metrics.json").write_bytes(b"other")
    assert commit(store, out, metrics={"f1": 0.6}) == first
    assert read_manifest(store, STAGE) == first


def test_simultaneous_commits_agree(store: Store, out: Path) -> None:
    attempts = [new_attempt(number) for number in range(1, 7)]
    start = threading.Barrier(len(attempts))

    def enter(attempt: Attempt) -> Manifest:
        start.wait()
        return commit(store, out, attempt, metrics={"number": attempt.number})

    with ThreadPoolExecutor(len(attempts)) as pool:
        manifests = list(pool.map(enter, attempts))
    assert {manifest.model_dump_json() for manifest in manifests} == {manifests[0].model_dump_json()}
    assert manifests[0].attempt in attempts
    assert manifests[0].metrics == {"number": manifests[0].attempt.number}


def _commit_in_a_process(root: Path, out: Path, number: int, start: object, results: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    results.put(commit(FolderStore(root), out, new_attempt(number)).attempt)  # type: ignore[attr-defined]


def test_simultaneous_processes_agree(out: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(4), context.SimpleQueue()
    processes = [
        context.Process(target=_commit_in_a_process, args=(tmp_path / "store", out, number, start, results))
        for number in range(1, 5)
    ]
    for process in processes:
        process.start()
    winners = {results.get().folder for _ in processes}
    for process in processes:
        process.join()
    manifest = read_manifest(FolderStore(tmp_path / "store"), STAGE)
    assert manifest is not None
    assert winners == {manifest.attempt.folder}


def test_nothing_is_committed_when_an_upload_fails(store: Store, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = type(store).put

    def failing(self: Store, key: str, source: Path | bytes):
        if key.endswith("model.safetensors"):
            raise StorageError("the disk is full")
        return put(self, key, source)

    monkeypatch.setattr(type(store), "put", failing)
    with pytest.raises(StorageError, match="disk is full"):
        commit(store, out)
    assert read_manifest(store, STAGE) is None
    assert committed(store, [STAGE]) == set()


def test_metrics_that_json_cannot_hold_cost_no_upload(store: Store, out: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        commit(store, out, metrics={"f1": float("nan")})
    assert list(store.list("")) == []


@pytest.mark.parametrize("name", ["outcome.json", "heartbeat.json", "log.txt"])
def test_names_of_an_attempts_records_are_refused(store: Store, out: Path, name: str) -> None:
    (out / name).write_bytes(b"")
    with pytest.raises(StorageError, match=f"{name} cannot be committed"):
        commit(store, out)


def test_only_files_and_folders_are_committed(store: Store, out: Path, tmp_path: Path) -> None:
    (out / "link").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="link cannot be committed"):
        commit(store, out)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a manifest"),
        (b'{"fingerprint"', "is not a manifest"),
        (b'{"fingerprint": "x"}', "is not a manifest"),
        (b"\xff\xfe", "is not a manifest"),
    ],
)
def test_a_broken_manifest_is_named(store: Store, content: bytes, problem: str) -> None:
    store.put(manifest_key(STAGE), content)
    for read in (read_manifest, lambda store, fingerprint: committed(store, [fingerprint])):
        with pytest.raises(StorageError, match=f"{STAGE}/manifest.json {problem}") as caught:
            read(store, STAGE)
        assert f"doctor --store {store.uri} --deep --repair" in str(caught.value)


def test_a_manifest_in_the_wrong_place_is_named(store: Store, out: Path) -> None:
    commit(store, out)
    store.put(manifest_key(OTHER), store.read(manifest_key(STAGE)))
    with pytest.raises(StorageError, match=f"is the manifest of another stage, {STAGE[:12]}"):
        read_manifests(store, [STAGE, OTHER])


@pytest.mark.parametrize("name", ["../../../../escape", "/etc/passwd", ""])
def test_a_manifest_cannot_point_out_of_its_attempt(store: Store, out: Path, name: str) -> None:
    document = json.loads(commit(store, out).model_dump_json())
    document["files"] = {name: {"sha256": "0" * 64, "size": 1}}
    store.put(manifest_key(STAGE), json.dumps(document).encode())
    with pytest.raises(StorageError, match="which is no file of an attempt"):
        read_manifest(store, STAGE)


def test_read_manifests_keeps_order_and_leaves_out_what_is_missing(store: Store, out: Path) -> None:
    fingerprints = [f"{number:064x}" for number in range(20)]
    for fingerprint in fingerprints[::2]:
        commit(store, out, fingerprint=fingerprint)
    found = read_manifests(store, [*fingerprints, *fingerprints])
    assert list(found) == fingerprints[::2]
    assert all(manifest.fingerprint == fingerprint for fingerprint, manifest in found.items())


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def damage(store: Store, manifest: Manifest, name: str, how: str) -> None:
    key = attempt_prefix(manifest.fingerprint, manifest.attempt) + name
    data = store.read(key)
    store.delete(key)
    if how != "missing":
        store.put(key, flip(data) if how == "flipped" else data[:-1])


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
def test_damage_is_found_before_a_file_is_trusted(store: Store, out: Path, tmp_path: Path, how: str) -> None:
    manifest = commit(store, out)
    damage(store, manifest, "encoder/model.safetensors", how)
    name = "encoder/model.safetensors"
    wanted, target = manifest.files[name], tmp_path / "cache" / "model.safetensors"
    for read in (
        lambda: materialise(store, manifest, tmp_path / "cache"),
        lambda: download_committed(store, manifest, {name: target}),
        lambda: read_committed(store, manifest, name),
    ):
        with pytest.raises(DamagedStageError) as caught:
            read()
        said = str(caught.value)
        assert list(caught.value.found) == [name]
        assert f"Stage {STAGE[:12]} (train mnli)" in said
        assert f"{name} should be {wanted.size:,} bytes with SHA-256 {wanted.sha256[:16]}…, but " in said
        assert " is there.\n  Run `stilts doctor" in said
        assert not list(tmp_path.glob("cache/**/model.safetensors"))


def test_a_file_alone(store: Store, out: Path, tmp_path: Path) -> None:
    manifest = commit(store, out)
    for name, content in FILES.items():
        assert read_committed(store, manifest, name) == content
        download_committed(store, manifest, {name: tmp_path / "there" / name})
        assert (tmp_path / "there" / name).read_bytes() == content
    with pytest.raises(StorageError, match=r"committed no other\.json"):
        read_committed(store, manifest, "other.json")


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
def test_a_damaged_cache_is_mended(
    moto: S3Server, s3_at: Callable[..., Store], out: Path, tmp_path: Path, how: str
) -> None:
    store = s3_at(moto.endpoint)
    manifest = commit(store, out)
    folder = materialise(store, manifest, tmp_path / "cache")
    path = folder / "encoder/model.safetensors"
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(flip(data) if how == "flipped" else data[:-1])
    assert materialise(store, manifest, tmp_path / "cache") == folder
    assert path.read_bytes() == data


def test_a_right_cache_is_not_downloaded_again(store: Store, out: Path, tmp_path: Path) -> None:
    manifest = commit(store, out)
    folder = materialise(store, manifest, tmp_path / "cache")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert materialise(store, manifest, tmp_path / "cache") == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_many_may_materialise_at_once(store: Store, out: Path, tmp_path: Path) -> None:
    manifest = commit(store, out)
    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: materialise(store, manifest, tmp_path / "cache"), range(6)))
    (folder,) = folders
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert not list(folder.rglob("*.part"))


def test_an_outcome_is_recorded_once(store: Store) -> None:
    attempts = [new_attempt(number) for number in (2, 1, 10)]
    outcome = Outcome(exit_code=73, message="storage", started=NOW, finished=NOW, host="h", submission="s", last_step=7)
    assert record_outcome(store, STAGE, attempts[0], outcome)
    assert not record_outcome(store, STAGE, attempts[0], Outcome(exit_code=1))
    assert record_outcome(store, STAGE, attempts[2], Outcome(exit_code=-9))
    write_heartbeat(store, STAGE, attempts[1], Heartbeat(updated=NOW, step=3))
    assert read_outcomes(store, STAGE) == [(attempts[0], outcome), (attempts[2], Outcome(exit_code=-9))]
    assert list_attempts(store, STAGE) == sorted(attempts, key=lambda attempt: attempt.number)
    assert list_attempts(store, OTHER) == []
    assert read_outcomes(store, OTHER) == []


def test_a_damaged_outcome_is_named(store: Store) -> None:
    attempt = new_attempt(1)
    store.put(attempt_prefix(STAGE, attempt) + "outcome.json", b"{")
    with pytest.raises(StorageError, match=r"outcome\.json is not the record"):
        read_outcomes(store, STAGE)


def test_the_last_heartbeat_counts(store: Store) -> None:
    attempt = new_attempt(1)
    assert read_heartbeat(store, STAGE, attempt) is None
    for step in (1, 2):
        beat = Heartbeat(updated=NOW, step=step, total=9, activity="training", loss=0.5, examples_per_second=12.5)
        write_heartbeat(store, STAGE, attempt, beat)
    assert read_heartbeat(store, STAGE, attempt) == beat
    store.put(attempt_prefix(STAGE, attempt) + "heartbeat.json", b"{")
    assert read_heartbeat(store, STAGE, attempt) is None


def test_logs(store: Store, tmp_path: Path) -> None:
    attempt = new_attempt(1)
    assert read_log(store, STAGE, attempt) is None
    (tmp_path / "log").write_bytes("début\n".encode() + b"\xff\n")
    put_log(store, STAGE, attempt, tmp_path / "log")
    assert read_log(store, STAGE, attempt) == "début\n�\n"


def test_records_of_an_attempt_do_not_disturb_its_files(store: Store, out: Path, tmp_path: Path) -> None:
    attempt = new_attempt(1)
    write_heartbeat(store, STAGE, attempt, Heartbeat(updated=NOW))
    manifest = commit(store, out, attempt)
    record_outcome(store, STAGE, attempt, Outcome(exit_code=0))
    assert set(manifest.files) == set(FILES)
    materialise(store, manifest, tmp_path / "cache")


def test_attempts_have_tokens_of_their_own() -> None:
    assert len({new_attempt(1).token for _ in range(100)}) == 100


def test_foreign_folders_are_no_attempts(out: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    manifest = commit(store, out)
    home = store.root / attempt_prefix(STAGE, manifest.attempt)
    shutil.copytree(home, home.parent / "copy of it")
    assert list_attempts(store, STAGE) == [manifest.attempt]
