"""What a paper says, in a form that results can support or contradict."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from stilts_core.catalog.models import Name
from stilts_core.model import Frozen


class Claim(Frozen):
    """A statement about gains, and what would make it true.

    Attributes:
        says: the statement as a sentence.
        source: where it is made.
        status: whether the source was seen, or the statement is recalled from memory.
        kind: ``gain``: more than ``points`` (0 where left out); ``gain-about``: ``points``, give or take ``within``;
            ``no-gain``: less than ``within``.
        curricula: those it speaks of, all but ``against`` where left out.
        against: what they are compared with.
        targets: those it speaks of, all where left out.
        of: the ``mean`` of the targets, or ``each`` of them.
        within: points that do not matter.
        share: of the comparisons that it makes, how many must hold; 0.8 for "almost every".
    """

    name: Name
    says: str = Field(min_length=1)
    source: str = ""
    status: Literal["verified", "recalled"] = "verified"
    kind: Literal["gain", "gain-about", "no-gain"] = "gain"
    curricula: tuple[Name, ...] = ()
    against: Name = "baseline"
    targets: tuple[Name, ...] = ()
    of: Literal["mean", "each"] = "mean"
    points: float | None = None
    within: PositiveFloat = 1.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Claim:
        if (self.kind == "gain-about") != (self.points is not None) and self.kind != "gain":
            raise ValueError(
                f"a claim of kind {self.kind} has {'no' if self.points is not None else 'a number of'} points"
            )
        if self.against in self.curricula:
            raise ValueError(f"{self.against} can't be compared with itself")
        return self
