"""Exact match and token F1 of SQuAD v1.1: XQuAD and TyDiQA in every language."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stilts_core.errors import DataError, MissingInputError
from stilts_core.evaluation.scorers.arithmetic import running_sum

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a gold file: its id and its gold answers, none where it has no answer."""

    id: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Exact match and F1 of each question of the gold file, 0 to 1."""

    exact: tuple[float, ...]
    f1: tuple[float, ...]

    @property
    def exact_percent(self) -> float:
        return percent(self.exact)

    @property
    def f1_percent(self) -> float:
        return percent(self.f1)


def percent(values: Sequence[float]) -> float:
    """100 times the sum, over the number, in this order.

    Raises:
        DataError: there is no value.
    """
    if not values:
        raise DataError("There is nothing to score: the gold file holds no question.")
    return 100.0 * running_sum(values) / len(values)


@lru_cache(maxsize=1 << 14)  # a text is compared as a whole and by words, a gold answer also with many guesses
def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and the words a, an, the; one blank between words.

    Word boundaries and white space are those of Unicode. Punctuation goes before the articles do, and leaves nothing
    behind: ``well-known`` becomes ``wellknown``.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(gold: str, predicted: str) -> float:
    """1 where both are equal after normalising, else 0."""
    return float(normalise(gold) == normalise(predicted))


def token_f1(gold: str, predicted: str) -> float:
    """F1 of the multisets of words after normalising; 0 without a common word, so also where both are empty."""
    return overlap_f1(normalise(gold).split(), normalise(predicted).split())


def overlap_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """F1 of two multisets of tokens; 0 without a common one."""
    if set(gold).isdisjoint(predicted):
        return 0.0
    common = (Counter(gold) & Counter(predicted)).total()
    precision, recall = common / len(predicted), common / len(gold)
    return (2 * precision * recall) / (precision + recall)


Measure = Callable[[str, str], float]


def score(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    *,
    exact: Measure = exact_match,
    f1: Measure = token_f1,
) -> AnswerScores:
    """Scores each question by its best gold answer, exact match and F1 separately.

    A question without a prediction counts 0, predictions for other ids are ignored, and a question that stands twice in
    the gold file counts twice.

    Raises:
        DataError: a predicted question has no gold answer.
    """
    exacts: list[float] = []
    f1s: list[float] = []
    for question in questions:
        if question.id not in predictions:
            exacts.append(0.0)
            f1s.append(0.0)
            continue
        predicted = predictions[question.id]
        if not question.answers:
            raise DataError(
                f"Question {question.id} has a prediction, but no gold answer.",
                hint="Score a set with unanswerable questions as squad-v2.",
            )
        exacts.append(max(exact(answer, predicted) for answer in question.answers))
        f1s.append(max(f1(answer, predicted) for answer in question.answers))
    return AnswerScores(tuple(exacts), tuple(f1s))


def read_questions(path: Path) -> list[Question]:
    """The questions of a gold file in the SQuAD layout, in order.

    Raises:
        DataError: the file cannot be read, or has another layout.
    """
    try:
        return [
            Question(question["id"], tuple(_text(answer["text"]) for answer in question.get("answers", ())))
            for article in read_json(path)
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not in the SQuAD layout: {error!r}.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def read_answers(path: Path, questions: Sequence[Question] = ()) -> dict[str, str]:
    """The predictions of a file: id → answer; of equal ids the last counts. Nothing but text answers a question.

    Args:
        path: one JSON object. A list answers nothing: the reference programs take it so.
        questions: what is answered for other ids is not looked at.

    Raises:
        DataError: the file cannot be read, is neither, or holds something else than a text for a question.
        MissingInputError: it is not there.
    """
    content = read_json(path)
    if isinstance(content, list):
        return {}
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold one JSON object that maps a question id to its answer, a text.")
    for question in questions:
        answer = content.get(question.id, "")
        if not isinstance(answer, str):
            raise DataError(f"{path}: the answer to question {question.id} is no text: {json.dumps(answer)[:40]}.")
    return content


def read_json(path: Path) -> Any:
    """The root, or the value of its key ``data`` where it has one: predictions are read so as well.

    Raises:
        DataError: the file cannot be read, or is no JSON.
        MissingInputError: it is not there.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    return content["data"] if isinstance(content, dict) and "data" in content else content
