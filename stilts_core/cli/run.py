"""`stilts run`: a study from its file to its report."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import open_study, study_options

if TYPE_CHECKING:
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.cli.watch import PlainWatch, TerminalWatch
    from stilts_core.engine.driver import Driver
    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

FAILED, INTERRUPTED = 1, 130
_SHOWN_FAILURES = 5


@click.command("run", epilog="Example: stilts run jobs/quickstart.yaml --store s3://bucket/studies")
@study_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: results/<name of the study>.")
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Cores (or GPUs) to use. Default: all.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    out: Path | None,
    slots: int | None,
) -> int:
    """Run a study: plan it, run what is missing, write its tables and report.

    Stages that have committed are not run again: after a failure, a kill or Ctrl-C the same command goes on.
    """
    opened = open_study(study, store, data_root, profile_path)
    plan = opened.plan
    statuses, stopped = _drive(opened, slots)
    report = _collect(opened, statuses, out or Path("results") / plan.name)
    options = {"--store": store, "--data": data_root, "--profile": profile_path}
    same = "".join(f" {name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None)
    status = _conclude(
        plan, statuses, stopped, lambda verb, *more: shlex.join(["stilts", verb, str(study), *more]) + same
    )
    click.echo(f"Report: {report}")
    return status


def _drive(opened: OpenedStudy, slots: int | None) -> tuple[Mapping[str, Status], bool]:
    from stilts_core.data.root import default_cache
    from stilts_core.engine.local.launch import LocalRun, local_driver
    from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus

    plan, profile = opened.plan, opened.profile
    placement = LocalPlacement(profile.spec, slots=slots, cores=usable_cores(), gpus=visible_gpus())
    run = LocalRun(opened.settings, default_cache(), placement, retries=profile.spec.retries)
    opened.store.put(f"{_prefix(plan)}plan.json", f"{plan.model_dump_json(indent=1)}\n".encode())
    watch = _watch(plan)
    with local_driver(plan, opened.store, run, watch) as driver, watch.running(), _stopped_by_signals(driver):
        statuses = driver.run()
    return statuses, driver.stopping


def _prefix(plan: Plan) -> str:
    from stilts_core.storage.manifest import study_prefix

    return study_prefix(plan.name, plan.digest())


def _watch(plan: Plan) -> PlainWatch | TerminalWatch:
    from rich.console import Console

    from stilts_core.cli.watch import PlainWatch, Scene, TerminalWatch

    console = Console()
    scene = Scene(plan)
    return TerminalWatch(scene, console) if console.is_terminal else PlainWatch(scene, click.echo)


@contextmanager
def _stopped_by_signals(driver: Driver) -> Iterator[None]:
    def stop(*_: object) -> None:
        driver.stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _collect(opened: OpenedStudy, statuses: Mapping[str, Status], out: Path) -> Path:
    """Write the collector's files here and into the store, gaps and all."""
    from stilts_core.analysis.collect import collect
    from stilts_core.cli.collecting import gap_reasons, write_files

    files = collect(opened.store, opened.plan, gap_reasons(statuses))
    write_files(files, out)
    for name, content in files.items():
        opened.store.put(f"{_prefix(opened.plan)}results/{name}", content)
    return out / "report.html"


def _conclude(plan: Plan, statuses: Mapping[str, Status], stopped: bool, again: Callable[..., str]) -> int:
    """Say how it ended, and give the exit status; ``again`` makes a command of a verb, on the same study."""
    from stilts_core.cli.watch import summarise
    from stilts_core.engine.labels import exit_name, stage_title
    from stilts_core.engine.states import GOOD, State

    labels = {stage.fingerprint: stage_title(stage) for stage in plan.stages}
    failed = [(name, status) for name, status in statuses.items() if status.state is State.FAILED]
    blocked = sum(status.state is State.BLOCKED for status in statuses.values())
    click.echo(f"{plan.name}: {summarise(statuses)}")
    for name, status in failed[:_SHOWN_FAILURES]:
        code = exit_name(status.exit_code)
        click.echo(f"{labels[name]} failed{f' ({code})' * bool(code)}: {status.why}", err=True)
        click.echo(f"  Its log: {again('logs', name[:12])}", err=True)
    if len(failed) > _SHOWN_FAILURES:
        click.echo(f"{len(failed) - _SHOWN_FAILURES} more stages failed: {again('status')}", err=True)
    if blocked:
        click.echo(f"{blocked} stages could not run because of that.", err=True)
    if all(status.state in GOOD for status in statuses.values()):
        return 0
    if stopped:
        click.echo("Stopped. Run the same command again to go on: what has committed is kept.", err=True)
        return INTERRUPTED
    return FAILED
