"""A study, or a table from another system, as one of several."""

from __future__ import annotations

from dataclasses import dataclass

from stilts_core.analysis.frame import Frame


@dataclass(frozen=True, slots=True)
class Member:
    """A study, or a table from another system.

    Attributes:
        frame: its rows, of one study and one protocol.
        origin: of an imported table, where it comes from; empty for a study.
        note: how much of it there is, as a sentence.
    """

    name: str
    protocol: str
    frame: Frame
    origin: str = ""
    note: str = ""

    @property
    def imported(self) -> bool:
        return bool(self.origin)
