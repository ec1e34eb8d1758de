"""The mixed model of the question on morphology."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.scores import Floats
from stilts_core.analysis.statistics.crossed import t_interval
from stilts_core.analysis.statistics.results import Interval
from stilts_core.catalog.models import Language
from stilts_core.errors import MissingInputError

AGGLUTINATIVE, TEXT = "agglutinative", "log2 text"


@dataclass(frozen=True, slots=True)
class Model:
    """The fitted model.

    Attributes:
        effects: name of an effect → its interval, points (for one more doubling, twice the text, ...).
        languages, agglutinative, families: behind it.
        df: degrees of freedom of the intervals.
        covariates: of a language.
    """

    effects: dict[str, Interval]
    languages: int
    agglutinative: int
    families: tuple[str, ...]
    df: float = float("nan")
    covariates: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    """A gain for each encoder, target and language, and what is known of it."""

    gain: Floats
    cell: np.ndarray[tuple[int], np.dtype[np.int64]]
    size: Floats
    language: tuple[str, ...]
    covariates: dict[str, Floats]
    dropped: tuple[str, ...] = ()


def family_of(language: Language) -> str:
    """The family without its branch; an isolate is a family of its own."""
    return f"isolate ({language.code})" if language.family == "isolate" else language.family.split()[0]


def families_of(known: dict[str, Language]) -> tuple[str, ...]:
    """Every family, sorted."""
    return tuple(sorted({family_of(language) for language in known.values()}))


def fit(data: Data, known: dict[str, Language], without: str | None = None) -> Model | None:
    """The mixed model, of all families or without one of them; None where it can't be told apart without it.

    Raises:
        MissingInputError: statsmodels is not installed.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError as error:
        raise MissingInputError(
            "The question on morphology needs statsmodels, which is not installed.",
            hint="Install it: pip install 'stilts[report]'.",
        ) from error
    kept = np.array([without is None or family_of(known[code]) != without for code in data.language], dtype=bool)
    names = [code for code, keep in zip(data.language, kept, strict=True) if keep]
    columns: dict[str, Floats] = {}
    for name, values in data.covariates.items():
        columns[name] = values[kept]
        if name in (AGGLUTINATIVE, TEXT):
            columns[f"{name} × size"] = (values * data.size)[kept]
    cells = np.eye(data.cell.max() + 1)[data.cell[kept]]
    design = np.column_stack([cells[:, cells.any(axis=0)], *columns.values()])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    slope = data.size[kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance at its boundary, 0, is an estimate as any other
        fitted = MixedLM(
            data.gain[kept], design, groups=np.array(names), exog_re=np.column_stack([np.ones(len(slope)), slope])
        ).fit(reml=True, method=["lbfgs", "powell"])
    codes = sorted(set(names))
    df = float(len(codes) - 1 - len(data.covariates))
    first = design.shape[1] - len(columns)
    effects = {
        name: t_interval(float(fitted.fe_params[first + place]), float(fitted.bse_fe[first + place]), df, "languages")
        for place, name in enumerate(columns)
    }
    agglutinative = sum(known[code].morphology == AGGLUTINATIVE for code in codes)
    families = tuple(sorted({family_of(known[code]) for code in codes}))
    return Model(effects, len(codes), agglutinative, families, df, len(data.covariates))
