"""`stilts data layout`: which file of a task belongs where, and where a person gets it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from stilts_core.catalog.hub import hub_sources
from stilts_core.catalog.load import Catalogue, read_data_file
from stilts_core.catalog.models import Source, Split, Task
from stilts_core.data.coverage import SPLITS
from stilts_core.errors import SpecError


@dataclass(frozen=True, slots=True)
class Place:
    """One place where the files of a split may lie.

    Attributes:
        pair: the second file, for formats of two.
        right: the file of right pairs, for sentences to mine.
        several: the path may fit several files, which are read one after another.
        languages: where it does not hold all of the split's.
    """

    path: str
    pair: str | None
    right: str | None
    several: bool
    format: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitLayout:
    """The places of a split, the first that is there is taken.

    Attributes:
        size: records of the official files, in words.
    """

    split: Split
    languages: tuple[str, ...]
    size: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class TaskLayout:
    """A task, with what a person should know of it before its files."""

    name: str
    title: str
    facts: dict[str, str]
    splits: tuple[SplitLayout, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A task and the others whose files it is trained on.

    Attributes:
        formats: what the formats that occur hold.
    """

    tasks: tuple[TaskLayout, ...]
    formats: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The layout as plain data."""
        return asdict(self)


@lru_cache(maxsize=1)
def formats() -> dict[str, str]:
    """Format → what its files hold."""
    return read_data_file(files("stilts_core.catalog") / "data" / "formats.yaml", dict[str, str])


def layout_of(catalogue: Catalogue, task: Task, language: str | None = None) -> Layout:
    """Where the files of a task belong, and those of the tasks that it is trained on or made of.

    Args:
        catalogue: with all of them.
        task: one of them.
        language: give its paths; default: the patterns.

    Raises:
        SpecError: there is no such language, or the task has no files in it.
    """
    if language is not None:
        catalogue.language(language)
        if not any(language in _languages(catalogue, task, split) for split in SPLITS) and not task.parts:
            raise SpecError(
                f"{task.name} has no files in {language}.",
                hint=f"Its languages are {', '.join((*task.languages, *task.extra_languages))}.",
            )
    others = [*catalogue.parts_of(task)] if task.parts else []
    others += [other for other in catalogue.training_tasks(task) if other.name != task.name]
    found = [_task(catalogue, each, language if each is task else None) for each in (task, *others)]
    used = {place.format: "" for each in found for split in each.splits for place in split.places}
    return Layout(tuple(found), {name: formats().get(name, "") for name in used})


def _task(catalogue: Catalogue, task: Task, language: str | None) -> TaskLayout:
    facts = {
        "parts": ", ".join(task.parts),
        "trained on": ", ".join(other.name for other in catalogue.training_tasks(task) if other.name != task.name),
        "licence": task.licence,
        "from": task.url,
        "restricted": task.restricted,
        "labels": _labels(task),
        "hub": _hub(task),
        "citation": task.citation,
    }
    splits = [_split(catalogue, task, split, language) for split in SPLITS if getattr(task, split)]
    return TaskLayout(
        task.name,
        task.title,
        {what: text for what, text in facts.items() if text},
        tuple(split for split in splits if split.places),
    )


def _labels(task: Task) -> str:
    places = ", or ".join(f"{source.path} ({source.format})" for source in task.labels_from)
    if places:
        return f"the list of {task.label_count or 'its'} labels is read from {places}"
    return ", ".join(task.labels)


def _hub(task: Task) -> str:
    source = hub_sources().get(task.name)
    if source is None:
        return ""
    if not source.files:
        return source.note
    pinned = f"at {source.revision[:12]}" if source.revision else "with --revision, as no commit could be verified"
    return f"`stilts data pull {task.name} --out ROOT` takes it from {source.hub} {pinned}. {source.note}".rstrip()


def _split(catalogue: Catalogue, task: Task, split: Split, language: str | None) -> SplitLayout:
    languages = _languages(catalogue, task, split)
    places = [
        _place(catalogue, source, language, languages)
        for source in getattr(task, split)
        if language is None or language in catalogue.source_languages(task, source)
    ]
    shown = languages if language is None else (language,)
    return SplitLayout(split, shown, _size(task, split, shown), tuple(places))


def _languages(catalogue: Catalogue, task: Task, split: Split) -> tuple[str, ...]:
    if not getattr(task, split):
        return ()
    if split == "train":
        return catalogue.training_languages(task)
    known = (*task.languages, *task.extra_languages)
    held = {code for source in getattr(task, split) for code in catalogue.source_languages(task, source)}
    return tuple(code for code in known if code in held)


def _place(catalogue: Catalogue, source: Source, language: str | None, languages: tuple[str, ...]) -> Place:
    def path(pattern: str) -> str:
        return pattern if language is None else catalogue.source_path(pattern, language)

    only = () if source.languages is None or set(source.languages) >= set(languages) else source.languages
    pair, right = (path(pattern) if pattern else None for pattern in (source.pair, source.gold))
    return Place(path(source.path), pair, right, source.several, source.format, tuple(only))


def _size(task: Task, split: Split, languages: tuple[str, ...]) -> str:
    sizes = [size for language in languages if (size := task.size(split, language)) is not None]
    if not sizes:
        return ""
    if len(languages) == 1 or (len(set(sizes)) == 1 and len(sizes) == len(languages)):
        return f"{sizes[0]:,} records" if len(languages) == 1 else f"{sizes[0]:,} records in each language"
    if split == "train" and len(sizes) == 1:
        return f"{sizes[0]:,} records in {next(code for code in languages if task.size(split, code))}"
    unknown = "" if len(sizes) == len(languages) else f", unknown in {len(languages) - len(sizes)}"
    return f"{min(sizes):,} to {max(sizes):,} records by language{unknown}"
