"""The research questions: each a module that answers one from a results table, with tables, figures and plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.scores import Scores
from stilts_core.errors import MissingInputError

QUESTIONS = ("morphology", "efficiency", "metrics", "languages", "order")
"""Names of the modules here; each has ``answer(frame, scores, evidence)`` and ``has_data(frame, scores)``."""


def answers(
    frame: Frame, scores: Scores, evidence: Evidence, wanted: Sequence[str] = (), *, only: bool = False
) -> Iterator[QuestionAnswer]:
    """The answers to the questions that are wanted, data or not, and to the others that the results have data for.

    Args:
        frame: every row.
        scores: its cubes.
        evidence: their statistics.
        wanted: names of questions; others than those here are left alone.
        only: leave out what is not wanted.
    """
    for name in QUESTIONS:
        module = import_module(f"stilts_core.analysis.questions.{name}")
        if name in wanted or (not only and module.has_data(frame, scores)):
            try:
                found: QuestionAnswer = module.answer(frame, scores, evidence)
            except MissingInputError as error:  # a package of the extra `report`
                found = QuestionAnswer(name, module.TITLE, f"{error.message} {error.hint}".strip(), answered=False)
            yield found
