"""From the scores of the languages to those of tasks, groups and a benchmark, as XTREME's evaluation does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_core.errors import DataError
from stilts_core.evaluation.benchmarks import Benchmark
from stilts_core.evaluation.scorers.arithmetic import running_sum

_MAIN = {
    "accuracy": ("accuracy",),
    "accuracy-f1": ("accuracy", "f1"),
    "bitext-f1": ("f1",),
    "map-20": ("map@20",),
    "mewsli": ("map@20",),
    "mlqa": ("exact_match", "f1"),
    "retrieval-accuracy": ("accuracy",),
    "squad": ("exact_match", "f1"),
    "squad-v2": ("best_exact_match", "best_f1"),
    "tag-accuracy": ("accuracy",),
    "tag-f1": ("f1",),
}
"""Measure of a task → the measures of a language whose means are averaged."""


@dataclass(frozen=True, slots=True)
class TaskScore:
    """A task's score, percent.

    Attributes:
        score: the mean of the main measure over the languages; for questions the mean of the mean exact match and the
            mean F1.
        measures: the mean of each measure over the languages.
    """

    score: float
    measures: Mapping[str, float]


def aggregate(
    metric: str, languages: Sequence[str], measures: Mapping[str, Mapping[str, float]], *, task: str = "the task"
) -> TaskScore:
    """The unweighted mean over all listed languages, English among them.

    Args:
        metric: the task's measure, as in `catalog.models.Metric`.
        languages: the languages of the task; sums run in this order.
        measures: language → measure → percent, as ``metrics`` of `evaluate.score_target`; further languages are left
            alone.
        task: its name, for messages.

    Raises:
        DataError: no language is listed, a language has no score, or no main measure.
    """
    if not languages:
        raise DataError(f"{task} lists no language: there is nothing to average.")
    missing = [language for language in languages if not measures.get(language)]
    if missing:
        raise DataError(
            f"{task} has no score in {', '.join(missing)}: a mean over the rest would not be comparable.",
            hint="Run the missing evaluations, or ask for these languages only.",
        )
    common = [name for name in measures[languages[0]] if all(name in measures[language] for language in languages)]
    means = {name: running_sum(measures[language][name] for language in languages) / len(languages) for name in common}
    needed = _MAIN.get(metric)
    if needed is None or not set(needed) <= set(means):
        raise DataError(f"{task} has no measure {metric} in every language.")
    return TaskScore(running_sum(means[name] for name in needed) / len(needed), means)


@dataclass(frozen=True, slots=True)
class BenchmarkScore:
    """The scores of a benchmark, percent.

    Attributes:
        overall: the mean over its tasks; None where it is refused.
        groups: group → the mean over its tasks; groups that are refused are left out.
        refused: ``overall`` or a group → a sentence why it has no score.
    """

    overall: float | None
    groups: Mapping[str, float]
    refused: Mapping[str, str]


def aggregate_benchmark(benchmark: Benchmark, tasks: Mapping[str, float]) -> BenchmarkScore:
    """The means over the tasks of each group and over all tasks; never over a part of them.

    The overall score is the mean over tasks, not over groups, in the benchmark's order (the official program adds them
    up in an order of its own for each run). XTREME-R lists LAReQA without languages, so it has no overall score.

    Args:
        benchmark: its tasks and groups.
        tasks: task → score; tasks of no benchmark are left alone.
    """
    refused: dict[str, str] = {}
    unscorable = [task for task, entry in benchmark.entries.items() if not entry.languages]
    missing = [task for task, entry in benchmark.entries.items() if entry.languages and task not in tasks]
    reasons = [f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"] if missing else []
    reasons += [f"the program of {benchmark.name} lists {task} without languages" for task in unscorable]
    overall = None
    if reasons:
        refused["overall"] = f"No overall score: {'; '.join(reasons)}."
    else:
        overall = running_sum(tasks[task] for task in benchmark.entries) / len(benchmark.entries)
    groups: dict[str, float] = {}
    for group, members in benchmark.groups.items():
        absent = [task for task in members if task not in tasks]
        if absent:
            refused[group] = f"No score for {group}: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing."
        else:
            groups[group] = running_sum(tasks[task] for task in members) / len(members)
    return BenchmarkScore(overall, groups, refused)
