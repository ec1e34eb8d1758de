"""The rows of a measurement as files, and the whole blocks that are kept of an unfinished one.

A block is never cut: the models are compared within it, and another attempt may run on another machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stilts_core.modeling.timing import Block, Condition, Pass, Rows
from stilts_core.planning.params import BLOCKS_FILE, TIMINGS_FILE
from stilts_core.stages.saving import say
from stilts_core.storage.parts import Parts

_TEXTS = ("precision", "tokens", "language")


class KeptBlocks:
    """The blocks of a measurement that earlier attempts have kept, and those that this one keeps.

    Attributes:
        used: how many of earlier attempts were used.
    """

    def __init__(self, parts: Parts | None, scratch: Path) -> None:
        self._parts, self._scratch, self.used = parts, scratch, 0
        self._there = set(parts.names()) if parts else set[str]()

    def known(self, block: int) -> Rows | None:
        """The rows of a block, None where it has to be measured."""
        name = _name(block)
        files = self._parts.fetch(name) if self._parts is not None and name in self._there else None
        if files is None:
            return None
        self.used += 1
        say(f"block {block + 1} was measured by an earlier attempt")
        return read_rows(files)

    def keep(self, block: int, rows: Rows) -> None:
        """Keep a block that was measured now."""
        if self._parts is None:
            return
        folder = self._scratch / _name(block)
        folder.mkdir(parents=True, exist_ok=True)
        self._parts.commit(_name(block), write_rows(rows, folder))


def write_rows(rows: Rows, folder: Path) -> dict[str, Path]:
    """Write both tables; the files by name."""
    timings = {
        **_keys(rows.passes),
        "seconds": pa.array([one.seconds for one in rows.passes], pa.float64()),
        "real_tokens": pa.array([one.real for one in rows.passes], pa.int32()),
    }
    of_blocks = {
        **_keys(rows.blocks),
        "peak_bytes": pa.array([one.memory for one in rows.blocks], pa.float64()),
        "joules": pa.array([one.joules for one in rows.blocks], pa.float64()),
    }
    files = {TIMINGS_FILE: folder / TIMINGS_FILE, BLOCKS_FILE: folder / BLOCKS_FILE}
    pq.write_table(pa.table(timings), files[TIMINGS_FILE], compression="zstd")
    pq.write_table(pa.table(of_blocks), files[BLOCKS_FILE], compression="zstd")
    return files


def read_rows(files: Mapping[str, Path]) -> Rows:
    """What `write_rows` has written."""
    passes, blocks = (pq.read_table(files[name]).to_pylist() for name in (TIMINGS_FILE, BLOCKS_FILE))
    return Rows(
        [Pass(_condition(row), row["block"], row["seconds"], row["real_tokens"]) for row in passes],
        [Block(_condition(row), row["block"], row["peak_bytes"], row["joules"]) for row in blocks],
    )


def _keys(rows: Sequence[Pass] | Sequence[Block]) -> dict[str, Any]:
    whole = {
        name: pa.array([getattr(row.condition, name) for row in rows], pa.string() if name in _TEXTS else pa.int32())
        for name in Condition._fields
    }
    return {**whole, "block": pa.array([row.block for row in rows], pa.int32())}


def _condition(row: Mapping[str, Any]) -> Condition:
    return Condition(**{name: row[name] for name in Condition._fields})


def _name(block: int) -> str:
    return f"block-{block:06d}"
