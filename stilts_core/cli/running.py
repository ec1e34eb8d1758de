"""What the verbs that bring a study to its end share, wherever its stages run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.engine.states import Status
    from stilts_core.planning.plan import Plan

FAILED = 1
_SHOWN_FAILURES = 5


def study_key(plan: Plan, name: str) -> str:
    """Where the store keeps something of a study."""
    from stilts_core.storage.manifest import study_prefix

    return f"{study_prefix(plan.name, plan.digest())}{name}"


def keep_plan(opened: OpenedStudy) -> str:
    """Write the plan into the store; gives its key."""
    key = study_key(opened.plan, "plan.json")
    opened.store.put(key, f"{opened.plan.model_dump_json(indent=1)}\n".encode())
    return key


def run_and_collect(
    opened: OpenedStudy, drive: Callable[[], Mapping[str, Status]]
) -> tuple[Mapping[str, Status], Mapping[str, bytes]]:
    """Bring a study to its end and collect its results; where collecting finds a file damaged, its stage runs again.

    Returns:
        How the stages ended, and the collector's files by name.

    Raises:
        DamagedStageError: files are damaged again and again.
        StiltsError: as ``drive``, or the store cannot be used.
    """
    from stilts_core.engine.states import GOOD
    from stilts_core.storage.repair import DamagedStageError
    from stilts_core.storage.withdraw import REPAIRS, withdraw

    times: Counter[str] = Counter()
    statuses = drive()
    while True:
        try:
            return statuses, collect_results(opened, statuses)
        except DamagedStageError as error:
            times[error.fingerprint] += 1
            if times[error.fingerprint] > REPAIRS:
                raise
            withdraw(opened.store, error)
            whole = all(status.state in GOOD for status in statuses.values())
            click.echo(f"{error.message} {'The stage runs again.' if whole else 'It is left out.'}", err=True)
            if whole:
                statuses = drive()


def collect_results(opened: OpenedStudy, statuses: Mapping[str, Status]) -> Mapping[str, bytes]:
    """The collector's files by name, gaps and all."""
    from stilts_core.analysis.collect import collect
    from stilts_core.cli.collecting import gap_reasons

    return collect(opened.store, opened.plan, gap_reasons(statuses))


def keep_results(opened: OpenedStudy, files: Mapping[str, bytes]) -> str:
    """Write the collector's files into the store; gives the address of the report."""
    for name, content in files.items():
        opened.store.put(study_key(opened.plan, f"results/{name}"), content)
    return f"{opened.store.uri}/{study_key(opened.plan, 'results/report.html')}"


def conclude(plan: Plan, statuses: Mapping[str, Status], again: Callable[..., str]) -> int:
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
    return 0 if all(status.state in GOOD for status in statuses.values()) else FAILED
