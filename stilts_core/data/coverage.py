"""What of the catalogue lies under a data root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Task
from stilts_core.data.root import DataRoot
from stilts_core.errors import StiltsError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_CHEAP = 64 << 20  # bytes of a split whose records are counted


@dataclass(frozen=True, slots=True)
class Found:
    """A file (with its pair) that holds a split of a task in a language."""

    language: str
    path: str
    format: str
    pair: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """A split of a task under a data root.

    Attributes:
        found: in the order of the languages.
        missing: the languages of the task without a file.
        looked_for: where the first missing language was looked for; where there is no file at all, every place.
        records: in all files together; None where they were not counted.
        fault: what is wrong with the first file that cannot be used, if any.
    """

    task: str
    split: Split
    found: tuple[Found, ...]
    missing: tuple[str, ...]
    looked_for: tuple[str, ...]
    records: int | None = None
    fault: str | None = None


def survey(root: DataRoot, catalogue: Catalogue, task: Task) -> list[Coverage]:
    """Every split that a task has a place for. Small files are read, and their records counted.

    Args:
        root: where it is looked for.
        catalogue: with the tasks of the root and of the study.
        task: one of them.

    Raises:
        StorageError: the data root cannot be read.
    """
    rows = [_split(root, catalogue, task, split) for split in SPLITS if getattr(task, split)]
    return [_counted(root, task, row) if row.found else row for row in rows]


def _split(root: DataRoot, catalogue: Catalogue, task: Task, split: Split) -> Coverage:
    found: list[Found] = []
    missing: list[str] = []
    looked_for: tuple[str, ...] = ()
    for language in (*_wanted(catalogue, task, split), *_optional(catalogue, task, split)):
        tried: list[str] = []
        file = _first(root, catalogue, task, split, language, tried)
        if file:
            found.append(file)
        elif language in _wanted(catalogue, task, split):
            missing.append(language)
            looked_for = looked_for or tuple(tried)
    if not found and not missing:
        looked_for = tuple(source.path for source in getattr(task, split))
    return Coverage(task.name, split, tuple(found), tuple(missing), looked_for)


def _wanted(catalogue: Catalogue, task: Task, split: Split) -> Sequence[str]:
    """The languages whose files a study of this task asks for."""
    if split == "test":
        return task.languages
    if task.head is Head.MLM:
        return ()  # whichever languages there are
    allowed = catalogue.training_languages(task) if split == "train" else ("en",)
    return ("en",) if "en" in allowed else allowed


def _optional(catalogue: Catalogue, task: Task, split: Split) -> list[str]:
    """The languages that are shown where they are there, and not missed where they are not."""
    wanted = set(_wanted(catalogue, task, split))
    known = {
        "train": catalogue.training_languages(task) if not task.train_on else (),
        "dev": task.languages,
        "test": task.extra_languages,
    }[split]
    return [language for language in known if language not in wanted]


def _first(
    root: DataRoot, catalogue: Catalogue, task: Task, split: Split, language: str, tried: list[str]
) -> Found | None:
    for source in getattr(task, split):
        if language not in catalogue.source_languages(task, source):
            continue
        path = catalogue.source_path(source.path, language)
        pair = catalogue.source_path(source.pair, language) if source.pair else None
        paths = [_one(root, part) for part in (path, pair) if part]
        if all(paths):
            return Found(language, str(paths[0]), source.format, paths[1] if pair else None)
        tried.extend(part for part, there in zip((path, pair), paths, strict=False) if part and not there)
    return None


def _one(root: DataRoot, pattern: str) -> str | None:
    found = root.find(pattern)
    return found[0] if len(found) == 1 else None


def _counted(root: DataRoot, task: Task, row: Coverage) -> Coverage:
    from stilts_core.data.readers import read

    records = 0
    try:
        if sum(root.digest(file.path).size for file in row.found) > _CHEAP:
            return row
        for file in row.found:
            path, pair = root.fetch(file.path), root.fetch(file.pair) if file.pair else None
            found = read(file.format, path, pair=pair, labels=task.labels, language=file.language)
            if not all(getattr(record, "has_gold", True) for record in found):
                return replace(row, fault=f"{path} withholds its answers: nothing can be trained or scored on it")
            records += len(found)
    except StiltsError as error:
        return replace(row, fault=error.message)
    return replace(row, records=records)
