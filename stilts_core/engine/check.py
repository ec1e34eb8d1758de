"""What a look at a place where studies run has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        detail: what was found.
        advice: what to do about it; empty where all is well.
        blocks: a study cannot run here until that is done.
    """

    name: str
    detail: str
    advice: str = ""
    blocks: bool = False
