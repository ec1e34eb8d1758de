"""Where a training is between two optimiser steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

Measures = dict[str, dict[str, float]]
"""Task → measure → value on the task's development sample."""


@dataclass
class History:
    """What happened, for the stage's record.

    Attributes:
        loss: mean loss of each step.
        dev: (steps done, measures of each task by name) of each evaluation; the measure ``score`` decides.
    """

    loss: list[float] = field(default_factory=list)
    dev: list[tuple[int, Measures]] = field(default_factory=list)
    examples: int = 0
    tokens: int = 0
    best_step: int = 0
    stopped_early: bool = False


@dataclass
class Position:
    """Everything that a training's next step follows from, but for weights, optimiser and data.

    Attributes:
        numbers: (tasks,) batches taken of each stream.
        best: the whole weights of the best evaluation, on rank 0; empty before the first one.
        since_best: evaluations since the best one.
    """

    numbers: np.ndarray[Any, np.dtype[np.int64]]
    history: History = field(default_factory=History)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = -math.inf
    since_best: int = 0

    @classmethod
    def beginning(cls, streams: int) -> Position:
        return cls(np.zeros(streams, dtype=np.int64))

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return len(self.history.loss)

    @property
    def evaluated(self) -> bool:
        """The development sample was scored at this step."""
        return bool(self.history.dev) and self.history.dev[-1][0] == self.step

    def describe(self) -> dict[str, Any]:
        """As JSON, but for the losses and the best weights."""
        history = self.history
        return {
            "numbers": self.numbers.tolist(),
            "accumulated": 0,  # a state is taken when a step's gradients have been used up
            "dev": [[step, scores] for step, scores in history.dev],
            "examples": history.examples,
            "tokens": history.tokens,
            "best_step": history.best_step,
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "since_best": self.since_best,
            "stopped_early": history.stopped_early,
        }

    def take(self, described: dict[str, Any], losses: list[float], best: dict[str, Tensor]) -> None:
        """Become the position that `describe` described."""
        self.numbers = np.array(described["numbers"], dtype=np.int64)
        self.history = History(
            loss=losses,
            dev=[(step, scores) for step, scores in described["dev"]],
            examples=described["examples"],
            tokens=described["tokens"],
            best_step=described["best_step"],
            stopped_early=described["stopped_early"],
        )
        self.best = best
        self.best_score = -math.inf if described["best_score"] is None else described["best_score"]
        self.since_best = described["since_best"]
