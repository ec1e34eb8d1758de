"""What a person sees while a study runs."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from engine_plans import plan_of, stage

from stilts_core.cli.watch import PlainWatch, Scene, TerminalWatch
from stilts_core.engine.backend import Observation
from stilts_core.engine.labels import duration, remaining
from stilts_core.engine.states import State, Status
from stilts_core.planning.plan import StageKind
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


STAGES = [stage(f"stage-{index}-" + "x" * 60, kind=StageKind.TRAIN) for index in range(40)]
NAMES = [each.fingerprint for each in STAGES]


def everything_at_once() -> tuple[dict[str, Status], list[Observation]]:
    states = [State.RUNNING] * 12 + [State.DONE] * 12 + [State.FAILED] * 8 + [State.WAITING] * 8
    statuses = {name: Status(state, "for reasons", 1) for name, state in zip(NAMES, states, strict=True)}
    progress = Progress(step=20, total=100, loss=0.5, examples_per_second=310.0, activity="training")
    return statuses, [Observation(name, 1, Phase.RUNNING, 0.0, progress=progress) for name in NAMES[:12]]


@pytest.mark.parametrize("height", [24, 40])
def test_the_picture_stays_within_the_terminal(height: int) -> None:
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, width=80, height=height, force_terminal=True, color_system=None)
    watch = TerminalWatch(Scene(plan_of(STAGES), clock), console)
    watch.update(*everything_at_once())
    clock.now += 10
    console.print(watch.picture())
    lines = out.getvalue().splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("fake: 12 of 40 stages done, 12 running, 8 failed, 10 s")
    assert "20/100" in out.getvalue()
    assert "0.500" in out.getvalue()
    assert "40 s" in out.getvalue()  # 20 steps took 10 s, so that 80 more take 40 s


def test_lines_say_each_change_once_and_progress_now_and_then() -> None:
    clock, lines = Clock(), []
    watch = PlainWatch(Scene(plan_of(STAGES[:1]), clock), lines.append)
    name = NAMES[0]
    progress = Progress(step=20, total=100, loss=0.5)
    running = {name: Status(State.RUNNING, attempt=1)}
    seen = [Observation(name, 1, Phase.RUNNING, 0.0, progress=progress)]
    for _ in range(3):
        watch.update(running, seen)
    assert len(lines) == 1
    assert lines[0].endswith(": running")
    clock.now += 31
    watch.update(running, seen)
    assert lines[1].endswith("0 of 1 stages done, 1 running")
    assert lines[2].endswith("running: step 20/100, loss 0.500")
    watch.update({name: Status(State.QUEUED, "again after: a crash", attempt=1)}, [])
    watch.update({name: Status(State.RUNNING, attempt=2)}, [])
    clock.now += 75
    watch.update({name: Status(State.DONE)}, [])
    assert [line.partition(": ")[2] for line in lines[3:5]] == ["again after: a crash", "running (attempt 2)"]
    assert lines[5].endswith("done in 1:15")


def test_durations_and_time_to_go() -> None:
    assert [duration(seconds) for seconds in (-1, 0.04, 9.96, 59.4, 185, 7800, 100_000)] == [
        "0.0 s",
        "0.0 s",
        "10 s",
        "59 s",
        "3:05",
        "2 h 10 m",
        "1 d 3 h",
    ]
    assert remaining(Progress(step=25, total=100), 10.0) == 30.0
    assert remaining(Progress(step=0, total=100), 10.0) is None
    assert remaining(Progress(step=5), 10.0) is None
