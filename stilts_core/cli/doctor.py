"""`stilts doctor`: is everything here that a study needs, and if not, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.cluster import cluster_options, connect
from stilts_core.cli.options import profile_option, store_option

if TYPE_CHECKING:
    from stilts_core.engine.check import Check
    from stilts_core.spec.profile import Profile


@click.command("doctor", epilog="Example: stilts doctor --store s3://bucket/studies --data s3://corpora/xtreme")
@store_option
@click.option("--data", "data_root", metavar="ROOT", help="A data root to look at.")
@profile_option
@cluster_options
@click.option(
    "--deep", is_flag=True, help="Also read every file of the store's committed stages, to find damaged ones."
)
@click.option("--repair", is_flag=True, help="With --deep: have the stages of damaged files run again.")
@click.option("--cluster", is_flag=True, help="Look at a cluster, and from inside of it, instead of this machine.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=300.0,
    metavar="SECONDS",
    help="How long the pods that look from inside may take, images included. Default: 300.",
)
@click.option("--as", "role", type=click.Choice(["driver", "stage"]), hidden=True)
def command(
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    context: str | None,
    namespace: str | None,
    deep: bool,
    repair: bool,
    cluster: bool,
    patience: float,
    role: str | None,
) -> int:
    """Check machine, packages, store and data, and say what to do.

    With --cluster (or --context or --namespace): version, rights, pod security, GPUs and what the profile asks for;
    then two short pods, one as the driver's and one as a stage's, look at images, accounts and the store.
    """
    from stilts_core.spec.load import load_profile

    if repair and not deep:
        raise click.UsageError("--repair needs --deep, which finds what there is to repair.")
    profile = load_profile(profile_path)
    if role is not None:
        return _report_inside(profile, role)
    there = cluster or context is not None or namespace is not None
    checks: Iterable[Check] = (
        _cluster_checks(profile, store, context, namespace, patience) if there else _checks(profile, store)
    )
    if deep:
        checks = chain(checks, _deep(profile, store, repair=repair))
    if data_root is not None:
        checks = chain(checks, [_data(profile, data_root)])
    blocked = 0
    for check in checks:
        mark = "FAIL" if check.blocks else "note" if check.advice else "ok"
        first, *more = [line.strip() for line in f"{check.name}: {check.detail}\n{check.advice}".splitlines()]
        click.echo(f"{mark:<5} {first}")
        for line in filter(None, more):
            click.echo(f"      {line}")
        blocked += check.blocks
    where = "there" if there else "here"
    click.echo(f"A study cannot run {where} yet." if blocked else f"A study can run {where}.")
    return 1 if blocked else 0


def _cluster_checks(
    profile: Profile, store: str | None, context: str | None, namespace: str | None, patience: float
) -> Iterator[Check]:
    import secrets

    from stilts_core.engine.check import Check
    from stilts_core.engine.kubernetes.checks import check_cluster
    from stilts_core.engine.kubernetes.probes import render_probes, run_probes
    from stilts_core.errors import StiltsError

    cluster = connect(profile, context, namespace)
    uri = store or profile.spec.store.uri
    placement = profile.spec.model_copy(update={"store": profile.spec.store.model_copy(update={"uri": uri})})
    blocked = False
    for check in check_cluster(cluster, placement):
        blocked = blocked or check.blocks
        yield check
    if blocked:
        yield Check("inside", "not looked at, because of the above", "Set that right, and run this again.")
        return
    try:
        objects = render_probes(f"stilts-check-{secrets.token_hex(4)}", placement, cluster.namespace)
        yield from run_probes(cluster, objects, seconds=patience)
    except StiltsError as error:
        yield Check("inside", error.message, error.hint or "Set that right, and run this again.", blocks=True)


def _report_inside(profile: Profile, role: str) -> int:
    """What the pods of `_cluster_checks` do: print findings for programs."""
    from stilts_core.engine.kubernetes.probes import encode

    blocked = False
    for check in _inside_checks(profile, role):
        click.echo(encode(check))
        blocked = blocked or check.blocks
    return int(blocked)


def _inside_checks(profile: Profile, role: str) -> Iterator[Check]:
    from stilts_core.engine.check import Check
    from stilts_core.engine.local.checks import check_packages
    from stilts_core.errors import StiltsError

    if role == "stage":
        yield check_packages()
    else:
        from stilts_core.engine.kubernetes.check_rights import check_driver
        from stilts_core.engine.kubernetes.client import Cluster

        try:
            yield check_driver(Cluster.connect(), profile.spec)
        except StiltsError as error:
            yield Check(
                "rights", error.message, error.hint or "Let the driver's pod reach the API server.", blocks=True
            )
    yield from _store(profile, None)


def _checks(profile: Profile, store: str | None) -> Iterator[Check]:
    from stilts_core.data.root import default_cache
    from stilts_core.engine.local.checks import check_machine

    yield from check_machine(profile, default_cache())
    yield from _store(profile, store)


def _store(profile: Profile, store: str | None) -> Iterator[Check]:
    from stilts_core.cli.options import store_settings
    from stilts_core.engine.check import Check
    from stilts_core.errors import StiltsError
    from stilts_core.storage.open import open_store
    from stilts_core.storage.probe import probe

    settings = store_settings(profile, store)
    try:
        findings = probe(open_store(settings.uri or "", settings.s3))
    except StiltsError as error:
        yield Check("store", error.message, error.hint or "Name another store with --store.", blocks=True)
        return
    yield Check("store", str(settings.uri))
    for finding in findings:
        yield Check(f"store, {finding.name}", finding.detail, finding.follows, blocks=not finding.ok)


def _deep(profile: Profile, store: str | None, *, repair: bool) -> Iterator[Check]:
    from stilts_core.cli.options import store_settings
    from stilts_core.engine.check import Check
    from stilts_core.errors import StiltsError
    from stilts_core.storage.audit import audit
    from stilts_core.storage.open import open_store
    from stilts_core.storage.repair import DamagedStageError
    from stilts_core.storage.withdraw import withdraw

    settings = store_settings(profile, store)
    stages = files = size = 0
    try:
        there = open_store(settings.uri or "", settings.s3)
        for found in audit(there):
            stages, files, size = stages + 1, files + found.files, size + found.bytes
            problem = found.problem
            if not isinstance(problem, DamagedStageError):
                if problem is not None:
                    yield Check("store, files", problem.message, problem.hint or "Run this again.", blocks=True)
            elif repair:
                withdraw(there, problem)
                again = "It counts as done no longer: run its study again, which makes it anew."
                yield Check("store, files", problem.message, again)
            else:
                again = "With --repair it counts as done no longer, and its study, run again, makes it anew."
                yield Check("store, files", problem.message, again, blocks=True)
    except StiltsError as error:
        yield Check("store, files", error.message, error.hint or "Name another store with --store.", blocks=True)
        return
    yield Check("store, files", f"{files} files of {stages} committed stages were read, {size:,} bytes")


def _data(profile: Profile, uri: str) -> Check:
    from stilts_core.data.root import open_data_root
    from stilts_core.engine.check import Check
    from stilts_core.errors import StiltsError

    try:
        found = open_data_root(uri, s3=profile.spec.store.s3).find("*")
    except StiltsError as error:
        return Check("data", error.message, error.hint or "Name another data root with --data.", blocks=True)
    return Check("data", f"{uri} can be read, {len(found)} files at its top; `stilts data check {uri}` says more")
