"""How often a training saves where it is."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.01
"""Of a training's time, saving may cost so much."""

LEAST_SECONDS = 30.0
"""Between two saves by the measured cost: less would be no gain, since an attempt takes as long to begin."""


class Cadence:
    """When the next save is due.

    Args:
        steps: a save every so many optimiser steps; None: by the clock.
        seconds: between two saves; None: so many that what the last save cost is under `SHARE` of them.
        guess: what the first one will cost, seconds.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        *,
        steps: int | None = None,
        seconds: float | None = None,
        guess: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps, self._seconds, self._clock = steps, seconds, clock
        self._next = 0.0
        self._saved_step = 0
        self._cost = guess
        self.begin(0)

    def due(self, step: int) -> bool:
        """Whether to save after so many steps."""
        if self._steps is not None and step - self._saved_step >= self._steps:
            return True
        by_clock = self._steps is None or self._seconds is not None
        return by_clock and self._clock() >= self._next

    def begin(self, step: int) -> None:
        """Tell that the training goes on from this step, which needs no save."""
        self.saved(step, self._cost)

    def saved(self, step: int, cost: float) -> None:
        """Tell that the state of a step was saved, and what it cost the training in seconds."""
        self._saved_step, self._cost = step, cost
        seconds = max(LEAST_SECONDS, cost / SHARE) if self._seconds is None else self._seconds
        self._next = self._clock() + seconds
