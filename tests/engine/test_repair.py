"""Committed files that are lost or change under a study: found at the next read, named, and made again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from engine_plans import diamond, plan_of, stage
from engine_support import results
from servers import moto_server

from stilts_core.engine.backend import Observation
from stilts_core.engine.driver import Driver, Pace
from stilts_core.engine.local.launch import LocalRun, local_driver
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.look import look
from stilts_core.engine.states import State, Status
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import Placement, Retries, StoreSettings
from stilts_core.storage.attempts import read_outcomes
from stilts_core.storage.audit import audit
from stilts_core.storage.base import Store
from stilts_core.storage.generations import read_head, read_manifest
from stilts_core.storage.manifest import Manifest, attempt_prefix, manifest_key
from stilts_core.storage.open import open_store
from stilts_core.storage.repair import DamagedStageError
from stilts_core.storage.settings import S3Settings
from stilts_core.storage.withdraw import REPAIRS, withdraw

HOW = ["flipped", "truncated", "lost"]


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, moto_server() as server:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "testtesttest",
            "AWS_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        server.make_bucket("stilts-repair")
        yield server.endpoint


@pytest.fixture(params=["folder", "moto"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    if request.param == "folder":
        return StoreSettings(uri=str(tmp_path / "store"))
    s3 = S3Settings(endpoint=request.getfixturevalue("moto"), attempts=3)
    return StoreSettings(uri=f"s3://stilts-repair/{tmp_path.name}", s3=s3)


class Place:
    """A store, and drivers on it."""

    def __init__(self, folder: Path, settings: StoreSettings) -> None:
        self.folder, self.settings = folder, settings
        self.store: Store = open_store(settings.uri or "", settings.s3)
        self.notes: list[str] = []
        self.drivers = 0

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def enter(self, stack: ExitStack, stages: Sequence[Stage], **retries: int) -> Driver:
        self.drivers += 1
        run = LocalRun(
            store=self.settings,
            cache=self.folder / f"cache-{self.drivers}",
            placement=LocalPlacement(Placement(device="cpu"), slots=2, cores=2, gpus=[]),
            retries=Retries(**retries),
            registry="engine_fake_stages",
            pace=Pace(sweep=0.2, grace=5.0, storage_retry=0.05, storage_patience=1.0),
            backoff=0.01,
        )
        return stack.enter_context(local_driver(plan_of(stages), self.store, run, self))

    def run(self, stages: Sequence[Stage], **retries: int) -> dict[str, Status]:
        with ExitStack() as stack:
            return self.enter(stack, stages, **retries).run()

    def manifest(self, stage: Stage) -> Manifest:
        found = read_manifest(self.store, stage.fingerprint)
        assert found is not None
        return found

    def damage(self, stage: Stage, how: str) -> None:
        damage(self.store, attempt_prefix(stage.fingerprint, self.manifest(stage).attempt) + "result.txt", how)

    def forget(self, stages: Sequence[Stage]) -> None:
        """As if these had never been committed."""
        for each in stages:
            self.store.delete(manifest_key(each.fingerprint))


@pytest.fixture
def place(tmp_path: Path, settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    return Place(tmp_path, settings)


def damage(store: Store, key: str, how: str) -> None:
    data, middle = store.read(key), store.info(key).size // 2
    store.delete(key)
    if how == "truncated":
        store.put(key, data[:-3])
    elif how == "flipped":
        store.put(key, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_file_is_made_again_and_the_study_ends_as_it_would_have(place: Place, how: str) -> None:
    stages = diamond()
    place.run(stages)
    wanted = results(place.store, stages)
    before = {each.fingerprint: place.manifest(each) for each in stages}
    top, *_, last = stages
    middle = stages[1]
    place.damage(middle, how)
    place.damage(top, how)  # found while the one in the middle is made again
    place.forget([last])
    statuses = place.run(stages)
    assert {status.state for status in statuses.values()} <= {State.DONE, State.REUSED}
    assert statuses[middle.fingerprint].state is State.DONE
    assert results(place.store, stages) == wanted
    for each in (top, middle):
        again = place.manifest(each)
        assert again.files == before[each.fingerprint].files
        assert again.attempt != before[each.fingerprint].attempt
        assert again.run["repair"]["differs"] == []
        head = read_head(place.store, each.fingerprint)
        assert (head.generation, len(head.withdrawn)) == (2, 1)
        assert "result.txt" in head.withdrawn[0].found
        assert head.withdrawn[0].manifest == before[each.fingerprint]
    for each in stages[2:-1]:  # the others above the last one were left as they are
        assert place.manifest(each) == before[each.fingerprint]
    (_, outcome), *_ = [end for end in read_outcomes(place.store, last.fingerprint) if end[1].exit_code]
    assert outcome.exit_code == 72
    assert middle.fingerprint[:12] in outcome.message
    assert "result.txt" in outcome.message
    assert any("every file is the same as before" in note for note in place.notes)


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_manifest_is_made_again(place: Place, how: str) -> None:
    stages = [stage("first"), stage("second")]
    place.run(stages)
    wanted, before = results(place.store, stages), place.manifest(stages[0])
    damage(place.store, manifest_key(stages[0].fingerprint), how)
    statuses = place.run(stages)
    assert [status.state for status in statuses.values()] == [State.DONE, State.REUSED]
    assert results(place.store, stages) == wanted
    assert place.manifest(stages[0]).files == before.files


def test_two_drivers_at_once_do_no_harm(place: Place) -> None:
    stages = diamond("sleep=0.05")
    place.run(stages)
    wanted = results(place.store, stages)
    before = place.manifest(stages[0])
    place.damage(stages[0], "flipped")
    place.damage(stages[1], "lost")
    place.forget(stages[2:])
    code = (
        "import sys; from pathlib import Path; from test_repair import *\n"
        "place = Place(Path(sys.argv[1]), StoreSettings.model_validate_json(sys.argv[2]))\n"
        "statuses = place.run(diamond('sleep=0.05'))\n"
        "assert {status.state for status in statuses.values()} <= {State.DONE, State.REUSED}, statuses\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(place.folder / f"driver-{number}"), place.settings.model_dump_json()],
            env=environment,
        )
        for number in range(2)
    ]
    assert [driver.wait(120) for driver in drivers] == [0, 0]
    assert results(place.store, stages) == wanted
    assert place.manifest(stages[0]).files == before.files
    assert read_head(place.store, stages[0].fingerprint).generation == 2


def test_a_store_that_loses_it_again_and_again_is_said(place: Place) -> None:
    parent = stage("parent")
    child = stage("child", {"in": parent.fingerprint})

    class Losing(Place):
        """Loses the file of the parent whenever it is there."""

        def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
            head = read_head(self.store, parent.fingerprint)
            if head.manifest is not None:
                self.store.delete(attempt_prefix(parent.fingerprint, head.manifest.attempt) + "result.txt")

    place.run([parent])
    place.damage(parent, "lost")
    losing = Losing(place.folder, place.settings)
    statuses = losing.run([parent, child])
    status = statuses[child.fingerprint]
    assert (status.state, status.exit_code) == (State.FAILED, 66)
    assert f"made again {REPAIRS} times in this run" in status.why
    assert parent.fingerprint[:12] in status.why
    assert len(read_head(place.store, parent.fingerprint).withdrawn) == REPAIRS
    assert place.run([parent, child])[child.fingerprint].state is State.DONE  # a later run has a budget of its own


def test_bytes_that_differ_are_recorded_and_children_stay(place: Place, tmp_path: Path) -> None:
    parent = stage("parent")
    done, open_ = (stage(f"{name}", {"in": parent.fingerprint}) for name in ("done", "open"))
    place.run([parent, done])
    before, kept = place.manifest(parent), place.manifest(done)
    key = attempt_prefix(parent.fingerprint, before.attempt) + "result.txt"
    document = json.loads(place.store.read(manifest_key(parent.fingerprint)))
    document["files"]["result.txt"]["sha256"] = "0" * 64  # as if another machine had made other bytes
    document["digest"] = ""
    place.store.put(manifest_key(parent.fingerprint), json.dumps(document).encode())
    place.store.delete(key)
    place.run([parent, done, open_])
    assert place.manifest(parent).run["repair"]["differs"] == ["result.txt"]
    assert place.manifest(done) == kept
    assert any("not the same as before: result.txt" in note for note in place.notes)


def test_no_budget_is_charged_for_what_had_been_committed(place: Place) -> None:
    parent = stage("parent")
    children = [stage(f"child-{number} sleep=0.05", {"in": parent.fingerprint}) for number in range(2)]
    place.run([parent])
    place.damage(parent, "truncated")
    statuses = place.run([parent, *children], application=0)
    assert {status.state for status in statuses.values()} == {State.DONE}


@pytest.mark.parametrize("how", HOW)
def test_what_the_doctor_takes_back_is_made_again_though_all_that_follows_is_there(place: Place, how: str) -> None:
    """Nothing in the study reads it any more, but a person may: the model of an arm, say."""
    stages = diamond()
    place.run(stages)
    wanted, top = results(place.store, stages), stages[0]
    place.damage(top, how)
    assert place.run(stages)[top.fingerprint].state is State.REUSED  # nobody has looked
    (problem,) = [each.problem for each in audit(place.store) if each.problem is not None]
    assert isinstance(problem, DamagedStageError)
    assert withdraw(place.store, problem)
    status = look(place.store, plan_of(stages), time.time())[top.fingerprint]
    assert (status.state, status.why) == (State.QUEUED, "again: what it had committed was lost or damaged")
    assert place.run(stages)[top.fingerprint].state is State.DONE
    assert results(place.store, stages) == wanted
    assert not [each.problem for each in audit(place.store) if each.problem is not None]
