"""`stilts report`: the report of a study alone."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import format_option, study_options


@click.command("report", epilog="Example: stilts report jobs/quickstart.yaml --out quickstart.html")
@study_options
@format_option
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: results/<name of the study>/report.html."
)
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    formats: tuple[str, ...],
    out: Path | None,
) -> int:
    """Write the report of a study as one HTML file, from whatever has committed so far.

    Beside it lies references.bib, with what a paper has to cite.
    """
    from stilts_core.analysis.collect import report
    from stilts_core.cli.collecting import collect_now, write_files

    collected = collect_now(study, store, data_root, profile_path)
    path = out or Path("results") / collected.plan.name / "report.html"
    made = report(collected, formats)
    write_files({path.name: made.pop("report.html"), **made}, path.parent)
    click.echo(f"Report: {path}")
    return 0
