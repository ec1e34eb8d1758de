"""Where the files of a task lie under a data root."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, Protocol

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Benchmark, ColumnRole, Head, Metric, Provenance, Source, Task
from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.planning.plan import DataFile
from stilts_core.spec.study import Pretraining, Target

Split = Literal["train", "dev", "test"]
Rows = tuple[float, float]
ALL_ROWS: Rows = (0.0, 1.0)
_NAMED = 6  # files named in one message; the rest is counted


class DataFiles(Protocol):
    """The files of a data root, as planning sees them."""

    def find(self, pattern: str) -> list[str]:
        """The files, sorted, whose path relative to the root fits; ``*`` stands for a part of one path segment."""

    def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 and size in bytes of a file that `find` gave."""


@dataclass(frozen=True, slots=True)
class EvaluationFiles:
    """What a target is scored on.

    Attributes:
        splits: language → the split that is scored, in the order of the languages.
        moved: the languages that are scored on another split than the one asked for.
    """

    files: tuple[DataFile, ...]
    splits: dict[str, str]
    moved: tuple[str, ...]


class Locator:
    """Finds each file once.

    Args:
        root: the data root's name, for messages.
        benchmark: whose languages a target has that names none.
    """

    def __init__(self, data: DataFiles, catalogue: Catalogue, root: str, benchmark: Benchmark | None = None) -> None:
        self._data = data
        self._catalogue = catalogue
        self._root = root
        self._benchmark = benchmark
        self._paths: dict[str, str | None] = {}
        self._files: dict[object, DataFile] = {}

    def training(
        self, task: Task, languages: Sequence[str], provenance: Provenance | None = None
    ) -> tuple[DataFile, ...]:
        """The training set in each of the languages, then the English development set where there is one.

        A task without English data has the development set of the first of its languages. A dual encoder needs none:
        its last weights are kept.

        Args:
            provenance: of the versions in other languages than English, where the catalogue does not say.

        Raises:
            MissingInputError: a language has no training set.
        """
        train: list[DataFile] = []
        dev: list[DataFile] = []
        for part, under in self._parts(task):
            train += self._every(part, f"train{under}", languages, "training data", provenance)
            if part.head is Head.RETRIEVAL:
                continue
            order = ("en", languages[0]) if "en" in self._languages(part) else languages[:1]
            found = (self._first(part, part.dev, f"dev{under}", language, []) for language in order)
            dev += next(filter(None, found), ())
        return (*train, *dev)

    def labels(self, task: Task) -> tuple[DataFile, ...]:
        """The file that a task's list of labels is read from; none where the catalogue has the list.

        Raises:
            MissingInputError: there is none of the places.
        """
        if not task.labels_from:
            return ()
        tried: list[str] = []
        language = next(iter(task.languages), "en")
        found = self._first(task, task.labels_from, "labels", language, tried)
        if not found:
            raise self._missing(task, "list of labels", {language: tried})
        return found

    def _parts(self, task: Task) -> list[tuple[Task, str]]:
        """The tasks whose files are a task's, and what tells their roles apart."""
        if not task.parts:
            return [(task, "")]
        return [(part, f"/{part.name}") for part in self._catalogue.parts_of(task)]

    def few(self, task: Task, languages: Sequence[str]) -> tuple[DataFile, ...]:
        """Files with labelled examples of the languages, none of them translated by a machine where others are there.

        Raises:
            MissingInputError: a language has none.
        """
        translated = [source for source in task.train if source.provenance.kind == "machine-translation"]
        order = [source for source in task.train if source not in translated], task.dev, translated
        files: list[DataFile] = []
        missing: dict[str, list[str]] = {}
        for language in languages:
            tried: list[str] = []
            found = next(filter(None, (self._first(task, part, "train", language, tried) for part in order)), ())
            files += found
            if not found:
                missing[language] = tried
        if missing:
            raise self._missing(task, "labelled examples", missing)
        return tuple(files)

    def _languages(self, task: Task) -> Collection[str]:
        return {"en"} if not task.languages else {*task.languages, *self._catalogue.training_languages(task)}

    def evaluation(self, task: Task, target: Target) -> EvaluationFiles:
        """The evaluation files of a target: for each language the split asked for, else the other one.

        Raises:
            MissingInputError: a language has neither.
            SpecError: the task has no such language.
        """
        languages = target.languages if target.languages is not None else task.scored_languages(self._benchmark)
        known = {*task.languages, *task.extra_languages}
        strange = [language for language in languages if language not in known]
        if strange:
            raise SpecError(
                f"{task.name} has no evaluation data in {', '.join(strange)}.",
                hint=f"Its languages are {', '.join(sorted(known))}.",
            )
        files: list[DataFile] = []
        splits: dict[str, str] = {}
        missing: dict[str, list[str]] = {}
        order: tuple[Split, Split] = ("test", "dev") if target.split == "test" else ("dev", "test")
        for language in languages:
            tried: list[str] = []
            for split in order:
                parts = [
                    self._first(part, getattr(part, split), f"{split}{under}", language, tried, rows=target.rows)
                    for part, under in self._parts(task)
                ]
                if split == "test" and task.metric is Metric.BITEXT_F1:  # the threshold is set on the other set
                    parts.insert(0, self._first(task, task.dev, "dev", language, tried, rows=target.rows))
                if all(parts):
                    files += [file for found in parts for file in found]
                    splits[language] = split
                    break
            else:
                missing[language] = tried
        if missing:
            raise self._missing(task, "evaluation data", missing, splits)
        moved = tuple(language for language, split in splits.items() if split != target.split)
        return EvaluationFiles(tuple(files), splits, moved)

    def masked_text(self, task: Task, languages: Sequence[str]) -> tuple[DataFile, ...]:
        """Plain text in each of the languages, for masked training.

        Raises:
            MissingInputError: a language has none.
        """
        return self._every(task, "text/0", languages, "text", None)

    def texts(self, settings: Pretraining, encoder: str) -> tuple[DataFile, ...]:
        """The texts that an encoder is pretrained on, file by file and language by language.

        Raises:
            MissingInputError: one of them is not there.
        """
        files: list[DataFile] = []
        tried: list[str] = []
        for index, text in enumerate(settings.text):
            for language in text.languages:
                sides = [(f"text/{index}/{language}", text.path)]
                if text.pair is not None:
                    sides.append((f"text/{index}/{language}/pair", text.pair))
                for role, pattern in sides:
                    path = self._path(pattern, language, tried)
                    if path is not None:
                        files.append(self._file(role, path, text.format, parallel=text.parallel, rows=text.rows))
        if tried:
            raise MissingInputError(
                f"Text that {encoder} is pretrained on is missing under {self._root}. {_looked_for(tried)}",
                hint="Add the files, or change `pretrain.text` in the study.",
            )
        return tuple(files)

    def _every(
        self, task: Task, role: str, languages: Sequence[str], what: str, provenance: Provenance | None
    ) -> tuple[DataFile, ...]:
        """The training files of a task in each of the languages."""
        files: list[DataFile] = []
        missing: dict[str, list[str]] = {}
        for language in languages:
            tried: list[str] = []
            found = self._first(task, task.train, role, language, tried, provenance=provenance)
            files += found
            if not found:
                missing[language] = tried
        if missing:
            raise self._missing(task, what, missing)
        return tuple(files)

    def _first(
        self,
        task: Task,
        sources: Iterable[Source],
        role: str,
        language: str,
        tried: list[str],
        *,
        rows: Rows = ALL_ROWS,
        provenance: Provenance | None = None,
    ) -> tuple[DataFile, ...]:
        """The file (and its pair) of the first source that is there, or its several files; empty where none is."""
        for source in sources:
            if not self._may_hold(task, source, language):
                continue
            paths = self._paths_of(source, language, tried)
            if not paths:
                continue
            if source.rows != ALL_ROWS:
                rows = source.rows
            origin = _provenance(source, language, provenance)
            files = [
                self._file(
                    f"{role}/{number}/{language}" if number else f"{role}/{language}",
                    path,
                    source.format,
                    rows=rows,
                    columns=source.columns,
                    provenance=origin,
                )
                for number, path in enumerate(paths)
            ]
            if source.pair is not None:
                pair = self._path(source.pair, language, tried)
                if pair is None:
                    continue
                files.append(self._file(f"{role}/{language}/pair", pair, source.format, rows=rows, provenance=origin))
            if source.gold is not None and (gold := self._path(source.gold, language, [])) is not None:
                files.append(self._file(f"{role}/{language}/gold", gold, source.format))
            return tuple(files)
        return ()

    def _may_hold(self, task: Task, source: Source, language: str) -> bool:
        if source.languages is None and ("{lang}" in source.path or "{iso3}" in source.path):
            return True  # also for a language that the catalogue does not list
        return language in self._catalogue.source_languages(task, source)

    def _paths_of(self, source: Source, language: str, tried: list[str]) -> list[str]:
        """The files of a source: one, or several in the order of their names."""
        if not source.several:
            path = self._path(source.path, language, tried)
            return [] if path is None else [path]
        wanted = self._catalogue.source_path(source.path, language)
        found = self._data.find(wanted)
        if not found:
            tried.append(wanted)
        return sorted(found, key=lambda path: (PurePosixPath(path).name, path))

    def _path(self, pattern: str, language: str, tried: list[str]) -> str | None:
        wanted = self._catalogue.source_path(pattern, language)
        if wanted not in self._paths:
            found = self._data.find(wanted)
            if len(found) > 1:
                raise DataError(
                    f"{wanted} fits {len(found)} files under {self._root}: {', '.join(found[:_NAMED])}.",
                    hint="It must fit one: move the others away, or describe the task in the study's `tasks`.",
                )
            self._paths[wanted] = found[0] if found else None
        path = self._paths[wanted]
        if path is None:
            tried.append(wanted)
        return path

    def _file(
        self,
        role: str,
        path: str,
        reader: str,
        *,
        parallel: bool = False,
        rows: Rows = ALL_ROWS,
        columns: Mapping[ColumnRole, str | int] | None = None,
        provenance: Provenance | None = None,
    ) -> DataFile:
        pairs = tuple(sorted((columns or {}).items()))
        key = (role, path, reader, parallel, rows, pairs, provenance)
        found = self._files.get(key)
        if found is None:
            sha256, size = self._data.digest(path)
            found = self._files[key] = DataFile(
                role=role,
                path=path,
                format=reader,
                sha256=sha256,
                size=size,
                parallel=parallel,
                rows=rows,
                columns=pairs,
                provenance=provenance,
            )
        return found

    def _missing(
        self, task: Task, what: str, missing: Mapping[str, Sequence[str]], found: Collection[str] = ()
    ) -> MissingInputError:
        tried = [path for paths in missing.values() for path in paths]
        hint = "Add the files, or check the data root (--data, or data.root in the study)."
        if found:
            known = f"{{task: {task.name}, languages: [{', '.join(found)}]}}"
            hint = f"Add the files, or evaluate the languages that have data: {known}."
        return MissingInputError(
            f"{task.name} has no {what} in {', '.join(missing)} under {self._root}. {_looked_for(tried)}", hint=hint
        )


def _provenance(source: Source, language: str, stated: Provenance | None) -> Provenance | None:
    """How a file's text came into its language: the study's word, else the catalogue's; None where neither says."""
    if language == "en":
        return None if source.provenance.kind.endswith("translation") else source.provenance
    return stated or (source.provenance if "provenance" in source.model_fields_set else None)


def _looked_for(tried: Sequence[str]) -> str:
    paths = list(dict.fromkeys(tried))
    if not paths:
        return "No place for it is known: its task gives no source."
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"Looked for {', '.join(paths[:_NAMED])}{more}."
