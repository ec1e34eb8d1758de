"""A task of the hub as files of the catalogue's layout, with a record of where each came from."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stilts_core.catalog.hub import HubFile, HubSource, hub_sources
from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Source, Task
from stilts_core.catalog.quirks import Quirk, recognise
from stilts_core.data.hub.writers import Row, write_rows
from stilts_core.data.index import write_atomically
from stilts_core.data.tally import Way, tally
from stilts_core.errors import DataError, SpecError, StorageError
from stilts_core.storage.hashing import record_of


class Hub(Protocol):
    """Data sets as rows. Labels are their names, and None where they are withheld."""

    def resolve(self, hub: str, revision: str | None, pinned: str) -> str | None:
        """The commit that a data set is taken at.

        Args:
            hub: its id.
            revision: what the user asks for, if anything.
            pinned: what is asked for otherwise; empty where nothing is pinned.

        Returns:
            None where it cannot be known.

        Raises:
            SpecError: it is not said which one is meant.
        """

    def rows(self, hub: str, config: str, split: str, commit: str | None) -> Iterable[Row]:
        """The rows of a split in their order."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file that was written.

    Attributes:
        path: relative to the data root.
        changed: texts that had to be changed to fit the format (`writers.Written`).
        expected: records of the official file, where known.
    """

    task: str
    split: str
    language: str
    path: str
    records: int
    expected: int | None
    changed: int
    quirks: tuple[Quirk, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be made."""

    task: Task
    source: HubSource
    file: HubFile
    target: Source
    language: str
    path: str
    pair: str | None
    config: str
    select: Mapping[str, str]


def pull(
    catalogue: Catalogue,
    task: Task,
    out: Path,
    hub: Hub,
    *,
    languages: Sequence[str] | None = None,
    revision: str | None = None,
    force: bool = False,
    report: Callable[[str], None] = lambda path: None,
) -> list[Pulled]:
    """Write a task's files (and those of its parts) under a data root.

    Everything is written beside the root's files first and moved when it is whole: a pull that fails leaves nothing.

    Args:
        catalogue: with the task.
        task: what is taken.
        out: the data root, a folder; it is made where it is not there.
        hub: where it is taken from.
        languages: only these; default: all that the hub has of the task.
        revision: instead of the pinned one.
        force: write over files that are there.
        report: is told each path before it is made.

    Raises:
        SpecError: the hub has no fit copy, no revision is known, a language is not there, or a file would be
            overwritten.
        DataError: the hub's rows cannot be written in our format.
        StorageError: the hub cannot be reached, or the folder cannot be written.
    """
    jobs = [job for part in catalogue.parts_of(task) for job in _jobs(catalogue, part, languages)]
    there = [path for job in jobs for path in (job.path, job.pair) if path and (out / path).exists()]
    if there and not force:
        more = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
        raise SpecError(f"{out / there[0]}{more} there already.", hint="Write over what is there with --force.")
    pinned = {job.source.hub: job.source.revision for job in jobs}
    commits = {name: hub.resolve(name, revision, commit) for name, commit in pinned.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".pull-", dir=out))
        try:
            made = []
            for job in jobs:
                report(job.path)
                made.append(_make(job, hub, commits[job.source.hub], scratch))
            _publish(out, scratch, jobs, made, commits, force=force)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}.") from error
    return made


def source_of(task: Task) -> HubSource:
    """Where the hub holds a task.

    Raises:
        SpecError: it has no copy, or none that may stand for the original.
    """
    source = hub_sources().get(task.name)
    where = f"See {task.url}. " if task.url else ""
    hint = f"{where}`stilts data layout {task.name}` says which file belongs where."
    if source is None:
        raise SpecError(f"It is not known where the hub holds {task.name}.", hint=hint)
    if not source.files:
        raise SpecError(f"{task.name} is not taken from the hub. {source.note}", hint=hint)
    return source


def target_of(task: Task, file: HubFile) -> Source:
    """The place of the catalogue that a file of the hub fills."""
    sources: tuple[Source, ...] = getattr(task, file.split)
    return next(source for source in sources if source.path == file.path)


