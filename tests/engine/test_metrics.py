"""What a run's account says, from what a driver tells and from manifests."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engine_plans import diamond, plan_of

from stilts_core.engine.backend import Observation
from stilts_core.engine.metrics import Account, cause_of, serve
from stilts_core.engine.states import State, Status
from stilts_core.errors import Budget
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage, read_manifest
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.open import open_store

STAGES = diamond()
PLAN = plan_of(STAGES)
TOP, NEXT = STAGES[0].fingerprint, STAGES[1].fingerprint


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def seen(
    name: str, attempt: int, phase: Phase, since: float, code: int | None = None, budget: Budget | None = None
) -> Observation:
    return Observation(name, attempt, phase, since, code, budget)


def statuses(**states: State) -> dict[str, Status]:
    named = {"top": TOP, "next": NEXT}
    return {stage.fingerprint: Status(State.WAITING) for stage in STAGES} | {
        named[name]: Status(state) for name, state in states.items()
    }


def commit(store: Store, name: str, folder: Path) -> float:
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out" / "weights").write_bytes(b"0123456789")
    attempt = Attempt(number=2, token="aa")
    commit_stage(store, stage={}, fingerprint=name, attempt=attempt, folder=folder / "out", metrics={}, run={})
    manifest = read_manifest(store, name)
    assert manifest is not None
    assert manifest.run["upload_seconds"] >= 0
    return datetime.fromisoformat(manifest.run["uploaded"]).timestamp()


def test_an_account_of_a_lost_and_a_useful_attempt(store: Store, tmp_path: Path) -> None:
    at = commit(store, TOP, tmp_path)
    clock = Clock()
    account = Account(PLAN, {TOP: 4, NEXT: 2}, store, clock)

    def tell(now: float, states: dict[str, Status], *observations: Observation) -> None:
        clock.now = at + now
        account.update(states, observations)

    tell(-100, statuses(top=State.QUEUED), seen(TOP, 1, Phase.QUEUED, at - 100))
    tell(-90, statuses(top=State.RUNNING), seen(TOP, 1, Phase.STARTING, at - 95))
    tell(-85, statuses(top=State.RUNNING), seen(TOP, 1, Phase.RUNNING, at - 85))
    lost = seen(TOP, 1, Phase.ENDED, at - 45, 75, Budget.INFRASTRUCTURE)
    tell(-40, statuses(top=State.QUEUED), lost)
    tell(-30, statuses(top=State.RUNNING), lost, seen(TOP, 2, Phase.STARTING, at - 30))
    useful = seen(TOP, 2, Phase.ENDED, at, 0)
    tell(0, statuses(top=State.DONE), lost, useful)
    tell(3, statuses(top=State.DONE, next=State.QUEUED), lost, useful, seen(NEXT, 1, Phase.QUEUED, at + 3))
    figures = account.figures()
    assert (figures.gpu_lost, figures.gpu_useful) == (200.0, 120.0)
    assert figures.attempts == {"taken-away": 1, "committed": 1}
    assert figures.stages["waiting"] == 3
    assert (sum(figures.queue_wait.counts), figures.queue_wait.total) == (2, pytest.approx(5.0))
    assert (sum(figures.start_delay.counts), figures.start_delay.total) == (1, pytest.approx(3.0))
    assert (figures.upload_bytes, sum(figures.upload.counts)) == (10, 1)
    assert account.figures().upload_bytes == 10


def test_what_was_before_this_driver_is_not_its_account(store: Store, tmp_path: Path) -> None:
    commit(store, TOP, tmp_path)
    account = Account(PLAN, {TOP: 4}, store)
    account.update(statuses(top=State.REUSED), [seen(TOP, 1, Phase.ENDED, 5.0, 73)])
    figures = account.figures()
    assert not figures.attempts
    assert figures.upload_bytes == 0


@pytest.mark.parametrize(
    ("code", "budget", "cause"),
    [
        (70, None, "diverged"),
        (73, None, "storage"),
        (75, None, "stopped"),
        (1, None, "unknown"),
        (-9, None, "unknown"),
        (0, None, "unknown"),
        (75, Budget.INFRASTRUCTURE, "taken-away"),
        (None, Budget.INFRASTRUCTURE, "taken-away"),
    ],
)
def test_causes_are_names_of_the_table(code: int | None, budget: Budget | None, cause: str) -> None:
    assert cause_of(seen(TOP, 1, Phase.ENDED, 0.0, code, budget), committed=False) == cause
    assert cause_of(seen(TOP, 1, Phase.ENDED, 0.0, code, budget), committed=True) == "committed"


def test_prometheus_reads_it_over_http(store: Store) -> None:
    clock = Clock(datetime(2026, 5, 4, tzinfo=UTC).timestamp())
    account = Account(PLAN, {TOP: 4}, store, clock)
    account.update(statuses(top=State.RUNNING), [seen(TOP, 1, Phase.RUNNING, clock.now)])
    port = serve(account, 0, "127.0.0.1")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'stilts_stages{state="running",study="fake"} 1.0' in text
    assert 'stilts_stages{state="waiting",study="fake"} 4.0' in text
    assert 'stilts_queue_wait_seconds_count{study="fake"} 1.0' in text
    assert 'stilts_gpu_seconds_total{outcome="lost",study="fake"} 0.0' in text
    assert "python_info" not in text
