"""Sentences, a line each: parallel files of two languages, and plain text."""

from __future__ import annotations

from pathlib import Path

from stilts_core.data.readers.lines import FETCH_AGAIN, read_lines
from stilts_core.data.records import SentencePairRecord, TextRecord
from stilts_core.errors import DataError, SpecError


def read_parallel_lines(path: Path, pair: Path | None) -> list[SentencePairRecord]:
    """Two files whose lines of one number are translations of each other; a blank line would shift what follows."""
    if pair is None:
        raise SpecError(f"{path} is one side of a parallel text.", hint="Name the other side as `pair` of its source.")
    sides = [read_lines(file) for file in (path, pair)]
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{path} has {len(sides[0])} lines and {pair} has {len(sides[1])}; line by line they are translations.",
            hint=FETCH_AGAIN,
        )
    for file, lines in zip((path, pair), sides, strict=True):
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise DataError(f"{file}:{number}: a blank line in a parallel text.", hint=FETCH_AGAIN)
    return [
        SentencePairRecord(str(index), source.strip(), target.strip())
        for index, (source, target) in enumerate(zip(*sides, strict=True))
    ]


def read_text_lines(path: Path) -> list[TextRecord]:
    """One text a line; blank lines keep their number, so that files of several languages stay in step."""
    return [TextRecord(line.strip(), str(index)) for index, line in enumerate(read_lines(path))]
