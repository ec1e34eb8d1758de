"""`stilts status`: how far a study is, and why what waits is waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import study_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

_WATCH_SECONDS = 2.0
_MARGIN = 6


@click.command("status", epilog="Example: stilts status jobs/quickstart.yaml --watch")
@study_options
@click.option("--watch", is_flag=True, help="Keep showing it until every stage has ended, or Ctrl-C.")
def command(study: Path, store: str | None, data_root: str | None, profile_path: Path | None, watch: bool) -> int:
    """Show how far a study is, and why what waits is waiting."""
    from rich.console import Console

    from stilts_core.cli.options import store_settings
    from stilts_core.engine.look import look
    from stilts_core.planning.load import plan_study
    from stilts_core.spec.load import load_profile
    from stilts_core.storage.open import open_store

    profile = load_profile(profile_path)
    settings = store_settings(profile, store)
    opened = open_store(settings.uri or "", settings.s3)
    plan = plan_study(study, data_root=data_root, profile=profile)
    console = Console()
    if not watch:
        now = time.time()
        console.print(picture(plan, look(opened, plan, now), now))
        return 0
    from rich.live import Live

    from stilts_core.engine.states import FINAL

    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = time.time()
            statuses = look(opened, plan, now)
            live.update(picture(plan, statuses, now, room=console.height - _MARGIN), refresh=True)
            if all(status.state in FINAL for status in statuses.values()):
                return 0
            time.sleep(_WATCH_SECONDS)


def picture(plan: Plan, statuses: Mapping[str, Status], now: float, room: int | None = None) -> RenderableType:
    """A line of totals, and a row for each stage that is not done; ``room`` bounds the rows."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from stilts_core.engine.labels import duration
    from stilts_core.engine.states import GOOD, State

    order = {State.RUNNING: 0, State.FAILED: 1, State.QUEUED: 2, State.BLOCKED: 3, State.WAITING: 4}
    counts = Counter(status.state for status in statuses.values())
    done = sum(counts[state] for state in GOOD)
    parts = [f"{counts[state]} {state}" for state in order if counts[state]]
    head = Text(f"{plan.name}: {', '.join([f'{done} of {len(plan.stages)} stages done', *parts])}", style="bold")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("stage", "kind", "what", "state", "for", "why"):
        table.add_column(column, no_wrap=column != "why")
    rest = [stage for stage in plan.stages if statuses[stage.fingerprint].state not in GOOD]
    rest.sort(key=lambda stage: order.get(statuses[stage.fingerprint].state, len(order)))
    shown = rest if room is None else rest[: max(1, room)]
    for stage in shown:
        status = statuses[stage.fingerprint]
        since = duration(now - status.since) if status.since is not None else ""
        table.add_row(
            stage.fingerprint[:12], stage.kind.value, Text(stage.label), status.state.value, since, Text(status.why)
        )
    if len(rest) > len(shown):
        table.add_row("…", "", f"and {len(rest) - len(shown)} more")
    return Group(head, *([table] if rest else []))
