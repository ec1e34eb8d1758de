"""`stilts data check`: every file that is needed, what it holds, and what is blocked without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Split, Task
from stilts_core.data.blocked import Blocked, Needs, blocked
from stilts_core.data.coverage import SPLITS, FileState, Survey
from stilts_core.data.root import DataRoot
from stilts_core.errors import DataError, MissingInputError


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a check found.

    Attributes:
        states: in the order of the tasks, splits and languages.
        blocked: what cannot be done, or is done otherwise, for want of files.
        study: the needs were those of a study.
    """

    root: str
    states: tuple[FileState, ...]
    blocked: tuple[Blocked, ...]
    study: bool

    def exit_code(self, *, exact: bool = False) -> int:
        """The exit status: 65 for a file that cannot be used, 66 for a study that lacks one, else 0.

        Files whose answers are withheld are unusable where a study needs them. ``exact`` asks for the official files,
        whole: then a missing file is 66 and another number of records 65.
        """
        states = {state.state for state in self.states}
        stopped = any(entry.effect in ("training", "scoring") for entry in self.blocked)
        withheld = any(state.state == "withheld" and (self.study or state.split != "test") for state in self.states)
        if "unusable" in states or withheld or (exact and "different" in states):
            return DataError.exit_code
        if (self.study and stopped) or (exact and "missing" in states):
            return MissingInputError.exit_code
        return 0

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "root": self.root,
            "files": [_file(state) for state in self.states],
            "blocked": [
                {
                    "task": entry.task,
                    "split": entry.split,
                    "effect": entry.effect,
                    "languages": list(entry.languages),
                    "looked_for": list(entry.looked_for),
                    "what": list(entry.what),
                }
                for entry in self.blocked
            ],
            "quirks": {
                quirk.name: {"wrong": quirk.wrong, "remedy": quirk.remedy}
                for state in self.states
                for quirk in state.quirks
            },
        }


def check_data(
    root: DataRoot,
    catalogue: Catalogue,
    needs: Needs,
    *,
    strict: bool = False,
    cache: Path | None = None,
    report: Callable[[str], None] = lambda task: None,
) -> DataReport:
    """Look at every file that is needed.

    Args:
        root: where they are looked for.
        catalogue: with the tasks of the root and of the study.
        needs: what is to be trained and scored.
        strict: read every record.
        cache: as in `root.open_data_root`.
        report: is told the name of each task before its files are looked at.

    Raises:
        StorageError: the data root cannot be read.
    """
    survey = Survey(root, catalogue, strict=strict, cache=cache)
    states: list[FileState] = []
    for name in needs.tasks():
        report(name)
        states += _states(survey, catalogue.task(name), needs)
    return DataReport(root.uri, tuple(states), tuple(blocked(states, needs)), needs.study)


def _states(survey: Survey, task: Task, needs: Needs) -> Iterable[FileState]:
    for split in SPLITS:
        if not getattr(task, split):
            continue
        wanted = _wanted(task, split, needs)
        others = survey.languages(task, split)
        if needs.study:  # what may take the place of a file that is missing
            scored = () if split == "train" else needs.scoring.get(task.name, ())
            others = (*scored, *(() if split == "test" else needs.few.get(task.name, ())))
        for language in dict.fromkeys((*wanted, *others)):
            state = survey.file(task, split, language)
            if state.paths or language in wanted:
                yield state


def _wanted(task: Task, split: Split, needs: Needs) -> tuple[str, ...]:
    """The languages whose files are missed if they are not there."""
    if split == "train":
        return tuple(needs.training.get(task.name, {}))
    scored = needs.scoring.get(task.name, {})
    asked = [language for language, asked_for in scored.items() if asked_for == split]
    if split == "dev":
        trained = ["en"] if task.name in needs.training and _chosen_by(task) else []
        return tuple(dict.fromkeys((*trained, *asked)))
    return tuple(asked)


def _chosen_by(task: Task) -> bool:
    """Whether the best weights are chosen by a development set in English that has a place among the task's."""
    return task.head is not Head.RETRIEVAL and any(
        source.languages is None or "en" in source.languages for source in task.dev
    )


def _file(state: FileState) -> dict[str, Any]:
    return {
        "task": state.task,
        "split": state.split,
        "language": state.language,
        "state": state.state,
        "paths": list(state.paths),
        "pair": state.pair,
        "right": state.right,
        "format": state.source.format if state.source else None,
        "records": state.records,
        "expected": state.expected,
        "quirks": [quirk.name for quirk in state.quirks],
        "fault": state.fault,
        "looked_for": list(state.looked_for),
    }
