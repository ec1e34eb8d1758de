"""The few pieces of Markdown that a card is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def text(value: object) -> str:
    """A value within a line or a cell of a table, so that nothing in it is read as markup."""
    words = " ".join(str(value).split())
    for sign in ("\\", "|", "*", "_", "`", "<", "[", "]"):
        words = words.replace(sign, f"\\{sign}")
    return words


def code(value: object) -> str:
    return f"`{value}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: int = 0) -> list[str]:
    """A table of cells that are Markdown already; the last ``numeric`` columns stand on the right."""
    rules = [*["---"] * (len(header) - numeric), *["---:"] * numeric]
    return [_row(header), _row(rules), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
