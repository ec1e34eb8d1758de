"""`stilts status`: how far a study is, and why what waits is waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import open_study, study_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

_WATCH_SECONDS = 2.0
_MARGIN = 6
_PIPE_WIDTH = 100_000  # a program that reads the lines wants whole sentences


@click.command("status", epilog="Example: stilts status jobs/quickstart.yaml --watch")
@study_options
@click.option("--all", "everything", is_flag=True, help="Show stages that wait for others or are done, too.")
@click.option("--watch", is_flag=True, help="Keep showing it until every stage has ended, or Ctrl-C.")
def command(
    study: Path, store: str | None, data_root: str | None, profile_path: Path | None, everything: bool, watch: bool
) -> int:
    """Show how far a study is, and why what waits is waiting."""
    from rich.console import Console

    from stilts_core.engine.look import look

    opened = open_study(study, store, data_root, profile_path)
    console = Console()
    if not watch:
        now = time.time()
        fit = console.is_terminal
        if not fit:
            console.width = _PIPE_WIDTH
        with console.capture() as captured:
            console.print(
                picture(opened.plan, look(opened.store, opened.plan, now), now, everything=everything, fit=fit)
            )
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
        return 0
    from rich.live import Live

    from stilts_core.engine.states import FINAL

    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = time.time()
            statuses = look(opened.store, opened.plan, now)
            live.update(
                picture(opened.plan, statuses, now, everything=everything, room=console.height - _MARGIN), refresh=True
            )
            if all(status.state in FINAL for status in statuses.values()):
                return 0
            time.sleep(_WATCH_SECONDS)


def picture(
    plan: Plan,
    statuses: Mapping[str, Status],
    now: float,
    *,
    everything: bool = False,
    fit: bool = True,
    room: int | None = None,
) -> RenderableType:
    """A line of totals, and a row for each stage that runs, has failed, is blocked or could run.

    Args:
        plan: the study's.
        statuses: of all of its stages.
        now: seconds since the epoch.
        everything: rows for the other stages too.
        fit: as wide as the terminal, not wider.
        room: rows at most.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from stilts_core.engine.labels import duration, stage_title
    from stilts_core.engine.states import GOOD, State

    order = {State.RUNNING: 0, State.FAILED: 1, State.QUEUED: 2, State.BLOCKED: 3, State.WAITING: 4}
    counts = Counter(status.state for status in statuses.values())
    done = sum(counts[state] for state in GOOD)
    parts = [f"{done} of {len(plan.stages)} stages done", *(f"{counts[s]} {s}" for s in order if counts[s])]
    head = Text(f"{plan.name}: {', '.join(parts)}", style="bold")
    rows = [
        stage for stage in plan.stages if everything or statuses[stage.fingerprint].state not in GOOD | {State.WAITING}
    ]
    rows.sort(key=lambda stage: order.get(statuses[stage.fingerprint].state, len(order)))
    shown = rows if room is None else rows[: max(1, room)]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=fit)
    for column, ratio in (("id", None), ("stage", 3), ("state", None), ("for", None), ("why", 4)):
        whole = column == "why" and room is None  # a reason that is cut short helps nobody
        table.add_column(column, no_wrap=not whole, overflow="fold" if whole else "ellipsis", ratio=ratio)
    for stage in shown:
        status = statuses[stage.fingerprint]
        since = duration(now - status.since) if status.since is not None else ""
        why = " ".join(status.why.split())
        table.add_row(stage.fingerprint[:8], Text(stage_title(stage)), status.state.value, since, Text(why))
    if len(rows) > len(shown):
        table.add_row("", f"and {len(rows) - len(shown)} more")
    return Group(head, *([table] if rows else []))
