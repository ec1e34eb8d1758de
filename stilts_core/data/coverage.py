"""What of the catalogue lies under a data root, and how it differs from the official files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Source, Split, Task
from stilts_core.catalog.quirks import Gold, Quirk, recognise
from stilts_core.data.root import DataRoot, default_cache
from stilts_core.data.tally import Tally, TallyMemory, Way, tally
from stilts_core.errors import DataError, StiltsError

State = Literal["present", "different", "withheld", "unusable", "missing"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_SMALL = 512 << 10  # bytes of a file that is read record by record in any case


@dataclass(frozen=True, slots=True)
class FileState:
    """The files of a task's split in a language.

    Attributes:
        paths: where they lie (several are one set, read one after another); empty where there is none.
        pair: the second file, for formats of two.
        right: the file of right pairs, for sentences to mine.
        source: the place of the catalogue at which they were found.
        looked_for: every place where they were looked for in vain.
        records: how many there are; None where they could not be counted.
        expected: how many the official files hold, where known.
        quirks: the known faults that the files show.
        fault: why the files cannot be used, if so.
    """

    task: str
    split: Split
    language: str
    paths: tuple[str, ...] = ()
    pair: str | None = None
    right: str | None = None
    source: Source | None = None
    looked_for: tuple[str, ...] = ()
    records: int | None = None
    expected: int | None = None
    gold: Gold | None = None
    quirks: tuple[Quirk, ...] = ()
    fault: str | None = None

    @property
    def usable(self) -> bool:
        """Whether something can be trained or scored on it."""
        return self.state in ("present", "different")

    @property
    def state(self) -> State:
        """``different``: another number of records; ``withheld``: no answers; ``unusable``: see ``fault``."""
        if self.fault:
            return "unusable"
        if not self.paths:
            return "missing"
        if self.gold == "absent":
            return "withheld"
        return "present" if self.expected in (None, self.records) else "different"


class Survey:
    """Looks for the files of tasks and counts what they hold. What was counted once is remembered by its digest.

    Args:
        root: where the files are looked for.
        catalogue: with the tasks of the root and of the study.
        strict: read every record of large files too.
        cache: as in `root.open_data_root`.
    """

    def __init__(
        self, root: DataRoot, catalogue: Catalogue, *, strict: bool = False, cache: Path | None = None
    ) -> None:
        self._root = root
        self._catalogue = catalogue
        self._strict = strict
        self._memory = TallyMemory((cache or default_cache()) / "tallies")

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """The languages in which a task may have a split."""
        if split == "train":
            return () if task.train_on else self._catalogue.training_languages(task)
        return (*task.languages, *task.extra_languages)

    def file(self, task: Task, split: Split, language: str) -> FileState:
        """The files of a split in a language.

        Raises:
            StorageError: the data root cannot be read.
        """
        state = self._found(task, split, language)
        if state.source is None or state.fault:
            return state
        try:
            counted = self._counted(task, state, state.source)
        except StiltsError as error:
            return replace(state, fault=error.message)
        state = replace(state, records=counted.records, gold=counted.gold)
        return replace(
            state,
            quirks=recognise(
                task.name,
                split,
                language,
                records=counted.records,
                expected=state.expected,
                gold=counted.gold,
                sha256=self._root.digest(state.paths[0]).sha256,
            ),
        )

    def _found(self, task: Task, split: Split, language: str) -> FileState:
        state = FileState(task.name, split, language, expected=task.size(split, language))
        tried: list[str] = []
        for source in getattr(task, split):
            if language not in self._catalogue.source_languages(task, source):
                continue
            places = [self._catalogue.source_path(part, language) for part in (source.path, source.pair) if part]
            found = [self._root.find(place) for place in places]
            if all(found):
                return self._one_set(state, source, found, places)
            tried += [place for place, there in zip(places, found, strict=True) if not there]
        return replace(state, looked_for=tuple(tried))

    def _one_set(self, state: FileState, source: Source, found: list[list[str]], places: list[str]) -> FileState:
        pair = found[1][0] if len(found) > 1 else None
        right = self._root.find(self._catalogue.source_path(source.gold, state.language)) if source.gold else []
        state = replace(state, paths=tuple(found[0]), pair=pair, right=right[0] if right else None, source=source)
        for place, paths in zip(places, found, strict=True):
            if len(paths) > 1 and not source.several:
                names = ", ".join(paths[:4])
                return replace(state, fault=f"{place} fits {len(paths)} files, and must fit one: {names}")
        return state

    def _counted(self, task: Task, state: FileState, source: Source) -> Tally:
        parts = [self._one(task, state, source, path) for path in state.paths]
        golds = {part.gold for part in parts}
        gold: Gold | None = "absent" if "absent" in golds else parts[0].gold if len(golds) == 1 else "present"
        return Tally(sum(part.records for part in parts), gold)

    def _one(self, task: Task, state: FileState, source: Source, path: str) -> Tally:
        files = [file for file in (path, state.pair, state.right) if file]
        digests = [self._root.digest(file) for file in files]
        strict = self._strict or sum(found.size for found in digests) <= _SMALL
        way = Way(source.format, task.labels, state.language, source.rows, source.columns, strict)
        key = way.key(found.sha256 for found in digests)
        known = self._memory.recall(key)
        if known is None:
            local = {file: self._root.fetch(file) for file in files}
            pair, right = (local[file] if file else None for file in (state.pair, state.right))
            try:
                known = tally(way, local[path], pair, right)
            except DataError as error:  # a path that is told is one of the root
                message = error.message
                for file, place in local.items():
                    message = message.replace(str(place), file)
                raise DataError(message, hint=error.hint) from error
            self._memory.keep(key, known)
        return known
