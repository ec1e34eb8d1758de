"""`stilts analyse`: the analysis of a results table from anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import format_option, only_option


@click.command("analyse", epilog="Example: stilts analyse results/quickstart/results.csv --question morphology")
@click.argument("table", type=click.Path(path_type=Path), metavar="TABLE")
@click.option(
    "--question", "questions", multiple=True, metavar="NAME", help="Answer this one; may stand several times."
)
@click.option("--study", metavar="NAME", help="Of several studies in the table, this one.")
@click.option("--protocol", metavar="NAME", help="Of several protocols in the table, this one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; write files only with --out.")
@format_option
@only_option
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: results/<name of the table>.")
def command(
    table: Path,
    questions: tuple[str, ...],
    study: str | None,
    protocol: str | None,
    as_json: bool,
    formats: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
) -> int:
    """Analyse a results table, in CSV or Parquet, without a store.

    The table has a row for each measured number, as results.csv of any study; docs/results-table.md says which
    columns it needs. Without --question, every question is answered that the table has data for.
    """
    from stilts_core.analysis.analyse import analyse, files, to_json
    from stilts_core.analysis.frame import read_frame
    from stilts_core.analysis.questions import QUESTIONS
    from stilts_core.catalog.nearest import unknown
    from stilts_core.cli.collecting import gain_lines, only_these, write_files
    from stilts_core.errors import SpecError

    for name in questions:
        if name not in QUESTIONS:
            raise SpecError(f"{unknown('question', name, QUESTIONS).capitalize()}.")
    found = analyse(read_frame(table), questions or None, study, protocol)
    folder = out or (None if as_json else Path("results") / table.stem)
    written = write_files(only_these(files(found, formats), only), folder) if folder else []
    if as_json:
        click.echo(to_json(found))
        return 0
    for line in gain_lines(found):
        click.echo(line)
    for question in found.questions:
        click.echo(f"\n{question.title}\n{question.answer}")
        for caveat in question.caveats:
            click.echo(caveat)
    for path in written:
        click.echo(path)
    return 0
