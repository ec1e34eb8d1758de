"""`stilts score`: predictions from anywhere, scored as the official programs do it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.errors import MissingInputError, SpecError

if TYPE_CHECKING:
    from stilts_core.evaluation.scoring.submission import SubmissionScore

FILE = click.Path(path_type=Path)

EPILOG = """\b
Example: stilts score --task xnli --language sw --gold labels/test-sw.tsv --predictions sw.tsv
         stilts score --task mlqa --language de --gold gold.json --predictions test-de.json --json
         stilts score --task udpos --language fi --gold g.tsv --predictions p.tsv --seqeval 1.2.2
         stilts score --batch requests.jsonl > answers.jsonl
         stilts score --submission predictions --labels labels --benchmark xtreme

\b
A line of a batch:
  {"id": 1, "task": "xnli", "language": "sw", "gold": "labels/test-sw.tsv",
   "predictions": "sw.tsv", "protocol": "xtreme-2020", "options": {}}
and of its answer: {"id": 1, "metrics": {"score": 60.0, "accuracy": 60.0}}
or {"id": 1, "error": "..."}. Paths are relative to the folder of the batch file
(with `--batch -` to the working directory) or absolute. docs/scoring.md has every option."""


@click.command("score", epilog=EPILOG)
@click.option("--task", metavar="T", help="The task, by its name here or in XTREME: xnli, bucc2018, …")
@click.option("--language", metavar="L", default="", help="The language's code; MLQA needs it.")
@click.option("--gold", type=FILE, metavar="FILE", help="The gold labels, tags, answers or pairs.")
@click.option("--predictions", type=FILE, metavar="FILE", help="What is scored, in the layout of XTREME's submissions.")
@click.option(
    "--protocol",
    metavar="P",
    default="xtreme-2020",
    show_default=True,
    help="Whose rules: xtreme-2020, jiant or corrected.",
)
@click.option(
    "--seqeval", metavar="VERSION", help="Tagging as seqeval 0.0.12 (XTREME's, the default) or 1.2.2 does it."
)
@click.option(
    "--null-scores", type=FILE, metavar="FILE", help="SQuAD 2.0: question id → probability of no answer, JSON."
)
@click.option("--batch", type=FILE, metavar="FILE", help="Score every line of a file of JSON lines; - reads them here.")
@click.option("--submission", type=FILE, metavar="FOLDER", help="Score a submission: FOLDER/<task>/test-<language>.*")
@click.option("--labels", type=FILE, metavar="FOLDER", help="Its gold files, in the same layout.")
@click.option("--benchmark", metavar="B", default="xtreme", show_default=True, help="xtreme or xtreme-r.")
@click.option("--partial", is_flag=True, help="Score the languages that a submission has; such a task gets no mean.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, numbers with every digit.")
def command(
    task: str | None,
    language: str,
    gold: Path | None,
    predictions: Path | None,
    protocol: str,
    seqeval: str | None,
    null_scores: Path | None,
    batch: Path | None,
    submission: Path | None,
    labels: Path | None,
    benchmark: str,
    partial: bool,
    as_json: bool,
) -> int:
    """Score predictions from anywhere, exactly as the official programs do.

    One file (--task), many (--batch), or a whole submission (--submission). Numbers are percent.
    """
    if sum(value is not None for value in (task, batch, submission)) != 1:
        raise SpecError("Say what to score: --task with its files, --batch, or --submission.")
    if batch is not None:
        return _batch(batch)
    if submission is not None:
        if labels is None:
            raise SpecError("The submission's labels are missing: give --labels FOLDER.")
        return _submission(submission, labels, benchmark, protocol, partial, as_json)
    for name, given in (("--gold", gold), ("--predictions", predictions)):
        if given is None:
            raise SpecError(f"{name} is missing.")
    options = {"seqeval": seqeval, "null_scores": None if null_scores is None else str(null_scores)}
    document = {
        "task": task,
        "language": language or None,
        "gold": str(gold),
        "predictions": str(predictions),
        "protocol": protocol,
        "options": options,
    }
    return _one(document, as_json)


def _one(document: Mapping[str, object], as_json: bool) -> int:
    from stilts_core.evaluation.scoring.request import read_request
    from stilts_core.evaluation.scoring.score import score

    request = read_request(document, Path())
    scored = score(request)
    for note in scored.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        said = {"task": request.task, "language": request.language or None, "protocol": request.protocol}
        click.echo(json.dumps({**said, "metrics": scored.metrics}))
        return 0
    width = max(map(len, scored.metrics))
    for name, value in scored.metrics.items():
        click.echo(f"{name.ljust(width)}  {value!r}")
    return 0


def _batch(batch: Path) -> int:
    from stilts_core.evaluation.scoring.batch import score_lines

    refused = total = 0
    piped = str(batch) == "-"
    try:
        # A byte that is no UTF-8 costs its own line only.
        with click.open_file(batch, encoding="utf-8", errors="surrogateescape") as lines:
            for answer in score_lines(lines, Path() if piped else batch.parent):
                total += 1
                refused += answer.error is not None
                for note in answer.notes:
                    click.echo(f"{json.dumps(answer.id)}: {note}", err=True)
                click.echo(answer.line())
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {batch}.") from error
    except OSError as error:
        raise SpecError(f"{batch} cannot be read: {error.strerror}.") from error
    if refused:
        click.echo(f"{refused} of {total} lines could not be scored: their answers say why.", err=True)
    return 0


def _submission(submission: Path, labels: Path, benchmark: str, protocol: str, partial: bool, as_json: bool) -> int:
    from stilts_core.evaluation.scoring.submission import score_submission

    result = score_submission(submission, labels, benchmark, protocol=protocol, partial=partial)
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(result.document(), indent=2))
        return 0
    for line in _table(result):
        click.echo(line)
    return 0


def _table(result: SubmissionScore) -> Iterator[str]:
    """Each task with its languages, then tasks, groups and the overall score; two decimals, as the official report."""
    for task in result.tasks.values():
        yield f"{task.entry.folder}"
        for language, metrics in task.languages.items():
            yield f"  {language}  " + "  ".join(f"{name} {value:.2f}" for name, value in metrics.items())
        if task.score is not None:
            means = "  ".join(f"{name} {value:.2f}" for name, value in task.score.measures.items())
            yield f"  mean of {len(task.languages)}  score {task.score.score:.2f}  {means}"
    for group, value in result.benchmark.groups.items():
        yield f"{group}  {value:.2f}"
    if result.benchmark.overall is not None:
        yield f"all tasks  {result.benchmark.overall:.2f}"
    yield from result.benchmark.refused.values()
