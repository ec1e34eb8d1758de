"""Files of a plan that are known to be faulty copies: what a reader of its results must know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Split, Task
from stilts_core.catalog.quirks import Quirk, load_quirks, recognise
from stilts_core.data.folder_root import FolderRoot
from stilts_core.data.root import DataRoot, default_cache
from stilts_core.data.tally import TallyMemory, Way, tally
from stilts_core.errors import StiltsError
from stilts_core.planning.params import TaskParams
from stilts_core.planning.plan import DataFile, Stage

_Key = tuple[str, Split, str]


def quirk_notes(
    stages: Iterable[Stage], root: DataRoot, catalogue: Catalogue, cache: Path | None = None
) -> tuple[str, ...]:
    """A line for each known fault and task.

    Files of this machine are counted where that takes one pass; what was counted once is remembered. Of a bucket only
    what is remembered is known, so that planning downloads nothing.
    """
    memory = TallyMemory((cache or default_cache()) / "tallies")
    suspects = {name for quirk in load_quirks() for name in quirk.tasks}
    faults: dict[tuple[str, str], tuple[Quirk, list[str]]] = {}
    for (name, split, language), files in _files(stages, suspects).items():
        task = catalogue.tasks.get(name)
        if task is None:
            continue
        records = [_records(file, task, language, root, memory) for file in files]
        counted = sum(number for number in records if number is not None) if None not in records else None
        for quirk in recognise(
            name,
            split,
            language,
            records=counted,
            expected=task.size(split, language),
            sha256=files[0].sha256,
        ):
            faults.setdefault((name, quirk.name), (quirk, []))[1].extend(file.path for file in files)
    return tuple(
        f"{name}: {', '.join(paths)} is a known faulty copy ({quirk.name}). {quirk.wrong}"
        for (name, _), (quirk, paths) in faults.items()
    )


def _files(stages: Iterable[Stage], tasks: set[str]) -> dict[_Key, list[DataFile]]:
    found: dict[_Key, dict[str, DataFile]] = {}
    for stage in stages:
        if not isinstance(stage.params, TaskParams) or stage.params.task not in tasks:
            continue
        for file in stage.files:
            split, *number, language = file.role.split("/")
            if not number or number[0].isdecimal():  # else it is the pair, or the right pairs, of a language's files
                found.setdefault((stage.params.task, cast(Split, split), language), {})[file.path] = file
    return {key: list(files.values()) for key, files in found.items()}


def _records(file: DataFile, task: Task, language: str, root: DataRoot, memory: TallyMemory) -> int | None:
    columns = dict(file.columns) if file.columns else None
    for strict in (False, True):
        way = Way(file.format, task.labels, language, file.rows, columns, strict)
        key = way.key([file.sha256])
        if (known := memory.recall(key)) is not None:
            return known.records
        if way.quick and isinstance(root, FolderRoot):
            try:
                known = tally(way, root.fetch(file.path))
            except StiltsError:
                return None  # its stage says what is wrong with it
            memory.keep(key, known)
            return known.records
    return None
