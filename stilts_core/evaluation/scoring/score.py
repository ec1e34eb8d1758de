"""From files to measures: one function a kind of measure, the formulas all in `scorers`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Scoring, SquadRules
from stilts_core.errors import DataError, SpecError
from stilts_core.evaluation.scorers import mlqa, squad, squad_v2
from stilts_core.evaluation.scorers.accuracy import accuracy, binary_f1, read_choices, read_labels
from stilts_core.evaluation.scorers.bitext import above, best_threshold, collect_candidates, pair_score
from stilts_core.evaluation.scorers.ranking import mean_average_precision, mean_reciprocal_rank
from stilts_core.evaluation.scorers.squad import Question, read_json
from stilts_core.evaluation.scoring.request import Request
from stilts_core.evaluation.scoring.tasks import metric_of

Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a request gave.

    Attributes:
        metrics: every measure by name, percent, in full precision; thresholds are no percentages. ``score`` is the
            one number that a task's table has.
        notes: sentences for people: what counted as wrong without being an error.
    """

    metrics: Metrics
    notes: tuple[str, ...] = ()


def score(request: Request) -> Scored:
    """Scores the files of a request.

    Raises:
        DataError: what is in them cannot be scored.
        MissingInputError: one of them is not there.
        SpecError: the request does not say what it must, or says what does not belong to the task.
    """
    metric = metric_of(request.task)
    load_catalogue().protocol(request.protocol)  # an unknown one is refused before any file is read
    options = request.options
    vectors = options.source_embeddings is not None or options.target_embeddings is not None
    if vectors and metric in _BY_VECTORS:
        from stilts_core.evaluation.scoring.embeddings import score_vectors

        return score_vectors(request, metric)
    if vectors:
        raise SpecError(f"{request.task} is not scored from embeddings.", hint="Give its predictions.")
    if options.candidates is not None and metric == "bitext-f1":
        return score_candidates(request, read_candidates(options.candidates))
    if request.predictions is None:
        raise SpecError(f"The predictions for {request.task} are missing.")
    return _SCORERS[metric](request, request.predictions)


def _rules(request: Request) -> Scoring:
    return load_catalogue().protocol(request.protocol).scoring


def score_candidates(request: Request, candidates: Mapping[tuple[str, str], float]) -> Scored:
    """BUCC from mined pairs: at the threshold of the options, and at the one that is best for the gold file.

    Raises:
        DataError: no threshold is given, and the official program finds none; see `bitext.best_threshold`.
    """
    lines = read_labels(request.gold)
    gold = set(lines)
    given = request.options.threshold
    oracle = best_threshold(
        candidates,
        gold,
        gold_count=len(lines) if request.protocol == "jiant" else None,
        after_last=given is not None or request.protocol == "corrected",
    )
    threshold = oracle if given is None else given
    at, best = pair_score(gold, above(candidates, threshold)), pair_score(gold, above(candidates, oracle))
    return Scored(
        {
            "score": at.f1,
            "f1": at.f1,
            "precision": at.precision,
            "recall": at.recall,
            "threshold": threshold,
            "f1_oracle": best.f1,
            "oracle_threshold": oracle,
            "candidates": len(candidates),
        }
    )


def read_candidates(path: Path) -> dict[tuple[str, str], float]:
    """Mined pairs of a file: score, source id and target id in columns; a pair that stands twice has its higher score.

    Raises:
        DataError: a line is none of these.
        MissingInputError: the file is not there.
    """
    found: list[tuple[str, str, float]] = []
    for number, line in enumerate(read_labels(path), start=1):
        cells = line.split("\t")
        try:
            value, source, target = float(cells[0]), cells[1], cells[2]
        except (ValueError, IndexError):
            raise DataError(f"{path}:{number}: a score, a source id and a target id are expected.") from None
        found.append((source.strip(), target.strip(), value))
    return collect_candidates(found)


