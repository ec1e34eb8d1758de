"""Questions on contexts: the JSON of SQuAD 1.1 and 2.0, which XQuAD, MLQA and TyDiQA-GoldP share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_text, read_text, text_field, whole_number
from stilts_core.data.records import SpanRecord
from stilts_core.errors import DataError

WITHHELD = (("", 0),)
TYDIQA_NAMES = {
    "ar": "arabic",
    "bn": "bengali",
    "en": "english",
    "fi": "finnish",
    "id": "indonesian",
    "ko": "korean",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
}
_ALL_TYDIQA_NAMES = {*TYDIQA_NAMES.values(), "japanese", "thai"}
QuestionT = TypeVar("QuestionT")


def read_squad(path: Path) -> list[SpanRecord]:
    """The questions of a file, in its order.

    A question without answers that is not marked as impossible is one whose answers are withheld; XTREME writes an
    empty answer at character 0 for them.

    Raises:
        DataError: the JSON is cut off or of another shape; an answer is empty, or does not stand in its context
            at its position.
    """
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: no valid JSON ({error}).", hint=FETCH_AGAIN) from error
    records: list[SpanRecord] = []
    for number, article in enumerate(_list(document, "data", str(path))):
        for index, paragraph in enumerate(_list(article, "paragraphs", f"{path}: article {number}")):
            where = f"{path}: article {number}, paragraph {index}"
            questions = _list(paragraph, "qas", where)
            context = text_field(paragraph, "context", where)
            records.extend(_question(question, context, path, where) for question in questions)
    if not records:
        raise DataError(f"{path} holds no question.", hint=FETCH_AGAIN)
    return records


def read_tydiqa(path: Path, language: str) -> list[SpanRecord]:
    """TyDiQA-GoldP, whose files may hold several languages: a question belongs to the one that its id begins with.

    The ids of XTREME's own training files say no language; all of their questions are taken.

    Raises:
        DataError: as `read_squad`; or none of the questions is in the language.
    """
    records = read_squad(path)
    found = of_language(records, language, lambda record: record.id)
    if found is None:
        names = sorted({record.id.partition("-")[0] for record in records} & _ALL_TYDIQA_NAMES)
        raise DataError(
            f"{path} holds questions in {', '.join(names)} and none in the language {language}.",
            hint=FETCH_AGAIN,
        )
    return found


def of_language(questions: list[QuestionT], language: str, name: Callable[[QuestionT], str]) -> list[QuestionT] | None:
    """The questions of TyDiQA whose id begins with a language; all of them where no id says one.

    Returns:
        None where the ids say languages, and none of them is this one.
    """
    names = {name(question).partition("-")[0] for question in questions} & _ALL_TYDIQA_NAMES
    wanted = TYDIQA_NAMES.get(language)
    if not names:
        return questions
    if wanted not in names:
        return None
    return [question for question in questions if name(question).startswith(f"{wanted}-")]


def _question(row: Any, context: str, path: Path, where: str) -> SpanRecord:
    if not isinstance(row, dict) or "id" not in row:
        raise DataError(f"{where}: a question without `id`.", hint=FETCH_AGAIN)
    key = str(row["id"])
    here = f"{path}: question {key}"
    question = text_field(row, "question", here)
    impossible = row.get("is_impossible", False)
    if not isinstance(impossible, bool):
        raise DataError(f"{here}: `is_impossible` is neither true nor false.", hint=FETCH_AGAIN)
    if impossible:  # what stands under `plausible_answers` is not one
        return SpanRecord(id=key, question=question, context=context, answers=(), impossible=True)
    answers = tuple(_answer(answer, context, here) for answer in _list(row, "answers", here))
    if answers == WITHHELD:
        answers = ()
    elif not all(text for text, _ in answers):
        raise DataError(f"{here}: an answer is empty.", hint="Correct it, or mark the question as `is_impossible`.")
    return SpanRecord(id=key, question=question, context=context, answers=answers)


def _answer(row: Any, context: str, where: str) -> tuple[str, int]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: an answer is no JSON object.", hint=FETCH_AGAIN)
    text = text_field(row, "text", where)
    start = whole_number(row.get("answer_start"), f"{where}: `answer_start`")
    if start < 0 or not context.startswith(text, start):
        raise DataError(
            f"{where}: the answer `{text[:60]}` does not stand in the context at character {start}.",
            hint="Correct `answer_start` (it counts characters, not bytes), or leave the question out.",
        )
    return checked_text(text, where), start


def _list(row: Any, key: str, where: str) -> list[Any]:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, list):
        raise DataError(f"{where}: a list `{key}` is expected.", hint=FETCH_AGAIN)
    return value
