"""From a file to a study or a profile, with every problem of the file at its line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stilts_core.spec.document import Document, KeyPath, Position, Problem, read_document, report, show
from stilts_core.spec.own_task import OwnTask
from stilts_core.spec.profile import Profile
from stilts_core.spec.sentences import problems_of
from stilts_core.spec.study import Study

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class LoadedStudy:
    """A study and the file that it came from.

    Attributes:
        document: the file, to find the place of anything in the study.
        task_places: for each of the study's own tasks, the file that it stands in and its place there.
    """

    study: Study
    path: Path
    document: Document
    task_places: tuple[tuple[Document, KeyPath], ...] = ()

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
    tasks, places = _own_tasks(document, path)
    value = document.value
    if tasks is not None:
        value = {**value, "spec": {**value["spec"], "tasks": tasks}}
    return LoadedStudy(_validate(document, Study, value), path, document, places)


def _own_tasks(document: Document, path: Path) -> tuple[tuple[Any, ...] | None, tuple[tuple[Document, KeyPath], ...]]:
    """The entries of ``spec.tasks`` with the files that they name read, and where each of them stands.

    Returns:
        None instead of the entries where none names a file: they are read with the rest of the study.
    """
    spec = document.value.get("spec") if isinstance(document.value, dict) else None
    entries = spec.get("tasks") if isinstance(spec, dict) else None
    if not isinstance(entries, tuple):
        return None, ()
    tasks: list[Any] = []
    places: list[tuple[Document, KeyPath]] = []
    for index, entry in enumerate(entries):
        here: KeyPath = ("spec", "tasks", index)
        if not isinstance(entry, str):
            tasks.append(entry)
            places.append((document, here))
            continue
        file = path.parent / entry
        if not file.is_file():
            sentence = f"{show(here)}: there is no file {file}; a task is a mapping, or a file beside the study"
            raise report(document.name, [Problem(document.positions[here], sentence)])
        for task, place in _tasks_of_file(read_document(file)):
            tasks.append(task)
            places.append(place)
    return (tuple(tasks) if any(isinstance(entry, str) for entry in entries) else None), tuple(places)


def _tasks_of_file(document: Document) -> Iterator[tuple[OwnTask, tuple[Document, KeyPath]]]:
    """The task of a file, or the tasks of its list."""
    parts = [_part(document, index) for index in range(len(document.value))] if _is_list(document) else [document]
    for part in parts:
        if not isinstance(part.value, dict):
            sentence = f"a task is a mapping with the keys {', '.join(OwnTask.model_fields)}"
            raise report(document.name, [Problem(part.positions[()], sentence)])
        try:
            yield OwnTask.model_validate(part.value, strict=True), (part, ())
        except ValidationError as error:
            raise report(document.name, problems_of(part, OwnTask, error.errors(include_url=False))) from None


def _is_list(document: Document) -> bool:
    return isinstance(document.value, tuple)


def _part(document: Document, index: int) -> Document:
    """An entry of a file that is a list, as if it were a file of its own; lines and columns stay what they are."""
    positions, keys = (
        {path[1:]: at for path, at in places.items() if path[:1] == (index,)}
        for places in (document.positions, document.keys)
    )
    return replace(document, value=document.value[index], positions=positions, keys=keys)


def load_profile(path: Path | None) -> Profile:
    """Read a profile; without a file it is this machine and a folder as store.

    Raises:
        SpecError: as `load_study`.
    """
    return Profile() if path is None else _validate(read_document(path), Profile)


def _validate(document: Document, model: type[ModelT], read: Any = None) -> ModelT:
    wanted, value = model.__name__, document.value
    if not isinstance(value, dict):
        keys = ", ".join(model.model_fields)
        raise report(document.name, [Problem((1, 1), f"a {wanted.lower()} is a mapping with the keys {keys}")])
    if value.get("kind", wanted) != wanted and value["kind"] in ("Study", "Profile"):
        sentence = f"kind: this is a {value['kind'].lower()}; a {wanted.lower()} is needed here"
        raise report(document.name, [Problem(document.positions[("kind",)], sentence)])
    try:
        # Strict: what looks like a number but is text, or the other way round, is a slip. Lists are tuples already.
        return model.model_validate(value if read is None else read, strict=True)
    except ValidationError as error:
        raise report(document.name, problems_of(document, model, error.errors(include_url=False))) from None
