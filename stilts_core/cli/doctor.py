"""`stilts doctor`: is everything here that a study needs, and if not, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import profile_option, store_option

if TYPE_CHECKING:
    from stilts_core.engine.local.checks import Check
    from stilts_core.spec.profile import Profile


@click.command("doctor", epilog="Example: stilts doctor --store s3://bucket/studies --data s3://corpora/xtreme")
@store_option
@click.option("--data", "data_root", metavar="ROOT", help="A data root to look at.")
@profile_option
def command(store: str | None, data_root: str | None, profile_path: Path | None) -> int:
    """Check machine, packages, store and data, and say what to do."""
    from stilts_core.spec.load import load_profile

    blocked = 0
    for check in _checks(load_profile(profile_path), store, data_root):
        mark = "FAIL" if check.blocks else "note" if check.advice else "ok"
        first, *more = [line.strip() for line in f"{check.name}: {check.detail}\n{check.advice}".splitlines()]
        click.echo(f"{mark:<5} {first}")
        for line in filter(None, more):
            click.echo(f"      {line}")
        blocked += check.blocks
    click.echo("A study cannot run here yet." if blocked else "A study can run here.")
    return 1 if blocked else 0


def _checks(profile: Profile, store: str | None, data_root: str | None) -> Iterator[Check]:
    from stilts_core.data.root import default_cache
    from stilts_core.engine.local.checks import check_machine

    yield from check_machine(profile, default_cache())
    yield from _store(profile, store)
    if data_root is not None:
        yield _data(profile, data_root)


def _store(profile: Profile, store: str | None) -> Iterator[Check]:
    from stilts_core.cli.options import store_settings
    from stilts_core.engine.local.checks import Check
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


def _data(profile: Profile, uri: str) -> Check:
    from stilts_core.data.root import open_data_root
    from stilts_core.engine.local.checks import Check
    from stilts_core.errors import StiltsError

    try:
        found = open_data_root(uri, s3=profile.spec.store.s3).find("*")
    except StiltsError as error:
        return Check("data", error.message, error.hint or "Name another data root with --data.", blocks=True)
    return Check("data", f"{uri} can be read, {len(found)} files at its top; `stilts data check {uri}` says more")
