"""`stilts export`: the predictions of a study as submissions to a leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from stilts_core.cli.options import study_options
from stilts_core.errors import MissingInputError

SHOWN = 12
"""Sentences on what is missing, for each arm."""


@click.command(
    "export", epilog="Example: stilts export jobs/quickstart.yaml --format xtreme --out submissions --partial"
)
@study_options
@click.option(
    "--format",
    "benchmark_name",
    metavar="B",
    default="xtreme",
    show_default=True,
    help="The benchmark whose tasks, languages and file names are wanted: xtreme or xtreme-r.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", required=True, help="Where the folders go.")
@click.option("--partial", is_flag=True, help="Write what there is of an arm that is not whole.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    benchmark_name: str,
    out: Path,
    partial: bool,
) -> int:
    """Write a study's predictions as submissions, one folder for each arm and seed.

    FOLDER/<encoder>/<curriculum>/seed<n>/<task>/test-<language>.<suffix>, as the leaderboard takes it. An arm is
    checked before it is written: every task, every language, as many predictions as the official test files have
    examples. An arm that lacks something is refused, with what it lacks.
    """
    from stilts_core.analysis.export import ABOUT, about, check_counts, find_submissions, read_files
    from stilts_core.catalog.load import load_catalogue
    from stilts_core.cli.collecting import all_or_nothing, write_files
    from stilts_core.cli.options import open_study
    from stilts_core.evaluation.benchmarks import benchmark
    from stilts_core.storage.commit import read_manifests

    chosen = benchmark(benchmark_name)
    opened = open_study(study, store, data_root, profile_path)
    manifests = read_manifests(opened.store, [cell.fingerprint for cell in opened.plan.cells])
    submissions = find_submissions(opened.plan, manifests, chosen)
    refused, lines = 0, []
    with all_or_nothing(out) as place:
        for submission in submissions:
            files = read_files(opened.store, submission)
            problems = [*submission.problems, *check_counts(files, chosen, load_catalogue())]
            if files and (partial or not problems):
                write_files({**files, ABOUT: about(opened.plan, submission)}, place / submission.name)
                whole = "not whole" if problems else "whole"
                lines.append(f"{out / submission.name}: {len(files)} files, {whole}")
            else:
                refused += 1
                lines.append(f"{submission.name}: not written")
            lines += [f"  {problem}" for problem in problems[:SHOWN]]
            if len(problems) > SHOWN:
                lines.append(f"  and {len(problems) - SHOWN} more")
    for line in lines:
        click.echo(line)
    if refused:
        raise MissingInputError(
            f"{refused} of {len(submissions)} arms are no whole submission to {chosen.name}.",
            hint=None if partial else "With --partial what there is of them is written.",
        )
    return 0
