"""From the scores of the languages to the score of a task, as XTREME's evaluation does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.arithmetic import running_sum

_QA = ("exact_match", "f1")


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
    needed = {
        "accuracy": ("accuracy",),
        "retrieval-accuracy": ("accuracy",),
        "tag-f1": ("f1",),
        "squad": _QA,
        "squad-v2": ("best_exact_match", "best_f1"),
    }.get(metric)
    if needed is None or not set(needed) <= set(means):
        raise DataError(f"{task} has no measure {metric} in every language.")
    return TaskScore(running_sum(means[name] for name in needed) / len(needed), means)
