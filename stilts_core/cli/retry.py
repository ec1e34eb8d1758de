"""`stilts retry`: another chance for stages that have failed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.cluster import Said, cluster_options, connect, find_submission, submission_objects
from stilts_core.cli.options import open_study, study_options

if TYPE_CHECKING:
    from stilts_core.engine.kubernetes.labels import Object
    from stilts_core.engine.kubernetes.look import Overview
    from stilts_core.planning.plan import Plan

_SHOWN = 10


@click.command("retry", epilog="Example: stilts retry jobs/quickstart.yaml 3fa9c1 --profile profile.yaml")
@study_options
@click.argument("stage", required=False)
@cluster_options
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    stage: str | None,
    context: str | None,
    namespace: str | None,
) -> None:
    """Give stages that have failed in a cluster fresh budgets, and try them again: STAGE, or all of them.

    The driver is started anew. Stages that run go on; what has committed is kept.
    """
    from stilts_core.engine.kubernetes.look import look
    from stilts_core.engine.kubernetes.retrying import retry
    from stilts_core.engine.labels import stage_title

    said = Said(study, store, data_root, profile_path, context, namespace)
    opened = open_study(study, store, data_root, profile_path)
    cluster = connect(opened.profile, context, namespace)
    submitted = find_submission(cluster, opened.plan, said)
    seen = look(cluster, opened.store, opened.plan, submitted.name, submitted.placement(), time.time())
    failed = _failed(opened.plan, seen, stage)

    def driver() -> Object | None:
        anchor, *_, job = submission_objects(said, opened.profile, lambda: cluster.namespace)[1]
        return job if anchor["metadata"]["name"] == submitted.name else None

    retry(cluster, submitted, failed, driver)
    titles = {each.fingerprint: stage_title(each) for each in opened.plan.stages}
    for name in list(failed)[:_SHOWN]:
        click.echo(f"{titles[name]}: tried again, with fresh budgets")
    if len(failed) > _SHOWN:
        click.echo(f"and {len(failed) - _SHOWN} more")
    click.echo(f"The driver of {submitted.name} is started anew.")
    click.echo(f"Next: {said.command('status', '--watch')}")


def _failed(plan: Plan, seen: Overview, wanted: str | None) -> dict[str, int]:
    """Fingerprint → number of the last attempt, of the stages that are to be tried again.

    There may be none after a driver that has failed itself, or whose stages the cluster did not even take.

    Raises:
        SpecError: there is nothing to try again.
    """
    from stilts_core.cli.logs import find_stage
    from stilts_core.engine.labels import stage_title
    from stilts_core.engine.states import State
    from stilts_core.errors import SpecError

    statuses = seen.statuses
    failed = {name: status.attempt for name, status in statuses.items() if status.state is State.FAILED}
    if wanted is None:
        if not failed and seen.driver.state is not State.FAILED:
            raise SpecError("No stage has failed.", hint="`stilts status` says how each is.")
        return failed
    stage = find_stage(plan, wanted)
    status = statuses[stage.fingerprint]
    if status.state is State.BLOCKED:
        titles = {each.fingerprint: stage_title(each) for each in plan.stages}
        above = ", ".join(titles[name] for name in status.blocked_by)
        raise SpecError(
            f"{stage_title(stage)} has not failed: it is blocked by {above}.", hint="Retry that; it follows by itself."
        )
    if status.state is not State.FAILED:
        raise SpecError(f"{stage_title(stage)} has not failed: it is {status.state}.")
    return {stage.fingerprint: status.attempt}
