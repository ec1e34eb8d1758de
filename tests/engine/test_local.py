"""The local backend under the driver, with stages that need no heavy package."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from engine_plans import diamond, stage
from engine_support import gone, results

from stilts_core.engine.backend import Observation
from stilts_core.engine.states import State, Status
from stilts_core.errors import MissingInputError, StorageError
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.spec.profile import Retries
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import read_log, read_outcomes
from stilts_core.storage.base import ObjectInfo
from stilts_core.storage.commit import read_manifest, read_manifests
from stilts_core.storage.folder import FolderStore


def only(statuses: Mapping[str, Status]) -> Status:
    (status,) = statuses.values()
    return status


def test_a_plan_runs_in_order_and_is_reused_afterwards(bench) -> None:
    stages = diamond()
    first = bench.run(stages)
    assert {status.state for status in first.values()} == {State.DONE}
    manifests = read_manifests(bench.store, [each.fingerprint for each in stages])
    assert len(manifests) == 5
    last = json.loads(results(bench.store, stages)[stages[-1].fingerprint])
    assert sorted(last[1]) == ["in/0", "in/1", "in/2"]
    run = manifests[stages[0].fingerprint].run
    assert run["started"] <= run["finished"]
    assert run["packages"]["numpy"]
    assert "fake stage did its work" in (
        read_log(bench.store, stages[0].fingerprint, manifests[stages[0].fingerprint].attempt) or ""
    )
    second = bench.run(stages)
    assert {status.state for status in second.values()} == {State.REUSED}
    assert read_manifests(bench.store, [each.fingerprint for each in stages]) == manifests
    assert not list((bench.folder / "cache" / "runs").iterdir())


def test_stages_get_their_threads_and_never_more_than_the_slots(bench, tmp_path: Path) -> None:
    seen: list[int] = []

    def count(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        seen.append(sum(each.phase is not Phase.ENDED for each in observations))

    stages = [stage(f"each-{index} sleep=0.02") for index in range(6)]
    wide = stage("pretraining", {"top": stages[0].fingerprint}, kind=StageKind.PRETRAIN)
    bench.run([*stages, wide], act=count)
    assert max(seen) == 2
    manifest = read_manifest(bench.store, wide.fingerprint)
    assert manifest is not None
    assert manifest.metrics["threads"] == 2


@pytest.mark.parametrize(
    ("deed", "code", "attempts", "says"),
    [
        ("raise=DataError", 65, 1, "This fake stage fails.\n  Do not use it."),
        ("raise=StorageError", 73, 3, "This fake stage fails."),
        ("nan", 70, 1, "NaN"),
        ("memory", 71, 1, "Memory ran out"),
        ("full", 73, 3, "The disk is full at /full/disk"),
        ("crash", 1, 2, "ZeroDivisionError: division by zero"),
        ("signal=9", -9, 2, "SIGKILL ended it: someone killed it, or the kernel did because memory ran out"),
        ("signal=11", -11, 2, "SIGSEGV ended it: a library crashed"),
        ("leave=0", 0, 2, "exit status 0 but left no manifest"),
        ("leave=3", 3, 2, "exit 3"),
    ],
)
def test_failures_are_explained_and_charged(bench, deed: str, code: int, attempts: int, says: str) -> None:
    one = stage(f"one {deed}")
    status = only(bench.run([one], retries=Retries(application=1, infrastructure=2)))
    assert (status.state, status.exit_code, status.attempt) == (State.FAILED, code, attempts)
    assert says in status.why
    assert read_manifest(bench.store, one.fingerprint) is None
    outcomes = read_outcomes(bench.store, one.fingerprint)
    assert [outcome.exit_code for _, outcome in outcomes] == [code] * attempts
    assert says in outcomes[-1][1].message
    assert [attempt.number for attempt, _ in outcomes] == list(range(1, attempts + 1))


def test_a_crash_after_a_later_step_has_a_budget_of_its_own(bench) -> None:
    one = stage("one advance=3 crash", kind=StageKind.TRAIN)
    status = only(bench.run([one], retries=Retries(application=1)))
    assert (status.state, status.exit_code, status.attempt) == (State.FAILED, 1, 4)


def test_a_traceback_is_in_the_log_and_not_in_the_sentence(bench) -> None:
    one = stage("one crash")
    status = only(bench.run([one], retries=Retries(application=0)))
    assert "Traceback" not in status.why
    (attempt, _), *_ = read_outcomes(bench.store, one.fingerprint)
    log = read_log(bench.store, one.fingerprint, attempt) or ""
    assert "Traceback" in log
    assert "division by zero" in log


def test_a_failure_blocks_what_follows_from_it_and_nothing_else(bench) -> None:
    bad = stage("bad raise=DataError")
    child, grandchild = stage("child", {"in": bad.fingerprint}), None
    grandchild = stage("grandchild", {"in": child.fingerprint})
    other = stage("other")
    statuses = bench.run([bad, child, grandchild, other])
    assert statuses[other.fingerprint].state is State.DONE
    assert statuses[child.fingerprint].state is statuses[grandchild.fingerprint].state is State.BLOCKED
    assert statuses[grandchild.fingerprint].blocked_by == (bad.fingerprint,)
    assert "bad" in statuses[grandchild.fingerprint].why


def test_another_attempt_succeeds_where_the_first_was_killed(bench, tmp_path: Path) -> None:
    stages = diamond(f"once={tmp_path} signal=9")
    statuses = bench.run(stages)
    assert {status.state for status in statuses.values()} == {State.DONE}
    manifest = read_manifest(bench.store, stages[0].fingerprint)
    assert manifest is not None
    assert manifest.attempt.number == 2


def test_a_killed_server_costs_an_attempt_of_what_ran_and_the_run_goes_on(bench, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        waiting = [each for each in observations if each.progress and each.progress.step]
        if len(waiting) == 2 and not killed:
            killed.append(server_of(Path(f"/proc/{os.getpid()}")))
            os.kill(killed[0], signal.SIGKILL)

    stages = [stage(f"{side} once={tmp_path} wait=60") for side in ("left", "right")]
    with bench.driver(stages, act=kill) as driver:
        statuses = driver.run()
    assert killed
    assert {status.state for status in statuses.values()} == {State.DONE}
    for each in stages:
        # The commit ends the run; what the second attempt says of itself may come a moment later.
        (_, outcome), *_ = read_outcomes(bench.store, each.fingerprint)
        assert "the server of the stage processes ended (SIGKILL)" in outcome.message


def server_of(process: Path) -> int:
    """The stage server among the children of a process."""
    children = (process / "task" / process.name / "children").read_text().split()
    (server,) = (pid for pid in children if b"engine.local.server" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return int(server)


def test_stopping_is_clean_and_the_same_again_goes_on(bench, tmp_path: Path) -> None:
    def stop_when_running(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        if any(each.progress and each.progress.step > 2 for each in observations) and not driver.stopping:
            driver.stop()

    stages = diamond(f"once={tmp_path} wait=60")
    with bench.driver(stages, act=stop_when_running) as driver:
        statuses = driver.run()
    assert {status.state for status in statuses.values()} == {State.CANCELLED}
    (_, outcome), *_ = read_outcomes(bench.store, stages[0].fingerprint)
    assert outcome.exit_code == 75
    assert outcome.last_step > 0
    again = bench.run([stages[0]])
    assert only(again).state is State.DONE


def test_a_stage_that_does_not_stop_is_ended_after_the_grace_or_at_the_second_word(bench) -> None:
    def stop_twice(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        if any(each.phase is Phase.RUNNING for each in observations):
            driver.stop()

    one = stage("one deaf=60")
    began = time.monotonic()
    with bench.driver([one], act=stop_twice) as driver:
        status = only(driver.run())
    assert status.state is State.CANCELLED
    assert time.monotonic() - began < 5


def test_a_stage_without_progress_is_ended_with_what_it_was_doing(bench) -> None:
    one = stage("one deaf=60")
    status = only(bench.run([one], stall=0.5, retries=Retries(infrastructure=0)))
    assert (status.state, status.exit_code) == (State.FAILED, 76)
    assert "no progress for 0.5 s" in status.why
    ((attempt, outcome),) = read_outcomes(bench.store, one.fingerprint)
    assert outcome.exit_code == 76
    log = read_log(bench.store, one.fingerprint, attempt) or ""
    assert "what process" in log
    assert "in _deaf" in log


def test_a_slow_stage_that_moves_is_left_alone(bench) -> None:
    assert only(bench.run([stage("one wait=1.5")], stall=0.5)).state is State.DONE


def test_processes_of_a_stage_end_with_it(bench, tmp_path: Path) -> None:
    pid_file = tmp_path / "rank"
    bench.run([stage(f"one rank={pid_file}")])
    assert gone(int(pid_file.read_text()))


def test_a_missing_package_is_a_sentence(bench) -> None:
    with pytest.raises(MissingInputError, match="no_such_registry"):
        bench.run([stage("one")], registry="no_such_registry")


class FlakyStore(FolderStore):
    """A store whose reads fail for a while."""

    failing = 0

    def read(self, key: str) -> bytes:
        if FlakyStore.failing:
            FlakyStore.failing -= 1
            raise StorageError("The store is away.")
        return super().read(key)

    def info(self, key: str) -> ObjectInfo | None:
        return super().info(key)


def test_a_store_that_fails_for_a_while_is_waited_for(bench) -> None:
    def fail_at_the_commit(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        if not bench.ear.notes and any(each.phase is Phase.COMMITTING for each in observations):
            FlakyStore.failing = 5

    stages: list[Stage] = diamond("sleep=0.05")
    statuses = bench.run(stages, act=fail_at_the_commit, store=FlakyStore(bench.folder / "store"))
    assert {status.state for status in statuses.values()} == {State.DONE}
    assert bench.ear.notes
    assert all("The store is away." in note for note in bench.ear.notes)


def test_a_store_that_stays_away_ends_the_run(bench) -> None:
    def fail_for_ever(statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        FlakyStore.failing = 10**9

    try:
        with pytest.raises(StorageError, match="away"):
            bench.run([stage("one sleep=0.05")], act=fail_for_ever, store=FlakyStore(bench.folder / "store"))
    finally:
        FlakyStore.failing = 0
