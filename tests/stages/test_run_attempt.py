"""One attempt at a stage, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from stilts_core.errors import DataError, StoppedError
from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import DataFile, Stage, StageKind, fingerprint
from stilts_core.spec.profile import StoreSettings
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.run import AttemptSpec, explain_failure, run_attempt
from stilts_core.stages.snapshot import MAX_LINE_BYTES, Phase, Snapshot
from stilts_core.storage.attempts import list_attempts, read_heartbeat, read_log, read_outcomes
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.hashing import record_of
from stilts_core.storage.open import open_store

Act = Callable[[StageContext], dict[str, object]]


class Place:
    """A store, data, and a registry whose one stage function is given by the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.module = ModuleType("registry_of_run_attempt_tests")
        monkeypatch.setitem(sys.modules, self.module.__name__, self.module)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "xdg"))
        (folder / "data").mkdir()

    @property
    def store(self) -> Store:
        return open_store(str(self.folder / "store"))

    def spec(self, stage: Stage, act: Act) -> AttemptSpec:
        self.module.stage_function = lambda kind: act  # type: ignore[attr-defined]
        log = self.folder / "log.txt"
        log.write_text("what was printed\n")
        spec = AttemptSpec(
            stage=stage,
            submission="test",
            store=StoreSettings(uri=str(self.folder / "store")),
            data_root=str(self.folder / "data"),
            cache=self.folder / "cache",
            scratch=self.folder / "scratch",
            log=log,
            registry=self.module.__name__,
        )
        assert AttemptSpec.model_validate_json(spec.model_dump_json()) == spec
        return spec


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def stage_of(parents: dict[str, str] | None = None, files: tuple[DataFile, ...] = (), vocabulary: int = 300) -> Stage:
    params = TokenizerParams(vocabulary=vocabulary, max_length=16)
    name = fingerprint(StageKind.PREPARE, params, parents or {}, files)
    return Stage(
        fingerprint=name,
        kind=StageKind.PREPARE,
        version=1,
        params=params,
        parents=parents or {},
        files=files,
        label="fake",
    )


def write(context: StageContext) -> dict[str, object]:
    (context.out / "sub").mkdir()
    (context.out / "sub" / "file.txt").write_text("content")
    context.report(Progress(step=7, total=9, activity="writing"))
    return {"score": 0.5}


def test_an_attempt_commits_what_the_stage_made_and_measured(place: Place) -> None:
    stage, seen = stage_of(), list[Snapshot]()
    assert run_attempt(place.spec(stage, write), tell=seen.append) == 0
    manifest = read_manifest(place.store, stage.fingerprint)
    assert manifest is not None
    assert list(manifest.files) == ["sub/file.txt"]
    assert manifest.metrics == {"score": 0.5}
    assert Stage.model_validate(manifest.stage) == stage
    assert {
        "started",
        "finished",
        "seconds",
        "host",
        "python",
        "packages",
        "cpu",
        "threads",
        "ranks",
        "zero_stage",
    } <= (manifest.run.keys())
    phases = [snapshot.phase for snapshot in seen]
    assert sorted(set(phases), key=phases.index) == [Phase.STARTING, Phase.RUNNING, Phase.COMMITTING]
    assert seen[-1].stored == manifest.attempt
    assert not (place.folder / "scratch").exists()
    ((attempt, outcome),) = read_outcomes(place.store, stage.fingerprint)
    assert (attempt, outcome.exit_code, outcome.last_step) == (manifest.attempt, 0, 7)
    assert read_log(place.store, stage.fingerprint, attempt) == "what was printed\n"
    assert read_heartbeat(place.store, stage.fingerprint, attempt) is not None


def test_a_stage_that_is_done_is_left_as_it_is(place: Place) -> None:
    stage = stage_of()
    assert run_attempt(place.spec(stage, write)) == 0
    first = read_manifest(place.store, stage.fingerprint)

    def never(context: StageContext) -> dict[str, object]:
        raise AssertionError("it ran again")

    assert run_attempt(place.spec(stage, never)) == 0
    assert read_manifest(place.store, stage.fingerprint) == first
    assert len(list_attempts(place.store, stage.fingerprint)) == 1


def test_of_two_attempts_at_once_the_first_to_commit_wins(place: Place) -> None:
    stage = stage_of()

    def overtaken(context: StageContext) -> dict[str, object]:
        other = place.spec(stage, write).model_copy(update={"scratch": place.folder / "other"})
        assert run_attempt(other) == 0
        return write(context)

    assert run_attempt(place.spec(stage, overtaken)) == 0
    winner = read_manifest(place.store, stage.fingerprint)
    assert winner is not None
    assert winner.attempt.number == 2
    assert len(list_attempts(place.store, stage.fingerprint)) == 2


