"""What a curriculum is made of: phase 2."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, model_validator

from stilts_core.catalog.models import LanguageCode, Name, Provenance
from stilts_core.model import Frozen

BASELINE = "baseline"


class TaskUse(Frozen):
    """One task within a step. A text stands for ``task``; ``{mlm: NAME}`` is the masked-language task on a text set.

    Attributes:
        languages: train on these languages' versions of the task instead of the English one.
        provenance: how these versions came to be, where the catalogue does not say; for the record.
        limit: train on a seeded sample of so many examples.
    """

    task: Name
    languages: tuple[LanguageCode, ...] = ("en",)
    provenance: Provenance | None = None
    limit: PositiveInt | None = None
    mlm: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"task": value}
        if isinstance(value, dict) and "mlm" in value and "task" not in value:
            return {"task": "mlm", **value}
        return value


class Step(Frozen):
    """One training of a curriculum: a task, or a mix of tasks. A text or a task use stands for a mix of one."""

    mix: tuple[TaskUse, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str | TaskUse) or (isinstance(value, dict) and "mix" not in value):
            return {"mix": (value,)}
        return value

    @property
    def name(self) -> str:
        return "+".join(use.task for use in self.mix)


class Curriculum(Frozen):
    """Phase 2. A text stands for a curriculum of that one task; ``baseline`` has no steps."""

    name: Name
    steps: tuple[Step, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value, "steps": () if value == BASELINE else (value,)}
        return value

    @model_validator(mode="after")
    def _baseline_is_empty(self) -> Curriculum:
        if (self.name == BASELINE) != (not self.steps):
            raise ValueError(f"`{BASELINE}` is the curriculum without steps; every other curriculum has at least one")
        return self
