"""`stilts status`: how far a study is, and why what waits is waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.cluster import (
    Said,
    asks_cluster,
    cluster_option,
    cluster_options,
    connect,
    find_submission,
)
from stilts_core.cli.options import open_study, study_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from rich.text import Text

    from stilts_core.cli.options import OpenedStudy
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.look import Overview
    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

_WATCH_SECONDS = 2.0
_MARGIN = 7
_PIPE_WIDTH = 100_000  # a program that reads the lines wants whole sentences
_STYLES = {"failed": "bold red", "blocked": "red", "evicted": "yellow", "running": "cyan", "done": "green"}


@dataclass(frozen=True)
class View:
    """A study as it stands.

    Attributes:
        statuses: of all stages.
        driver: how its driver in a cluster is; None: it is not looked at.
        over: nothing more will happen by itself.
        notes: what else a person should know.
    """

    statuses: Mapping[str, Status]
    driver: Status | None
    over: bool
    notes: tuple[str, ...] = ()


@click.command("status", epilog="Example: stilts status jobs/quickstart.yaml --watch")
@study_options
@cluster_options
@cluster_option
@click.option("--all", "everything", is_flag=True, help="Show stages that wait for others or are done, too.")
@click.option("--watch", is_flag=True, help="Keep showing it until every stage has ended, or Ctrl-C.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    context: str | None,
    namespace: str | None,
    cluster: bool | None,
    everything: bool,
    watch: bool,
) -> int:
    """Show how far a study is, and why what waits is waiting.

    The exit status is 1 once it has come to its end and something has failed.
    """
    from rich.console import Console

    said = Said(study, store, data_root, profile_path, context, namespace)
    opened = open_study(study, store, data_root, profile_path)
    look = _looker(opened, said, cluster)
    console = Console()
    if not watch:
        now, fit = time.time(), console.is_terminal
        view = look(now)
        if not fit:
            console.width = _PIPE_WIDTH
        with console.capture() as captured:
            console.print(picture(opened.plan, view.statuses, now, driver=view.driver, everything=everything, fit=fit))
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
        for note in view.notes:
            click.echo(note, err=True)
        return _exit_status(view)
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = time.time()
            view = look(now)
            room = console.height - _MARGIN - len(view.notes)
            shown = picture(opened.plan, view.statuses, now, driver=view.driver, everything=everything, room=room)
            live.update(Group(shown, *(Text(note, style="yellow") for note in view.notes)), refresh=True)
            if view.over:
                return _exit_status(view)
            time.sleep(_WATCH_SECONDS)


def _exit_status(view: View) -> int:
    from stilts_core.engine.states import State

    states = {status.state for status in (*view.statuses.values(), *([view.driver] if view.driver else []))}
    return int(view.over and State.FAILED in states)


def _looker(opened: OpenedStudy, said: Said, cluster: bool | None) -> Callable[[float], View]:
    """What looks at the study: at its store, and at the cluster where that is wanted."""
    from stilts_core.errors import ClusterError

    asked = asks_cluster(opened.profile, cluster, said.context, said.namespace)
    insisted = asked and (cluster is True or said.context is not None or said.namespace is not None)
    if not asked:
        return lambda now: _at_store(opened, now)
    try:
        connected = connect(opened.profile, said.context, said.namespace)
    except ClusterError as error:
        if insisted:
            raise
        note = f"The cluster is not looked at: {error}"
        return lambda now: _at_store(opened, now, note)

    def look(now: float) -> View:
        try:
            return _at_cluster(opened, connected, said, now)
        except ClusterError as error:
            if insisted:
                raise
            return _at_store(opened, now, f"The cluster could not be asked: {error}")

    return look


def _at_store(opened: OpenedStudy, now: float, *notes: str) -> View:
    from stilts_core.engine.look import look
    from stilts_core.engine.states import FINAL

    statuses = look(opened.store, opened.plan, now)
    return View(statuses, None, all(status.state in FINAL for status in statuses.values()), notes)


def _at_cluster(opened: OpenedStudy, cluster: Cluster, said: Said, now: float) -> View:
    from stilts_core.engine.kubernetes.look import look
    from stilts_core.errors import MissingInputError

    try:
        submitted = find_submission(cluster, opened.plan, said)
    except MissingInputError as error:
        return replace(_at_store(opened, now, str(error)), over=True)
    seen = look(cluster, opened.store, opened.plan, submitted.name, submitted.placement(), now)
    return View(seen.statuses, seen.driver, seen.over, tuple(_advice(seen, said)))


def _advice(seen: Overview, said: Said) -> Iterator[str]:
    """What to do about what a person alone can set right."""
    from stilts_core.engine.states import State

    waiting = [status.why for status in (seen.driver, *seen.statuses.values())]
    if any("cannot be pulled" in why for why in waiting):
        yield "Name images that the nodes can pull in `kubernetes.images` of the profile, with their registry."
    if seen.driver.state is State.FAILED and any(status.state is State.FAILED for status in seen.statuses.values()):
        yield f"Once the cause is set right: {said.command('retry')}"


def picture(
    plan: Plan,
    statuses: Mapping[str, Status],
    now: float,
    *,
    driver: Status | None = None,
    everything: bool = False,
    fit: bool = True,
    room: int | None = None,
) -> RenderableType:
    """A line of totals, the driver's, and a row for each stage that runs, has failed, is blocked or could run.

    Args:
        plan: the study's.
        statuses: of all of its stages.
        now: seconds since the epoch.
        driver: how the driver in the cluster is.
        everything: rows for the other stages too.
        fit: as wide as the terminal, not wider.
        room: rows at most.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from stilts_core.engine.labels import duration, stage_title
    from stilts_core.engine.states import GOOD, State

    ordered = (
        State.RUNNING,
        State.COMMITTING,
        State.STARTING,
        State.FAILED,
        State.EVICTED,
        State.QUEUED,
        State.BLOCKED,
        State.CANCELLED,
        State.WAITING,
    )
    order = {state: place for place, state in enumerate(ordered)}
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
        why, state = " ".join(status.why.split()), status.state.value
        table.add_row(
            stage.fingerprint[:8], Text(stage_title(stage)), Text(state, style=_STYLES.get(state, "")), since, Text(why)
        )
    if len(rows) > len(shown):
        table.add_row("", f"and {len(rows) - len(shown)} more")
    lines = [head, *([_driver_line(driver, now)] if driver is not None else [])]
    return Group(*lines, *([table] if rows else []))


def _driver_line(driver: Status, now: float) -> Text:
    from rich.text import Text

    from stilts_core.engine.labels import duration

    since = f" for {duration(now - driver.since)}" if driver.since is not None else ""
    why = f": {' '.join(driver.why.split())}" if driver.why else ""
    return Text.assemble("driver: ", (driver.state.value, _STYLES.get(driver.state.value, "")), f"{since}{why}")
