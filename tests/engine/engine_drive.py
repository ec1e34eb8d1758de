"""A driver as a process of its own, for tests that kill it: python engine_drive.py FOLDER [DEED …]."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine_plans import plan_of, stage

from stilts_core.engine.backend import Observation
from stilts_core.engine.driver import Pace
from stilts_core.engine.local.launch import LocalRun, local_driver
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.states import GOOD, Status
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import Placement, StoreSettings
from stilts_core.storage.open import open_store


def ladder(folder: Path, deed: str = "sleep=0.03") -> list[Stage]:
    """Three chains of four stages that meet in a last one; each leaves a mark when it starts."""
    stages: list[Stage] = []
    ends: dict[str, str] = {}
    for chain in "abc":
        parent: dict[str, str] = {}
        for step in range(4):
            stages.append(stage(f"{chain}{step} mark={folder} {deed}", parent))
            parent = {"before": stages[-1].fingerprint}
        ends[f"end/{chain}"] = stages[-1].fingerprint
    return [*stages, stage(f"last mark={folder} {deed}", ends)]


class Quiet:
    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def main(folder: Path, deed: str) -> int:
    stages = ladder(folder, deed)
    run = LocalRun(
        store=StoreSettings(uri=str(folder / "store")),
        cache=folder / "cache",
        placement=LocalPlacement(Placement(device="cpu"), slots=2, cores=2, gpus=[]),
        registry="engine_fake_stages",
        pace=Pace(sweep=0.1, grace=5.0),
        backoff=0.01,
    )
    with local_driver(plan_of(stages), open_store(str(folder / "store")), run, Quiet()) as driver:
        signal.signal(signal.SIGINT, lambda *_: driver.stop())
        statuses = driver.run()
    return 0 if all(status.state in GOOD for status in statuses.values()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), " ".join(sys.argv[2:]) or "sleep=0.03"))
