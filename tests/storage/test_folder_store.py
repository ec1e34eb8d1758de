"""What is particular to a store in a folder: disks, rights, other files, processes that are killed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import StorageError
from stilts_core.storage.commit import commit_stage, new_attempt, read_manifest
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.keys import check_key, check_prefix

STAGE = "12" * 32


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def in_a_process(function: Callable[[], None]) -> int:
    """Exit code of a forked process that runs the function."""
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def expect_failure(text: str, call: Callable[[], object]) -> None:
    with pytest.raises(StorageError, match=text) as caught:
        call()
    assert caught.value.hint


def test_nothing_is_made_before_the_first_write(store: FolderStore) -> None:
    assert list(store.list("")) == []
    assert store.info("key") is None
    assert not store.root.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store.put("before", b"1")
    store.put("big", b"2" * 5000)
    write, budget = os.write, [3000]

    def full(descriptor: int, data: memoryview) -> int:
        if budget[0] <= 0:
            raise OSError(number, os.strerror(number))
        written = write(descriptor, data[: budget[0]])
        budget[0] -= written
        return written

    monkeypatch.setattr("stilts_core.storage.folder.os.write", full)
    for call in (
        lambda: store.put("key", b"x" * 5000),
        lambda: store.create("key", b"x" * 5000),
        lambda: store.download("big", tmp_path / "target", sha256="0" * 64, size=5000),
    ):
        budget[0] = 3000
        expect_failure("disk (is full|quota is used up)", call)
    monkeypatch.undo()
    assert {found.key for found in store.list("")} == {"before", "big"}
    assert list((store.root / ".incoming").iterdir()) == []
    assert not list(tmp_path.glob("*target*"))


def test_a_write_that_hits_the_limit_of_the_system(store: FolderStore) -> None:
    """The kernel itself refuses, in a process whose files may have 64 KiB."""
    store.put("before", b"1")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        expect_failure("larger than the file system or a limit allows", lambda: store.put("key", b"x" * (1 << 20)))
        assert store.create("small", b"1")

    assert in_a_process(limited) == 0
    assert [found.key for found in store.list("")] == ["before", "small"]


def test_a_full_disk_commits_nothing(store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").write_bytes(b"x" * 100)

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stilts_core.storage.folder.os.write", full)
    attempt = new_attempt(1)
    expect_failure(
        "disk is full",
        lambda: commit_stage(store, stage={}, fingerprint=STAGE, attempt=attempt, folder=out, metrics={}, run={}),
    )
    monkeypatch.undo()
    assert read_manifest(store, STAGE) is None


def test_a_store_without_rights(store: FolderStore) -> None:
    store.put("key", b"1")
    store.root.chmod(0o555)
    (store.root / ".incoming").chmod(0o555)
    (store.root / "key").chmod(0o000)

    def as_nobody() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        for call in (
            lambda: store.put("other", b"1"),
            lambda: store.create("other", b"1"),
            lambda: store.read("key"),
            lambda: store.delete("key"),
        ):
            expect_failure("there is no right to", call)

    assert in_a_process(as_nobody) == 0


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        store = FolderStore(root)
        expect_failure("a file lies where a folder is needed", lambda store=store: store.put("key", b"1"))
        expect_failure("a file lies where a folder is needed", lambda store=store: store.create("key", b"1"))
        expect_failure("a file lies where a folder is needed", lambda store=store: list(store.list("")))
        expect_failure("a file lies where a folder is needed", lambda store=store: store.info("key"))
        expect_failure("a file lies where a folder is needed", lambda store=store: store.read("key"))
    assert (tmp_path / "file").read_bytes() == b"1"


def test_a_key_is_no_folder_of_another(store: FolderStore) -> None:
    store.put("a", b"1")
    store.put("b/c", b"1")
    for write in (store.put, store.create):
        expect_failure("a file lies where a folder is needed", lambda write=write: write("a/x", b"1"))
        expect_failure("a folder lies where|a file lies where", lambda write=write: write("b", b"1"))
    assert [found.key for found in store.list("")] == ["a", "b/c"]


def test_objects_are_read_only_for_everybody_who_may_read(store: FolderStore) -> None:
    before = os.umask(0o022)
    try:
        store.put("key", b"1")
        store.create("other", b"1")
    finally:
        os.umask(before)
    assert {oct((store.root / key).stat().st_mode & 0o777) for key in ("key", "other")} == {"0o444"}


def test_a_file_system_without_hard_links(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("stilts_core.storage.folder.os.link", refuse)
    with pytest.raises(StorageError) as caught:
        store.create("key", b"1")
    assert "hard links" in str(caught.value)
    assert store.info("key") is None


def test_a_link_whose_answer_was_lost_is_recognised(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, where the repeated request finds the name that the first one made."""
    link = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr("stilts_core.storage.folder.os.link", repeated)
    assert store.create("key", b"1")
    assert not store.create("key", b"2")


def test_unfinished_files_are_no_objects_and_old_ones_are_removed(store: FolderStore) -> None:
    incoming = store.root / ".incoming"
    incoming.mkdir(parents=True)
    for name, age in (("old", 100 * 3600), ("recent", 3600)):
        (incoming / name).write_bytes(b"1")
        os.utime(incoming / name, (time.time() - age,) * 2)
    assert list(store.list("")) == []
    store.put("key", b"1")
    assert [path.name for path in incoming.iterdir()] == ["recent"]


def test_a_writer_that_is_killed_leaves_the_object_whole(store: FolderStore) -> None:
    store.put("key", b"the first version")

    def chunks_until_killed(source: Path | bytes):
        yield b"a part of the second version"
        yield b", and another"
        os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        import stilts_core.storage.folder as folder

        folder.chunks = chunks_until_killed
        store.put("key", b"never used")

    assert in_a_process(killed) == -signal.SIGKILL
    assert store.read("key") == b"the first version"
    assert [found.key for found in store.list("")] == ["key"]


def test_deleting_and_writing_in_one_folder_at_once(store: FolderStore) -> None:
    """`delete` removes empty folders, which other processes are about to write into."""

    def churn(number: int) -> None:
        mine = FolderStore(store.root)
        for _ in range(100):
            mine.put(f"a/b/c/{number}", b"1")
            mine.delete(f"a/b/c/{number}")

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=churn, args=(number,)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert list(store.list("")) == []


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["a", "..", ".", "", "b c", "é", "\\", "\0", ".incoming"])).map("/".join)
)
def test_a_key_that_is_accepted_names_a_file_within_the_store(key: str) -> None:
    root = Path("/somewhere/store")
    try:
        check_key(key)
    except StorageError:
        return
    path = Path(os.path.normpath(root / key))
    assert path.is_relative_to(root)
    assert path.relative_to(root).as_posix() == key
    assert check_prefix(key) == key
    for end in range(len(key)):
        check_prefix(key[:end])
