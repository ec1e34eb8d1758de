"""One model on one target: predictions, outcomes and metrics of every language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from stilts_core.catalog.models import Head, Metric, SeqevalVersion, SquadRules
from stilts_core.data.dataset import EVERY_LANGUAGE, Array, Dataset
from stilts_core.errors import DataError, SpecError
from stilts_core.evaluation.bitext import TUNED_ON, BitextJudge
from stilts_core.evaluation.confidence import confidence_measures
from stilts_core.evaluation.examples import identifiers
from stilts_core.evaluation.judgement import Judge, Judgement, at_chance
from stilts_core.evaluation.neighbours import Recall, make_now
from stilts_core.evaluation.outcomes import OutcomeTable
from stilts_core.evaluation.outputs import (
    ChoiceOutputs,
    ClassificationOutputs,
    Outputs,
    RetrievalOutputs,
    SpanOutputs,
    TaggingOutputs,
    check_shape,
)
from stilts_core.evaluation.predictions import write_predictions
from stilts_core.evaluation.ranked import RankedJudge
from stilts_core.evaluation.sentences import ChoiceJudge, ClassificationJudge, PairJudge
from stilts_core.evaluation.spans import SpanJudge
from stilts_core.evaluation.tags import TagAccuracyJudge, TaggingJudge
from stilts_core.evaluation.translations import RetrievalJudge, scored_state
from stilts_core.planning.params import EvaluateParams, TrainTask

OUTCOMES_FILE = "outcomes.parquet"
METRICS_FILE = "metrics.json"
SCORE = "score"


def score_target(
    dataset: Dataset,
    params: EvaluateParams,
    outputs: Outputs,
    out: Path,
    *,
    device: str = "cpu",
    recall: Recall = make_now,
) -> dict[str, Any]:
    """Decode and score all languages, and write what an evaluate stage commits.

    Under ``out`` it writes ``predictions/<task>/`` (see `predictions`), ``outcomes.parquet`` (see `outcomes`) and
    ``metrics.json``, which holds what it returns. The same outputs give the same bytes.

    Args:
        device: where nearest neighbours are looked for; it changes no result.
        recall: called for each search for neighbours in turn; see `neighbours.Recall`.

    Returns:
        ``metric``, the name of the main measure, and ``languages``: language → ``split``, ``n`` (examples), ``metrics``
        (every measure by name), ``score`` (the main one), ``chance`` (what guessing gives, as the head's judge defines
        it), ``at_chance``, ``degenerate``, ``note``; with null answers also ``thresholds``. Numbers are percent, in
        full precision. A file without gold has a note, no metrics, and None for score, chance, at_chance and
        degenerate.

    Raises:
        DataError: the outputs do not fit the data, or a language stands in two splits.
        DivergedError: an output that matters is not finite.
        SpecError: the metric does not belong to the head.
    """
    check_shape(dataset, outputs)
    judge = _judge(dataset, params, outputs, device, recall)
    table = OutcomeTable()
    languages: dict[str, Any] = {}
    for language, (split, examples) in _files(dataset, params.metric).items():
        judgement = judge.judge(examples)
        write_predictions(out, params.task, split, language, judgement.files)
        table.add(language, identifiers(dataset, judgement.rows), judgement.outcomes)
        languages[language] = {"split": split, **_entry(judge, judgement, examples)}
    metrics = {"metric": params.metric.value, "languages": languages}
    table.write(out / OUTCOMES_FILE)
    text = json.dumps(metrics, ensure_ascii=False, allow_nan=False, indent=1)
    (out / METRICS_FILE).write_text(text + "\n", encoding="utf-8", newline="\n")
    return metrics


def dev_score(dataset: Dataset, task: TrainTask, outputs: Outputs, examples: Array) -> float:
    """The main measure, percent, of some examples taken as one file; arguments and errors as of `dev_measures`."""
    return dev_measures(dataset, task, outputs, examples)[SCORE]


def dev_measures(dataset: Dataset, task: TrainTask, outputs: Outputs, examples: Array) -> dict[str, float]:
    """Every measure of some examples taken as one file.

    Args:
        dataset: that holds the examples, and may hold others.
        task: its measure is the one of its head where it names none.
        outputs: of the whole dataset's shape; rows of other examples are not looked at and may be NaN.
        examples: (n,) numbers of examples.

    Returns:
        ``score``, the main measure, for early stopping; those of the scorer by name; those of `confidence`.

    Raises:
        DataError: the outputs do not fit the data, or an example has no gold.
        DivergedError: an output of these examples is not finite.
        SpecError: the task has no measure, or one of another head.
    """
    check_shape(dataset, outputs)
    examples = np.asarray(examples, dtype=np.int64)
    judgement = _judge(dataset, task, outputs).judge(examples)
    if judgement.score is None:
        raise DataError(f"The development set of {task.task} cannot be scored: it has examples without gold.")
    probable = confidence_measures(dataset, outputs, examples, task.labels)
    return {SCORE: judgement.score, **judgement.measures, **probable}


def _judge(
    dataset: Dataset,
    task: EvaluateParams | TrainTask,
    outputs: Outputs,
    device: str = "cpu",
    recall: Recall = make_now,
) -> Judge:
    metric = task.metric or _usual_metric(task)
    match outputs, metric:
        case ClassificationOutputs(), Metric.ACCURACY:
            return ClassificationJudge(dataset, outputs, task.labels)
        case ClassificationOutputs(), Metric.ACCURACY_F1 if len(task.labels) == 2:
            return PairJudge(dataset, outputs, task.labels)
        case ChoiceOutputs(), Metric.ACCURACY:
            return ChoiceJudge(dataset, outputs)
        case TaggingOutputs(), Metric.TAG_F1:
            seqeval = task.seqeval if isinstance(task, EvaluateParams) else None
            return TaggingJudge(dataset, outputs, task.labels, (seqeval or SeqevalVersion.OLD).value)
        case TaggingOutputs(), Metric.TAG_ACCURACY:
            return TagAccuracyJudge(dataset, outputs, task.labels)
        case SpanOutputs(), Metric.SQUAD | Metric.SQUAD_V2 | Metric.MLQA:
            length = task.answer_length if isinstance(task, EvaluateParams) else task.hyper.answer_length
            rules = task.squad if isinstance(task, EvaluateParams) else None
            nulls = metric is Metric.SQUAD_V2
            return SpanJudge(dataset, outputs, length, nulls, rules=rules or SquadRules.V1, mlqa=metric is Metric.MLQA)
        case RetrievalOutputs(), _ if isinstance(task, EvaluateParams):
            state = scored_state(len(outputs.states) - 1, task.retrieval_states, task.retrieval_share)
            if metric is Metric.RETRIEVAL_ACCURACY:
                return RetrievalJudge(dataset, outputs, state, recall)
            if metric is Metric.BITEXT_F1:
                return BitextJudge(dataset, outputs, state, device, recall)
            if metric in (Metric.MAP_20, Metric.MEWSLI):
                return RankedJudge(dataset, outputs, state, metric, device, recall)
    raise SpecError(f"The outputs of a {outputs.head} head cannot be scored as {metric} (task {task.task}).")


def _usual_metric(task: EvaluateParams | TrainTask) -> Metric | None:
    if task.head is Head.SPAN:
        return Metric.SQUAD_V2 if task.null_answers else Metric.SQUAD
    return {Head.CLASSIFICATION: Metric.ACCURACY, Head.CHOICE: Metric.ACCURACY, Head.TAGGING: Metric.TAG_F1}.get(
        task.head
    )


def _files(dataset: Dataset, metric: Metric) -> dict[str, tuple[str, Array]]:
    """Language → its split and examples, in the order of the segments; a pair of files is one.

    Candidates of all languages are no file of their own, nor is the development set of mined pairs where a test set is.
    """
    tested = {segment.language for segment in dataset.segments if segment.split != TUNED_ON}
    parts: dict[str, tuple[str, list[Array]]] = {}
    for segment in dataset.segments:
        tuning = metric is Metric.BITEXT_F1 and segment.split == TUNED_ON and segment.language in tested
        if segment.language == EVERY_LANGUAGE or tuning:
            continue
        split, ranges = parts.setdefault(segment.language, (segment.split, []))
        if split != segment.split:
            raise DataError(f"{segment.language} stands in the splits {split} and {segment.split}: one can be scored.")
        ranges.append(np.arange(segment.start, segment.stop))
    return {language: (split, np.concatenate(ranges)) for language, (split, ranges) in parts.items()}


def _entry(judge: Judge, judgement: Judgement, examples: Array) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "n": judgement.n,
        "metrics": dict(judgement.measures),
        "score": judgement.score,
        "chance": None,
        "at_chance": None,
        "degenerate": None,
        "note": judgement.note,
    }
    if judgement.thresholds:
        entry["thresholds"] = dict(judgement.thresholds)
    if judgement.score is not None:
        chance = judge.chance(examples)
        entry["chance"] = chance
        entry["at_chance"] = at_chance(judgement.score, chance, judgement.error, judgement.n)
        entry["degenerate"] = judgement.degenerate
    return entry
