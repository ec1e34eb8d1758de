"""The outcomes of single examples that evaluate stages have committed, as samples to resample."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.scores import Floats, Scores, TargetScores
from stilts_core.analysis.statistics.sample import RunOutcomes, Sample, make_sample
from stilts_core.errors import DataError
from stilts_core.evaluation.evaluate import OUTCOMES_FILE
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_committed
from stilts_core.storage.manifest import Manifest

PARALLEL = frozenset({"xnli", "pawsx", "xquad", "mlqa", "xcopa"})
"""Tasks whose test sets are translations of each other, with the same ids (xtreme.md, section 6.3)."""

CLOSE = 0.05
"""Points by which a score made again from the outcomes may differ from the committed one."""


@dataclass(frozen=True, slots=True)
class TargetSample:
    """The outcomes of one encoder's runs on one target.

    Attributes:
        place: number of a run, as in `scores.TargetScores.run` → its place in the sample.
    """

    sample: Sample
    place: Mapping[int, int]


SampleOf = Callable[[str, str], TargetSample | None]
"""Encoder and target → the outcomes of their runs; None where there are none that give the scores."""


def no_samples(encoder: str, target: str) -> TargetSample | None:  # noqa: ARG001
    """For results without outcomes."""
    return None


def samples_of(store: Store, manifests: Mapping[str, Manifest], scores: Scores, tasks: Mapping[str, str]) -> SampleOf:
    """Reads outcomes from a store, one target at a time.

    Args:
        store: where the evaluate stages have committed.
        manifests: fingerprint → manifest of those stages.
        scores: the table that the outcomes must agree with.
        tasks: target → the task that it evaluates.
    """

    def sample_of(encoder: str, target: str) -> TargetSample | None:
        cube = scores.target(target)
        e = scores.encoders.index(encoder)
        whole = cube.complete()[e] & (cube.run[e] >= 0)
        numbers = sorted(set(cube.run[e][whole].tolist()))
        found: dict[int, Mapping[str, RunOutcomes]] = {}
        interned: dict[tuple[str, ...], tuple[str, ...]] = {}
        for number in numbers:
            manifest = manifests.get(scores.fingerprints[number])
            outcomes = None if manifest is None else _read(store, manifest, interned)
            if outcomes is None:
                return None
            found[number] = {code: outcomes[code] for code in cube.languages if code in outcomes}
        if not found:
            return None
        names = {number: scores.fingerprints[number] for number in numbers}
        try:
            sample = make_sample(
                {names[number]: runs for number, runs in found.items()}, parallel=tasks.get(target, target) in PARALLEL
            )
        except DataError:
            return None
        place = {number: sample.runs.index(names[number]) for number in numbers}
        return TargetSample(sample, place) if _agrees(sample, place, cube, e) else None

    return sample_of


def _agrees(sample: Sample, place: Mapping[int, int], cube: TargetScores, e: int) -> bool:
    """Whether the outcomes give the committed scores; a measure that is no sum over examples does not."""
    if set(sample.languages) != set(cube.languages):
        return False
    order = [cube.languages.index(code) for code in sample.languages]
    again = sample.scores()
    for c, s in np.argwhere(cube.run[e] >= 0):
        column = place.get(int(cube.run[e, c, s]))
        if column is not None and np.abs(again[:, column] - cube.score[e, c, order, s]).max() > CLOSE:
            return False
    return True


def _read(
    store: Store, manifest: Manifest, interned: dict[tuple[str, ...], tuple[str, ...]]
) -> Mapping[str, RunOutcomes] | None:
    """The outcomes of a stage by language; None where it has none of a known kind.

    Raises:
        DamagedStageError: the file is not what was committed.
        StorageError: it cannot be read now.
    """
    if OUTCOMES_FILE not in manifest.files:
        return None
    return outcomes_of(read_committed(store, manifest, OUTCOMES_FILE), interned)


def outcomes_of(
    data: bytes, interned: dict[tuple[str, ...], tuple[str, ...]] | None = None
) -> Mapping[str, RunOutcomes] | None:
    """The outcomes in an ``outcomes.parquet`` (see `evaluation.outcomes`) by language, as what the score sums up.

    Args:
        data: the file's bytes.
        interned: ids that were read before, so that files of the same examples share them.

    Returns:
        None where a language has metrics of another kind than those known here.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data), read_dictionary=["language", "metric"])
    value = table["value"].to_numpy()
    columns = {name: table[name].combine_chunks() for name in ("language", "metric")}
    languages, metrics = (columns[name].dictionary.to_pylist() for name in ("language", "metric"))
    group = columns["language"].indices.to_numpy().astype(np.int64) * len(metrics)
    group += columns["metric"].indices.to_numpy()
    ids = table["id"].combine_chunks()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(group)], strict=True):
        code, metric = divmod(int(group[start]), len(metrics))
        found.setdefault(languages[code], {})[metrics[metric]] = (start, stop)
    known = interned if interned is not None else {}
    outcomes: dict[str, RunOutcomes] = {}
    for language, ranges in found.items():
        parts = {metric: value[start:stop] for metric, (start, stop) in ranges.items()}
        first, last = next(iter(ranges.values()))
        names = tuple(ids[first:last].to_pylist())
        run = _sums(known.setdefault(names, names), parts)
        if run is None:
            return None
        outcomes[language] = run
    return outcomes


def _sums(ids: tuple[str, ...], parts: Mapping[str, Floats]) -> RunOutcomes | None:
    if any(len(values) != len(ids) for values in parts.values()):
        return None
    names = set(parts)
    if names == {"correct"}:
        return RunOutcomes(ids, parts["correct"])
    if {"exact_match", "f1"} <= names:
        return RunOutcomes(ids, (parts["exact_match"] + parts["f1"]) / 2)
    if {"chunks_correct", "chunks_predicted", "chunks_gold"} <= names:
        return RunOutcomes(ids, 2 * parts["chunks_correct"], parts["chunks_predicted"] + parts["chunks_gold"])
    if names == {"tokens_correct", "tokens"}:
        return RunOutcomes(ids, parts["tokens_correct"], parts["tokens"])
    return None
