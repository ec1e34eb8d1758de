"""Tables by columns: each says once what its head is and what it holds of a thing that has a row.

`table` makes a table of the report, `csv_table` one of the files behind it. What intervals look like in either is
here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Cell, Column, Table
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.table import csv_bytes, rounded

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Field(Generic[Thing]):
    """A column of numbers, set to the right.

    Attributes:
        head: of the column.
        of: what stands in the row of a thing.
        title: more on the column, for who points at it.
    """

    head: str
    of: Callable[[Thing], Cell | str]
    title: str = ""
    numeric: bool = True


def label(head: str, of: Callable[[Thing], Cell | str]) -> Field[Thing]:
    """A column of words, set to the left."""
    return Field(head, of, numeric=False)


def table(
    caption: str,
    things: Iterable[Thing],
    *fields: Field[Thing],
    source: str = "",
    css: str = "",
    colours: tuple[tuple[str, str], ...] = (),
    hue: str = "",
) -> Table:
    """A row for each thing; see `blocks.Table` for the rest."""
    return Table(
        caption=caption,
        columns=tuple(Column(field.head, numeric=field.numeric, title=field.title) for field in fields),
        rows=tuple(tuple(_cell(field.of(thing)) for field in fields) for thing in things),
        css=css,
        colours=colours,
        hue=hue,
        source=source,
    )


def _cell(found: Cell | str) -> Cell:
    return Cell(found) if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The numbers of a table or a figure.

    Attributes:
        name: of the file, below ``tables/``, without its ending.
    """

    name: str
    header: tuple[str, ...]
    records: tuple[Sequence[object], ...]


def csv_table(name: str, things: Iterable[Thing], columns: Mapping[str, Callable[[Thing], object]]) -> CsvTable:
    """A record for each thing; floats are rounded, an empty field is what is not known."""
    records = tuple(tuple(_field(of(thing)) for of in columns.values()) for thing in things)
    return CsvTable(name, tuple(columns), records)


def _field(value: object) -> object:
    return rounded(value) if isinstance(value, float) else value


def files_of(tables: Iterable[CsvTable]) -> dict[str, bytes]:
    """The files by name."""
    return {f"tables/{one.name}.csv": csv_bytes(one.header, one.records) for one in tables}


class Spanned(Protocol):
    """What has a lower and an upper end."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Estimated(Spanned, Protocol):
    """An estimate with its ends."""

    @property
    def estimate(self) -> float: ...


def interval_columns(
    of: Callable[[Thing], Estimated | None], names: tuple[str, str, str]
) -> dict[str, Callable[[Thing], object]]:
    """Columns of a file for an interval: estimate and ends, empty where there is none."""

    def column(attribute: str) -> Callable[[Thing], object]:
        return lambda thing: None if (found := of(thing)) is None else getattr(found, attribute)

    return dict(zip(names, map(column, ("estimate", "low", "high")), strict=True))


def ends(interval: Interval | None, digits: int = 1) -> str:
    """``−0.4 to +1.2``; what it lacks where it has no ends (``one run``); a dash for None."""
    if interval is None:
        return words.NOTHING
    if not np.isfinite(interval.low):
        return interval.basis
    return span(interval, digits)


def span(found: Spanned, digits: int = 1) -> str:
    """``−0.4 to +1.2``."""
    return f"{words.signed(found.low, digits)} to {words.signed(found.high, digits)}"


def interval_cell(interval: Interval | None, digits: int = 1, *, flag: str = "") -> Cell:
    """An estimate with its interval below it."""
    if interval is None:
        return Cell(words.NOTHING, css="none")
    return Cell(words.signed(interval.estimate, digits), sub=ends(interval, digits), flag=flag)


class Corrected(Protocol):
    """A test of a family of tests."""

    @property
    def adjusted(self) -> float: ...
    @property
    def family(self) -> int: ...


def corrected_cell(test: Corrected) -> Cell:
    """A corrected p value with the size of its family below it, where it has one."""
    return Cell(words.p_value(test.adjusted), sub=f"of {test.family}" if test.family else "")
