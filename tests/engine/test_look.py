"""How a study stands, from its store alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine_plans import diamond, plan_of

from stilts_core.engine.look import SILENCE_SECONDS, look
from stilts_core.engine.states import State, Status
from stilts_core.storage.attempts import Heartbeat, Outcome, new_attempt, record_outcome, write_heartbeat
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage
from stilts_core.storage.open import open_store

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STAGES = diamond()
TOP = STAGES[0].fingerprint


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def top(store: Store) -> Status:
    return look(store, plan_of(STAGES), NOW.timestamp())[TOP]


def test_a_fresh_study_can_start(store: Store) -> None:
    statuses = look(store, plan_of(STAGES), NOW.timestamp())
    assert statuses[TOP].state is State.QUEUED
    assert {status.state for name, status in statuses.items() if name != TOP} == {State.WAITING}


def test_a_heartbeat_is_running_until_it_is_too_old(store: Store) -> None:
    attempt = new_attempt(1)
    write_heartbeat(store, TOP, attempt, Heartbeat(updated=NOW, step=3, total=9, loss=0.5))
    assert top(store) == Status(State.RUNNING, "step 3/9, loss 0.500", 1, since=NOW.timestamp())
    old = NOW - timedelta(seconds=SILENCE_SECONDS + 1)
    write_heartbeat(store, TOP, attempt, Heartbeat(updated=old))
    assert top(store).state is State.QUEUED
    assert "killed" in top(store).why


def test_the_last_attempt_counts(store: Store) -> None:
    record_outcome(store, TOP, new_attempt(1), Outcome(exit_code=65, message="A bad line.", finished=NOW))
    assert top(store) == Status(State.FAILED, "A bad line.", 1, 65, since=NOW.timestamp())
    assert look(store, plan_of(STAGES), NOW.timestamp())[STAGES[-1].fingerprint].blocked_by == (TOP,)
    record_outcome(store, TOP, new_attempt(2), Outcome(exit_code=75, finished=NOW))
    assert (top(store).state, top(store).why) == (State.QUEUED, "its last attempt was stopped")
    write_heartbeat(store, TOP, new_attempt(3), Heartbeat(updated=NOW))
    assert top(store).state is State.RUNNING


def test_a_manifest_ends_all_doubt(store: Store, tmp_path: Path) -> None:
    record_outcome(store, TOP, new_attempt(1), Outcome(exit_code=65, finished=NOW))
    (tmp_path / "out").mkdir()
    run = {"finished": NOW.isoformat()}
    commit_stage(store, stage={}, fingerprint=TOP, attempt=new_attempt(2), folder=tmp_path / "out", metrics={}, run=run)
    assert top(store) == Status(State.DONE, attempt=2, since=NOW.timestamp())
