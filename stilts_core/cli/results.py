"""`stilts results`: the tables and the report of whatever has committed so far."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import study_options


@click.command("results", epilog="Example: stilts results jobs/quickstart.yaml --out results/quickstart")
@study_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: results/<name of the study>.")
@click.option(
    "--next",
    "next_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the study that goes on from the best sequences of tasks, for a study with `sequences`.",
)
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="With --next: how many of them.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    out: Path | None,
    next_path: Path | None,
    keep: int,
) -> int:
    """Write the tables of whatever has committed so far.

    results.csv and results.parquet hold every number, summary.csv the means and gains, report.html the report;
    tables/missing.csv says what is not there yet, and why.
    """
    from stilts_core.analysis.collect import files
    from stilts_core.cli.collecting import collect_now, gain_lines, write_files

    collected = collect_now(study, store, data_root, profile_path)
    folder = out or Path("results") / collected.plan.name
    written = write_files(files(collected), folder)
    for line in gain_lines(collected):
        click.echo(line)
    cells, gaps = len(collected.plan.cells), len(collected.gaps)
    where = f"; what is missing and why: {folder / 'tables' / 'missing.csv'}" if gaps else ""
    click.echo(f"{cells - gaps} of {cells} cells have all of their scores{where}")
    if next_path is not None:
        from stilts_core.analysis.next_round import next_study
        from stilts_core.spec.load import load_study

        loaded = load_study(study)
        text = next_study(loaded.document.value, loaded.study, collected.scores, keep)
        written += write_files({next_path.name: text.encode()}, next_path.parent)
    for path in written:
        click.echo(path)
    return 0
