"""One contract, whatever a store is made of."""

from __future__ import annotations

import hashlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.storage.base import ObjectInfo, Store
from stilts_core.storage.open import open_store
from stilts_core.storage.probe import probe

BIG = 17 << 20  # over the size from which S3 objects are moved in parts


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)


def test_what_is_put_is_read(store: Store) -> None:
    info = store.put("a/b/one.bin", b"hello")
    assert (info, info.sha256) == (ObjectInfo("a/b/one.bin", 5), sha256(b"hello"))
    assert store.read("a/b/one.bin") == b"hello"
    assert store.info("a/b/one.bin") == ObjectInfo("a/b/one.bin", 5)


def test_put_replaces(store: Store) -> None:
    store.put("key", b"a longer first version")
    store.put("key", b"second")
    assert store.read("key") == b"second"
    assert store.info("key") == ObjectInfo("key", 6)


def test_put_from_a_file(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    assert store.put("file", source).sha256 == sha256(b"x" * 100_000)
    assert store.read("file") == b"x" * 100_000


def test_empty_object(store: Store, tmp_path: Path) -> None:
    store.put("empty", b"")
    assert store.read("empty") == b""
    store.download("empty", tmp_path / "empty", sha256=sha256(b""), size=0)
    assert (tmp_path / "empty").read_bytes() == b""


def test_large_object(store: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(bytes(range(256)) * (BIG // 256) + b"tail")
    info = store.put("large", source)
    assert info.size == BIG + 4
    store.download("large", target, sha256=info.sha256 or "", size=info.size)
    assert sha256(target.read_bytes()) == info.sha256 == sha256(source.read_bytes())


@pytest.mark.parametrize(
    "key", ["ä ö/日本 語.txt", "a+b&c=d%20e?f#g.txt", "quote'\"<>.txt", ".hidden/.file", "x" * 200]
)
def test_unusual_names(store: Store, key: str, tmp_path: Path) -> None:
    store.put(key, b"1")
    assert store.read(key) == b"1"
    assert [found.key for found in store.list("")] == [key]
    store.download(key, tmp_path / "target", sha256=sha256(b"1"), size=1)
    store.delete(key)
    assert store.info(key) is None


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "a\\b", "nul\0", "line\nbreak", "\ud800"),
        *(".incoming/x", "long/" * 300 + "x", "y" * 300),
    ],
)
def test_keys_that_could_leave_the_store_are_refused(store: Store, key: str, tmp_path: Path) -> None:
    calls = (
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.read(key),
        lambda: store.info(key),
        lambda: store.delete(key),
        lambda: store.local_path(key),
        lambda: store.download(key, tmp_path / "target", sha256=sha256(b""), size=0),
    )
    for call in calls:
        with pytest.raises(StorageError, match="cannot be the key"):
            call()


def test_missing_objects(store: Store, tmp_path: Path) -> None:
    assert store.info("nothing") is None
    assert list(store.list("")) == []
    store.delete("nothing")
    store.put("file", b"1")
    for key in ("nothing", "file/below"):
        assert store.info(key) is None
        with pytest.raises(MissingInputError, match=f"{key} is not in the store"):
            store.read(key)
        with pytest.raises(MissingInputError, match=f"{key} is not in the store"):
            store.download(key, tmp_path / "target", sha256=sha256(b""), size=0)
        store.delete(key)
    assert list(tmp_path.glob("*target*")) == []


def test_a_folder_of_keys_is_no_object(store: Store) -> None:
    store.put("a/b", b"1")
    assert store.info("a") is None
    with pytest.raises(MissingInputError):
        store.read("a")


def test_create_is_for_the_first_only(store: Store) -> None:
    assert store.create("a/once", b"first")
    assert not store.create("a/once", b"second")
    assert not store.create("a/once", b"first")
    assert store.read("a/once") == b"first"


def test_of_many_creators_one_wins(store: Store) -> None:
    writers = 8
    for round_ in range(3):
        start = threading.Barrier(writers)
        entries = [f"{number} {uuid.uuid4()}".encode() for number in range(writers)]

        def enter(data: bytes, key: str = f"race/{round_}", start: threading.Barrier = start) -> bool:
            start.wait()
            return store.create(key, data)

        with ThreadPoolExecutor(writers) as pool:
            won = [data for data, winner in zip(entries, pool.map(enter, entries), strict=True) if winner]
        assert won == [store.read(f"race/{round_}")]


def test_list_is_complete_and_in_the_order_of_keys(store: Store) -> None:
    keys = ["a", "a-b", "a.b", "a0", "b/c", "b/c-d/e", "b/d/e", "b0", "c/é", "c/z"]
    expected = sorted(keys, key=str.encode)
    for key in reversed(keys):
        store.put(key, key.encode())
    assert list(store.list("")) == [ObjectInfo(key, len(key.encode())) for key in expected]
    for prefix in ("b", "b/", "b/c", "a", "c/z", "nothing", "b/c/", "b/c-d/e/"):
        assert [found.key for found in store.list(prefix)] == [key for key in expected if key.startswith(prefix)]


def test_list_does_not_leave_the_store(store: Store) -> None:
    with pytest.raises(StorageError):
        list(store.list("../"))


def test_delete(store: Store) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert [found.key for found in store.list("")] == ["a/d"]
    store.put("a/b", b"the folder is gone, its name is free")
    assert store.read("a/b").startswith(b"the folder")


def test_download_appears_only_when_right(store: Store, tmp_path: Path) -> None:
    store.put("key", b"right")
    target = tmp_path / "target"
    target.write_bytes(b"old")
    for digest, size in ((sha256(b"wrong"), 5), (sha256(b"right"), 6), (sha256(b"right"), 4)):
        with pytest.raises(StorageError, match=r"where .* was expected"):
            store.download("key", target, sha256=digest, size=size)
        assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["target"]
    store.download("key", target, sha256=sha256(b"right"), size=5)
    assert target.read_bytes() == b"right"


def test_a_source_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Could not read"):
        store.put("key", tmp_path / "nothing")
    assert store.info("key") is None


def test_its_address_opens_it_again(
    store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = request.node.callspec.params["store"]
    if kind != "folder":
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue(kind).endpoint)
    store.put("key", b"1")
    assert open_store(store.uri).read("key") == b"1"


def test_probe_finds_it_good_and_leaves_nothing(store: Store) -> None:
    findings = probe(store)
    assert [(finding.name, finding.follows) for finding in findings if not finding.ok] == []
    assert findings[0].name == "write and read"
    assert list(store.list("")) == []
