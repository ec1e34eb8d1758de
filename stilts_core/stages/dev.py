"""The development sample of a task: the examples that are scored while and after it is trained."""

from __future__ import annotations

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.data.sampling import dev_sample

DEV_SEED = 0
"""The development sample is the same for every seed of a study, so that its scores can be paired."""


def development(dataset: Dataset, size: int) -> tuple[Array, Array] | None:
    """A seeded sample of the development set.

    Args:
        dataset: of a training.
        size: examples at most.

    Returns:
        The examples and their features; None where there is no development set.
    """
    parts = [np.arange(segment.start, segment.stop) for segment in dataset.select("dev")]
    if not parts:
        return None
    pool = np.concatenate(parts)
    examples = pool[dev_sample(len(pool), size, DEV_SEED)]
    ranges = dataset.feature_ranges
    return examples, np.concatenate([np.arange(ranges[i], ranges[i + 1]) for i in examples])
