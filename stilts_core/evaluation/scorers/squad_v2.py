"""Exact match and F1 of SQuAD 2.0, where a question may have no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.arithmetic import running_sum
from stilts_core.evaluation.scorers.squad import AnswerScores, Question, exact_match, normalise, overlap_f1


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The best score of a sweep over null thresholds, in percent, and the threshold that gives it.

    A question is left unanswered where its null score is over the threshold.
    """

    score: float
    threshold: float


def gold_answers(question: Question) -> tuple[str, ...]:
    """The gold answers that normalise to something; the empty text alone where there is none."""
    return tuple(answer for answer in question.answers if normalise(answer)) or ("",)


def has_answer(question: Question) -> bool:
    return bool(question.answers)


def token_f1(gold: str, predicted: str) -> float:
    """F1 of the multisets of words after normalising; where one side is empty, 1 if both are, else 0."""
    gold_words, predicted_words = normalise(gold).split(), normalise(predicted).split()
    if not gold_words or not predicted_words:
        return float(gold_words == predicted_words)
    return overlap_f1(gold_words, predicted_words)


def score(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    null_scores: Mapping[str, float] | None = None,
    *,
    threshold: float = 1.0,
) -> AnswerScores:
    """Scores each question by its best gold answer; an empty prediction is the answer to a question without one.

    Args:
        questions: of the gold file; of equal ids the last counts.
        predictions: id → answer; empty for none.
        null_scores: id → probability that there is no answer, 0 to 1.
        threshold: a question whose null score is over it counts as unanswered, whatever its prediction; 1 keeps all
            predictions.

    Raises:
        DataError: a question has no prediction or no null score.
    """
    questions = _last_of_each(questions)
    _check(questions, predictions, null_scores)
    raw = _raw(questions, predictions)
    if null_scores is None:
        return raw
    unanswered = [null_scores[question.id] > threshold for question in questions]
    alone = [float(not has_answer(question)) for question in questions]

    def kept(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(empty if null else value for value, empty, null in zip(values, alone, unanswered, strict=True))

    return AnswerScores(kept(raw.exact), kept(raw.f1))


def best_thresholds(
    questions: Sequence[Question], predictions: Mapping[str, str], null_scores: Mapping[str, float]
) -> tuple[BestThreshold, BestThreshold]:
    """The best exact match and the best F1 that any null threshold gives, each with its threshold.

    The sweep starts with every question unanswered and answers them one by one, by rising null score (equal ones in the
    order of ``null_scores``). The predictions must be the model's answers even where it prefers none.

    Raises:
        DataError: a question has no prediction or null score; there is no question.
    """
    questions = _last_of_each(questions)
    _check(questions, predictions, null_scores)
    if not questions:
        raise DataError("There is nothing to score: no question.")
    raw = _raw(questions, predictions)
    place = {question.id: number for number, question in enumerate(questions)}
    order = [place[id_] for id_ in sorted(null_scores, key=null_scores.__getitem__) if id_ in place]
    exact = _sweep(questions, predictions, null_scores, raw.exact, order)
    return exact, _sweep(questions, predictions, null_scores, raw.f1, order)


def _sweep(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    null_scores: Mapping[str, float],
    scores: Sequence[float],
    order: Sequence[int],
) -> BestThreshold:
    current = running_sum(not has_answer(question) for question in questions)
    best, threshold = current, 0.0
    for number in order:
        question = questions[number]
        if has_answer(question):
            current += scores[number]
        elif predictions[question.id]:
            current -= 1
        if current > best:
            best, threshold = current, float(null_scores[question.id])
    return BestThreshold(100.0 * best / len(questions), threshold)


def _raw(questions: Sequence[Question], predictions: Mapping[str, str]) -> AnswerScores:
    exacts: list[float] = []
    f1s: list[float] = []
    for question in questions:
        predicted, answers = predictions[question.id], gold_answers(question)
        exacts.append(max(exact_match(answer, predicted) for answer in answers))
        f1s.append(max(token_f1(answer, predicted) for answer in answers))
    return AnswerScores(tuple(exacts), tuple(f1s))


def _last_of_each(questions: Sequence[Question]) -> list[Question]:
    return list({question.id: question for question in questions}.values())


def _check(
    questions: Sequence[Question], predictions: Mapping[str, str], null_scores: Mapping[str, float] | None
) -> None:
    for question in questions:
        if question.id not in predictions:
            raise DataError(f"Question {question.id} has no prediction.", hint="An empty text says: no answer.")
        if null_scores is not None and question.id not in null_scores:
            raise DataError(f"Question {question.id} has no null score.")
