"""From what `measure` stages have committed to rows of the long table.

A row's metric names the measure and the condition: ``latency_p50@bf16/b8/t33-64/l12`` is the median latency in bf16 of
batches of 8 sentences of 33 to 64 tokens through 12 layers, and ``latency_p50@bf16/b8/t33-64/l12#3`` that of block 3
alone. `docs/efficiency.md` lists the measures.

Quantiles are of all timed passes of a condition; their intervals are over blocks, which are resampled whole: passes
within a block share the state of the machine. With few blocks all resamples are looked at, each with its probability
(the exact bootstrap of Fisher and Hall 1991), and the quantiles are taken further out as in `statistics.bootstrap`.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from stilts_core.analysis.frame import NO_LANGUAGE
from stilts_core.analysis.statistics.resampling import stream
from stilts_core.analysis.statistics.results import LEVEL, Array, Floats
from stilts_core.analysis.table import ResultRow
from stilts_core.errors import DataError
from stilts_core.planning.params import BLOCKS_FILE, COSTS_FILE, TIMINGS_FILE
from stilts_core.planning.plan import Measurement, Plan
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_committed
from stilts_core.storage.manifest import Manifest

QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
EXACT_BLOCKS = 6
"""Up to so many blocks every resample is looked at: 462 of them."""
DRAWS = 1000
"""Resamples of more blocks."""
CHUNK = 256  # conditions that are resampled at once
_KEYS = ("model", "precision", "batch", "tokens", "language", "layers")


class Condition(NamedTuple):
    """As in `modeling.timing.Condition`."""

    model: int
    precision: str
    batch: int
    tokens: str
    language: str
    layers: int

    @property
    def name(self) -> str:
        return f"{self.precision}/b{self.batch}/t{self.tokens}/l{self.layers}"


@dataclass(frozen=True, slots=True)
class Timings:
    """The timed passes of C conditions.

    Attributes:
        seconds, real: of each pass, and its tokens that are no padding, (C, blocks, passes).
        memory: peak, bytes, (C, blocks); NaN where the machine does not say.
        joules: of a block's passes, (C, blocks); NaN likewise.
    """

    conditions: tuple[Condition, ...]
    seconds: Floats
    real: Floats
    memory: Floats
    joules: Floats


def cost_rows(store: Store, plan: Plan, manifests: Mapping[str, Manifest]) -> tuple[ResultRow, ...]:
    """The rows of every measurement that has committed.

    Raises:
        DamagedStageError: a file is not what was committed.
        StorageError: it cannot be read now.
        DataError: a file holds something else than measurements.
    """
    return tuple(row for one in plan.measurements for row in _of_measurement(store, plan, one, manifests))


def _of_measurement(
    store: Store, plan: Plan, one: Measurement, manifests: Mapping[str, Manifest]
) -> Iterator[ResultRow]:
    cells = {(c.encoder, c.curriculum, c.seed): c for c in plan.cells if c.target == one.target}
    manifest = manifests.get(one.fingerprint)
    values = {} if manifest is None else _values(store, manifest)
    for arm in one.arms:
        cell = cells[arm.encoder, arm.curriculum, arm.seed]
        of_arm = [(*found, one.fingerprint) for found in values.get(arm.model, ())]
        exits = manifests.get(arm.exits or "")
        if exits is not None:
            of_arm += [(*found, exits.fingerprint) for found in exit_values(exits.metrics)]
        for language, metric, value, n, fingerprint in of_arm:
            yield ResultRow(
                study=plan.name,
                arm=f"{arm.encoder}/{arm.curriculum}",
                encoder=arm.encoder,
                curriculum=arm.curriculum,
                target=one.target,
                language=language,
                zero_shot=cell.zero_shot(language),
                seed=arm.seed,
                protocol=plan.protocol,
                split=cell.languages.get(language) or next(iter(cell.languages.values())),
                metric=metric,
                value=value,
                n=n,
                fingerprint=fingerprint,
            )


Value = tuple[str, str, float, int]
"""Language, metric, value, n."""


def _values(store: Store, manifest: Manifest) -> dict[int, list[Value]]:
    """By number of the model."""
    timed, blocks, costs = (read_committed(store, manifest, name) for name in (TIMINGS_FILE, BLOCKS_FILE, COSTS_FILE))
    timings, counted = read_timings(timed, blocks), json.loads(costs)
    found: dict[int, list[Value]] = {}
    for number, model in enumerate(counted["models"]):
        found[number] = list(counted_values(model))
    for model, value in timed_values(timings):
        found[model].append(value)
    return found


def counted_values(model: Mapping[str, Any]) -> Iterator[Value]:
    """What was counted of a model (see `stages.measure`)."""
    whole = max(model["depths"], key=int)
    for depth, counts in model["depths"].items():
        at = "" if depth == whole else f"@l{depth}"
        yield NO_LANGUAGE, f"parameters{at}", float(counts["parameters"]), 1
        if depth == whole:
            yield NO_LANGUAGE, "embedding_parameters", float(counts["embeddings"]), 1
        for language, flops in counts["flops"].items():
            yield language, f"flops_per_sentence@l{depth}", float(flops), model["sentences"][language]["n"]
    for language, found in model["sentences"].items():
        yield language, "tokens_per_sentence", found["tokens"], found["n"]


def exit_values(metrics: Mapping[str, Any]) -> Iterator[Value]:
    """The scores of an `exits` stage."""
    for layer, languages in metrics["exits"].items():
        for language, found in languages.items():
            yield language, f"accuracy@l{layer}", float(found["accuracy"]), int(found["n"])


def read_timings(passes: bytes, blocks: bytes) -> Timings:
    """The two tables of a stage as arrays.

    Raises:
        DataError: a condition lacks passes that others have.
    """
    import pyarrow.parquet as pq

    timed = pq.read_table(io.BytesIO(passes)).to_pydict()
    once = pq.read_table(io.BytesIO(blocks)).to_pydict()
    rows = list(zip(*(timed[key] for key in _KEYS), strict=True))
    conditions = sorted(set(rows))
    place = {condition: number for number, condition in enumerate(conditions)}
    order = np.lexsort((np.array(timed["block"]), np.array([place[row] for row in rows])))
    count = len(conditions), len(set(timed["block"]))
    if len(rows) % (count[0] * count[1]) or len(once["block"]) != count[0] * count[1]:
        raise DataError("The timings of a measurement are not whole.", hint="Measure it again: `stilts retry`.")
    shape = (*count, -1)
    of_blocks = np.lexsort(
        (np.array(once["block"]), np.array([place[r] for r in zip(*(once[key] for key in _KEYS), strict=True)]))
    )
    return Timings(
        conditions=tuple(Condition(*condition) for condition in conditions),
        seconds=np.array(timed["seconds"], dtype=np.float64)[order].reshape(shape),
        real=np.array(timed["real_tokens"], dtype=np.float64)[order].reshape(shape),
        memory=np.array(once["peak_bytes"], dtype=np.float64)[of_blocks].reshape(count),
        joules=np.array(once["joules"], dtype=np.float64)[of_blocks].reshape(count),
    )


def timed_values(timings: Timings) -> Iterator[tuple[int, Value]]:
    """Number of the model and value, for every measure of every condition. Latency is in milliseconds."""
    for start in range(0, len(timings.conditions), CHUNK):
        mine = slice(start, start + CHUNK)
        seconds, real = timings.seconds[mine], timings.real[mine]
        passes = seconds.shape[1] * seconds.shape[2]
        batch = np.array([condition.batch for condition in timings.conditions[mine]], dtype=np.float64)
        columns: dict[str, Array] = {}
        for name, (value, low, high) in summaries(seconds, real, batch).items():
            columns |= {name: value, f"{name}_low": low, f"{name}_high": high}
        columns["peak_memory_mib"] = np.max(timings.memory[mine], axis=1) / 2**20
        columns["joules_per_sentence"] = timings.joules[mine].sum(axis=1) / (batch * passes)
        medians = 1000 * np.median(seconds, axis=2)
        for row, condition in enumerate(timings.conditions[mine]):
            for name, column in columns.items():
                if not math.isnan(column[row]):
                    yield (
                        condition.model,
                        (condition.language, f"{name}@{condition.name}", float(column[row]), passes),
                    )
            for block, median in enumerate(medians[row]):
                metric = f"latency_p50@{condition.name}#{block}"
                yield condition.model, (condition.language, metric, float(median), seconds.shape[2])


def summaries(seconds: Floats, real: Floats, batch: Floats) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Estimate, low and high, (C,) each, of latency in milliseconds and of throughput.

    Args:
        seconds: (C, blocks, passes).
        real: tokens of each pass without padding, in the same shape.
        batch: sentences of each pass, (C,).
    """
    blocks = seconds.shape[1]
    chosen, weight = resamples(blocks)
    found: dict[str, tuple[Floats, Floats, Floats]] = {}
    ordered = np.sort(seconds[:, chosen].reshape(len(seconds), len(chosen), -1), axis=2)
    whole = np.sort(seconds.reshape(len(seconds), -1), axis=1)
    for name, share in QUANTILES.items():
        low, high = _ends(_quantile(ordered, share), weight, blocks)
        found[name] = 1000 * _quantile(whole, share), 1000 * low, 1000 * high
    time, tokens = seconds.sum(axis=2), real.sum(axis=2)
    sentences = np.repeat(batch[:, None] * seconds.shape[2], blocks, axis=1)
    for name, amount in (("sentences_per_second", sentences), ("tokens_per_second", tokens)):
        draws = amount[:, chosen].sum(axis=2) / time[:, chosen].sum(axis=2)
        low, high = _ends(draws, weight, blocks)
        found[name] = amount.sum(axis=1) / time.sum(axis=1), low, high
    return found


