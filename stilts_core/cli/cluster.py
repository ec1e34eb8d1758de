"""What the verbs that speak to a cluster share: their options, the connection, and what is submitted there."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from stilts_core.engine.kubernetes.client import Cluster
    from stilts_core.engine.kubernetes.labels import Object
    from stilts_core.engine.kubernetes.submissions import Submitted
    from stilts_core.errors import StiltsError
    from stilts_core.planning.plan import Plan
    from stilts_core.spec.profile import Profile

_TRIES = 3  # somebody waits for the answer

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

context_option = click.option(
    "--context", metavar="NAME", help="A context of the kubeconfig. Default: the current one."
)
namespace_option = click.option(
    "--namespace", "-n", metavar="NAME", help="Default: the profile's, else that of the context."
)
cluster_option = click.option(
    "--cluster/--no-cluster",
    default=None,
    help="Ask the cluster, too. Default: if the profile has a part `kubernetes`, or a context or namespace is given.",
)


def cluster_options(command: CommandT) -> CommandT:
    """--context and --namespace."""
    return context_option(namespace_option(command))


def program() -> str:
    """What the command is called here: `stilts` or `kubectl stilts`."""
    context = click.get_current_context(silent=True)
    return (context.find_root().info_name if context else None) or "stilts"


@dataclass(frozen=True, slots=True)
class Said:
    """The arguments that say which study and where, as they were given, to name other verbs with the same ones."""

    study: Path
    store: str | None = None
    data_root: str | None = None
    profile_path: Path | None = None
    context: str | None = None
    namespace: str | None = None

    def command(self, verb: str, *more: str) -> str:
        """A command of another verb on the same study."""
        options = {
            "--store": self.store,
            "--data": self.data_root,
            "--profile": self.profile_path,
            "--context": self.context,
            "--namespace": self.namespace,
        }
        given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
        return f"{program()} {shlex.join([verb, str(self.study), *more, *given])}"


def connect(profile: Profile, context: str | None, namespace: str | None) -> Cluster:
    """The cluster of the kubeconfig, in the namespace that the option, the profile or the context names.

    Raises:
        ClusterError: there is none, or the package for it is missing.
    """
    from stilts_core.engine.kubernetes.client import Cluster

    cluster = Cluster.connect(context=context, namespace=namespace or profile.spec.kubernetes.namespace)
    cluster.patience = replace(cluster.patience, tries=_TRIES)
    return cluster


def asks_cluster(profile: Profile, cluster: bool | None, context: str | None, namespace: str | None) -> bool:
    """Whether a verb that can do with the store alone asks the cluster, too."""
    if cluster is not None:
        return cluster
    return context is not None or namespace is not None or "kubernetes" in profile.spec.model_fields_set


def submission_objects(said: Said, profile: Profile, namespace: Callable[[], str]) -> tuple[Plan, list[Object]]:
    """The plan of a study and the objects that stand for it in a cluster.

    Args:
        namespace: asked for once everything else is right.

    Raises:
        SpecError: something of it is out of a cluster's reach.
        StiltsError: it cannot be planned.
    """
    from stilts_core.engine.kubernetes.reach import check_reach
    from stilts_core.engine.kubernetes.render import StudySource, render_submission
    from stilts_core.planning.load import load_plan

    uri = said.store or profile.spec.store.uri
    store = profile.spec.store.model_copy(update={"uri": uri})
    placement = profile.spec.model_copy(update={"store": store})
    planned = load_plan(said.study, data_root=said.data_root, profile=profile)
    check_reach(planned.study.spec.data.root, planned.encoders)
    source = StudySource(planned.plan.name, planned.loaded.text, planned.plan.digest(), said.data_root)
    return planned.plan, render_submission(source, placement, namespace())


def find_submission(cluster: Cluster, plan: Plan, said: Said) -> Submitted:
    """What was submitted of a study as it is planned now.

    Raises:
        MissingInputError: it was not, or as another plan only.
    """
    from stilts_core.engine.kubernetes.submissions import choose_submitted, find_submitted
    from stilts_core.errors import MissingInputError

    found = find_submitted(cluster, plan.name)
    chosen = choose_submitted(found, plan)
    if chosen is not None:
        return chosen
    if not found:
        raise not_submitted(plan.name, cluster, said)
    others = ", ".join(each.name for each in found)
    raise MissingInputError(
        f"The study {plan.name} is in namespace {cluster.namespace} with another plan than the file has now: {others}.",
        hint=f"Submit it as it is now: {said.command('submit')}; or end the others: {said.command('cancel', '--all')}",
    )


def not_submitted(name: str, cluster: Cluster, said: Said) -> StiltsError:
    """That a study is not in the namespace."""
    from stilts_core.errors import MissingInputError

    return MissingInputError(
        f"The study {name} is not in namespace {cluster.namespace}: it was not submitted there, or was cancelled.",
        hint=f"Submit it: {said.command('submit')}",
    )
