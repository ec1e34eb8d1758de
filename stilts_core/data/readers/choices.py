"""A context and several continuations: HellaSwag, Cosmos QA, CommonsenseQA, Social IQa, COPA and XCOPA.

A question is part of the context, after what it is about.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from stilts_core.data.readers.lines import (
    FETCH_AGAIN,
    checked_text,
    read_json_lines,
    read_lines,
    read_text,
    text_field,
    whole_number,
)
from stilts_core.data.records import ChoiceRecord
from stilts_core.errors import DataError

ASKED = {"cause": "What was the cause?", "effect": "What happened as a result?"}  # the questions of COPA
COSMOS_CHOICES = ("answer0", "answer1", "answer2", "answer3")
SOCIAL_CHOICES = ("answerA", "answerB", "answerC")
NO_GOLD = (-1, "-1")


def read_hellaswag(path: Path) -> list[ChoiceRecord]:
    """The context is ``ctx_a``; a choice is ``ctx_b``, the beginning of the last sentence, and an ending."""
    records: list[ChoiceRecord] = []
    for where, row in read_json_lines(path):
        endings = row.get("endings")
        if not isinstance(endings, list) or len(endings) < 2 or not all(isinstance(text, str) for text in endings):
            raise DataError(f"{where}: `endings` must be a list of two texts or more.", hint=FETCH_AGAIN)
        begun = text_field(row, "ctx_b", where)
        records.append(
            ChoiceRecord(
                id=str(row.get("ind", len(records))),
                context=text_field(row, "ctx_a", where),
                choices=tuple(checked_text(f"{begun} {ending}".strip(), f"{where}: `endings`") for ending in endings),
                label=_label(row, len(endings), where),
            )
        )
    return records


def read_xcopa(path: Path) -> list[ChoiceRecord]:
    """The context is the premise with the question that COPA asks; the same line is the same item in all languages."""
    return [
        ChoiceRecord(
            id=str(row.get("idx", index)),
            context=_asked(text_field(row, "question", where), text_field(row, "premise", where), where),
            choices=(text_field(row, "choice1", where), text_field(row, "choice2", where)),
            label=_label(row, 2, where),
        )
        for index, (where, row) in enumerate(read_json_lines(path))
    ]


def read_copa_xml(path: Path) -> list[ChoiceRecord]:
    """The original release of COPA, ``copa-dev.xml`` and ``copa-test.xml``."""
    text = read_text(path)
    if "<!ENTITY" in text:
        raise DataError(f"{path} defines entities, which no release of COPA does.", hint=FETCH_AGAIN)
    try:
        corpus = ElementTree.fromstring(text)  # noqa: S314 (entities are refused above)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}:{error.position[0]}: no valid XML ({error}).", hint=FETCH_AGAIN) from error
    records: list[ChoiceRecord] = []
    for number, item in enumerate(corpus.iter("item"), start=1):
        where = f"{path}: item {item.get('id', number)}"
        premise, first, second = (_element(item, name, where) for name in ("p", "a1", "a2"))
        right = item.get("most-plausible-alternative")
        if right not in (None, "1", "2"):
            raise DataError(f"{where}: `most-plausible-alternative` is `{right}`, neither 1 nor 2.", hint=FETCH_AGAIN)
        records.append(
            ChoiceRecord(
                id=str(item.get("id", number)),
                context=_asked(item.get("asks-for", ""), premise, where),
                choices=(first, second),
                label=None if right is None else int(right) - 1,
            )
        )
    return records


def read_cosmosqa_csv(path: Path) -> list[ChoiceRecord]:
    """``train.csv`` and ``valid.csv`` of Cosmos QA; its texts may hold line breaks."""
    return [_cosmosqa(row, where) for where, row in _read_csv(path)]


def read_cosmosqa_jsonl(path: Path) -> list[ChoiceRecord]:
    """Cosmos QA as JSON lines, as its test set is."""
    return [_cosmosqa(row, where) for where, row in read_json_lines(path)]


def read_commonsenseqa(path: Path) -> list[ChoiceRecord]:
    """CommonsenseQA; ``answerKey`` is the letter of the right choice, and missing in the test set."""
    records: list[ChoiceRecord] = []
    for where, row in read_json_lines(path):
        question = row.get("question")
        options = question.get("choices") if isinstance(question, dict) else None
        if not isinstance(question, dict) or not isinstance(options, list) or len(options) < 2:
            raise DataError(f"{where}: `question` must hold a list `choices` of two or more.", hint=FETCH_AGAIN)
        if not all(isinstance(option, dict) for option in options):
            raise DataError(f"{where}: a choice is no JSON object.", hint=FETCH_AGAIN)
        letters = [text_field(option, "label", where) for option in options]
        records.append(
            ChoiceRecord(
                id=str(row.get("id", len(records))),
                context=text_field(question, "stem", where),
                choices=tuple(text_field(option, "text", where) for option in options),
                label=_letter(row.get("answerKey"), letters, f"{where}: `answerKey`"),
            )
        )
    return records


def read_socialiqa(path: Path, pair: Path | None) -> list[ChoiceRecord]:
    """Social IQa: version 1.4, where a row has its answer, or the first release, whose answers are a file of their own.

    Args:
        path: the rows.
        pair: the number of the right choice of each row, 1 to 3, a line each.
    """
    rows = list(read_json_lines(path))
    answers = None if pair is None else read_lines(pair)
    if answers is not None and len(answers) != len(rows):
        raise DataError(f"{path} has {len(rows)} rows and {pair} has {len(answers)} labels.", hint=FETCH_AGAIN)
    records: list[ChoiceRecord] = []
    for number, (where, row) in enumerate(rows):
        context = f"{text_field(row, 'context', where)} {text_field(row, 'question', where)}"
        choices = tuple(text_field(row, key, where) for key in SOCIAL_CHOICES)
        if answers is None:
            label = _letter(row.get("correct", row.get("label_letter")), "ABC", f"{where}: `correct`")
        else:
            label = _letter(answers[number].strip(), "123", f"{pair}:{number + 1}: the label")
        records.append(ChoiceRecord(str(number), context, choices, label))
    return records


def _asked(asked: str, premise: str, where: str) -> str:
    """A premise with the question that COPA asks of it."""
    if asked not in ASKED:
        raise DataError(f"{where}: `question` is `{asked}`, neither cause nor effect.", hint=FETCH_AGAIN)
    return f"{premise} {ASKED[asked]}"


def _cosmosqa(row: dict[str, Any], where: str) -> ChoiceRecord:
    return ChoiceRecord(
        id=text_field(row, "id", where),
        context=f"{text_field(row, 'context', where)} {text_field(row, 'question', where)}",
        choices=tuple(text_field(row, key, where) for key in COSMOS_CHOICES),
        label=_label(row, len(COSMOS_CHOICES), where),
    )


def _read_csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file with a header, with the line on which each ends."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not header:
                header = cells
            elif len(cells) != len(header):
                raise DataError(f"{where}: {len(cells)} cells where the header has {len(header)}.", hint=FETCH_AGAIN)
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: no valid CSV ({error}).", hint=FETCH_AGAIN) from error


def _element(item: ElementTree.Element, name: str, where: str) -> str:
    text = item.findtext(name)
    if not text or not text.strip():
        raise DataError(f"{where}: the element `{name}` is missing or empty.", hint=FETCH_AGAIN)
    return text.strip()


def _label(row: dict[str, Any], choices: int, where: str) -> int | None:
    if "label" not in row or row["label"] in NO_GOLD:
        return None
    label = whole_number(row["label"], f"{where}: `label`")
    if not 0 <= label < choices:
        raise DataError(f"{where}: the label {label} is not one of the {choices} choices, 0 to {choices - 1}.")
    return label


def _letter(value: Any, letters: Sequence[str], where: str) -> int | None:
    """The place of the right choice by its letter; None for a row without one."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or value not in letters:
        raise DataError(f"{where} is `{value}`; {', '.join(letters)} are the choices.", hint=FETCH_AGAIN)
    return list(letters).index(value)
