"""`stilts run`: a study from its file to its report."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.collecting import write_files
from stilts_core.cli.options import open_study, study_options
from stilts_core.cli.running import conclude, keep_plan, keep_results, run_and_collect

if TYPE_CHECKING:
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.cli.watch import PlainWatch, TerminalWatch
    from stilts_core.engine.driver import Driver
    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

INTERRUPTED = 130


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
    stopped = False

    def drive() -> Mapping[str, Status]:
        nonlocal stopped
        statuses, stopped = _drive(opened, slots)
        return statuses

    folder = out or Path("results") / plan.name
    statuses, files = run_and_collect(opened, drive)
    write_files(files, folder)
    keep_results(opened, files)
    options = {"--store": store, "--data": data_root, "--profile": profile_path}
    same = "".join(f" {name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None)
    status = conclude(plan, statuses, lambda verb, *more: shlex.join(["stilts", verb, str(study), *more]) + same)
    if status and stopped:
        click.echo("Stopped. Run the same command again to go on: what has committed is kept.", err=True)
        status = INTERRUPTED
    click.echo(f"Report: {folder / 'report.html'}")
    return status


def _drive(opened: OpenedStudy, slots: int | None) -> tuple[Mapping[str, Status], bool]:
    from stilts_core.data.root import default_cache
    from stilts_core.engine.local.launch import LocalRun, local_driver
    from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus

    plan, profile = opened.plan, opened.profile
    placement = LocalPlacement(profile.spec, slots=slots, cores=usable_cores(), gpus=visible_gpus())
    run = LocalRun(
        opened.settings,
        default_cache(),
        placement,
        retries=profile.spec.retries,
        stall=profile.spec.local.stall_seconds,
    )
    keep_plan(opened)
    watch = _watch(plan)
    with local_driver(plan, opened.store, run, watch) as driver, watch.running(), _stopped_by_signals(driver):
        statuses = driver.run()
    return statuses, driver.stopping


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
