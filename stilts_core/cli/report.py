"""`stilts report`: the report of a study alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import data_option, format_option, only_option, profile_option, store_option

if TYPE_CHECKING:
    from stilts_core.cli.options import OpenedStudy


@click.command("report", epilog="Example: stilts report jobs/quickstart.yaml --out quickstart.html")
@click.argument("studies", type=click.Path(path_type=Path), metavar="STUDY...", nargs=-1, required=True)
@store_option
@data_option
@profile_option
@format_option
@only_option
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: results/<names>/report.html.")
@click.option("--serve", is_flag=True, help="Show it in a browser of this machine, made again as stages commit.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --serve. Default: any that is free.")
def command(
    studies: tuple[Path, ...],
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    formats: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    serve: bool,
    port: int,
) -> int:
    """Write the report of a study as one HTML file, from whatever has committed so far.

    Beside it lies references.bib, with what a paper has to cite. Several studies of one store become one report: those
    of the same protocol share tables, and what differs between them is told apart. With --serve nothing is written.
    With --only it writes the table behind a figure instead.
    """
    from stilts_core.analysis.live import LiveReport, Serving
    from stilts_core.cli.collecting import only_these, write_files
    from stilts_core.cli.options import open_study
    from stilts_core.errors import SpecError

    opened = [open_study(study, store, data_root, profile_path) for study in studies]
    names = [one.plan.name for one in opened]
    if len(set(names)) < len(names):
        raise SpecError(f"Two of the studies have the same name: {', '.join(sorted(names))}.")
    if serve:
        with Serving(LiveReport(lambda: _state(opened), lambda: _make(opened, formats, whole=True)), port) as serving:
            click.echo(f"Report: {serving.address} (ends with Ctrl-C)")
            try:
                serving.wait()
            except KeyboardInterrupt:
                click.echo("Ended; what has committed is in the store.")
        return 0
    path = out or Path("results") / "+".join(names) / "report.html"
    made = only_these(_make(opened, formats, whole=bool(only)), only)
    written = write_files({path.name if n == "report.html" else n: data for n, data in made.items()}, path.parent)
    for one in written if only else ():
        click.echo(one)
    if not only:
        click.echo(f"Report: {path}")
    return 0


def _make(opened: Sequence[OpenedStudy], formats: Sequence[str], *, whole: bool = False) -> Mapping[str, bytes]:
    """The files of the report of what has committed, on request with every table behind it."""
    from stilts_core.analysis.collect import files, report, together
    from stilts_core.cli.collecting import collected_of

    collected = [collected_of(one) for one in opened]
    if len(collected) > 1:
        return together(collected, opened[0].store, formats)
    return files(collected[0], formats) if whole else report(collected[0], formats)


def _state(opened: Sequence[OpenedStudy]) -> str:
    """What the report depends on, in short: the states of all stages, and what was imported."""
    from stilts_core.analysis.imported import prefix_of
    from stilts_core.engine.look import look

    states = [sorted((n, s.state.value) for n, s in look(one.store, one.plan, time.time()).items()) for one in opened]
    imports = [[found.key for found in one.store.list(prefix_of(one.plan.name))] for one in opened]
    return repr((states, imports))
