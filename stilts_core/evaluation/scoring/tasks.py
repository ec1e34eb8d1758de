"""Which measure a task has, by any name that the official programs or the catalogue give it."""

from __future__ import annotations

from stilts_core.catalog.load import load_catalogue
from stilts_core.errors import SpecError

ALIASES = {
    "bucc2018": "bucc",
    "mewsli-x": "mewslix",
    "squad": "squad_v1",
    "tydiqa-goldp": "tydiqa",
    "xquad-r": "lareqa",
}
"""Other names of tasks → the catalogue's; ``bucc2018`` is what XTREME calls its folder."""


def metric_of(task: str) -> str:
    """The measure of a task, as in `catalog.models.Metric`.

    Raises:
        SpecError: no such task, or it has no measure.
    """
    metric = load_catalogue().task(ALIASES.get(task, task)).metric
    if metric is None:
        raise SpecError(f"The task {task} has no measure: nothing of it can be scored.")
    return metric.value
