"""Seeded choices: which task a step of a mix trains, and which examples stand for a set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def mixture_probabilities(sizes: Sequence[int], cap: int) -> npt.NDArray[np.float64]:
    """Examples-proportional sampling with a cap: ``min(e, K) / sum(min(e, K))`` (Raffel et al. 2020, section 3.5.2).

    Args:
        sizes: training examples e of each task.
        cap: K, the size from which on a task counts no more.
    """
    capped = np.array([min(size, cap) for size in sizes], dtype=np.float64)
    shares: npt.NDArray[np.float64] = capped / capped.sum()
    return shares


def mixture_schedule(sizes: Sequence[int], cap: int, steps: int, seed: int) -> npt.NDArray[np.int64]:
    """The task of each optimiser step, (steps,): one batch is of one task."""
    return np.random.default_rng(seed).choice(len(sizes), size=steps, p=mixture_probabilities(sizes, cap))


def dev_sample(count: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """``size`` of ``count`` indices, or all where there are no more, in ascending order."""
    if size >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size=size, replace=False))
