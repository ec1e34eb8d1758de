"""What a person sees while a study runs: lines in a file or a pipe, one quiet picture in a terminal."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stilts_core.engine.labels import describe_progress, duration, moment, remaining, stage_title, steps
from stilts_core.engine.states import GOOD, LIVE, State, Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from stilts_core.engine.backend import Observation
    from stilts_core.planning.plan import Plan

_PROGRESS_SECONDS = 30.0
_NEWS = 200
_STYLES = {State.DONE: "green", State.FAILED: "bold red", State.BLOCKED: "red", State.CANCELLED: "yellow"}
_SHORT = {"prepare": 0, "pretrain": 1, "train": 2, "evaluate": 3, "measure": 4}


@dataclass
class Scene:
    """The run as it stands, from what the driver tells.

    Attributes:
        news: what happened, newest last: time, state and a line.
    """

    plan: Plan
    clock: Callable[[], float] = time.time
    statuses: Mapping[str, Status] = field(default_factory=dict)
    observations: Mapping[str, Observation] = field(default_factory=dict)
    news: deque[tuple[float, State | None, str]] = field(default_factory=lambda: deque(maxlen=_NEWS))
    began: float = 0.0
    _running_since: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.labels = {stage.fingerprint: stage_title(stage) for stage in self.plan.stages}
        self.kinds = {stage.fingerprint: stage.kind.value for stage in self.plan.stages}

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> list[str]:
        """Take in what the driver says; gives the lines of what is new."""
        now = self.clock()
        lines = []
        for name, status in statuses.items():
            before = self.statuses.get(name)
            changed = before is None or (before.state, before.attempt) != (status.state, status.attempt)
            if status.state is State.RUNNING:
                self._running_since.setdefault((name, status.attempt), now)
            line = self._line(name, status, now) if changed else ""
            if line:
                lines.append(line)
                self.news.append((now, status.state, line))
        self.statuses = statuses
        self.observations = {seen.fingerprint: seen for seen in observations}
        return lines

    def _line(self, name: str, status: Status, now: float) -> str:
        label, again = self.labels[name], f" (attempt {status.attempt})" if status.attempt > 1 else ""
        match status.state:
            case State.RUNNING:
                return f"{label}: running{again}"
            case State.DONE:
                return f"{label}: done in {duration(now - self._since(name, now))}"
            case State.FAILED:
                return f"{label}: failed: {' '.join(status.why.split())}"
            case State.QUEUED if status.attempt:
                return f"{label}: {status.why}"
            case State.EVICTED:
                return f"{label}: evicted{again}: {status.why}"
            case _:
                return ""

    def _since(self, name: str, now: float) -> float:
        times = [at for (stage, _), at in self._running_since.items() if stage == name]
        return max(times, default=now)

    def live(self) -> list[tuple[str, Status, Observation | None]]:
        """The stages at work: name, status, last observation."""
        return [
            (name, status, self.observations.get(name))
            for name, status in self.statuses.items()
            if status.state in LIVE
        ]

    def running_for(self, name: str) -> float:
        """Seconds since the stage's own work began."""
        now = self.clock()
        return now - self._since(name, now)

    def totals(self) -> dict[str, Counter[State]]:
        """Kind → number of stages by state."""
        counts: dict[str, Counter[State]] = {}
        for name, status in self.statuses.items():
            counts.setdefault(self.kinds[name], Counter())[status.state] += 1
        return dict(sorted(counts.items(), key=lambda item: _SHORT.get(item[0], len(_SHORT))))


def summarise(statuses: Mapping[str, Status]) -> str:
    """``12 of 40 stages done (5 reused), 2 running, 1 failed, 3 blocked``."""
    counts = Counter(status.state for status in statuses.values())
    parts = [f"{sum(counts[state] for state in GOOD)} of {len(statuses)} stages done"]
    if counts[State.REUSED]:
        parts[0] += f" ({counts[State.REUSED]} reused)"
    running = sum(counts[state] for state in LIVE)
    parts += [f"{running} running"] * bool(running)
    parts += [f"{counts[state]} {state}" for state in (State.FAILED, State.BLOCKED, State.CANCELLED) if counts[state]]
    return ", ".join(parts)