def resamples(blocks: int) -> tuple[Array, Floats]:
    """The blocks of each resample, (K, blocks), and its probability, (K,)."""
    if blocks > EXACT_BLOCKS:
        chosen = stream(0, "blocks", blocks).integers(0, blocks, size=(DRAWS, blocks))
        return chosen, np.full(DRAWS, 1 / DRAWS)
    every = np.array(list(combinations_with_replacement(range(blocks), blocks)))
    repeats = [np.bincount(row, minlength=blocks) for row in every]
    ways = [math.factorial(blocks) / math.prod(math.factorial(int(count)) for count in row) for row in repeats]
    return every, np.array(ways) / blocks**blocks


def _quantile(ordered: Floats, share: float) -> Floats:
    """Of sorted values along the last axis, by linear interpolation (Hyndman and Fan's type 7)."""
    at = share * (ordered.shape[-1] - 1)
    low = math.floor(at)
    high = min(low + 1, ordered.shape[-1] - 1)
    return np.asarray(ordered[..., low] + (at - low) * (ordered[..., high] - ordered[..., low]))


def _ends(draws: Floats, weight: Floats, blocks: int, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The expanded percentile interval (Hesterberg 2015) of weighted draws, (C, K)."""
    tail = (1 - level) / 2
    tail = float(ndtr(np.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, tail)))
    order = np.argsort(draws, axis=1)
    values = np.take_along_axis(draws, order, axis=1)
    below = np.cumsum(weight[order], axis=1)
    rounding = 1e-9  # of the sum of the probabilities
    first = np.argmax(below >= tail - rounding, axis=1)
    last = np.argmax(below >= 1 - tail - rounding, axis=1)
    rows = np.arange(len(draws))
    return values[rows, first], values[rows, last]
