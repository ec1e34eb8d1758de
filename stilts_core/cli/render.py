"""`stilts render`: what `stilts submit` would make, for other tools to make it."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.cluster import Said, cluster_options, submission_objects
from stilts_core.cli.options import study_options


@click.command("render", epilog="Example: stilts render jobs/quickstart.yaml | kubectl apply -f -")
@study_options
@cluster_options
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    context: str | None,
    namespace: str | None,
) -> None:
    """Print the objects that `submit` makes, as YAML. No cluster is asked.

    Applied with kubectl, they are the same study: `status`, `logs`, `retry` and `cancel` find it.
    """
    from stilts_core.engine.kubernetes.configured import configured_namespace
    from stilts_core.engine.kubernetes.yaml_text import to_yaml
    from stilts_core.spec.load import load_profile

    said = Said(study, store, data_root, profile_path, context, namespace)
    profile = load_profile(profile_path)

    def chosen() -> str:
        return namespace or profile.spec.kubernetes.namespace or configured_namespace(context)

    click.echo(to_yaml(submission_objects(said, profile, chosen)[1]), nl=False)
