"""`stilts logs`: what a stage printed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import open_study, study_options

if TYPE_CHECKING:
    from stilts_core.planning.plan import Plan, Stage
    from stilts_core.storage.base import Store
    from stilts_core.storage.manifest import Attempt

_FOLLOW_SECONDS = 1.0
_SHOWN = 10


@click.command("logs", epilog="Example: stilts logs jobs/quickstart.yaml 3fa9c1 -f")
@study_options
@click.argument("stage")
@click.option("--attempt", "number", type=click.IntRange(min=1), metavar="N", help="Default: the latest.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the attempt has ended, or Ctrl-C.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    stage: str,
    number: int | None,
    follow: bool,
) -> int:
    """Show what STAGE printed: the beginning of its fingerprint, or a part of its label."""
    from stilts_core.engine.labels import stage_title

    opened = open_study(study, store, data_root, profile_path)
    found = find_stage(opened.plan, stage)
    attempt = _find_attempt(opened.store, found, number)
    click.echo(f"# {stage_title(found)}, {found.fingerprint[:12]}, attempt {attempt.folder}", err=True)
    _show(opened.store, found.fingerprint, attempt, follow)
    return 0


def find_stage(plan: Plan, text: str) -> Stage:
    """The stage whose fingerprint begins with ``text``, or whose label is or has it.

    Raises:
        SpecError: there is no such stage, or more than one.
    """
    from stilts_core.engine.labels import stage_title
    from stilts_core.errors import SpecError

    wanted = text.casefold()
    for matches in (
        [stage for stage in plan.stages if stage.fingerprint.startswith(wanted)],
        [stage for stage in plan.stages if wanted in (stage.label.casefold(), stage_title(stage).casefold())],
        [stage for stage in plan.stages if wanted in stage_title(stage).casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            lines = [f"{stage.fingerprint[:12]}  {stage_title(stage)}" for stage in matches[:_SHOWN]]
            more = [f"and {len(matches) - _SHOWN} more"] * (len(matches) > _SHOWN)
            raise SpecError(f'"{text}" is {len(matches)} stages.', hint="\n  ".join(["Choose one:", *lines, *more]))
    raise SpecError(f'The study has no stage "{text}".', hint="`stilts plan` and `stilts status` list them.")


def _find_attempt(store: Store, stage: Stage, number: int | None) -> Attempt:
    from stilts_core.engine.labels import stage_title
    from stilts_core.errors import MissingInputError
    from stilts_core.storage.attempts import list_attempts

    attempts = list_attempts(store, stage.fingerprint)
    chosen = [attempt for attempt in attempts if number in (None, attempt.number)]
    if not attempts:
        raise MissingInputError(f"{stage_title(stage)} has not been tried yet, so there is no log.")
    if not chosen:
        known = ", ".join(str(attempt.number) for attempt in attempts)
        raise MissingInputError(f"There is no attempt {number} of that stage.", hint=f"There are: {known}.")
    return chosen[-1]


def _show(store: Store, fingerprint: str, attempt: Attempt, follow: bool) -> None:
    from stilts_core.storage.attempts import read_log, read_outcomes
    from stilts_core.storage.commit import committed

    shown = 0
    while True:
        # Asked before the log is read, so that what came last is shown too.
        over = not follow or any(ended == attempt for ended, _ in read_outcomes(store, fingerprint))
        over = over or bool(committed(store, [fingerprint]))
        text = read_log(store, fingerprint, attempt) or ""
        click.echo(text[shown:], nl=False)
        shown = len(text)
        if over:
            break
        time.sleep(_FOLLOW_SECONDS)
    if not shown:
        click.echo("nothing was printed, or nothing was kept of it", err=True)
