"""`stilts results`: the tables and the report of whatever has committed so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stilts_core.cli.options import format_option, only_option, study_options

EXAMPLE = "Example: stilts results jobs/quickstart.yaml --out results/quickstart"


class WithImport(click.Command):
    """`results STUDY`, and `results import FILE`; a study's file called `import` is `./import`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] != ["import"]:
            return super().make_context(info_name, args, parent, **extra)
        from stilts_core.cli.results_import import command as importing

        return importing.make_context(f"{info_name} import", args[1:], parent, **extra)


@click.command("results", cls=WithImport, epilog=EXAMPLE)
@study_options
@format_option
@only_option
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: results/<name of the study>.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    formats: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
) -> int:
    """Write the tables of whatever has committed so far.

    results.csv and results.parquet hold every number, summary.csv the means and gains, report.html the report;
    tables/missing.csv says what is not there yet, and why; references.bib holds what a paper has to cite.

    `stilts results import FILE` lays a table from another system beside a study.
    """
    from stilts_core.analysis.collect import files
    from stilts_core.cli.collecting import collect_now, gain_lines, only_these, write_files

    collected = collect_now(study, store, data_root, profile_path)
    folder = out or Path("results") / collected.plan.name
    written = write_files(only_these(files(collected, formats), only), folder)
    for line in gain_lines(collected):
        click.echo(line)
    cells, gaps = len(collected.plan.cells), len(collected.gaps)
    where = f"; what is missing and why: {folder / 'tables' / 'missing.csv'}" if gaps else ""
    click.echo(f"{cells - gaps} of {cells} cells have all of their scores{where}")
    for path in written:
        click.echo(path)
    return 0
