"""`stilts cancel`: end what was submitted, and keep what has committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.cluster import Said, cluster_options, connect, find_submission, not_submitted
from stilts_core.cli.options import study_options

if TYPE_CHECKING:
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.submissions import Submitted
    from stilts_core.spec.profile import Profile


@click.command("cancel", epilog="Example: stilts cancel jobs/quickstart.yaml --profile profile.yaml")
@study_options
@cluster_options
@click.option(
    "--save/--no-save",
    default=True,
    help="Let stages end in their grace period, in which trainings save where they are (the default), or kill them.",
)
@click.option("--all", "every", is_flag=True, help="All submissions of a study of this name, whatever their plans.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    context: str | None,
    namespace: str | None,
    save: bool,
    every: bool,
) -> None:
    """End a study in a cluster, and wait until its pods, Jobs and Service are gone. The store is kept.

    Trainings go on from where they last saved when the study is submitted again.
    """
    from stilts_core.engine.kubernetes.cancelling import cancel
    from stilts_core.engine.kubernetes.labels import STORE
    from stilts_core.spec.load import load_profile, load_study

    said = Said(study, store, data_root, profile_path, context, namespace)
    profile = load_profile(profile_path)
    name = load_study(study).study.metadata.name
    cluster = connect(profile, context, namespace)
    for submitted in _chosen(cluster, name, said, profile, every):
        click.echo(f"cancelling {submitted.name} in namespace {cluster.namespace}")
        cancel(cluster, submitted, lambda text: click.echo(f"  still there: {text}"), save=save)
        kept = (submitted.anchor["metadata"].get("annotations") or {}).get(STORE)
        click.echo(f"{submitted.name} is gone. Kept: what has committed{f', in {kept}' * bool(kept)}.")
    click.echo(f"To go on: {said.command('submit')}")


def _chosen(cluster: Cluster, name: str, said: Said, profile: Profile, every: bool) -> list[Submitted]:
    """What to cancel. A single submission needs no plan, so that it can be ended whatever became of the data."""
    from stilts_core.engine.kubernetes.submissions import find_submitted
    from stilts_core.planning.load import plan_study

    found = find_submitted(cluster, name)
    if not found:
        raise not_submitted(name, cluster, said)
    if every or len(found) == 1:
        return found
    plan = plan_study(said.study, data_root=said.data_root, profile=profile)
    return [find_submission(cluster, plan, said)]
