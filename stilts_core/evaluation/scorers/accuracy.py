"""Accuracy over lines: XNLI, PAWS-X, Tatoeba, XCOPA; with the F1 of one class: QQP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stilts_core.errors import DataError, MissingInputError


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without the white space around them; LF, CRLF and CR end a line.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
        MissingInputError: it is not there.
    """
    return [line.strip() for line in _raw_lines(path)]


def _raw_lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            return list(lines)
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from error


def read_labels(path: Path) -> list[str]:
    """The items of a label file: one a line, the whole line; a blank line is an item.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    return read_lines(path)


def read_choices(path: Path) -> list[object]:
    """The values of ``label`` in a file of one JSON object a line, as XCOPA has it; ``"1"`` is not ``1``.

    Raises:
        DataError: the file cannot be read, a line is no such object, or it is blank.
    """
    labels: list[object] = []
    for number, line in enumerate(_raw_lines(path), start=1):
        try:
            labels.append(json.loads(line)["label"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path}:{number}: a JSON object with the key `label` is expected.") from error
    return labels


def accuracy(gold: Sequence[object], predicted: Sequence[object]) -> float:
    """Percent of the predictions that equal the gold item. Texts are compared as they are: ``07`` is not ``7``.

    Raises:
        DataError: nothing to score, or different numbers of items.
    """
    if len(gold) != len(predicted):
        raise DataError(f"{len(predicted)} predictions for {len(gold)} gold labels: the numbers must be equal.")
    if not predicted:
        raise DataError("There is nothing to score: no gold label and no prediction.")
    correct = sum(g == p for g, p in zip(gold, predicted, strict=True))
    return correct / len(predicted) * 100


def binary_f1(gold: Sequence[object], predicted: Sequence[object], positive: object = "1") -> float:
    """F1 of one class, percent; 0 where nothing of it is right.

    Raises:
        DataError: different numbers of items.
    """
    if len(gold) != len(predicted):
        raise DataError(f"{len(predicted)} predictions for {len(gold)} gold labels: the numbers must be equal.")
    correct = sum(g == p == positive for g, p in zip(gold, predicted, strict=True))
    if not correct:
        return 0.0
    precision = correct / sum(label == positive for label in predicted)
    recall = correct / sum(label == positive for label in gold)
    return 2 * precision * recall / (precision + recall) * 100
