"""Work that another attempt at a stage need not do again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stilts_core.data.tokenise.part import Part
from stilts_core.stages.keeping import Journal, KeptFiles
from stilts_core.storage.attempts import new_attempt
from stilts_core.storage.base import Store
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.parts import Parts, parts_prefix

NAME = "cd" * 32


def parts(store: Store, folder: Path, **identity: object) -> Parts:
    return Parts(store, NAME, new_attempt(1), identity, folder)


def batch(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    return [rng.random((number % 3 + 1, 2), dtype=np.float32), rng.integers(0, 9, number % 2 + 1)]


def run(journal: Journal, batches: int, made: list[int]) -> list[list[np.ndarray]]:
    def make(number: int) -> list[np.ndarray]:
        made.append(number)
        return batch(number)

    return [journal(lambda number=number: make(number)) for number in range(batches)]  # type: ignore[misc]


def check(outputs: list[list[np.ndarray]]) -> None:
    for number, found in enumerate(outputs):
        for array, wanted in zip(found, batch(number), strict=True):
            np.testing.assert_array_equal(array, wanted)
            assert array.dtype == wanted.dtype


def ticking() -> Callable[[], float]:
    now = iter(range(10_000))
    return lambda: float(next(now))


def test_an_interrupted_stream_of_batches_goes_on(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    made: list[int] = []
    run(Journal(parts(store, tmp_path), tmp_path / "a", seconds=4, clock=ticking()), 7, made)
    assert parts(store, tmp_path).names()
    again: list[int] = []
    check(run(Journal(parts(store, tmp_path), tmp_path / "b", seconds=1e9), 12, again))
    assert again == list(range(again[0], 12))
    assert 0 < again[0] <= 7


def test_what_a_stop_keeps_is_everything(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    journal = Journal(parts(store, tmp_path), tmp_path / "a", seconds=1e9)
    run(journal, 5, [])
    journal.keep()
    again: list[int] = []
    check(run(Journal(parts(store, tmp_path), tmp_path / "b"), 6, again))
    assert again == [5]


def test_parts_of_other_work_are_not_used(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    journal = Journal(parts(store, tmp_path, tokens=100), tmp_path / "a")
    run(journal, 3, [])
    journal.keep()
    again: list[int] = []
    check(run(Journal(parts(store, tmp_path, tokens=50), tmp_path / "b"), 3, again))
    assert again == [0, 1, 2]


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    journal = Journal(parts(store, tmp_path), tmp_path / "a")
    run(journal, 3, [])
    journal.keep()
    (data,) = (found for found in store.list(parts_prefix(NAME)) if found.key.endswith(".npz"))
    path = store.local_path(data.key)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    said: list[str] = []
    again: list[int] = []
    damaged = Parts(store, NAME, new_attempt(2), {}, tmp_path, said.append)
    repaired = Journal(damaged, tmp_path / "b")
    check(run(repaired, 3, again))
    assert again == [0, 1, 2]
    assert "damaged" in said[0]
    repaired.keep()
    third: list[int] = []
    check(run(Journal(parts(store, tmp_path), tmp_path / "c"), 3, third))
    assert third == []


@pytest.mark.parametrize("worth", [0.0, 1e9])
def test_tokenised_files_that_took_long_are_kept(tmp_path: Path, worth: float) -> None:
    part = Part(
        ids=np.arange(5, dtype=np.int32),
        offsets=np.array([0, 2, 5]),
        example_of=np.array([0, 1]),
        columns={"label": np.array([1, 0]), "start": np.array([0, 3])},
        examples=[{"id": "a", "text": "ä"}, {"id": "b"}],
        counts={"words": 3},
    )
    store = FolderStore(tmp_path / "store")
    assert KeptFiles(parts(store, tmp_path), tmp_path / "a", worth=worth)(lambda: part) is part
    made: list[Part] = []

    def make() -> Part:
        made.append(part)
        return part

    found = KeptFiles(parts(store, tmp_path), tmp_path / "b", worth=worth)(make)
    assert len(made) == (worth > 0)
    np.testing.assert_array_equal(found.ids, part.ids)
    assert list(found.columns) == ["label", "start"]
    assert (found.examples, found.counts) == (part.examples, part.counts)
