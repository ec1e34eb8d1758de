"""What a question's module hands back."""

from __future__ import annotations

from dataclasses import dataclass

from stilts_core.analysis.report.blocks import Block, Section, Text
from stilts_core.analysis.report.columns import CsvTable


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """The answer to one research question.

    Attributes:
        name: of the question.
        title: of its section.
        answer: in plain words, with its uncertainty.
        caveats: what a reader must know of it.
        answered: the data could decide; a false one says what is missing instead.
        blocks: tables and figures.
        tables: their numbers.
    """

    name: str
    title: str
    answer: str
    caveats: tuple[str, ...] = ()
    answered: bool = True
    blocks: tuple[Block, ...] = ()
    tables: tuple[CsvTable, ...] = ()

    @property
    def section(self) -> Section:
        """The question in a report."""
        return Section(
            f"question-{self.name}",
            self.title,
            (Text(self.answer), *(Text(caveat) for caveat in self.caveats), *self.blocks),
        )
