"""The research questions: each a module that answers one from a results table, with tables, figures and plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.scores import Scores

QUESTIONS: tuple[str, ...] = ("morphology",)
"""Names of the modules here; each has ``answer(frame, scores, evidence)`` and ``has_data(frame, scores)``."""


def answers(
    frame: Frame, scores: Scores, evidence: Evidence, wanted: Sequence[str] | None = None
) -> Iterator[QuestionAnswer]:
    """The answers to the questions that the results have data for, or to those that are wanted, data or not."""
    for name in QUESTIONS if wanted is None else wanted:
        module = import_module(f"stilts_core.analysis.questions.{name}")
        if wanted is not None or module.has_data(frame, scores):
            found: QuestionAnswer = module.answer(frame, scores, evidence)
            yield found
