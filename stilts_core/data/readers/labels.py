"""The list of labels of a task that has it in a file: one a line, or a JSON object from label to number."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from stilts_core.data.readers.lines import FETCH_AGAIN, read_lines, read_text
from stilts_core.errors import DataError


def read_label_lines(path: Path) -> tuple[str, ...]:
    """The labels in the order of the lines; blank lines are passed by."""
    labels = tuple(line.strip() for line in read_lines(path) if line.strip())
    return _distinct(path, labels)


def read_label_json(path: Path) -> tuple[str, ...]:
    """The labels in the order of their numbers, which run from 0 or 1 without a gap."""
    try:
        document = json.loads(read_text(path))
        numbers = {label: int(number) for label, number in document.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: a JSON object from label to number is expected.", hint=FETCH_AGAIN) from error
    labels = tuple(sorted(numbers, key=lambda label: numbers[label]))
    places = [numbers[label] for label in labels]
    if places[:1] not in ([0], [1]) or any(after != before + 1 for before, after in pairwise(places)):
        raise DataError(f"{path}: the numbers of the labels do not run from 0 without a gap.", hint=FETCH_AGAIN)
    return _distinct(path, labels)


def _distinct(path: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) != len(labels) or len(labels) < 2:
        twice = next((label for label in labels if labels.count(label) > 1), None)
        fault = "fewer than two labels" if twice is None else f"the label `{twice}` twice"
        raise DataError(f"{path} holds {fault}.", hint=FETCH_AGAIN)
    return labels
