"""Many tests at once: p values corrected for the size of their family.

A test that could not be made (NaN) is no member of the family and stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.statistics.results import Array, Floats


@dataclass(frozen=True, slots=True)
class Corrected:
    """A family's corrected p values.

    Attributes:
        p: in the shape of what came in.
        family: how many tests were made.
        method: ``Holm`` or ``Benjamini–Hochberg``.
    """

    p: Floats
    family: int
    method: str


def holm(p: Array) -> Corrected:
    """Holm's step-down procedure (1979): the chance of any false finding stays below the level."""
    values = np.asarray(p, dtype=np.float64)
    there = ~np.isnan(values)
    found = values[there]
    size = len(found)
    order = np.argsort(found, kind="stable")
    raised = np.minimum(np.maximum.accumulate(found[order] * np.arange(size, 0, -1)), 1.0)
    corrected = np.full(values.shape, np.nan)
    inner = np.empty(size)
    inner[order] = raised
    corrected[there] = inner
    return Corrected(corrected, size, "Holm")


def benjamini_hochberg(p: Array) -> Corrected:
    """The step-up procedure of Benjamini and Hochberg (1995): of the findings, the expected share of false ones."""
    from scipy.stats import false_discovery_control

    values = np.asarray(p, dtype=np.float64)
    there = ~np.isnan(values)
    corrected = np.full(values.shape, np.nan)
    if there.any():
        corrected[there] = false_discovery_control(values[there], method="bh")
    return Corrected(corrected, int(there.sum()), "Benjamini–Hochberg")
