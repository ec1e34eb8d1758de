"""The catalogue: its data files, read once and looked up by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, TypeVar
from typing import Protocol as Shape

import yaml
from pydantic import TypeAdapter, ValidationError

from stilts_core.catalog.encoders import EncoderTraits, KnownEncoder
from stilts_core.catalog.models import Language, Protocol, Source, Task
from stilts_core.catalog.nearest import unknown
from stilts_core.errors import SpecError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Named(Shape):
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Catalogue:
    """What is known by name. Every look-up of an unknown name raises `SpecError` with the nearest one.

    Attributes:
        tasks: by name, in the order of the data files, a study's own last.
        languages: by two-letter code (three letters where there is no such code).
        encoders: by short name.
        architectures: of encoders, by `model_type`.
        language_groups: name → codes; ``xtreme`` holds the 40 languages of XTREME.
    """

    tasks: Mapping[str, Task]
    languages: Mapping[str, Language]
    protocols: Mapping[str, Protocol]
    encoders: Mapping[str, KnownEncoder]
    architectures: Mapping[str, EncoderTraits]
    language_groups: Mapping[str, tuple[str, ...]]

    def task(self, name: str) -> Task:
        return _get("task", name, self.tasks)

    def language(self, code: str) -> Language:
        return _get("language", code, self.languages)

    def protocol(self, name: str) -> Protocol:
        return _get("protocol", name, self.protocols)

    def encoder_location(self, source: str) -> str:
        """The hub id of a short name; an address, a path or a hub id as it is."""
        known = self.encoders.get(source)
        return known.hub if known else source

    def known_encoder(self, source: str) -> KnownEncoder | None:
        """What is known of an encoder by its short name or hub id, if anything."""
        return self.encoders.get(source) or next((e for e in self.encoders.values() if e.hub == source), None)

    def languages_of(self, text: str) -> tuple[str, ...]:
        """The codes of a language group, or of a comma-separated list of codes and groups, each once."""
        codes: dict[str, None] = {}
        for name in (part.strip() for part in text.split(",")):
            if name in self.language_groups:
                codes.update(dict.fromkeys(self.language_groups[name]))
            elif name in self.languages:
                codes[name] = None
            else:
                raise _not_found("language or group of languages", name, [*self.language_groups, *self.languages])
        return tuple(codes)

    def training_task(self, target: Task) -> Task:
        """The task whose training and English development set a target uses: its own, or that of ``train_on``."""
        return self.task(target.train_on) if target.train_on else target

    def training_tasks(self, target: Task) -> tuple[Task, ...]:
        """The tasks that a target is trained on one after another: those of ``train_first``, then `training_task`."""
        return (*map(self.task, target.train_first), self.training_task(target))

    def parts_of(self, task: Task) -> tuple[Task, ...]:
        """The tasks whose training sets together are a task's: its parts, or itself."""
        return tuple(map(self.task, task.parts)) or (task,)

    def training_languages(self, task: Task) -> tuple[str, ...]:
        """The languages in which a task's training set may lie under a data root, English first."""
        common: set[str] | None = None
        for part in self.parts_of(self.training_task(task)):
            codes = {code for source in part.train for code in self.source_languages(part, source)}
            common = codes if common is None else common & codes
        return tuple(sorted(common or (), key=lambda code: (code != "en", code)))

    def source_languages(self, task: Task, source: Source) -> tuple[str, ...]:
        """The languages that a source may hold: those it names, else all where its path has a place for one."""
        if source.languages is not None:
            return source.languages
        if "{lang}" in source.path or "{iso3}" in source.path:
            return tuple(self.languages)
        return ("en",) if "en" in task.languages or not task.languages else task.languages

    def source_path(self, pattern: str, language: str) -> str:
        """A source's path or pair for a language."""
        iso3 = self.languages[language].iso3 if language in self.languages else language
        return pattern.replace("{lang}", language).replace("{iso3}", iso3)


def load_catalogue(extra: Iterable[Task] = (), overlay: Iterable[Task] = ()) -> Catalogue:
    """The catalogue, with other tasks put in place of those of the same name.

    Args:
        extra: the tasks that a study brings; they come after all others and win over them.
        overlay: the tasks of a data root that has its own, such as the sample benchmark.
    """
    base = _builtin()
    changed = [*overlay, *extra]
    if not changed:
        return base
    return replace(base, tasks=MappingProxyType({**base.tasks, **{task.name: task for task in changed}}))


def read_tasks(file: Traversable) -> tuple[Task, ...]:
    """The tasks of a data file.

    Raises:
        SpecError: the file does not hold a list of tasks.
    """
    return read_data_file(file, tuple[Task, ...])


@lru_cache(maxsize=1)
def load_architectures() -> Mapping[str, EncoderTraits]:
    """The adapters of encoders by `model_type`, without the rest of the catalogue."""
    file = files("stilts_core.catalog") / "data" / "architectures.yaml"
    return _by_name(read_data_file(file, tuple[EncoderTraits, ...]))


@lru_cache(maxsize=1)
def _builtin() -> Catalogue:
    data = files("stilts_core.catalog") / "data"
    atlas = read_data_file(data / "languages.yaml", dict[str, Any])
    languages = TypeAdapter(tuple[Language, ...]).validate_python(atlas["languages"])
    groups = TypeAdapter(dict[str, tuple[str, ...]]).validate_python(atlas["groups"])
    return Catalogue(
        tasks=_by_name(read_tasks(data / "tasks.yaml")),
        languages=MappingProxyType({language.code: language for language in languages}),
        protocols=_by_name(read_data_file(data / "protocols.yaml", tuple[Protocol, ...])),
        encoders=_by_name(_encoders(data / "encoders.yaml")),
        architectures=load_architectures(),
        language_groups=MappingProxyType(groups),
    )


def _encoders(file: Traversable) -> Iterable[KnownEncoder]:
    """The encoders of a data file, in which `seen` names one of its lists of languages."""
    document = read_data_file(file, dict[str, Any])
    entries = [{**entry, "seen": document["languages"][entry["seen"]]} for entry in document["encoders"]]
    return TypeAdapter(tuple[KnownEncoder, ...]).validate_python(entries)


def read_data_file(file: Traversable, shape: type[ValueT]) -> ValueT:
    """A data file of the catalogue.

    Raises:
        SpecError: it does not hold what it should.
    """
    try:
        value = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader, either of the two)
        return TypeAdapter(shape).validate_python(value)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise SpecError(f"{file} cannot be read as a file of the catalogue: {error}") from error


def _by_name(items: Iterable[NamedT]) -> Mapping[str, NamedT]:
    return MappingProxyType({item.name: item for item in items})


def _get(what: str, name: str, known: Mapping[str, ValueT]) -> ValueT:
    try:
        return known[name]
    except KeyError:
        raise _not_found(what, name, list(known)) from None


def _not_found(what: str, name: str, known: list[str]) -> SpecError:
    sentence = unknown(what, name, known)
    return SpecError(sentence[0].upper() + sentence[1:])
