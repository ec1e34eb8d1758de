"""From the manifests of the evaluate stages to the rows of the long table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from stilts_core.analysis.frame import TEXTS, Frame, coded
from stilts_core.analysis.table import AT_CHANCE, CHANCE, DEGENERATE, SCORE, ResultRow
from stilts_core.planning.plan import Plan
from stilts_core.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class LanguageResult:
    """What an evaluation measured in one language.

    Attributes:
        split: the split that was scored.
        n: its examples.
        score: the main measure, percent.
        chance: what guessing gives, percent, where it is known.
        measures: every measure by name, percent.
    """

    split: str
    n: int
    score: float
    chance: float | None = None
    at_chance: bool | None = None
    degenerate: bool | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


def language_results(manifest: Manifest) -> dict[str, LanguageResult]:
    """The results of an evaluate stage by language; a language without a usable score is left out."""
    languages = manifest.metrics.get("languages")
    if not isinstance(languages, Mapping):
        return {}
    main = manifest.metrics.get("metric")
    found = {str(code): _one(entry, main) for code, entry in languages.items() if isinstance(entry, dict | Mapping)}
    return {code: result for code, result in found.items() if result is not None}


def language_notes(manifest: Manifest) -> dict[str, str]:
    """The sentences that an evaluation left on its languages, whether they have a score or not."""
    languages = manifest.metrics.get("languages")
    if not isinstance(languages, Mapping):
        return {}
    notes = {str(code): entry.get("note") for code, entry in languages.items() if isinstance(entry, Mapping)}
    return {code: str(note) for code, note in notes.items() if note}


def _one(entry: Mapping[str, Any], main: object) -> LanguageResult | None:
    given = entry.get("metrics")
    pairs = given.items() if isinstance(given, dict | Mapping) else ()  # dict first: a check of an ABC is slow
    measures = {str(name): number for name, value in pairs if (number := _number(value)) is not None}
    score = _number(entry.get(SCORE))
    if score is None:
        score = measures.get(str(main))
    if score is None:
        return None
    size = _number(entry.get("n"))
    return LanguageResult(
        split=str(entry.get("split", "")),
        n=0 if size is None else int(size),
        score=score,
        chance=_number(entry.get(CHANCE)),
        at_chance=_flag(entry.get(AT_CHANCE)),
        degenerate=_flag(entry.get(DEGENERATE)),
        measures=measures,
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def result_frame(plan: Plan, results: Mapping[str, Mapping[str, LanguageResult]]) -> Frame:
    """The long table as columns: cells in the order of the plan, languages in the order of the cell.

    Args:
        plan: says which cells there are.
        results: fingerprint of an evaluate stage → its results; a stage that is not there gives no rows.
    """
    named: dict[int, tuple[tuple[str, ...], tuple[float, ...]]] = {}  # of a result, which cells may share
    languages: list[str] = []
    splits: list[str] = []
    metrics: list[str] = []
    values: list[float] = []
    counts, sizes, zero, per_cell = [], [], [], []
    for cell in plan.cells:
        of_stage = results.get(cell.fingerprint, {})
        before = len(values)
        for language, split in cell.languages.items():
            result = of_stage.get(language)
            if result is None:
                continue
            if id(result) not in named:
                named[id(result)] = _named(result)
            names, numbers = named[id(result)]
            metrics += names
            values += numbers
            counts.append(len(names))
            languages.append(language)
            splits.append(result.split or split)
            sizes.append(result.n)
            zero.append(cell.zero_shot(language))
        per_cell.append(len(values) - before)
    times, cells = np.array(counts, dtype=np.int64), np.array(per_cell, dtype=np.int64)
    every = np.array([len(values)], dtype=np.int64)
    texts = {
        "study": coded([plan.name], every),
        "protocol": coded([plan.protocol], every),
        **{
            name: coded([getattr(cell, name) for cell in plan.cells], cells)
            for name in ("encoder", "curriculum", "target", "fingerprint")
        },
        "language": coded(languages, times),
        "split": coded(splits, times),
        "metric": coded(metrics),
    }
    return Frame(
        {name: texts[name] for name in TEXTS},
        np.repeat(np.array([cell.seed for cell in plan.cells], dtype=np.int64), cells),
        np.array(values, dtype=np.float64),
        np.repeat(np.array(sizes, dtype=np.int64), times),
        np.repeat(np.array(zero, dtype=bool), times),
    )


def _named(result: LanguageResult) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Metrics of a result and their values."""
    extra = {CHANCE: result.chance, AT_CHANCE: result.at_chance, DEGENERATE: result.degenerate}
    known = {name: float(value) for name, value in extra.items() if value is not None}
    between = _further(tuple(result.measures))
    names = (SCORE, *between, *known)
    return names, (result.score, *(result.measures[name] for name in between), *known.values())


@lru_cache
def _further(names: tuple[str, ...]) -> tuple[str, ...]:
    """The measures that have no row of their own already, in their order."""
    return tuple(name for name in sorted(names, key=natural) if name not in (SCORE, CHANCE, AT_CHANCE, DEGENERATE))


def natural(text: str) -> list[tuple[int, str]]:
    """A sorting key that puts ``state2`` before ``state10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def reading_rows(plan: Plan, manifests: Mapping[str, Manifest]) -> tuple[ResultRow, ...]:
    """What the results hold beside the scores of the cells; what has not committed, or is not there, gives no row."""
    return tuple(_readings(plan, manifests))


def _readings(plan: Plan, manifests: Mapping[str, Manifest]) -> Iterator[ResultRow]:
    for reading in plan.readings:
        manifest = manifests.get(reading.fingerprint)
        value: object = None if manifest is None else getattr(manifest, reading.of)
        for key in reading.place:
            value = value.get(key) if isinstance(value, Mapping) else None
        number = _number(value)
        if manifest is None or number is None:
            continue
        size = _number(manifest.metrics.get("examples"))
        yield ResultRow(
            study=plan.name,
            arm=f"{reading.encoder}/{reading.curriculum}",
            encoder=reading.encoder,
            curriculum=reading.curriculum,
            target=reading.target,
            language="-",
            zero_shot=False,
            seed=reading.seed,
            protocol=plan.protocol,
            split=reading.split,
            metric=reading.metric,
            value=number,
            n=0 if size is None or reading.of == "run" else int(size),
            fingerprint=reading.fingerprint,
        )
