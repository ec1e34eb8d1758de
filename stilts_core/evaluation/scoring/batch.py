"""Many requests in one process: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.errors import SpecError, StiltsError
from stilts_core.evaluation.scoring.request import read_request
from stilts_core.evaluation.scoring.score import Metrics, score


@dataclass(frozen=True, slots=True)
class Answer:
    """What a line gave: measures, or a sentence why there are none.

    Attributes:
        id: as in the line; None where the line has none.
        notes: as `score.Scored.notes`.
    """

    id: Any
    metrics: Metrics | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """The line of the output, without its end; numbers have every digit."""
        outcome = {"error": self.error} if self.metrics is None else {"metrics": self.metrics}
        return json.dumps({"id": self.id, **outcome})


def score_lines(lines: Iterable[str], folder: Path) -> Iterator[Answer]:
    """Scores requests one by one, in order; a line that cannot be scored says why, and the next one follows.

    Args:
        lines: a JSON object each, with ``id`` and the keys of `request.Request`; blank ones are left out.
        folder: what the paths in them are relative to.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _answer(number, line, folder)


def _answer(number: int, line: str, folder: Path) -> Answer:
    id_ = None
    try:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"Line {number} is no JSON: {error}.") from error
        if not isinstance(document, dict):
            raise SpecError(f"Line {number} must be a JSON object.")
        id_ = document.get("id")
        scored = score(read_request(document, folder))
    except StiltsError as error:
        return Answer(id_, error=f"{error.message} {error.hint}" if error.hint else error.message)
    except Exception as error:  # noqa: BLE001 (a defect that one line meets must not cost the others)
        return Answer(id_, error=f"Unexpected {type(error).__name__}: {error}. This is a defect of stilts.")
    return Answer(id_, metrics=scored.metrics, notes=scored.notes)