def _jobs(catalogue: Catalogue, task: Task, languages: Sequence[str] | None) -> list[_Job]:
    source = source_of(task)
    jobs = []
    known: dict[str, None] = {}
    for file in source.files:
        target = target_of(task, file)
        for language in file.languages or (*task.languages, *task.extra_languages):
            known[language] = None
            if languages is not None and language not in languages:
                continue
            spoken = catalogue.language(language)
            names = {"lang": language, "iso3": spoken.iso3, "name": spoken.name}
            jobs.append(
                _Job(
                    task,
                    source,
                    file,
                    target,
                    language,
                    catalogue.source_path(target.path, language),
                    catalogue.source_path(target.pair, language) if target.pair else None,
                    file.config.format(**names),
                    {column: text.format(**names).lower() for column, text in file.select.items()},
                )
            )
    strange = [language for language in languages or () if language not in known]
    if strange:
        raise SpecError(
            f"The hub's copy of {task.name} is not there in {', '.join(strange)}.",
            hint=f"It is there in {', '.join(sorted(known))}.",
        )
    return jobs


def _make(job: _Job, hub: Hub, commit: str | None, scratch: Path) -> Pulled:
    where = f"{job.source.hub}, configuration {job.config}, split {job.file.rows}"
    path, pair = scratch / job.path, scratch / job.pair if job.pair else None
    rows = hub.rows(job.source.hub, job.config, job.file.rows, commit)
    try:
        changed = write_rows(job.target.format, _renamed(rows, job), path, pair)
        counted = tally(Way(job.target.format, job.task.labels, job.language, strict=True), path, pair)
    except DataError as error:
        raise DataError(f"{where}: {error.message.replace(f'{scratch}/', '')}", hint=error.hint) from error
    expected = job.task.size(job.file.split, job.language)
    quirks = recognise(
        job.task.name,
        job.file.split,
        job.language,
        records=counted.records,
        expected=expected,
        gold=counted.gold,
    )
    return Pulled(job.task.name, job.file.split, job.language, job.path, counted.records, expected, changed, quirks)


def _renamed(rows: Iterable[Row], job: _Job) -> Iterator[Row]:
    names = {theirs: ours for ours, theirs in job.source.columns.items()}
    for row in rows:
        if not all(str(row[column]).startswith(text) for column, text in job.select.items()):
            continue
        ours = {names.get(column, column): value for column, value in row.items()}
        if "label" in ours:
            ours["label"] = job.source.labels.get(ours["label"], ours["label"])
        if job.task.null_answers:
            ours["null_answers"] = True
        yield ours


def _publish(
    out: Path,
    scratch: Path,
    jobs: Sequence[_Job],
    made: Sequence[Pulled],
    commits: Mapping[str, str | None],
    *,
    force: bool,
) -> None:
    """Move the files to their places, then say beside them where they came from."""
    entries: dict[Path, dict[str, Any]] = {}
    moved: list[Path] = []
    try:
        for job, file in zip(jobs, made, strict=True):
            digests = {}
            for path in filter(None, (job.path, job.pair)):
                target = out / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.exists() and not force:
                    raise SpecError(f"{target} has come there meanwhile.", hint="Write over it with --force.")
                found = record_of(scratch / path)
                digests[path] = {"sha256": found.sha256, "size": found.size}
                fresh = not target.exists()
                (scratch / path).replace(target)
                if fresh:
                    moved.append(target)
            note = out / Path(job.path).parts[0] / f"{job.task.name}.provenance.json"
            for path, content in digests.items():
                entries.setdefault(note, {})[path] = {
                    "hub": job.source.hub,
                    "revision": commits[job.source.hub],
                    "config": job.config,
                    "split": job.file.rows,
                    "records": file.records,
                    "changed": file.changed,
                    **content,
                }
        for note, files in entries.items():
            known = json.loads(note.read_text(encoding="utf-8"))["files"] if note.is_file() else {}
            document = {"format": 1, "files": dict(sorted({**known, **files}.items()))}
            write_atomically(note, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
    except BaseException:
        for target in moved:
            target.unlink(missing_ok=True)
        raise
