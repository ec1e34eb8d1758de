"""From a file to a study or a profile, with every problem of the file at its line and column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stilts_core.spec.document import Document, KeyPath, Position, Problem, read_document, report
from stilts_core.spec.profile import Profile
from stilts_core.spec.sentences import problems_of
from stilts_core.spec.study import Study

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class LoadedStudy:
    """A study and the file that it came from.

    Attributes:
        document: the file, to find the place of anything in the study.
    """

    study: Study
    path: Path
    document: Document

    @property
    def positions(self) -> Mapping[KeyPath, Position]:
        """Key path → line and column of the value there, from 1."""
        return self.document.positions

    @property
    def text(self) -> str:
        return self.document.text


def load_study(path: Path) -> LoadedStudy:
    """Read a study.

    Raises:
        SpecError: the file cannot be read or is no study; all of its problems at once, each with line and column.
    """
    document = read_document(path)
    return LoadedStudy(_validate(document, Study), path, document)


def load_profile(path: Path | None) -> Profile:
    """Read a profile; without a file it is this machine and a folder as store.

    Raises:
        SpecError: as `load_study`.
    """
    return Profile() if path is None else _validate(read_document(path), Profile)


def _validate(document: Document, model: type[ModelT]) -> ModelT:
    wanted, value = model.__name__, document.value
    if not isinstance(value, dict):
        keys = ", ".join(model.model_fields)
        raise report(document.name, [Problem((1, 1), f"a {wanted.lower()} is a mapping with the keys {keys}")])
    if value.get("kind", wanted) != wanted and value["kind"] in ("Study", "Profile"):
        sentence = f"kind: this is a {value['kind'].lower()}; a {wanted.lower()} is needed here"
        raise report(document.name, [Problem(document.positions[("kind",)], sentence)])
    try:
        # Strict: what looks like a number but is text, or the other way round, is a slip. Lists are tuples already.
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        raise report(document.name, problems_of(document, model, error.errors(include_url=False))) from None
