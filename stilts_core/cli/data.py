"""`stilts data`: an index of the data, and what of the catalogue is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import profile_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table
    from rich.text import Text

    from stilts_core.data.coverage import Coverage
    from stilts_core.data.root import DataRoot
    from stilts_core.spec.load import LoadedStudy

root_argument = click.argument("root", metavar="ROOT")
_MANY = 16  # languages named at most, and a few more


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
    short_help="Show what is there, and where the rest is looked for.",
    epilog="Example: stilts data check /data/xtreme --study jobs/phang2020.yaml",
)
@root_argument
@click.option(
    "--study",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only what this study reads, its own tasks included.",
)
@profile_option
def check(root: str, study: Path | None, profile_path: Path | None) -> int:
    """Show which data sets are there, in which languages, and where the missing ones are looked for.

    The exit status is 65 if a file cannot be used, and 66 if a task of the study has nothing to be trained or
    scored on.
    """
    from rich.console import Console

    from stilts_core.catalog.load import load_catalogue
    from stilts_core.data.coverage import survey
    from stilts_core.data.root import overlay_for
    from stilts_core.errors import DataError, MissingInputError
    from stilts_core.spec.load import load_study
    from stilts_core.spec.names import check_names

    loaded = load_study(study) if study else None
    catalogue = load_catalogue(loaded.study.spec.tasks if loaded else (), overlay_for(root))
    if loaded:
        check_names(loaded, catalogue)
    opened = _open(root, profile_path)
    names = _tasks_of(loaded) if loaded else list(catalogue.tasks)
    names += [str(task.train_on) for task in map(catalogue.task, names) if task.train_on]
    rows = [row for name in dict.fromkeys(names) for row in survey(opened, catalogue, catalogue.task(name))]
    console = Console()
    console.print(_table(rows))
    for row in rows:
        if row.fault:
            console.print(f"{row.task} {row.split}: {row.fault}", markup=False, highlight=False, soft_wrap=True)
    if any(row.fault for row in rows):
        return DataError.exit_code
    return MissingInputError.exit_code if loaded and _lacking(rows) else 0


def _open(root: str, profile_path: Path | None) -> DataRoot:
    from stilts_core.data.root import open_data_root
    from stilts_core.spec.load import load_profile

    return open_data_root(root, s3=load_profile(profile_path).spec.store.s3)


def _tasks_of(loaded: LoadedStudy) -> list[str]:
    spec = loaded.study.spec
    steps = [step for curriculum in spec.curricula for step in curriculum.steps]
    return [*(use.task for step in steps for use in step.mix), *(target.task for target in spec.targets)]


def _lacking(rows: Sequence[Coverage]) -> bool:
    """Whether a task has a place for training data or evaluation data, and nothing there."""
    trained = {row.task: bool(row.found) for row in rows if row.split == "train"}
    scored: dict[str, bool] = {}
    for row in rows:
        if row.split == "test":
            scored[row.task] = any(other.found for other in rows if other.task == row.task and other.split != "train")
    return not all((*trained.values(), *scored.values()))


def _table(rows: Sequence[Coverage]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("task", no_wrap=True)
    table.add_column("split", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("languages, or where they are looked for", overflow="fold")
    in_dev = {row.task: {file.language for file in row.found} for row in rows if row.split == "dev"}
    last = ""
    for row in rows:
        dev = in_dev.get(row.task, set())
        state, style = _state(row, dev)
        records = "" if row.records is None else f"{row.records:,}"
        name = "" if row.task == last else row.task
        table.add_row(name, row.split, f"[{style}]{state}[/]", records, _detail(row, dev))
        last = row.task
    return table


def _state(row: Coverage, in_dev: set[str]) -> tuple[str, str]:
    if row.fault:
        return "unusable", "red"
    if not row.missing:
        return ("present", "green") if row.found else ("missing", "yellow")
    if row.split == "test" and in_dev.issuperset(row.missing):
        return "with dev", "green"
    return ("in part" if row.found else "missing"), "yellow"


def _detail(row: Coverage, in_dev: set[str]) -> Text:
    from rich.text import Text

    lines = []
    if row.found:
        lines.append(_codes([file.language for file in row.found]))
    from_dev = [language for language in row.missing if row.split == "test" and language in in_dev]
    if from_dev:
        lines.append(f"scored on dev: {_codes(from_dev)}")
    rest = [language for language in row.missing if language not in from_dev]
    if rest:
        lines.append(f"missing: {_codes(rest)}")
    if rest or not row.found:
        lines += [f"looked for {path}" for path in row.looked_for]
    return Text("\n".join(lines))


def _codes(languages: Sequence[str]) -> str:
    if len(languages) <= _MANY + 2:
        return " ".join(languages)
    return f"{' '.join(languages[:_MANY])} and {len(languages) - _MANY} more"
