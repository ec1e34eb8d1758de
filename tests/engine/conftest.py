from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from engine_plans import plan_of  # noqa: E402

from stilts_core.engine.backend import Observation  # noqa: E402
from stilts_core.engine.driver import Driver, Pace  # noqa: E402
from stilts_core.engine.local.launch import LocalRun, local_driver  # noqa: E402
from stilts_core.engine.local.placement import LocalPlacement  # noqa: E402
from stilts_core.engine.states import State, Status  # noqa: E402
from stilts_core.planning.plan import Plan, Stage  # noqa: E402
from stilts_core.spec.profile import Placement, Retries, StoreSettings  # noqa: E402
from stilts_core.storage.base import Store  # noqa: E402
from stilts_core.storage.open import open_store  # noqa: E402

Seen = Callable[[Mapping[str, Status], Sequence[Observation]], None]


@dataclass
class Ear:
    """A listener that keeps what it hears, and may act on it."""

    act: Seen = lambda statuses, observations: None
    states: dict[str, list[State]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        for name, status in statuses.items():
            heard = self.states.setdefault(name, [])
            if not heard or heard[-1] is not status.state:
                heard.append(status.state)
        self.act(statuses, observations)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Bench:
    """Runs plans of fake stages on this machine, under a folder of the test."""

    folder: Path
    ear: Ear = field(default_factory=Ear)

    @property
    def store(self) -> Store:
        return open_store(str(self.folder / "store"))

    def driver(
        self,
        stages: Sequence[Stage],
        *,
        act: Seen | None = None,
        retries: Retries | None = None,
        slots: int = 2,
        pace: Pace | None = None,
        store: Store | None = None,
        registry: str = "engine_fake_stages",
        stall: float = 0.0,
    ) -> AbstractContextManager[Driver]:
        self.ear = Ear(act) if act else Ear()
        run = LocalRun(
            store=StoreSettings(uri=str(self.folder / "store")),
            cache=self.folder / "cache",
            placement=LocalPlacement(Placement(device="cpu"), slots=slots, cores=slots, gpus=[]),
            retries=retries or Retries(),
            registry=registry,
            pace=pace or Pace(sweep=0.2, grace=5.0, storage_retry=0.05, storage_patience=1.0),
            backoff=0.01,
            stall=stall,
        )
        return local_driver(self.plan(stages), store or self.store, run, self.ear)

    def run(self, stages: Sequence[Stage], **options: object) -> dict[str, Status]:
        with self.driver(stages, **options) as driver:  # type: ignore[arg-type]
            return driver.run()

    def plan(self, stages: Sequence[Stage]) -> Plan:
        return plan_of(stages)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
    return Bench(tmp_path)
