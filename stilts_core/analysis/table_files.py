"""The long table as files, written by columns: a million rows are a matter of seconds."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np

from stilts_core.analysis.frame import Coded, Frame
from stilts_core.analysis.table import COLUMNS, csv_bytes, flag, schema
from stilts_core.errors import DataError

CHUNK = 100_000
"""Rows that are texts at one time."""


def to_csv(frame: Frame) -> bytes:
    """The table as a CSV file.

    Raises:
        DataError: the rows have different protocols.
    """
    _one_protocol(frame)
    out = [",".join(COLUMNS) + "\n"]
    texts = {name: (_fields(column.names), column.codes) for name, column in _texts(frame).items()}
    for name in ("seed", "n", "zero_shot"):  # of which there are few different ones
        found, codes = np.unique(getattr(frame, name), return_inverse=True)
        texts[name] = _fields([flag(one) if name == "zero_shot" else str(one) for one in found.tolist()]), codes
    for start in range(0, len(frame), CHUNK):
        part = slice(start, start + CHUNK)
        columns: dict[str, Sequence[str] | Iterator[str]] = {
            name: fields[codes[part]].tolist() for name, (fields, codes) in texts.items()
        }
        columns["value"] = map(repr, frame.value[part].tolist())
        lines = map(",".join, zip(*(columns[name] for name in COLUMNS), strict=True))
        out += ["\n".join(lines), "\n"]
    return "".join(out).encode()


def to_parquet(frame: Frame) -> bytes:
    """The table as a Parquet file; equal rows give equal bytes with the same release of pyarrow.

    Raises:
        DataError: the rows have different protocols.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _one_protocol(frame)
    shape = schema()
    numbers = {"seed": frame.seed, "n": frame.n, "value": frame.value, "zero_shot": frame.zero_shot}
    texts = _texts(frame)
    arrays = []
    for field in shape:
        if field.name in numbers:
            arrays.append(pa.array(numbers[field.name], field.type))
            continue
        column = _compact(texts[field.name])
        codes = pa.array(column.codes.astype(np.int32))
        arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array(column.names, pa.string())))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=shape), out, compression="zstd")
    return out.getvalue()


def _one_protocol(frame: Frame) -> None:
    found = frame.present("protocol")
    if len(found) > 1:
        raise DataError(
            f"These rows follow {len(found)} protocols: {', '.join(found)}. Their scores are not comparable, so they "
            "never share a table.",
            hint="Make a table for each protocol.",
        )


def _texts(frame: Frame) -> dict[str, Coded]:
    """The columns of texts, the arm among them."""
    encoder, curriculum = frame.texts["encoder"], frame.texts["curriculum"]
    pairs, codes = np.unique(encoder.codes * len(curriculum.names) + curriculum.codes, return_inverse=True)
    places = [divmod(pair, len(curriculum.names)) for pair in pairs.tolist()]
    arms = tuple(f"{encoder.names[e]}/{curriculum.names[c]}" for e, c in places)
    return {**frame.texts, "arm": Coded(codes.astype(np.int64), arms)}


def _compact(column: Coded) -> Coded:
    """The column with the names alone that it has."""
    used, codes = np.unique(column.codes, return_inverse=True)
    return Coded(codes, tuple(column.names[code] for code in used.tolist()))


def _fields(names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Texts as fields of a CSV file."""
    fields = np.empty(len(names), dtype=object)
    fields[:] = [csv_bytes((name, ""), ()).decode()[:-2] for name in names]
    return fields