class PlainWatch:
    """Timestamped lines, for outputs that are no terminal."""

    def __init__(self, scene: Scene, say: Callable[[str], None]) -> None:
        self._scene, self._say = scene, say
        self._next_progress = scene.clock() + _PROGRESS_SECONDS

    def running(self) -> AbstractContextManager[object]:
        return nullcontext()

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        for line in self._scene.update(statuses, observations):
            self.note(line)
        now = self._scene.clock()
        if now < self._next_progress:
            return
        self._next_progress = now + _PROGRESS_SECONDS
        self.note(summarise(self._scene.statuses))
        for name, status, seen in self._scene.live():
            known = describe_progress(seen.progress) if seen and seen.progress else ""
            self.note(f"  {self._scene.labels[name]}: {status.state}{': ' * bool(known)}{known}")

    def note(self, text: str) -> None:
        self._say(f"{moment(self._scene.clock())} {text}")


class TerminalWatch:
    """One picture that stays within the terminal: totals by kind, what runs, what happened last."""

    def __init__(self, scene: Scene, console: Console) -> None:
        self._scene, self._console = scene, console

    def running(self) -> AbstractContextManager[object]:
        from rich.live import Live

        return Live(get_renderable=self.picture, console=self._console, refresh_per_second=4, transient=False)

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        self._scene.update(statuses, observations)

    def note(self, text: str) -> None:
        self._scene.news.append((self._scene.clock(), None, text))

    def picture(self) -> RenderableType:
        """The whole picture, at most as high as the terminal."""
        from rich.console import Group
        from rich.text import Text

        scene = self._scene
        elapsed = duration(scene.clock() - scene.began)
        head = Text(
            f"{scene.plan.name}: {summarise(scene.statuses)}, {elapsed}",
            style="bold",
            no_wrap=True,
            overflow="ellipsis",
        )
        totals, live = self._totals(), scene.live()
        room = max(4, self._console.height - 3 - totals.row_count)
        shown = live[: max(1, room - 2)] if live else []
        news = self._news(max(0, room - len(shown) - 2))
        return Group(head, totals, *([self._live(shown, len(live))] if live else []), *news)

    def _totals(self) -> Table:
        from rich.progress_bar import ProgressBar

        table = _grid("kind", "bar", "count", "rest")
        for kind, counts in self._scene.totals().items():
            total = counts.total()
            done = sum(counts[state] for state in GOOD)
            parts = [f"{sum(counts[state] for state in LIVE)} running"] * any(counts[state] for state in LIVE)
            parts += [
                f"{counts[state]} {state}"
                for state in (State.QUEUED, State.WAITING, State.FAILED, State.BLOCKED, State.CANCELLED)
                if counts[state]
            ]
            table.add_row(kind, ProgressBar(total=total, completed=done, width=20), f"{done}/{total}", ", ".join(parts))
        return table

    def _live(self, shown: Sequence[tuple[str, Status, Observation | None]], count: int) -> Table:
        from rich.text import Text

        table = _grid("stage", "state", "step", "loss", "ex/s", "left", header=True, wide={"stage": 3, "state": 2})
        for name, status, seen in shown:
            progress = seen.progress if seen else None
            left = remaining(progress, self._scene.running_for(name)) if progress else None
            what = status.why or (progress.activity if progress and progress.activity else status.state.value)
            table.add_row(
                Text(self._scene.labels[name], style="cyan", overflow="ellipsis"),
                Text(what, overflow="ellipsis"),
                steps(progress) if progress else "",
                f"{progress.loss:.3f}" if progress and progress.loss is not None else "",
                f"{progress.examples_per_second:.0f}" if progress and progress.examples_per_second else "",
                duration(left) if left is not None else "",
            )
        if count > len(shown):
            table.add_row(f"and {count - len(shown)} more")
        return table

    def _news(self, room: int) -> list[Text]:
        from rich.text import Text

        told = [entry for entry in self._scene.news if entry[1] is not State.RUNNING]
        return [
            Text(
                f"{moment(at)} {line}", style=_STYLES.get(state, "") if state else "", no_wrap=True, overflow="ellipsis"
            )
            for at, state, line in (told[-room:] if room else [])
        ]


if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def _grid(*columns: str, header: bool = False, wide: Mapping[str, int] | None = None) -> Table:
    """A table without lines; the columns in ``wide`` share, by weight, the room that the others leave."""
    from rich.table import Table

    table = Table(box=None, show_header=header, header_style="dim", padding=(0, 2, 0, 0), expand=bool(wide))
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=(wide or {}).get(column))
    return table