def test_a_child_reads_its_parents_files(place: Place) -> None:
    parent = stage_of()
    assert run_attempt(place.spec(parent, write)) == 0
    child = stage_of({"before": parent.fingerprint})

    def read(context: StageContext) -> dict[str, object]:
        return {"read": (context.inputs["before"] / "sub" / "file.txt").read_text()}

    assert run_attempt(place.spec(child, read)) == 0
    manifest = read_manifest(place.store, child.fingerprint)
    assert manifest is not None
    assert manifest.metrics == {"read": "content"}


def test_a_missing_or_damaged_input_is_said(place: Place) -> None:
    parent = stage_of()
    child = stage_of({"before": parent.fingerprint})
    seen: list[Snapshot] = []
    assert run_attempt(place.spec(child, write), tell=seen.append) == 72
    assert parent.fingerprint[:12] in seen[-1].message
    assert run_attempt(place.spec(parent, write)) == 0
    manifest = read_manifest(place.store, parent.fingerprint)
    assert manifest is not None
    damaged = place.folder / "store" / "stages" / parent.fingerprint[:2] / parent.fingerprint / "attempts"
    file = damaged / manifest.attempt.folder / "sub" / "file.txt"
    file.chmod(0o644)
    file.write_text("another")
    assert run_attempt(place.spec(child, write), tell=seen.append) == 72
    assert parent.fingerprint[:12] in seen[-1].message
    assert "sub/file.txt" in seen[-1].message
    assert read_manifest(place.store, child.fingerprint) is None
    assert read_manifest(place.store, parent.fingerprint) is None
    assert run_attempt(place.spec(parent, write)) == 0
    again = read_manifest(place.store, parent.fingerprint)
    assert again is not None
    assert again.files == manifest.files
    assert again.run["repair"]["differs"] == []


def test_data_that_changed_since_planning_is_refused(place: Place) -> None:
    path = place.folder / "data" / "train.txt"
    path.write_text("as planned\n")
    record = record_of(path)
    file = DataFile(role="train/en", path="train.txt", format="text-lines", sha256=record.sha256, size=record.size)

    def read(context: StageContext) -> dict[str, object]:
        return {"text": context.data["train.txt"].read_text()}

    stage = stage_of(files=(file,))
    assert run_attempt(place.spec(stage, read)) == 0
    path.write_text("as changed\n")
    seen: list[Snapshot] = []
    other = stage_of(files=(file,), vocabulary=301)
    assert run_attempt(place.spec(other, read), tell=seen.append) == DataError.exit_code
    assert "train.txt" in seen[-1].message
    path.unlink()
    assert run_attempt(place.spec(other, read), tell=seen.append) == 66


def test_a_stop_before_the_work_is_heeded(place: Place) -> None:
    stage = stage_of()
    assert run_attempt(place.spec(stage, write), stop_requested=lambda: True) == StoppedError.exit_code
    assert read_manifest(place.store, stage.fingerprint) is None


def test_metrics_that_are_no_json_commit_nothing(place: Place) -> None:
    stage = stage_of()
    seen: list[Snapshot] = []
    assert run_attempt(place.spec(stage, lambda context: {"loss": float("nan")}), tell=seen.append) == 1
    assert seen[-1].message
    assert read_manifest(place.store, stage.fingerprint) is None


def test_a_store_without_rights_is_one_sentence(place: Place) -> None:
    (place.folder / "store").write_text("a file where the store should be")
    seen: list[Snapshot] = []
    assert run_attempt(place.spec(stage_of(), write), tell=seen.append) == 73
    assert "store" in seen[-1].message


def test_out_of_memory_is_told_in_torchs_own_words() -> None:
    error = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    assert explain_failure(error)[0] == 71
    assert explain_failure(RuntimeError("shapes cannot be multiplied"))[0] == 1


def test_no_room_is_told_by_the_number_that_the_system_gives() -> None:
    for number, sentence in ((28, "The disk is full"), (122, "quota"), (27, "ulimit -f")):
        for error in (OSError(number, "words"), RuntimeError(f"I/O error: words (os error {number})")):
            code, message = explain_failure(error)
            assert code == 73
            assert sentence in message


def test_a_snapshot_fits_into_one_write_whatever_it_says() -> None:
    for text in ("ü" * 5000, '"\\' * 5000, "\n" * 5000, "\ud800" * 5000):
        snapshot = Snapshot(message=text, progress=Progress(activity=text))
        line = snapshot.line("f" * 64 + "/1")
        assert len(line) <= MAX_LINE_BYTES
        assert line.count(b"\n") == 1
        document = json.loads(line.decode(errors="replace"))
        assert Snapshot.parse(document).phase is Phase.STARTING
