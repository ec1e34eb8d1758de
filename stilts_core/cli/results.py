"""`stilts results`: the tables and the report of whatever has committed so far, or the model of an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stilts_core.cli.options import format_option, only_option, study_options

EPILOG = """\b
Example: stilts results jobs/quickstart.yaml --out results/quickstart
         stilts results jobs/quickstart.yaml --model mnli-squad --out my-encoder
         stilts results jobs/quickstart.yaml --model tiny/mnli --target xnli --seed 1"""


class WithImport(click.Command):
    """`results STUDY`, and `results import FILE`; a study's file called `import` is `./import`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] != ["import"]:
            return super().make_context(info_name, args, parent, **extra)
        from stilts_core.cli.results_import import command as importing

        return importing.make_context(f"{info_name} import", args[1:], parent, **extra)


@click.command("results", cls=WithImport, epilog=EPILOG)
@study_options
@format_option
@only_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Default: results/<name of the study>; of a model, models/<its name> in there.",
)
@click.option(
    "--model", metavar="ARM", help="Fetch a model instead: ENCODER/CURRICULUM, or CURRICULUM for one encoder."
)
@click.option("--target", metavar="T", help="With --model: after the training on this target, with its head.")
@click.option("--seed", type=int, metavar="N", help="With --model: default: the study's first seed.")
@click.option("--force", is_flag=True, help="With --model: into a folder that is not empty.")
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
    formats: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    model: str | None,
    target: str | None,
    seed: int | None,
    force: bool,
    next_path: Path | None,
    keep: int,
) -> int:
    """Write the tables of whatever has committed so far, or fetch a model.

    results.csv and results.parquet hold every number, summary.csv the means and gains, report.html the report;
    tables/missing.csv says what is not there yet, and why; references.bib holds what a paper has to cite.

    With --model, FOLDER becomes a model that AutoModel.from_pretrained of the transformers library loads: the encoder
    after the last step of its curriculum, weights (safetensors), configuration, tokenizer, and a model card, README.md.

    `stilts results import FILE` lays a table from another system beside a study.
    """
    if model is not None:
        from stilts_core.cli.taking import take_model

        where = (study, store, data_root, profile_path)
        for line in take_model(*where, arm=model, target=target, seed=seed, out=out, force=force):
            click.echo(line)
        return 0
    if target is not None or seed is not None or force:
        raise click.UsageError("--target, --seed and --force belong to --model ARM.")
    from stilts_core.analysis.collect import files
    from stilts_core.cli.collecting import collect_now, gain_lines, only_these, write_files

    collected = collect_now(study, store, data_root, profile_path)
    folder = out or Path("results") / collected.plan.name
    written = write_files(only_these(files(collected, formats), only), folder)
    for line in gain_lines(collected):
        click.echo(line)
    cells, gaps = len(collected.plan.cells), len(collected.gaps)
    where_missing = f"; what is missing and why: {folder / 'tables' / 'missing.csv'}" if gaps else ""
    click.echo(f"{cells - gaps} of {cells} cells have all of their scores{where_missing}")
    if next_path is not None:
        from stilts_core.analysis.next_round import next_study
        from stilts_core.spec.load import load_study

        loaded = load_study(study)
        text = next_study(loaded.document.value, loaded.study, collected.scores, keep)
        written += write_files({next_path.name: text.encode()}, next_path.parent)
    for path in written:
        click.echo(path)
    return 0
