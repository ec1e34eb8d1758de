"""Published results that a study's own can be laid beside: what the schema is, and those that ship."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import Field, TypeAdapter, model_validator

from stilts_core.catalog.models import Name
from stilts_core.model import Frozen


class PublishedRow(Frozen):
    """One row of a published table.

    Attributes:
        curriculum: what the study calls the arm; ``best`` is the best intermediate task of each target.
        values: target → score, percent.
        status: whether the values were seen in the source, or are recalled from memory and not verified.
        source: where this row was seen, where that differs from the table's.
    """

    curriculum: str
    title: str = ""
    values: dict[str, float] = Field(min_length=1)
    status: Literal["verified", "recalled"] = "verified"
    source: str = ""


class Published(Frozen):
    """A published table. A text stands for the name of one that ships (``catalog/data/published.yaml``).

    Attributes:
        metrics: target → the measure that its values are, where it is another than the target's score: ``f1``, say.
        note: what a reader must know before comparing.
    """

    name: Name
    title: str = ""
    source: str = ""
    encoder: str = ""
    split: str = ""
    metrics: dict[str, str] = Field(default_factory=dict)
    note: str = ""
    rows: tuple[PublishedRow, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


@lru_cache
def shipped() -> Mapping[str, Published]:
    """The tables that ship, by name."""
    text = (files("stilts_core.catalog") / "data" / "published.yaml").read_text(encoding="utf-8")
    tables = TypeAdapter(tuple[Published, ...]).validate_python(yaml.safe_load(text))
    return {table.name: table for table in tables}


def resolved(reference: Published) -> Published:
    """A reference with its rows: its own, else those of the table of its name that ships, else none."""
    return reference if reference.rows else shipped().get(reference.name, reference)
