"""`stilts results import`: a results table from another system, beside a study."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import profile_option, store_option


@click.command(
    "import",
    epilog='Example: stilts results import other.csv --study jobs/xtreme-r.yaml --source "Their paper, table 3"',
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE", required=False)
@click.option(
    "--study", required=True, type=click.Path(path_type=Path), metavar="STUDY", help="It lies beside this one."
)
@click.option("--name", metavar="NAME", help="Of the system. Default: the file's name.")
@click.option("--source", metavar="TEXT", help="Whose results, which version, from where; needed.")
@click.option("--protocol", default="", metavar="NAME", help="That the scores follow, where the table does not say.")
@click.option("--remove", is_flag=True, help="Remove the table --name instead.")
@store_option
@profile_option
def command(
    file: Path | None,
    study: Path,
    name: str | None,
    source: str | None,
    protocol: str,
    remove: bool,
    store: str | None,
    profile_path: Path | None,
) -> int:
    """Lay a results table from another system beside a study.

    The table is CSV or Parquet with the columns of docs/results-table.md. It is kept in the store as it came, with its
    source and digest; `stilts results` and `stilts report` of the study then show it, marked, in sections of its own
    with the same statistics. Tables of the study's protocol share a table with it, others stand alone.
    """
    from datetime import UTC, datetime

    from stilts_core.analysis.imported import keep_import, remove_import
    from stilts_core.cli.options import store_settings
    from stilts_core.errors import MissingInputError, SpecError
    from stilts_core.spec.load import load_profile, load_study
    from stilts_core.storage.open import open_store

    of = load_study(study).study.metadata.name
    settings = store_settings(load_profile(profile_path), store)
    opened = open_store(settings.uri or "", settings.s3)
    called = name or (file.stem.lower() if file else "")
    if remove:
        if not called:
            raise SpecError("--remove needs the --name of a table.")
        if not remove_import(opened, of, called):
            raise MissingInputError(f"{of} has no imported table {called}.")
        click.echo(f"Removed {called} from beside {of}.")
        return 0
    if file is None:
        raise SpecError("`stilts results import` needs the FILE of a results table.")
    if not source:
        raise SpecError(
            "An imported table needs --source: whose results these are, which version, and from where.",
            hint='--source "Author et al. (2026), table 3, results of their repository at v1.2"',
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MissingInputError(f"The results table {file} can't be read: {error.strerror}.") from error
    when = datetime.now(UTC).isoformat(timespec="seconds")
    about = keep_import(opened, of, called, source, protocol, file.name, data, when)
    click.echo(f"Imported {about.rows:,} rows as {about.name} beside {of}, SHA-256 {about.sha256[:16]}.")
    return 0
