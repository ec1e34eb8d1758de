"""Text files, line by line and strictly: what every reader stands on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stilts_core.errors import DataError, MissingInputError

FETCH_AGAIN = "The file may be damaged or of another format: fetch it again, or correct it."


def read_text(path: Path) -> str:
    """The file as text, without a byte-order mark.

    Raises:
        MissingInputError: it cannot be read.
        DataError: it is empty or is no UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: no valid UTF-8.", hint=FETCH_AGAIN) from error
    if not text.strip():
        raise DataError(f"{path} is empty.", hint=FETCH_AGAIN)
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a file; only LF and CRLF end one, so that odd Unicode separators stay inside of a text."""
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON-lines file, each with its place (``file:line``) for messages; blank lines are passed by."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: no valid JSON ({error}).", hint=FETCH_AGAIN) from error
        if not isinstance(row, dict):
            raise DataError(f"{where}: a JSON object is expected.", hint=FETCH_AGAIN)
        yield where, row


def text_field(row: dict[str, Any], key: str, where: str) -> str:
    """A text of a JSON object.

    Raises:
        DataError: it is missing, no text, or holds half of a surrogate pair, which no UTF-8 file can.
    """
    value = row.get(key)
    if not isinstance(value, str):
        found = "is missing" if key not in row else f"is {json.dumps(value)[:40]}, not a text"
        raise DataError(f"{where}: `{key}` {found}.", hint=FETCH_AGAIN)
    return checked_text(value, f"{where}: `{key}`")


def checked_text(value: str, where: str) -> str:
    """The text itself, if it can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} holds half of a surrogate pair.", hint=FETCH_AGAIN) from error
    return value


def checked_label(label: str, labels: Sequence[str], where: str) -> str:
    """The label itself, if it is in the list or there is no list."""
    if labels and label not in labels:
        raise DataError(
            f"{where}: the label `{label}` is not one of {', '.join(labels)}.",
            hint="Correct the row, or the task's list of labels.",
        )
    return label


def whole_number(value: Any, where: str) -> int:
    """A whole number, which some releases write as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{where} is {json.dumps(value)[:40]}, not a whole number.", hint=FETCH_AGAIN)
    return value
