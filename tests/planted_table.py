"""Results tables with planted effects, as frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from stilts_core.analysis.frame import Frame, frame_of
from stilts_core.analysis.table import ResultRow
from stilts_core.catalog.load import load_catalogue

LANGUAGES = tuple(sorted(load_catalogue().languages))


def table(
    gain: Callable[[str, str, str, str], float],
    *,
    encoders: Sequence[str] = ("tiny",),
    curricula: Sequence[str] = ("mnli", "squad_v1"),
    targets: Mapping[str, Sequence[str]] | None = None,
    seeds: int = 3,
    by_run: float = 0.5,
    by_language: float = 0.5,
    by_row: float = 0.3,
    seed: int = 0,
    extra: Sequence[ResultRow] = (),
    mix: Mapping[str, Sequence[str]] | None = None,
) -> Frame:
    """A table of scores around 60.

    Args:
        gain: encoder, curriculum, target, language → the true gain, points.
        by_run: standard deviation of a run, common to its languages.
        by_language: of a language's own gain, common to all runs.
        by_row: of a single score.
        mix: curriculum → languages of which it has labelled data.
    """
    found = targets or {"udpos": LANGUAGES, "tatoeba": LANGUAGES}
    random = np.random.default_rng(seed)
    own = {code: random.normal(0, by_language) for code in sorted({c for codes in found.values() for c in codes})}

    def rows() -> Iterator[ResultRow]:
        for encoder in encoders:
            for curriculum in ("baseline", *curricula):
                for target, codes in found.items():
                    for run in range(seeds):
                        common = random.normal(0, by_run)
                        for code in codes:
                            true = (
                                0.0 if curriculum == "baseline" else gain(encoder, curriculum, target, code) + own[code]
                            )
                            value = 60 + common + true + random.normal(0, by_row)
                            one = row(encoder, curriculum, target, code, run, "score", value)
                            yield one._replace(zero_shot=one.zero_shot and code not in (mix or {}).get(curriculum, ()))

    return frame_of([*rows(), *extra])


def row(encoder: str, curriculum: str, target: str, language: str, seed: int, metric: str, value: float) -> ResultRow:
    return ResultRow(
        study="planted",
        arm=f"{encoder}/{curriculum}",
        encoder=encoder,
        curriculum=curriculum,
        target=target,
        language=language,
        zero_shot=language != "en",
        seed=seed,
        protocol="corrected",
        split="test",
        metric=metric,
        value=value,
        n=100,
        fingerprint="",
    )
