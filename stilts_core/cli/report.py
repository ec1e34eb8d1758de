"""`stilts report`: the report of a study alone."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import data_option, format_option, profile_option, store_option


@click.command("report", epilog="Example: stilts report jobs/quickstart.yaml --out quickstart.html")
@click.argument("studies", type=click.Path(path_type=Path), metavar="STUDY...", nargs=-1, required=True)
@store_option
@data_option
@profile_option
@format_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Default: results/<study or studies>/report.html.",
)
def command(
    studies: tuple[Path, ...],
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    formats: tuple[str, ...],
    out: Path | None,
) -> int:
    """Write the report of a study as one HTML file, from whatever has committed so far.

    Beside it lies references.bib, with what a paper has to cite. Several studies of one store become one report: those
    of the same protocol share tables, and what differs between them is told apart.
    """
    from stilts_core.analysis.collect import report, together
    from stilts_core.cli.collecting import collect_now, write_files
    from stilts_core.cli.options import open_study
    from stilts_core.errors import SpecError

    collected = [collect_now(study, store, data_root, profile_path) for study in studies]
    names = [one.plan.name for one in collected]
    if len(set(names)) < len(names):
        raise SpecError(f"Two of the studies have the same name: {', '.join(sorted(names))}.")
    if len(collected) == 1:
        made = report(collected[0], formats)
    else:
        made = together(collected, open_study(studies[0], store, data_root, profile_path).store, formats)
    path = out or Path("results") / "+".join(names) / "report.html"
    write_files({path.name: made.pop("report.html"), **made}, path.parent)
    click.echo(f"Report: {path}")
    return 0
