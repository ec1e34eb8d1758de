"""A context and several continuations: HellaSwag and XCOPA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_text, read_json_lines, text_field, whole_number
from stilts_core.data.records import ChoiceRecord
from stilts_core.errors import DataError

ASKED = {"cause": "What was the cause?", "effect": "What happened as a result?"}  # the questions of COPA


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
    records: list[ChoiceRecord] = []
    for where, row in read_json_lines(path):
        asked = text_field(row, "question", where)
        if asked not in ASKED:
            raise DataError(f"{where}: `question` is `{asked}`, neither cause nor effect.", hint=FETCH_AGAIN)
        records.append(
            ChoiceRecord(
                id=str(row.get("idx", len(records))),
                context=f"{text_field(row, 'premise', where)} {ASKED[asked]}",
                choices=(text_field(row, "choice1", where), text_field(row, "choice2", where)),
                label=_label(row, 2, where),
            )
        )
    return records


def _label(row: dict[str, Any], choices: int, where: str) -> int | None:
    if "label" not in row:
        return None
    label = whole_number(row["label"], f"{where}: `label`")
    if not 0 <= label < choices:
        raise DataError(f"{where}: the label {label} is not one of the {choices} choices, 0 to {choices - 1}.")
    return label