def read_rankings(path: Path) -> dict[str, Any]:
    """A JSON object: id → list of ids.

    Raises:
        DataError: it is none.
        MissingInputError: the file is not there.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold one JSON object that maps an id to a list of ids.")
    return content


def read_lists(path: Path) -> dict[str, list[str]]:
    """As `read_rankings`, and every value must be a list of ids; whole numbers count as their digits.

    Raises:
        DataError: one is not.
    """
    content = read_rankings(path)
    for id_, items in content.items():
        if not isinstance(items, list) or not all(isinstance(item, str | int) for item in items):
            raise DataError(f"{path}: a list of ids is expected for {id_}, not {json.dumps(items)[:40]}.")
    return {id_: [str(item) for item in items] for id_, items in content.items()}


def _read_items(task: str, path: Path) -> Sequence[object]:
    return read_choices(path) if task == "xcopa" or path.suffix == ".jsonl" else read_labels(path)


def _accuracy(request: Request, predictions: Path) -> Scored:
    value = accuracy(_read_items(request.task, request.gold), _read_items(request.task, predictions))
    return Scored({"score": value, "accuracy": value})


def _accuracy_f1(request: Request, predictions: Path) -> Scored:
    gold, predicted = read_labels(request.gold), read_labels(predictions)
    strange = sorted(set(gold) - {"0", "1"})
    if strange:
        raise DataError(f"{request.gold}: the label `{strange[0][:40]}` is neither 0 nor 1.")
    right, f1 = accuracy(gold, predicted), binary_f1(gold, predicted)
    return Scored({"score": (right + f1) / 2, "accuracy": right, "f1": f1})


def _tag_f1(request: Request, predictions: Path) -> Scored:
    from stilts_core.evaluation.scorers.tagging import chunk_score, read_tags, token_accuracy

    gold, predicted = read_tags(request.gold), read_tags(predictions)
    chunks = chunk_score(gold, predicted, request.options.seqeval or _rules(request).seqeval.value)
    metrics = {"score": chunks.f1, "f1": chunks.f1, "precision": chunks.precision, "recall": chunks.recall}
    other = [n for n, pair in enumerate(zip(gold, predicted, strict=True), start=1) if len(pair[0]) != len(pair[1])]
    if other:
        note = (
            f"{len(other)} of {len(gold)} sentences have another number of tags than the gold file, the first of them "
            f"is sentence {other[0]}: positions after it are shifted, and there is no token accuracy."
        )
        return Scored(metrics, (note,))
    if any(gold):
        metrics["token_accuracy"] = token_accuracy(gold, predicted)
    return Scored(metrics)


def _tag_accuracy(request: Request, predictions: Path) -> Scored:
    from stilts_core.evaluation.scorers.tagging import read_tags, token_accuracy

    value = token_accuracy(read_tags(request.gold), read_tags(predictions))
    return Scored({"score": value, "accuracy": value})


def _squad(request: Request, predictions: Path) -> Scored:
    gold = squad.read_questions(request.gold)
    answers = squad.read_answers(predictions, gold)
    if _rules(request).squad is SquadRules.V2:
        return _answers(squad_v2.score(gold, answers), gold, answers)
    return _answers(squad.score(gold, answers), gold, answers)


def _mlqa(request: Request, predictions: Path) -> Scored:
    gold = squad.read_questions(request.gold)
    answers = squad.read_answers(predictions, gold)
    if not request.language:
        raise SpecError("MLQA needs the language: its normalisation depends on it.")
    return _answers(mlqa.score(gold, answers, request.language), gold, answers)


def _answers(scores: squad.AnswerScores, gold: Sequence[Question], answers: Mapping[str, str]) -> Scored:
    exact, f1 = scores.exact_percent, scores.f1_percent
    return Scored({"score": (exact + f1) / 2, "exact_match": exact, "f1": f1}, _unanswered(gold, answers))


def _unanswered(gold: Sequence[Question], answers: Mapping[str, str]) -> tuple[str, ...]:
    ids = {question.id for question in gold}
    missing = [question.id for question in gold if question.id not in answers]
    further = [id_ for id_ in answers if id_ not in ids]
    notes = []
    if missing:
        notes.append(f"{len(missing)} of {len(gold)} questions have no prediction and count 0: {_some(missing)}.")
    if further:
        notes.append(f"{len(further)} predictions belong to no question and are ignored: {_some(further)}.")
    return tuple(notes)


def _some(ids: Sequence[object]) -> str:
    return ", ".join(map(str, ids[:3])) + (", …" if len(ids) > 3 else "")


def _squad_v2(request: Request, predictions: Path) -> Scored:
    gold = squad.read_questions(request.gold)
    answers = squad.read_answers(predictions, gold)
    plain = squad_v2.score(gold, answers)
    file = request.options.null_scores
    # Without probabilities jiant takes all as 0: the sweep is over the order of the predictions.
    nulls = dict.fromkeys(answers, 0.0) if file is None else _read_null_scores(file)
    exact, f1 = squad_v2.best_thresholds(gold, answers, nulls)
    swept = (exact.score + f1.score) / 2
    metrics = {
        "score": (plain.exact_percent + plain.f1_percent) / 2
        if file is None and request.protocol != "jiant"
        else swept,
        "exact_match": plain.exact_percent,
        "f1": plain.f1_percent,
        "best_exact_match": exact.score,
        "best_exact_match_threshold": exact.threshold,
        "best_f1": f1.score,
        "best_f1_threshold": f1.threshold,
    }
    return Scored(metrics, _unanswered(gold, answers))


def _read_null_scores(path: Path) -> dict[str, float]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold one JSON object that maps a question id to a probability.")
    for id_, value in content.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise DataError(f"{path}: the null score of question {id_} is no number.")
    return content


def _pairs(request: Request, predictions: Path) -> Scored:
    found = pair_score(read_labels(request.gold), read_labels(predictions))
    return Scored({"score": found.f1, "f1": found.f1, "precision": found.precision, "recall": found.recall})


def _average_precision(request: Request, predictions: Path) -> Scored:
    gold, rankings = read_lists(request.gold), read_lists(predictions)
    value = mean_average_precision(gold, rankings)
    return Scored({"score": value, "map@20": value}, _unranked(gold, rankings))


def _mewsli(request: Request, predictions: Path) -> Scored:
    gold, rankings = read_rankings(request.gold), read_rankings(predictions)
    value = mean_reciprocal_rank(gold, rankings)
    return Scored({"score": value, "map@20": value}, _unranked(gold, rankings))


def _unranked(gold: Mapping[str, object], rankings: Mapping[str, object]) -> tuple[str, ...]:
    missing = [id_ for id_ in gold if id_ not in rankings]
    further = [id_ for id_ in rankings if id_ not in gold]
    notes = []
    if missing:
        notes.append(f"{len(missing)} of {len(gold)} examples have no prediction and count 0: {_some(missing)}.")
    if further:
        notes.append(f"{len(further)} predictions belong to no example and are ignored: {_some(further)}.")
    return tuple(notes)


_SCORERS: dict[str, Callable[[Request, Path], Scored]] = {
    "accuracy": _accuracy,
    "accuracy-f1": _accuracy_f1,
    "bitext-f1": _pairs,
    "map-20": _average_precision,
    "mewsli": _mewsli,
    "mlqa": _mlqa,
    "retrieval-accuracy": _accuracy,
    "squad": _squad,
    "squad-v2": _squad_v2,
    "tag-accuracy": _tag_accuracy,
    "tag-f1": _tag_f1,
}
_BY_VECTORS = frozenset({"bitext-f1", "map-20", "mewsli", "retrieval-accuracy"})
