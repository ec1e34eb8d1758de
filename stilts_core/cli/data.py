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
    count = "1 file" if len(written.files) == 1 else f"{len(written.files)} files"
    click.echo(f"{count}, {size / 2**20:.1f} MiB, in the index of {opened.uri}.")
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


@command.command(
    "layout",
    short_help="Say which file of a task belongs where, and where it is got.",
    epilog="Example: stilts data layout xnli --language sw",
)
@click.argument("task", metavar="TASK")
@click.option("--language", metavar="CODE", help="The paths of this language. Default: with a place for it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def layout(task: str, language: str | None, as_json: bool) -> None:
    """Say which files of a task are looked for under a data root, what they hold, and where a person gets them.

    Where a split has several places, the first that is there is taken.
    """
    import json

    from stilts_core.catalog.load import load_catalogue
    from stilts_core.data.layout import layout_of

    catalogue = load_catalogue()
    found = layout_of(catalogue, catalogue.task(task), language)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1))
        return
    from rich.console import Console

    from stilts_core.cli.data_view import show_layout

    show_layout(Console(highlight=False), found)


@command.command(
    "pull",
    short_help="Take a task from the Hugging Face hub.",
    epilog="Example: stilts data pull xnli --languages en,sw,tr --out /data/xtreme",
)
@click.argument("task", metavar="TASK")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="ROOT", help="The data root, a folder.")
@click.option("--languages", metavar="CODES", help="Only these, comma-separated; English is one like the others.")
@click.option(
    "--revision",
    metavar="COMMIT",
    help="Instead of the pinned commit; needed for the sets of which no commit could be verified. "
    "The commit that it means is recorded.",
)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A copy of the data set's repository, instead of the hub.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
def pull(task: str, out: Path, languages: str | None, revision: str | None, folder: Path | None, force: bool) -> None:
    """Take a task from the Hugging Face hub at a pinned commit, and write it in the layout of `stilts data layout`.

    Beside the files, TASK.provenance.json says which commit each came from, with its records and its SHA-256. Nothing
    is written unless all of it could be made.
    """
    import tempfile

    from rich.console import Console

    from stilts_core.catalog.load import load_catalogue
    from stilts_core.cli.data_view import show_pulled
    from stilts_core.data.hub.datasets_hub import DatasetsHub
    from stilts_core.data.hub.pull import pull as pull_task

    catalogue = load_catalogue()
    wanted = catalogue.task(task)
    codes = catalogue.languages_of(languages) if languages else None
    with Console(stderr=True).status("asking the hub") as status, tempfile.TemporaryDirectory() as cache:
        hub = DatasetsHub(folder, Path(cache) if folder else None)
        made = pull_task(
            catalogue,
            wanted,
            out,
            hub,
            languages=codes,
            revision=revision,
            force=force,
            report=lambda path: status.update(f"making {path}"),
        )
    show_pulled(Console(highlight=False), made)


def _open(root: str, profile_path: Path | None) -> DataRoot:
    from stilts_core.data.root import open_data_root
    from stilts_core.spec.load import load_profile

    return open_data_root(root, s3=load_profile(profile_path).spec.store.s3)
