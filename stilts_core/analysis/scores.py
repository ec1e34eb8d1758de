"""The main scores of a study as arrays, one cube for each target; what statistics are computed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stilts_core.analysis.table import AT_CHANCE, CHANCE, DEGENERATE, SCORE
from stilts_core.errors import DataError
from stilts_core.planning.plan import Cell

if TYPE_CHECKING:
    from stilts_core.analysis.frame import Frame

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TargetScores:
    """The scores of one target, with E encoders, C curricula, L languages and S seeds.

    Attributes:
        languages: in the order of the study, L.
        score: main measure, percent, (E, C, L, S); NaN where it is missing.
        chance: what guessing gives, percent, (E, C, L, S); NaN where it is missing or not known.
        at_chance: 1 where a score can't be told from guessing, 0 where it can, (E, C, L, S); NaN where not known.
        degenerate: 1 where a run gave (nearly) one answer to everything, (E, C, L, S); NaN where not known.
        zero_shot: whether the arm has seen no labelled data of the language, (E, C, L).
        run: number of the evaluate stage behind a cell, (E, C, S); -1 where the study has no such cell. Cells of one
            number are one measurement: seeds that share it are no repetition.
    """

    target: str
    languages: tuple[str, ...]
    score: Floats
    chance: Floats
    at_chance: Floats
    degenerate: Floats
    zero_shot: npt.NDArray[np.bool_]
    run: Ints

    def complete(self) -> npt.NDArray[np.bool_]:
        """Cells that have a score in every language, (E, C, S)."""
        return np.asarray(~np.isnan(self.score).any(axis=2))

    def means(self) -> Floats:
        """Mean over the languages, (E, C, S); NaN unless all of them are there."""
        return np.asarray(self.score.mean(axis=2))

    def seen(self, e: int, c: int) -> tuple[str, ...]:
        """The languages that are not zero-shot for an arm."""
        return tuple(code for code, zero in zip(self.languages, self.zero_shot[e, c], strict=True) if not zero)


@dataclass(frozen=True, slots=True)
class Scores:
    """All main scores of a study; the axes are in the order of the study.

    Attributes:
        fingerprints: of the evaluate stage of each number in ``TargetScores.run``.
    """

    study: str
    protocol: str
    encoders: tuple[str, ...]
    curricula: tuple[str, ...]
    seeds: tuple[int, ...]
    targets: tuple[TargetScores, ...]
    fingerprints: tuple[str, ...] = ()

    def asks_for(self, e: int, c: int) -> bool:
        """Whether the encoder has the curriculum at all."""
        return any(bool((target.run[e, c] >= 0).any()) for target in self.targets)

    def target(self, name: str) -> TargetScores:
        return next(target for target in self.targets if target.target == name)


def _ordered(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def scores_of(study: str, protocol: str, cells: Sequence[Cell], rows: Frame) -> Scores:
    """The cubes of a study.

    Args:
        study: its name.
        protocol: the protocol's name.
        cells: what the study expects.
        rows: the long table; rows that belong to no cell are left out.

    Raises:
        DataError: a row follows another protocol.
    """
    found = rows.present("protocol")
    if found not in ((), (protocol,)):
        raise DataError(f"The rows follow the protocol {', '.join(found)}, and the study {study} follows {protocol}.")
    encoders = _ordered(cell.encoder for cell in cells)
    curricula = _ordered(cell.curriculum for cell in cells)
    seeds = _ordered(cell.seed for cell in cells)
    runs = {name: number for number, name in enumerate(_ordered(cell.fingerprint for cell in cells))}
    at_encoder, at_curriculum, at_seed = (
        {name: place for place, name in enumerate(names)} for names in (encoders, curricula, seeds)
    )
    found_seeds, seed_codes = np.unique(rows.seed, return_inverse=True)
    axes = [
        _places(rows.texts["encoder"].names, at_encoder)[rows.texts["encoder"].codes],
        _places(rows.texts["curriculum"].names, at_curriculum)[rows.texts["curriculum"].codes],
        np.array([at_seed.get(seed, -1) for seed in found_seeds.tolist()], dtype=np.int64)[seed_codes],
    ]
    cubes = []
    for target in _ordered(cell.target for cell in cells):
        mine = [cell for cell in cells if cell.target == target]
        languages = _ordered(language for cell in mine for language in cell.languages)
        shape = (len(encoders), len(curricula), len(languages), len(seeds))
        run = np.full((shape[0], shape[1], shape[3]), -1, dtype=np.int64)
        zero_shot = np.ones(shape[:3], dtype=np.bool_)
        for cell in mine:
            arm = at_encoder[cell.encoder], at_curriculum[cell.curriculum]
            zero_shot[arm] = [cell.zero_shot(code) for code in languages]
            run[at_encoder[cell.encoder], at_curriculum[cell.curriculum], at_seed[cell.seed]] = runs[cell.fingerprint]
        score, chance, at_chance, degenerate = (np.full(shape, np.nan) for _ in range(4))
        cube = TargetScores(target, languages, score, chance, at_chance, degenerate, zero_shot, run)
        at_language = {code: place for place, code in enumerate(languages)}
        language = _places(rows.texts["language"].names, at_language)[rows.texts["language"].codes]
        known = rows.texts["target"].of(target) & (np.minimum.reduce([*axes, language]) >= 0)
        for metric in (SCORE, CHANCE, AT_CHANCE, DEGENERATE):
            wanted = known & rows.texts["metric"].of(metric)
            e, c, s = (axis[wanted] for axis in axes)
            getattr(cube, metric)[e, c, language[wanted], s] = rows.value[wanted]
        cubes.append(cube)
    return Scores(study, protocol, encoders, curricula, seeds, tuple(cubes), tuple(runs))


def _places(names: Sequence[str], at: Mapping[str, int]) -> Ints:
    """The place of each name; -1 for one that has none."""
    return np.array([at.get(name, -1) for name in names], dtype=np.int64)
