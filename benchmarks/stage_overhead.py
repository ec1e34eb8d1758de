"""What a local stage costs beyond its own work: a chain of stages that do nothing, forked from a server that has loaded
the real training packages.

    python benchmarks/stage_overhead.py [--stages 20] [--bare]

Prints, as medians over the stages, the seconds from one commit to the next (start, inputs, commit, all of it) and from
a parent's commit to its child's start. ``--bare`` loads no training packages.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from stilts_core.engine.backend import Observation
from stilts_core.engine.local.launch import LocalRun, local_driver
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.states import State, Status
from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import Plan, Stage, StageKind, fingerprint
from stilts_core.spec.profile import Placement, StoreSettings
from stilts_core.stages import registry
from stilts_core.stages.context import StageContext, StageFunction
from stilts_core.storage.commit import read_manifests
from stilts_core.storage.open import open_store

PRELOAD = () if os.environ.get("STAGE_OVERHEAD_BARE") else registry.PRELOAD
TARGET_SECONDS = 1.0


def stage_function(kind: StageKind) -> StageFunction:  # noqa: ARG001 (the registry's signature)
    return nothing


def nothing(context: StageContext) -> dict[str, object]:
    (context.out / "result.txt").write_text(context.stage.fingerprint)
    return {}


def chain(length: int) -> list[Stage]:
    stages: list[Stage] = []
    for index in range(length):
        params = TokenizerParams(vocabulary=300 + index, max_length=16)
        parents = {"before": stages[-1].fingerprint} if stages else {}
        name = fingerprint(StageKind.PREPARE, params, parents)
        stages.append(
            Stage(
                fingerprint=name,
                kind=StageKind.PREPARE,
                version=1,
                params=params,
                parents=parents,
                label=f"stage {index}",
            )
        )
    return stages


class Timer:
    def __init__(self) -> None:
        self.first_start: float | None = None

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:  # noqa: ARG002
        if self.first_start is None and any(status.state is State.RUNNING for status in statuses.values()):
            self.first_start = time.monotonic()

    def note(self, text: str) -> None:
        print(text, file=sys.stderr)


def measure(length: int, folder: Path) -> dict[str, float]:
    stages = chain(length)
    plan = Plan(name="overhead", protocol="none", data_root="", study={}, stages=tuple(stages), cells=())
    store = open_store(str(folder / "store"))
    run = LocalRun(
        store=StoreSettings(uri=str(folder / "store")),
        cache=folder / "cache",
        placement=LocalPlacement(Placement(device="cpu"), slots=1, cores=1, gpus=[]),
        registry="stage_overhead",
    )
    timer = Timer()
    began = time.monotonic()
    with local_driver(plan, store, run, timer) as driver:
        statuses = driver.run()
        ended = time.monotonic()
    if any(status.state is not State.DONE for status in statuses.values()):
        raise SystemExit(f"the stages failed: {set(statuses.values())}")
    runs = [manifest.run for manifest in read_manifests(store, [stage.fingerprint for stage in stages]).values()]
    moments = [(datetime.fromisoformat(run["started"]), datetime.fromisoformat(run["finished"])) for run in runs]
    pairs = list(itertools.pairwise(moments))
    return {
        "stages": length,
        "seconds_a_stage": round(
            statistics.median((after[1] - before[1]).total_seconds() for before, after in pairs), 4
        ),
        "seconds_from_commit_to_start": round(
            statistics.median((after[0] - before[1]).total_seconds() for before, after in pairs), 4
        ),
        "seconds_of_the_server_until_the_first_stage": round((timer.first_start or ended) - began, 2),
        "target_seconds_a_stage": TARGET_SECONDS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--stages", type=int, default=20)
    parser.add_argument("--bare", action="store_true", help="load no training packages")
    arguments = parser.parse_args()
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    if arguments.bare:
        os.environ["STAGE_OVERHEAD_BARE"] = "1"
    with tempfile.TemporaryDirectory(prefix="stage-overhead-") as folder:
        figures = measure(arguments.stages, Path(folder))
    print(json.dumps(figures, indent=1))
    return 0 if figures["seconds_a_stage"] < TARGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
