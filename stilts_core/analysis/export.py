"""The predictions of a study as submissions to a leaderboard: a folder for each arm and seed, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stilts_core.catalog.load import Catalogue
from stilts_core.evaluation.benchmarks import Benchmark, Entry
from stilts_core.planning.plan import Cell, Plan
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_committed
from stilts_core.storage.manifest import Manifest

ABOUT = "about.json"
"""Beside the task folders: which arm, seed and protocol they come from, and which stage each task."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What one arm has for a benchmark with one seed.

    Attributes:
        name: its folder: ``<encoder>/<curriculum>/seed<n>``.
        cells: the cell of each task that the study evaluates, by the task's folder.
        sources: name of a file of the submission → the manifest that has it, and its name there.
        problems: what keeps it from being a whole submission: sentences.
    """

    name: str
    cells: Mapping[str, Cell]
    sources: Mapping[str, tuple[Manifest, str]]
    problems: tuple[str, ...]


def find_submissions(plan: Plan, manifests: Mapping[str, Manifest], benchmark: Benchmark) -> list[Submission]:
    """What there is to submit, in the order of the study.

    Args:
        plan: of the study.
        manifests: fingerprint → manifest of the stages that have committed.
        benchmark: whose tasks and languages are asked for.
    """
    arms: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        name = f"{_folder(cell.encoder)}/{_folder(cell.curriculum)}/seed{cell.seed}"
        arms.setdefault(name, []).append(cell)
    return [_submission(name, cells, manifests, benchmark) for name, cells in arms.items()]


def read_files(store: Store, submission: Submission) -> dict[str, bytes]:
    """The files of a submission, each as it was committed.

    Raises:
        DamagedStageError: one is not in the store any more, or is not what was committed.
        StorageError: the store can't be read.
    """
    return {name: read_committed(store, *source) for name, source in submission.sources.items()}


def check_counts(files: Mapping[str, bytes], benchmark: Benchmark, catalogue: Catalogue) -> list[str]:
    """A sentence for each file with another number of predictions than the official test file has examples."""
    problems = []
    for entry in benchmark.entries.values():
        for language in entry.languages:
            content = files.get(entry.file(language))
            task = catalogue.tasks.get(entry.task)
            wanted = task.size("test", language) if task else None
            if content is None or wanted is None:
                continue
            count = _count(entry, content.decode())
            if count is not None and count != wanted:
                problems.append(
                    f"{entry.file(language)} holds {count} predictions; the official test file has {wanted} examples."
                )
    return problems


def about(plan: Plan, submission: Submission) -> bytes:
    """``about.json``."""
    cells = list(submission.cells.values())
    document: dict[str, Any] = {
        "study": plan.name,
        "protocol": plan.protocol,
        "encoder": cells[0].encoder if cells else None,
        "curriculum": cells[0].curriculum if cells else None,
        "seed": cells[0].seed if cells else None,
        "stages": {folder: cell.fingerprint for folder, cell in submission.cells.items()},
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _submission(
    name: str, cells: Iterable[Cell], manifests: Mapping[str, Manifest], benchmark: Benchmark
) -> Submission:
    chosen: dict[str, Cell] = {}
    problems: list[str] = []
    for cell in cells:
        entry = benchmark.entries.get(cell.task or cell.target)
        if entry is None or not entry.languages:
            continue
        if entry.folder not in chosen or cell.target == entry.task:
            chosen[entry.folder] = cell
    sources: dict[str, tuple[Manifest, str]] = {}
    for entry in benchmark.entries.values():
        if not entry.languages:
            continue
        if entry.folder not in chosen:
            problems.append(f"{entry.folder} is no target of the study.")
            continue
        cell = chosen[entry.folder]
        manifest = manifests.get(cell.fingerprint)
        if manifest is None:
            problems.append(f"{entry.folder} has not been evaluated yet (stage {cell.fingerprint[:12]}).")
            continue
        lacking: dict[str, list[str]] = {}
        for language in entry.languages:
            reason = _take(entry, cell, manifest, language, sources)
            if reason:
                lacking.setdefault(reason, []).append(language)
        for reason, languages in lacking.items():
            problems.append(f"{entry.folder} lacks {', '.join(languages)}: {reason}.")
    return Submission(name, chosen, sources, tuple(problems))


def _take(
    entry: Entry, cell: Cell, manifest: Manifest, language: str, sources: dict[str, tuple[Manifest, str]]
) -> str | None:
    """Notes where a language's file lies, or says why there is none, in words that follow a colon."""
    split = cell.languages.get(language)
    if split is None:
        return "the study does not evaluate it there"
    if split != "test":
        return f"evaluated on the {split} set, not on the test set"
    ending = f"/{split}-{language}{entry.suffix}"
    names = [name for name in manifest.files if name.startswith("predictions/") and name.endswith(ending)]
    if not names:
        return f"stage {cell.fingerprint[:12]} has committed no such predictions"
    sources[entry.file(language)] = (manifest, names[0])
    return None


def _count(entry: Entry, text: str) -> int | None:
    """Predictions of a file; None where a file may hold any number."""
    if entry.task == "bucc":
        return None
    if entry.suffix == ".json":
        return len(json.loads(text))
    lines = text.split("\n")[:-1]
    if entry.task in ("udpos", "panx"):
        return sum(1 for line in lines if not line)
    return len(lines)


def _folder(name: str) -> str:
    return name.replace("/", "--")
