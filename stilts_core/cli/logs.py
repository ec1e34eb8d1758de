"""`stilts logs`: what a stage printed."""

from __future__ import annotations

import sys
import time
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
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.labels import Object
    from stilts_core.planning.plan import Plan, Stage
    from stilts_core.storage.base import Store
    from stilts_core.storage.manifest import Attempt

_DRIVER = "driver"
_FOLLOW_SECONDS = 1.0
_SHOWN = 10


@click.command("logs", epilog="Example: stilts logs jobs/quickstart.yaml 3fa9c1 -f")
@study_options
@click.argument("stage")
@cluster_options
@cluster_option
@click.option("--attempt", "number", type=click.IntRange(min=1), metavar="N", help="Default: the latest.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the attempt has ended, or Ctrl-C.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    stage: str,
    context: str | None,
    namespace: str | None,
    cluster: bool | None,
    number: int | None,
    follow: bool,
) -> int:
    """Show what STAGE printed: the beginning of its fingerprint, or a part of its label.

    It is the store's copy; with --follow, or where there is none yet, that of the pod as long as it runs. For a study
    in a cluster, STAGE may be "driver".
    """
    from stilts_core.engine.labels import stage_title

    said = Said(study, store, data_root, profile_path, context, namespace)
    opened = open_study(study, store, data_root, profile_path)
    if stage == _DRIVER:
        return _show_driver(opened, said, follow)
    found = find_stage(opened.plan, stage)
    if asks_cluster(opened.profile, cluster, context, namespace):
        insisted = bool(cluster or context or namespace)
        if _show_pod(opened, said, found, number, follow=follow, insisted=insisted):
            return 0
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


def _show_driver(opened: OpenedStudy, said: Said, follow: bool) -> int:
    from stilts_core.engine.kubernetes.submissions import driver_pods
    from stilts_core.errors import MissingInputError

    cluster = connect(opened.profile, said.context, said.namespace)
    pods = driver_pods(cluster, find_submission(cluster, opened.plan, said))
    if not pods:
        raise MissingInputError(
            "The driver has no pod now, so there is no log of it.", hint=f"See how it is: {said.command('status')}"
        )
    _print_pod(cluster, pods[-1], follow)
    return 0


def _show_pod(
    opened: OpenedStudy, said: Said, stage: Stage, number: int | None, *, follow: bool, insisted: bool
) -> bool:
    """Show what a stage's pod prints, where that is newer than the store's copy; False where it is not.

    Args:
        insisted: a cluster that cannot be asked is an error.
    """
    from stilts_core.engine.kubernetes.stage_pods import running_pod
    from stilts_core.engine.labels import stage_title
    from stilts_core.errors import ClusterError
    from stilts_core.storage.attempts import list_attempts, read_log

    if not follow:
        kept = [each for each in list_attempts(opened.store, stage.fingerprint) if number in (None, each.number)]
        if kept and read_log(opened.store, stage.fingerprint, kept[-1]) is not None:
            return False
    try:
        cluster = connect(opened.profile, said.context, said.namespace)
        pod = running_pod(cluster, opened.plan, stage, number)
    except ClusterError as error:
        if insisted:
            raise
        click.echo(f"The cluster could not be asked: {error}", err=True)
        return False
    if pod is None:
        return False
    click.echo(f"# {stage_title(stage)}, {stage.fingerprint[:12]}, pod {pod['metadata']['name']}", err=True)
    _print_pod(cluster, pod, follow)
    return True


def _print_pod(cluster: Cluster, pod: Object, follow: bool) -> None:
    name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
    stream = sys.stdout
    for chunk in cluster.follow(name, container) if follow else [cluster.log(name, container) or b""]:
        stream.write(chunk.decode(errors="replace"))
        stream.flush()


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
