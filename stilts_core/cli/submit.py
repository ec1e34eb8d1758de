"""`stilts submit`: a study into a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.cluster import Said, cluster_options, connect, submission_objects
from stilts_core.cli.options import study_options

if TYPE_CHECKING:
    from stilts_core.engine.kubernetes.submitting import Submitting


@click.command("submit", epilog="Example: stilts submit jobs/quickstart.yaml --profile profile.yaml")
@study_options
@cluster_options
@click.option("--dry-run", is_flag=True, help="Have the cluster check everything, and make nothing.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    context: str | None,
    namespace: str | None,
    dry_run: bool,
) -> None:
    """Run a study on Kubernetes: plan it here, and have a driver in the cluster bring it to its end.

    The same study again changes nothing while it runs. Afterwards it goes on: what has committed is not run again.
    """
    from stilts_core.engine.kubernetes.submitting import submit
    from stilts_core.spec.load import load_profile

    said = Said(study, store, data_root, profile_path, context, namespace)
    profile = load_profile(profile_path)
    cluster = connect(profile, context, namespace)
    plan, objects = submission_objects(said, profile, lambda: cluster.namespace)
    click.echo(f"{plan.name}: {len(plan.stages)} stages, plan {plan.digest()[:12]}, namespace {cluster.namespace}")
    _tell(submit(cluster, objects, dry_run=dry_run), dry_run)
    if not dry_run:
        click.echo("Next:")
        for line in (
            said.command("status", "--watch"),
            said.command("results"),
            said.command("cancel"),
        ):
            click.echo(f"  {line}")


def _tell(done: Submitting, dry_run: bool) -> None:
    for step in done.steps:
        click.echo(f"  {step.kind:<9} {step.name}  {step.deed}{' (dry run)' * dry_run}")
    if done.running:
        click.echo("It is running already; nothing was changed.")
    elif dry_run:
        click.echo("The cluster would take it; nothing was made.")
    elif done.again:
        click.echo("It goes on: what has committed is kept.")
    else:
        click.echo("Submitted.")
