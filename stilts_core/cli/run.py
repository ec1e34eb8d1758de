"""`stilts run`: a study from its file to its report."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import study_options

if TYPE_CHECKING:
    from stilts_core.cli.watch import PlainWatch, TerminalWatch
    from stilts_core.engine.driver import Driver
    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan
    from stilts_core.spec.profile import Profile, StoreSettings
    from stilts_core.storage.base import Store

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
    from stilts_core.cli.options import store_settings
    from stilts_core.planning.load import plan_study
    from stilts_core.spec.load import load_profile
    from stilts_core.storage.open import open_store

    profile = load_profile(profile_path)
    settings = store_settings(profile, store)
    opened = open_store(settings.uri or "", settings.s3)
    plan = plan_study(study, data_root=data_root, profile=profile)
    statuses, stopped = _drive(plan, opened, settings, profile, slots)
    report = _collect(plan, opened, statuses, out or Path("results") / plan.name)
    status = _conclude(study, plan, statuses, stopped)
    click.echo(f"Report: {report}")
    return status


def _drive(
    plan: Plan, store: Store, settings: StoreSettings, profile: Profile, slots: int | None
) -> tuple[Mapping[str, Status], bool]:
    from stilts_core.data.root import default_cache
    from stilts_core.engine.local.launch import LocalRun, local_driver
    from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus

    placement = LocalPlacement(profile.spec, slots=slots, cores=usable_cores(), gpus=visible_gpus())
    run = LocalRun(settings, default_cache(), placement, retries=profile.spec.retries)
    store.put(plan_key(plan), f"{plan.model_dump_json(indent=1)}\n".encode())
    watch = _watch(plan)
    with local_driver(plan, store, run, watch) as driver, watch.running(), _stopped_by_signals(driver, watch):
        statuses = driver.run()
    return statuses, driver.stopping


def plan_key(plan: Plan) -> str:
    """Where a plan lies in its store."""
    from stilts_core.storage.manifest import study_prefix

    return f"{study_prefix(plan.name, plan.digest())}plan.json"


def _watch(plan: Plan) -> PlainWatch | TerminalWatch:
    from rich.console import Console

    from stilts_core.cli.watch import PlainWatch, Scene, TerminalWatch

    console = Console()
    scene = Scene(plan)
    return TerminalWatch(scene, console) if console.is_terminal else PlainWatch(scene, click.echo)


@contextmanager
def _stopped_by_signals(driver: Driver, watch: PlainWatch | TerminalWatch) -> Iterator[None]:
    def stop(*_: object) -> None:
        again = driver.stopping
        driver.stop()
        watch.note("ending at once" if again else "stopping the stages; again to end them at once")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _collect(plan: Plan, store: Store, statuses: Mapping[str, Status], out: Path) -> Path:
    """Write the collector's files here and into the store, gaps and all."""
    from stilts_core.analysis.collect import collect
    from stilts_core.engine.states import GOOD
    from stilts_core.errors import StorageError
    from stilts_core.storage.manifest import study_prefix

    gaps = {
        name: f"{status.state}: {status.why}" if status.why else status.state.value
        for name, status in statuses.items()
        if status.state not in GOOD
    }
    prefix = study_prefix(plan.name, plan.digest())
    for name, content in collect(store, plan, gaps).items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise StorageError(
                f"{path} could not be written: {error.strerror}.", hint="Choose another --out."
            ) from error
        store.put(f"{prefix}results/{name}", content)
    return out / "report.html"


def _conclude(study: Path, plan: Plan, statuses: Mapping[str, Status], stopped: bool) -> int:
    """Say how it ended, and give the exit status."""
    from stilts_core.cli.watch import summarise
    from stilts_core.engine.labels import exit_name, stage_title
    from stilts_core.engine.states import State

    labels = {stage.fingerprint: stage_title(stage) for stage in plan.stages}
    failed = [(name, status) for name, status in statuses.items() if status.state is State.FAILED]
    blocked = sum(status.state is State.BLOCKED for status in statuses.values())
    click.echo(f"{plan.name}: {summarise(statuses)}")
    for name, status in failed[:_SHOWN_FAILURES]:
        code = exit_name(status.exit_code)
        click.echo(f"{labels[name]} failed{f' ({code})' * bool(code)}: {status.why}", err=True)
        click.echo(f"  Its log: stilts logs {study} {name[:12]}", err=True)
    if len(failed) > _SHOWN_FAILURES:
        click.echo(f"{len(failed) - _SHOWN_FAILURES} more stages failed: stilts status {study}", err=True)
    if blocked:
        click.echo(f"{blocked} stages could not run because of that.", err=True)
    if stopped:
        click.echo("Stopped. Run the same command again to go on: what has committed is kept.", err=True)
        return INTERRUPTED
    return FAILED if failed or blocked else 0
