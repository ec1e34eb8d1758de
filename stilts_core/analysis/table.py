"""The long table of results: one row for each measured number. Everything else is computed from it.

Columns, in this order:

    study         name of the study
    arm           ``<encoder>/<curriculum>``
    encoder, curriculum, target
    language      ISO 639-1 where there is one
    zero_shot     no training of the arm, intermediate or on the target, has used labelled data of the language
    seed
    protocol      the protocol that the scorer follows
    split         the split that was scored
    metric        ``score`` is the target's main measure, ``chance`` what guessing gives; both, like every measure of
                  the scorers, in percent. ``at_chance`` and ``degenerate`` are 1 where that was found, else 0.
    value         64-bit float
    n             examples behind the value
    fingerprint   of the evaluate stage; arms and seeds that share a stage share its rows' fingerprint

A table holds the rows of one protocol: scores under different rules are not comparable, so nothing here writes or reads
them as one. In CSV (UTF-8, commas, a header, plain line feeds) values are written so that reading
them gives the same 64-bit number, and
``zero_shot`` is ``true`` or ``false``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stilts_core.errors import DataError, MissingInputError
from stilts_core.model import API_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

SCORE = "score"
CHANCE = "chance"
AT_CHANCE = "at_chance"
DEGENERATE = "degenerate"


class ResultRow(NamedTuple):
    """A row of the long table; the fields are its columns."""

    study: str
    arm: str
    encoder: str
    curriculum: str
    target: str
    language: str
    zero_shot: bool
    seed: int
    protocol: str
    split: str
    metric: str
    value: float
    n: int
    fingerprint: str


COLUMNS = ResultRow._fields
_NUMBERS = {"seed": int, "n": int, "value": float}
_FLAGS = {"true": True, "false": False}


def one_protocol(rows: Iterable[ResultRow]) -> str | None:
    """The protocol of all rows; None where there are none.

    Raises:
        DataError: they have different ones.
    """
    found = sorted({row.protocol for row in rows})
    if len(found) > 1:
        raise DataError(
            f"These rows follow {len(found)} protocols: {', '.join(found)}. Their scores are not comparable, so they "
            "never share a table.",
            hint="Make a table for each protocol.",
        )
    return found[0] if found else None


def flag(value: bool) -> str:
    """A yes or no as the CSV files have it."""
    return "true" if value else "false"


def schema() -> pa.Schema:
    """The table's Arrow schema: texts as dictionaries, whole numbers of 64 bits, values as doubles."""
    import pyarrow as pa

    types = {int: pa.int64(), float: pa.float64()}
    text = pa.dictionary(pa.int32(), pa.string())
    special = {name: types[kind] for name, kind in _NUMBERS.items()} | {"zero_shot": pa.bool_()}
    fields = [pa.field(name, special.get(name, text), nullable=False) for name in COLUMNS]
    return pa.schema(fields, metadata={"stilts": API_VERSION})


def csv_bytes(header: Sequence[str], records: Iterable[Sequence[object]]) -> bytes:
    """A CSV file. Floats are written in full, None as an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(records)  # the writer itself uses repr for a float
    return out.getvalue().encode()


DIGITS = 6
"""Decimals of what is estimated, so that the last bits of another processor's sums do not show."""


def rounded(value: float | None) -> float | None:
    """An estimate as it is written; None for what is not known, and for infinite ends of intervals."""
    return None if value is None or not math.isfinite(value) else round(float(value), DIGITS) + 0.0


def read_table(path: Path) -> tuple[ResultRow, ...]:
    """A table from a ``.csv`` or ``.parquet`` file that has these columns, in any order; others are left alone.

    Raises:
        MissingInputError: there is no such file.
        DataError: a column is missing, a field holds something else (the message names the line), or the rows have
            different protocols.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"The results table {path} can't be read: {error.strerror}.") from error
    rows = _from_parquet(path, data) if path.suffix == ".parquet" else _from_csv(path, data)
    one_protocol(rows)
    return rows


def _check_columns(path: Path, found: Iterable[str]) -> None:
    missing = [name for name in COLUMNS if name not in set(found)]
    if missing:
        raise DataError(
            f"{path} is no results table: it has no column {', '.join(missing)}.",
            hint=f"The columns are {', '.join(COLUMNS)}.",
        )


def _from_csv(path: Path, data: bytes) -> tuple[ResultRow, ...]:
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        _check_columns(path, header)
        kinds: dict[str, Callable[[str], object]] = {**_NUMBERS, "zero_shot": _flag_of}
        places = [(header.index(name), kinds.get(name, str)) for name in COLUMNS]
        rows = []
        for record in reader:
            try:
                rows.append(ResultRow(*[kind(record[place]) for place, kind in places]))  # type: ignore[arg-type]
            except (ValueError, IndexError) as error:
                what = "too few fields" if isinstance(error, IndexError) else str(error)
                raise DataError(f"{path}, line {reader.line_num}: {what}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}.") from error
    return tuple(rows)


def _flag_of(text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError(f"zero_shot is {text!r}, neither true nor false")
    return _FLAGS[text]


def _from_parquet(path: Path, data: bytes) -> tuple[ResultRow, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        _check_columns(path, table.column_names)
        table = table.select(list(COLUMNS)).cast(schema())
        columns = [column.to_pylist() for column in table.columns]
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no results table in Parquet: {str(error).splitlines()[0]}") from error
    return tuple(ResultRow(*record) for record in zip(*columns, strict=True))
