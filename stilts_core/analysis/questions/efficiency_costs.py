"""The measured costs condition by condition, for the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stilts_core.analysis.questions.measured_costs import Costs
from stilts_core.analysis.statistics.results import Bools
from stilts_core.analysis.table import rounded

_WITH_ENDS = ("latency_p50", "latency_p95", "latency_p99", "sentences_per_second", "tokens_per_second")
MEASURES = (
    *(name + end for name in _WITH_ENDS for end in ("", "_low", "_high")),
    "peak_memory_mib",
    "joules_per_sentence",
)
SHOWN = (*_WITH_ENDS, "peak_memory_mib", "joules_per_sentence")
Mean = tuple[tuple[str, str, int, str], tuple[float | None, ...]]
"""Encoder, precision, batch and bucket with `SHOWN`."""

_KEYS = ("encoder", "curriculum", "seed", "precision", "batch", "bucket", "layers", "language")


def cost_records(costs: Costs) -> Iterator[Sequence[object]]:
    """Every arm, seed and condition with `MEASURES`; latency in milliseconds."""
    rows = costs.block == -1
    keys, at = _groups(costs, rows, _KEYS)
    values = np.full((len(keys), len(MEASURES)), np.nan)
    column = np.array([MEASURES.index(name) if name in MEASURES else -1 for name in costs.measures])[
        costs.measure[rows]
    ]
    known = column >= 0
    values[at[known], column[known]] = costs.value[rows][known]
    for key, found in zip(keys.tolist(), values.tolist(), strict=True):
        e, c, seed, p, batch, bucket, layers, language = key
        yield (
            *(costs.target, costs.encoders[e], costs.curricula[c], seed, costs.precisions[p], batch),
            *(costs.buckets[bucket], layers, costs.languages[language]),
            *(rounded(value) for value in found),
        )


def mean_costs(costs: Costs) -> Iterator[Mean]:
    """Means over arms, seeds and languages of whole models."""
    depth = np.array([costs.depth(e) for e in range(len(costs.encoders))])
    rows = (costs.block == -1) & (costs.layers == depth[costs.encoder])
    keys, at = _groups(costs, rows, ("encoder", "precision", "batch", "bucket"))
    value, measure = costs.value[rows], costs.measure[rows]
    columns = []
    for name in SHOWN:
        mine = measure == (costs.measures.index(name) if name in costs.measures else -2)
        count = np.bincount(at[mine], minlength=len(keys))
        total = np.bincount(at[mine], weights=value[mine], minlength=len(keys))
        columns.append([float(t / n) if n else None for t, n in zip(total, count, strict=True)])
    for key, *found in zip(keys.tolist(), *columns, strict=True):
        e, p, batch, bucket = key
        yield (costs.encoders[e], costs.precisions[p], batch, costs.buckets[bucket]), tuple(found)


def _groups(costs: Costs, rows: Bools, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The different combinations of columns among rows, (G, names), and the place of each row's."""
    table = np.stack([getattr(costs, name)[rows] for name in names], axis=1)
    keys, at = np.unique(table, axis=0, return_inverse=True)
    return keys, at.reshape(-1)
