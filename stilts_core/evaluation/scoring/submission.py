"""A whole submission: prediction files beside label files, scored as XTREME's `evaluate.py` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.errors import MissingInputError
from stilts_core.evaluation.aggregate import BenchmarkScore, TaskScore, aggregate, aggregate_benchmark
from stilts_core.evaluation.benchmarks import Entry, benchmark
from stilts_core.evaluation.scoring.request import Request
from stilts_core.evaluation.scoring.score import Metrics, score
from stilts_core.evaluation.scoring.tasks import metric_of

_NAMED = 12


@dataclass(frozen=True, slots=True)
class SubmittedTask:
    """A task of a submission.

    Attributes:
        languages: language → its measures, in the benchmark's order.
        score: over all languages; None where languages are missing, or the benchmark lists none.
        missing: the languages without a prediction or a label file.
    """

    entry: Entry
    languages: Mapping[str, Metrics]
    score: TaskScore | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmissionScore:
    """What a submission reaches.

    Attributes:
        tasks: task → its scores, in the benchmark's order; tasks that one of both folders lacks are left out.
        benchmark: groups and the overall score.
        notes: sentences for people.
    """

    tasks: Mapping[str, SubmittedTask]
    benchmark: BenchmarkScore
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As the report of the official program, with ``refused``: what has no score, and why."""
        found: dict[str, Any] = {}
        if self.benchmark.overall is not None:
            found["all_task"] = self.benchmark.overall
        found |= self.benchmark.groups
        for task in self.tasks.values():
            measures: dict[str, Any] = {}
            for language, metrics in task.languages.items():
                for name, value in metrics.items():
                    if name != "score":
                        measures.setdefault(name, {})[language] = value
            if task.score is not None:
                measures |= {f"avg_{name}": task.score.measures[name] for name in task.score.measures}
                measures["avg_metric"] = task.score.score
            found[task.entry.folder] = measures
        return {**found, "refused": dict(self.benchmark.refused)}


def score_submission(
    folder: Path, labels: Path, name: str, *, protocol: str = "xtreme-2020", partial: bool = False
) -> SubmissionScore:
    """Scores every task that both folders have.

    Args:
        folder: ``<task>/test-<language>.<suffix>``, tasks as XTREME calls them.
        labels: the gold files, in the same layout.
        name: of the benchmark.
        protocol: as in `request.Request`.
        partial: score the languages that are there; a task that lacks some gets no score, and neither does what it
            belongs to.

    Raises:
        DataError: a file cannot be scored.
        MissingInputError: a folder is not there, no task is in both, or, unless ``partial``, a language of a task that
            is in both has no file; all of them are named.
        SpecError: there is no such benchmark or protocol.
    """
    chosen = benchmark(name)
    for place in (folder, labels):
        if not place.is_dir():
            raise MissingInputError(f"There is no folder {place}.")
    both = [entry for entry in chosen.entries.values() if all((f / entry.folder).is_dir() for f in (folder, labels))]
    if not both:
        names = ", ".join(entry.folder for entry in chosen.entries.values())
        raise MissingInputError(
            f"{folder} and {labels} have no folder of a task of {name} in common.", hint=f"The tasks are {names}."
        )
    absent = [f / entry.file(code) for entry in both for code in entry.languages for f in (folder, labels)]
    absent = [path for path in absent if not path.is_file()]
    if absent and not partial:
        shown = ", ".join(map(str, absent[:_NAMED])) + (f" and {len(absent) - _NAMED} more" if absent[_NAMED:] else "")
        raise MissingInputError(
            f"The official program scores a task in all of its languages or not at all; missing: {shown}.",
            hint="With --partial the languages that are there are scored, without a mean.",
        )
    notes: list[str] = []
    tasks = {entry.task: _task(entry, folder, labels, protocol, notes) for entry in both}
    for entry in chosen.entries.values():
        if entry.task not in tasks:
            lacking = [str(f) for f in (folder, labels) if not (f / entry.folder).is_dir()]
            notes.append(f"{entry.folder} is not scored: no such folder in {' and '.join(lacking)}.")
    scores = {task: one.score.score for task, one in tasks.items() if one.score is not None}
    return SubmissionScore(tasks, aggregate_benchmark(chosen, scores), tuple(notes))


def _task(entry: Entry, folder: Path, labels: Path, protocol: str, notes: list[str]) -> SubmittedTask:
    languages: dict[str, Metrics] = {}
    missing: list[str] = []
    for code in entry.languages:
        gold, predictions = labels / entry.file(code), folder / entry.file(code)
        if not (gold.is_file() and predictions.is_file()):
            missing.append(code)
            continue
        scored = score(Request(entry.task, code, gold, predictions, protocol))
        languages[code] = scored.metrics
        notes.extend(f"{entry.file(code)}: {note}" for note in scored.notes)
    complete = bool(entry.languages) and not missing
    if missing:
        notes.append(
            f"{entry.folder} has no mean: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        )
    if not entry.languages:
        notes.append(f"{entry.folder} is listed without languages: the official program has no measure for it.")
    averaged = {code: {name: value for name, value in m.items() if name != "score"} for code, m in languages.items()}
    whole = aggregate(metric_of(entry.task), entry.languages, averaged, task=entry.folder) if complete else None
    return SubmittedTask(entry, languages, whole, tuple(missing))
