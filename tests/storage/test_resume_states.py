"""Saved training states in a store: which are found, which are deleted, and what `find_garbage` takes for garbage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.errors import StorageError
from stilts_core.storage.attempts import Heartbeat, Outcome, record_outcome, write_heartbeat
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.hashing import record_of
from stilts_core.storage.manifest import Attempt, attempt_prefix, stage_prefix
from stilts_core.storage.resume import (
    ResumeManifest,
    discard_states,
    list_states,
    prune_states,
    publish_state,
    read_state,
    resume_prefix,
    state_folder,
)
from stilts_core.storage.sweep import delete_garbage, find_garbage

NAME = "ab" * 32
NOW = datetime(2020, 1, 1, tzinfo=UTC)


def attempt(number: int) -> Attempt:
    return Attempt(number=number, token=f"t{number}")


def save(store: Store, step: int, number: int, *, needs: tuple[str, ...] = (), whole: bool = True) -> str:
    """A state of one file, and of files of other states."""
    folder = state_folder(step, attempt(number))
    data = f"{step} {number}".encode()
    store.put(f"{resume_prefix(NAME)}{folder}/rank-00000.safetensors", data)
    if whole:
        files = {f"{folder}/rank-00000.safetensors": record_of(data)}
        files |= {name: record_of(store.read(resume_prefix(NAME) + name)) for name in needs}
        manifest = ResumeManifest(
            fingerprint=NAME,
            attempt=attempt(number),
            step=step,
            ranks=1,
            zero_stage=0,
            files=files,
            state={},
            identity={},
            versions={},
        )
        assert publish_state(store, manifest)
    return folder


def keys(store: Store, prefix: str = "") -> list[str]:
    return [found.key.removeprefix(prefix) for found in store.list(prefix)]


def test_states_are_found_furthest_first_and_only_whole_ones(store: Store) -> None:
    first, second, third = save(store, 100, 1), save(store, 100, 2), save(store, 1000, 1)
    save(store, 2000, 1, whole=False)
    assert list_states(store, NAME) == [third, second, first]
    assert read_state(store, NAME, third).step == 1000


def test_a_damaged_manifest_is_no_state(store: Store) -> None:
    folder = save(store, 1, 1)
    store.put(f"{resume_prefix(NAME)}{folder}/manifest.json", b'{"apiVersion": "stil')
    with pytest.raises(StorageError, match="not the manifest"):
        read_state(store, NAME, folder)


def test_pruning_keeps_the_last_and_what_they_need(store: Store) -> None:
    first = save(store, 1, 1)
    needed = f"{first}/rank-00000.safetensors"
    save(store, 2, 1)
    leftover = save(store, 3, 1, whole=False)
    kept = [save(store, step, 1, needs=(needed,)) for step in (4, 5)]
    under_way = save(store, 6, 1, whole=False)
    assert prune_states(store, NAME, attempt(1)) == 4  # two manifests, the file of the second, the leftover
    assert {key.split("/")[0] for key in keys(store, resume_prefix(NAME))} == {first, *kept, under_way}
    assert leftover not in str(keys(store))
    save(store, 7, 1)
    save(store, 8, 1)
    prune_states(store, NAME, attempt(1))
    assert {key.split("/")[0] for key in keys(store, resume_prefix(NAME))} == {
        state_folder(7, attempt(1)),
        state_folder(8, attempt(1)),
    }


def test_a_damaged_state_does_not_count_among_those_kept(store: Store) -> None:
    folders = [save(store, step, 1) for step in (1, 2, 3)]
    store.put(f"{resume_prefix(NAME)}{folders[2]}/manifest.json", b"?")
    assert prune_states(store, NAME, attempt(1)) == 0
    assert read_state(store, NAME, folders[0]).step == 1


def test_an_attempt_that_was_overtaken_deletes_nothing(store: Store) -> None:
    for step in (1, 2, 3, 4):
        save(store, step, 1)
    write_heartbeat(store, NAME, attempt(2), Heartbeat(updated=NOW))
    before = keys(store)
    assert prune_states(store, NAME, attempt(1)) == 0
    assert keys(store) == before


def test_what_is_left_of_a_stage_that_is_done_goes(store: Store) -> None:
    save(store, 1, 1)
    save(store, 2, 1, whole=False)
    assert discard_states(store, NAME) == 3
    assert not keys(store, resume_prefix(NAME))


def stage(store: Store, folder: Path, *, committed: bool) -> None:
    """An attempt that died in its upload and left states, and one that may have committed."""
    store.put(attempt_prefix(NAME, attempt(1)) + "encoder/model.safetensors", b"half")
    write_heartbeat(store, NAME, attempt(1), Heartbeat(updated=NOW - timedelta(days=1)))
    for step in (1, 2, 3):
        save(store, step, 1)
    save(store, 4, 1, whole=False)
    if committed:
        folder.mkdir()
        (folder / "result").write_text("whole")
        commit_stage(store, stage={}, fingerprint=NAME, attempt=attempt(2), folder=folder, metrics={}, run={})
        record_outcome(store, NAME, attempt(2), Outcome(exit_code=0))


def test_garbage_of_a_stage_that_has_committed(store: Store, tmp_path: Path) -> None:
    stage(store, tmp_path / "out", committed=True)
    garbage = find_garbage(store, NOW)
    delete_garbage(store, garbage)
    left = keys(store, stage_prefix(NAME))
    assert left == [
        "attempts/001-t1/heartbeat.json",
        "attempts/002-t2/outcome.json",
        "attempts/002-t2/result",
        "manifest.json",
    ]
    assert find_garbage(store, NOW) == []


def test_garbage_of_a_stage_that_is_not_done(store: Store, tmp_path: Path) -> None:
    stage(store, tmp_path / "out", committed=False)
    steps = {each.key.removeprefix(resume_prefix(NAME)).split("-")[0] for each in find_garbage(store, NOW)}
    assert steps == {"000000001", "000000004"}
    everything = {each.key for each in find_garbage(store, NOW, unfinished=True)}
    assert everything == {key for key in keys(store) if "/resume/" in key}


@pytest.mark.parametrize("committed", [True, False])
def test_what_an_attempt_alive_may_need_is_no_garbage(store: Store, tmp_path: Path, committed: bool) -> None:
    stage(store, tmp_path / "out", committed=committed)
    store.put(attempt_prefix(NAME, attempt(3)) + "encoder/model.safetensors", b"half")
    write_heartbeat(store, NAME, attempt(3), Heartbeat(updated=NOW - timedelta(minutes=5)))
    found = {each.key.removeprefix(stage_prefix(NAME)) for each in find_garbage(store, NOW, unfinished=True)}
    assert found == ({"attempts/001-t1/encoder/model.safetensors"} if committed else set())


def test_the_command_shows_and_then_deletes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FolderStore(tmp_path / "store")
    stage(store, tmp_path / "out", committed=True)
    before = keys(store)
    assert main(["gc", "--store", str(tmp_path / "store")]) == 0
    assert "Nothing was deleted." in capsys.readouterr().out
    assert keys(store) == before
    assert main(["gc", "--store", str(tmp_path / "store"), "--delete"]) == 0
    assert "Deleted 8 objects" in capsys.readouterr().out
    assert main(["gc", "--store", str(tmp_path / "store")]) == 0
    assert "holds nothing that is not needed" in capsys.readouterr().out
