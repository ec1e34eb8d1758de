"""Data roots: a folder, a bucket and the sample answer in one way; a changed file is another file."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import S3Server, moto_server

from stilts_core.data.bucket_root import BucketRoot
from stilts_core.data.folder_root import FolderRoot
from stilts_core.data.index import INDEX
from stilts_core.data.root import DataRoot, default_cache, open_data_root, overlay_for
from stilts_core.errors import DataError, MissingInputError, SpecError, StorageError
from stilts_core.sample import VERSION
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.settings import S3Settings

FILES = {
    "xnli/dev-de.tsv": b"a\tb\tneutral\n",
    "xnli/dev-en.tsv": b"c\td\tneutral\n",
    "udpos/UD_German-GSD/de_gsd-ud-test.conllu": b"1\tx\n",
    "udpos/UD_German-HDT/de_hdt-ud-dev.conllu": b"1\ty\n",
    "udpos/notes[1].txt": b"",
    "top.txt": b"top",
}
LONG_AGO = 1_600_000_000


def write(folder: Path, path: str, data: bytes, time: int = LONG_AGO) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    os.utime(file, (time, time))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, data in FILES.items():
        write(tmp_path / "data", path, data)
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def open_as(kind: str, folder: Path, cache: Path) -> DataRoot:
    return FolderRoot(folder, cache) if kind == "folder" else BucketRoot(FolderStore(folder), cache)


KINDS = pytest.mark.parametrize("kind", ["folder", "bucket"])


@KINDS
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("xnli/dev-de.tsv", ["xnli/dev-de.tsv"]),
        ("xnli/dev-*.tsv", ["xnli/dev-de.tsv", "xnli/dev-en.tsv"]),
        ("udpos/UD_*/de_*-ud-test.conllu", ["udpos/UD_German-GSD/de_gsd-ud-test.conllu"]),
        ("*", ["top.txt"]),
        ("udpos/notes[1].txt", ["udpos/notes[1].txt"]),
        ("udpos/*[1].txt", ["udpos/notes[1].txt"]),
        ("xnli", []),
        ("nothing/here.tsv", []),
        ("top.txt/deeper", []),
    ],
)
def test_find(kind: str, pattern: str, found: list[str], folder: Path, cache: Path) -> None:
    assert open_as(kind, folder, cache).find(pattern) == found


@KINDS
@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", "a//b", "", "a/./b", "a\\b", "a\0b"])
def test_no_path_leaves_the_root(kind: str, pattern: str, folder: Path, cache: Path) -> None:
    root = open_as(kind, folder, cache)
    for look in (root.find, root.digest, root.fetch):
        with pytest.raises(SpecError, match="is no path of a data file"):
            look(pattern)


@KINDS
def test_digest_and_fetch(kind: str, folder: Path, cache: Path) -> None:
    root = open_as(kind, folder, cache)
    for path, data in FILES.items():
        assert root.digest(path) == (hashlib.sha256(data).hexdigest(), len(data))
        assert root.fetch(path).read_bytes() == data
    again = open_as(kind, folder, cache)
    assert again.digest("top.txt") == root.digest("top.txt")


@KINDS
def test_a_missing_file_is_named_and_its_neighbours_too(kind: str, folder: Path, cache: Path) -> None:
    root = open_as(kind, folder, cache)
    with pytest.raises(MissingInputError, match=r"has no file xnli/dev-fr\.tsv") as caught:
        root.digest("xnli/dev-fr.tsv")
    assert caught.value.hint == "Beside it lie dev-de.tsv, dev-en.tsv."
    with pytest.raises(MissingInputError, match=r"has no file nothing/x"):
        root.fetch("nothing/x")


@KINDS
def test_a_changed_file_has_another_digest(kind: str, folder: Path, cache: Path) -> None:
    before = open_as(kind, folder, cache).digest("top.txt")
    write(folder, "top.txt", b"pot", LONG_AGO + 1)
    root = open_as(kind, folder, cache)
    assert root.digest("top.txt").sha256 == hashlib.sha256(b"pot").hexdigest() != before.sha256
    with pytest.raises(DataError, match=r"top\.txt .* has changed"):
        root.fetch("top.txt", before.sha256)


@KINDS
def test_the_index_lists_every_file_and_is_the_same_twice(kind: str, folder: Path, cache: Path) -> None:
    write(folder, ".git/config", b"hidden")
    seen: list[str] = []
    index = open_as(kind, folder, cache).write_index(seen.append)
    assert seen == sorted(FILES) == list(index.files)
    written = (folder / INDEX).read_bytes()
    assert json.loads(written)["files"]["top.txt"]["sha256"] == hashlib.sha256(b"top").hexdigest()
    open_as(kind, folder, cache).write_index()
    assert (folder / INDEX).read_bytes() == written


def test_a_file_that_changed_after_the_index_is_read_again(folder: Path, cache: Path) -> None:
    FolderRoot(folder, cache).write_index()
    write(folder, "top.txt", b"pot", LONG_AGO + 1)
    assert FolderRoot(folder, cache).digest("top.txt").sha256 == hashlib.sha256(b"pot").hexdigest()


def test_an_object_that_changed_after_the_index_is_not_taken(folder: Path, cache: Path) -> None:
    BucketRoot(FolderStore(folder), cache).write_index()
    write(folder, "top.txt", b"longer")
    assert BucketRoot(FolderStore(folder), cache).digest("top.txt").size == 6
    write(folder, "top.txt", b"pot")
    stale = BucketRoot(FolderStore(folder), cache / "empty")
    with pytest.raises(StorageError):
        stale.fetch("top.txt")


def test_an_index_saves_reading(folder: Path, cache: Path) -> None:
    FolderRoot(folder, cache).write_index()
    file = write(folder, "top.txt", b"xyz")  # the same size and time: what the index says is believed
    assert FolderRoot(folder, cache / "other").digest("top.txt").sha256 == hashlib.sha256(b"top").hexdigest()
    assert file.read_bytes() == b"xyz"


def test_a_file_changed_just_now_is_never_taken_from_memory(folder: Path, cache: Path) -> None:
    root = FolderRoot(folder, cache)
    file = folder / "top.txt"
    file.write_bytes(b"one")
    now = file.stat().st_mtime_ns
    root.digest("top.txt")
    file.write_bytes(b"two")
    os.utime(file, ns=(now, now))
    assert root.digest("top.txt").sha256 == hashlib.sha256(b"two").hexdigest()
    assert root.write_index().files["top.txt"].mtime_ns is None


def test_nothing_is_written_into_the_root_but_the_index(folder: Path, cache: Path) -> None:
    before = sorted(folder.rglob("*"))
    root = FolderRoot(folder, cache)
    for path in FILES:
        root.fetch(path)
    assert sorted(folder.rglob("*")) == before


def test_a_broken_index_is_said(folder: Path, cache: Path) -> None:
    write(folder, INDEX, b'{"format": 2, "files": {}}')
    with pytest.raises(DataError, match=r"stilts-index\.json is not a data index"):
        FolderRoot(folder, cache).digest("top.txt")


def test_a_cache_that_cannot_be_written_costs_time_only(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"a file where the folder should be")
    assert FolderRoot(folder, blocked).digest("top.txt").size == 3


def test_a_damaged_download_is_fetched_again(folder: Path, cache: Path) -> None:
    root = BucketRoot(FolderStore(folder), cache)
    local = root.fetch("top.txt")
    local.chmod(0o644)
    local.write_bytes(b"bad")
    assert BucketRoot(FolderStore(folder), cache).fetch("top.txt").read_bytes() == b"top"


@pytest.mark.parametrize("uri", ["", "http://x/y", "s3://", "sample://x"])
def test_an_address_that_is_none(uri: str, cache: Path) -> None:
    with pytest.raises(SpecError, match="is no data root"):
        open_data_root(uri, cache)


def test_a_folder_that_is_not_there(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(MissingInputError, match="is not a folder"):
        open_data_root(str(tmp_path / "none"), cache)


def test_the_cache_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "stilts"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache/stilts"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with moto_server() as server:
        server.make_bucket("corpora")
        yield server


def test_a_bucket_on_a_real_server(s3: S3Server, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3")
    for path, data in FILES.items():
        client.put_object(Bucket="corpora", Key=f"xtreme/{path}", Body=data)
    settings = S3Settings(endpoint=s3.endpoint, region=s3.region)
    root = open_data_root("s3://corpora/xtreme", cache, settings)
    assert root.find("xnli/dev-*.tsv") == ["xnli/dev-de.tsv", "xnli/dev-en.tsv"]
    assert root.fetch("top.txt").read_bytes() == b"top"
    root.write_index()
    assert open_data_root("s3://corpora/xtreme", cache, settings).digest("top.txt") == root.digest("top.txt")
    client.put_object(Bucket="corpora", Key="xtreme/top.txt", Body=b"changed")
    assert open_data_root("s3://corpora/xtreme", cache, settings).digest("top.txt").size == 7


def test_the_sample_is_made_once_and_whole_by_many_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def write_sample(target: Path) -> None:
        calls.append(target)
        write(target, "xnli/dev-de.tsv", b"x")

    monkeypatch.setattr("stilts_core.sample.generate.write_sample", write_sample)
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(open_data_root("sample://", cache).fetch("xnli/dev-de.tsv").read_bytes())
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"x"] * 6
    assert [path.name for path in (cache / "sample").iterdir()] == [VERSION]
    made = len(calls)
    open_data_root("sample://", cache)
    assert len(calls) == made


def test_the_sample_has_tasks_of_its_own() -> None:
    assert overlay_for("data") == ()
    names = {task.name for task in overlay_for("sample://")}
    assert {"mnli", "squad_v1", "squad_v2", "hellaswag", "xnli", "udpos", "xquad", "tydiqa", "tatoeba"} <= names
