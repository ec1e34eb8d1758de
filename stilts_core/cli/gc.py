"""`stilts gc`: take away what a store holds and nothing needs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from stilts_core.cli.options import profile_option, store_option, store_settings

_SHOWN = 20


@click.command("gc", epilog="Example: stilts gc --store s3://bucket/studies --delete")
@store_option
@profile_option
@click.option("--delete", is_flag=True, help="Delete it. Without this it is only shown.")
@click.option("--unfinished", is_flag=True, help="Also the saved state of stages that are not done; they begin anew.")
@click.option(
    "--quiet-hours",
    type=click.FloatRange(min=0.1),
    default=1.0,
    metavar="HOURS",
    help="An attempt without a sign of life for so long is dead. Default: 1.",
)
@click.option("--verbose", is_flag=True, help="Show every object.")
def command(
    store: str | None, profile_path: Path | None, delete: bool, unfinished: bool, quiet_hours: float, verbose: bool
) -> None:
    """Show, and with --delete remove, what nothing needs any more.

    That is: saved training state and parts of stages that have committed, files of attempts that another one overtook,
    and saved state that no attempt would go on from. Results and whatever a running attempt needs stay.
    """
    from datetime import UTC, datetime, timedelta

    from stilts_core.spec.load import load_profile
    from stilts_core.storage.open import open_store
    from stilts_core.storage.sweep import delete_garbage, find_garbage

    settings = store_settings(load_profile(profile_path), store)
    opened = open_store(settings.uri or "", settings.s3)
    garbage = find_garbage(opened, datetime.now(UTC), unfinished=unfinished, quiet=timedelta(hours=quiet_hours))
    shown = garbage if verbose else garbage[:_SHOWN]
    for each in shown:
        click.echo(f"{each.size:>14,}  {each.key}  ({each.why})")
    if len(shown) < len(garbage):
        click.echo(f"{'…':>14}  and {len(garbage) - len(shown)} more; --verbose shows all")
    for why, count in sorted(Counter(each.why for each in garbage).items()):
        click.echo(f"{count} objects, {sum(each.size for each in garbage if each.why == why):,} bytes: {why}")
    if not garbage:
        click.echo(f"{opened.uri} holds nothing that is not needed.")
    elif delete:
        delete_garbage(opened, garbage)
        click.echo(f"Deleted {len(garbage)} objects, {sum(each.size for each in garbage):,} bytes.")
    else:
        click.echo("Nothing was deleted. To delete it: the same with --delete")
