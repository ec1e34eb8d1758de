"""What every single example contributed: the table that later statistics resample.

Columns of ``outcomes.parquet``: ``language``, ``id`` (of the example, unique within its file), ``metric``, ``value``
(64-bit float). Metrics by head:

    classification, choice   correct: 0 or 1; for accuracy-f1 also positive_correct, positive_predicted and
                             positive_gold, 0 or 1, of the label whose F1 counts
    retrieval                correct: 0 or 1 at the scored hidden state, by English sentence
    mined pairs              pairs_correct, pairs_predicted, pairs_gold: counts of a foreign sentence that has any
    search                   precision: 0 to 1, average precision or reciprocal rank of a query
    span                     exact_match and f1, 0 to 1; with null answers at the threshold that is best for each
    tagging                  chunks_correct, chunks_predicted, chunks_gold, tokens_correct, tokens: counts of a
                             sentence; for tag-accuracy the last two alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stilts_core.data.dataset import Array


class OutcomeTable:
    """Collects the outcomes of one file after another."""

    def __init__(self) -> None:
        self._languages: list[str] = []
        self._ids: list[str] = []
        self._metrics: list[str] = []
        self._values: list[Array] = []

    def add(self, language: str, ids: Sequence[str], outcomes: Mapping[str, Array]) -> None:
        """Take the outcomes of a file: metric → one value for each id."""
        for metric, values in outcomes.items():
            self._languages.extend([language] * len(ids))
            self._ids.extend(ids)
            self._metrics.extend([metric] * len(ids))
            self._values.append(np.asarray(values, dtype=np.float64))

    def write(self, path: Path) -> None:
        """Write the table; equal outcomes give equal bytes with the same release of pyarrow."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = np.concatenate([np.zeros(0), *self._values])
        columns = {
            "language": _strings(self._languages),
            "id": _strings(self._ids),
            "metric": _strings(self._metrics),
            "value": pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)]),
        }
        table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
        pq.write_table(table, path, compression="zstd")


def _strings(texts: Sequence[str]) -> Any:
    """A string column from its buffers: `pyarrow.array` would import pandas, which takes over a second."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)])
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
