"""Where the hub holds the data sets of the catalogue, and how their columns become our files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator

from stilts_core.catalog.load import read_data_file
from stilts_core.catalog.models import LanguageCode, Name, Split
from stilts_core.model import Frozen


class HubFile(Frozen):
    """A split of a data set on the hub that becomes a file of ours for each language.

    ``config`` and ``select`` may hold ``{lang}``, ``{iso3}`` and ``{name}`` (the language's English name).

    Attributes:
        split: which split of the task it is.
        path: where it is put: the path of one of the task's sources, which gives the format and the pair.
        config: the configuration on the hub.
        rows: the split on the hub.
        languages: default: all of the task's.
        select: column → how the text in it begins, for rows of several languages in one split.
    """

    split: Split
    path: str
    config: str
    rows: str
    languages: tuple[LanguageCode, ...] | None = None
    select: dict[str, str] = {}


class HubSource(Frozen):
    """A task on the hub.

    Attributes:
        hub: the id of the data set.
        revision: the commit it is taken at; empty where none could be verified, so that the user has to name one.
        columns: what a writer calls a column → what the hub calls it, where that differs.
        labels: what the hub calls a label → what we call it, where that differs.
        files: empty where the hub has no copy that may stand for the original.
        note: what a person should know of this copy, or why there is none.
    """

    task: Name
    hub: str = ""
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    columns: dict[str, str] = {}
    labels: dict[str, str | int] = {}
    files: tuple[HubFile, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.hub) != bool(self.files) or not (self.files or self.note):
            raise ValueError(f"{self.task}: give a hub id with files, or a note that says why there are none")
        return self


@lru_cache(maxsize=1)
def hub_sources() -> Mapping[str, HubSource]:
    """Task → where the hub holds it."""
    sources = read_data_file(files("stilts_core.catalog") / "data" / "hub.yaml", tuple[HubSource, ...])
    return MappingProxyType({source.task: source for source in sources})
