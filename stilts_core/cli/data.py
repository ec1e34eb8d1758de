"""`stilts data`: an index of the data, and what of the catalogue is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import profile_option

if TYPE_CHECKING:
    from stilts_core.data.root import DataRoot

root_argument = click.argument("root", metavar="ROOT")


@click.group("data", epilog="Example: stilts data check /data/xtreme")
def command() -> None:
    """Index and check the folder or bucket that holds the data. ROOT is a folder, s3://bucket/prefix or sample://."""


@command.command(
    "index", short_help="Write the index of a data root.", epilog="Example: stilts data index s3://corpora/xtreme"
)
@root_argument
@profile_option
def index(root: str, profile_path: Path | None) -> int:
    """Write stilts-index.json beside the data, so that nobody else needs to read every file to know what it holds."""
    from rich.console import Console

    console = Console(stderr=True)
    opened = _open(root, profile_path)
    with console.status("reading") as status:
        written = opened.write_index(lambda path: status.update(f"reading {path}"))
    size = sum(entry.size for entry in written.files.values())
    click.echo(f"{len(written.files)} files, {size / 2**20:.1f} MiB, are in the index of {opened.uri}.")
    return 0


@command.command(
    "check",
    short_help="Show what is there, what differs, and what is blocked.",
    epilog="Example: stilts data check /data/xtreme --study jobs/phang2020.yaml",
)
@root_argument
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@click.option(
    "--study",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only what this study reads, its own tasks included, and which of its targets are blocked.",
)
@click.option("--strict", is_flag=True, help="Read every record of large files too, as a training does.")
@click.option("--exact", is_flag=True, help="Exit with 65 or 66 if any file is not the official one, whole.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@profile_option
def check(
    root: str,
    tasks: tuple[str, ...],
    study: Path | None,
    strict: bool,
    exact: bool,
    as_json: bool,
    profile_path: Path | None,
) -> int:
    """Show which files of the catalogue (or of some tasks) are there, and count their records.

    The counts are compared with those of the official files. Large files are counted in one pass; --strict reads them
    whole. Copies that are known to be faulty are named.

    The exit status is 65 if a file cannot be used, and 66 if something that a study needs is missing. A slice of the
    official data is no error.
    """
    if study and tasks:
        raise click.UsageError("--study and TASK exclude each other.")
    import json

    from rich.console import Console

    from stilts_core.catalog.load import load_catalogue
    from stilts_core.cli.data_view import show_report
    from stilts_core.data.blocked import needs_of, needs_of_study
    from stilts_core.data.check import check_data
    from stilts_core.data.root import overlay_for
    from stilts_core.spec.load import load_study
    from stilts_core.spec.names import check_names

    loaded = load_study(study) if study else None
    catalogue = load_catalogue(loaded.study.spec.tasks if loaded else (), overlay_for(root))
    if loaded:
        check_names(loaded, catalogue)
        needs = needs_of_study(catalogue, loaded.study.spec)
    else:
        needs = needs_of(catalogue, tasks or catalogue.tasks)
    opened = _open(root, profile_path)
    with Console(stderr=True).status("looking") as status:
        report = check_data(
            opened, catalogue, needs, strict=strict, report=lambda task: status.update(f"looking at {task}")
        )
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        show_report(Console(highlight=False), report)
    return report.exit_code(exact=exact)


def _open(root: str, profile_path: Path | None) -> DataRoot:
    from stilts_core.data.root import open_data_root
    from stilts_core.spec.load import load_profile

    return open_data_root(root, s3=load_profile(profile_path).spec.store.s3)
