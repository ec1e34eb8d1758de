"""What a study, or any study, cannot do for want of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Split, Task
from stilts_core.data.coverage import FileState
from stilts_core.spec.study import Spec, Target

Effect = Literal["training", "scoring", "moved", "choosing"]
"""What is missed: ``moved``: it is scored on the other split; ``choosing``: no English development set to choose by."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Files that are not there or cannot be used, and what follows.

    Attributes:
        languages: of the files.
        looked_for: every place where the first of them was looked for; the files themselves where they are unusable.
        what: the tasks, or the targets and curricula of the study, that this stops (or moves).
    """

    task: str
    split: Split
    effect: Effect
    languages: tuple[str, ...]
    looked_for: tuple[str, ...]
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """What is to be trained and scored.

    Attributes:
        training: task → language of its training set → who trains on it.
        scoring: task → language → the split that is asked for first.
        few: task → language of which a few labelled examples are learnt, of either set → who learns them.
        study: they are those of a study, which cannot run if one is blocked.
    """

    training: Mapping[str, Mapping[str, tuple[str, ...]]]
    scoring: Mapping[str, Mapping[str, Split]]
    few: Mapping[str, Mapping[str, tuple[str, ...]]]
    study: bool

    def tasks(self) -> tuple[str, ...]:
        """Every task with a file that is needed."""
        return tuple(dict.fromkeys((*self.training, *self.scoring, *self.few)))


def needs_of(catalogue: Catalogue, names: Iterable[str]) -> Needs:
    """What it takes to train on tasks, and to train and score those that are targets."""
    needs = _Collected(catalogue)
    for name in names:
        task = catalogue.task(name)
        if task.train or task.parts:
            needs.train(task, None, name)
        if task.test or task.dev:
            needs.target(Target(task=name), name)
    return needs.done(study=False)


def needs_of_study(catalogue: Catalogue, spec: Spec) -> Needs:
    """What a study reads: the steps of its curricula, the training of its targets, and their evaluation."""
    needs = _Collected(catalogue)
    for curriculum in spec.curricula:
        for step in curriculum.steps:
            for use in step.mix:
                task = catalogue.task(use.task)
                languages = use.languages if use.mlm is None else catalogue.languages_of(use.mlm)
                needs.train(task, languages, f"curriculum {curriculum.name}")
    for target in spec.targets:
        needs.target(target, f"target {target.name}")
    return needs.done(study=True)


class _Collected:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._training: dict[str, dict[str, dict[str, None]]] = {}
        self._scoring: dict[str, dict[str, Split]] = {}
        self._few: dict[str, dict[str, dict[str, None]]] = {}

    def train(self, task: Task, languages: Sequence[str] | None, who: str) -> None:
        for part in self._catalogue.parts_of(task):
            if languages is None:
                allowed = () if part.head is Head.MLM else self._catalogue.training_languages(part)
                codes = ("en",) if "en" in allowed else allowed
            else:
                codes = tuple(languages)
            users = self._training.setdefault(part.name, {})
            for code in codes:
                users.setdefault(code, {})[who] = None

    def target(self, target: Target, who: str) -> None:
        task = self._catalogue.task(target.task)
        for trained in self._catalogue.training_tasks(task) if target.training else ():
            if trained.train or trained.parts:
                self.train(trained, None, who)
        if target.translate_train:
            self.train(self._catalogue.training_task(task), target.translate_train.languages, who)
        for language in target.few_shot.languages if target.few_shot else ():
            self._few.setdefault(task.name, {}).setdefault(language, {})[who] = None
        if not (task.test or (task.dev and who != task.name)):
            return
        languages = target.languages if target.languages is not None else task.languages
        self._scoring.setdefault(task.name, {}).update(dict.fromkeys(languages, target.split))

    def done(self, *, study: bool) -> Needs:
        training, few = (
            {task: {code: tuple(users) for code, users in languages.items()} for task, languages in needed.items()}
            for needed in (self._training, self._few)
        )
        return Needs(training, self._scoring, few, study)


def blocked(states: Iterable[FileState], needs: Needs) -> list[Blocked]:
    """What cannot be done, or is done otherwise, for want of files; one entry for the same fate of several languages.

    Args:
        states: of every task of `Needs.tasks`, in every language that is needed.
        needs: what is to be done.
    """
    found = {(state.task, state.split, state.language): state for state in states}
    entries: dict[tuple[str, Split, Effect, tuple[str, ...]], list[FileState]] = {}

    def add(effect: Effect, task: str, split: Split, language: str, what: tuple[str, ...]) -> None:
        state = found.get((task, split, language)) or FileState(task, split, language)
        entries.setdefault((task, split, effect, what), []).append(state)

    def usable(task: str, split: Split, language: str) -> bool:
        state = found.get((task, split, language))
        return state is not None and state.usable

    for task, languages in needs.training.items():
        for language, users in languages.items():
            if not usable(task, "train", language):
                add("training", task, "train", language, users)
        everyone = tuple(dict.fromkeys(user for users in languages.values() for user in users))
        if (task, "dev", "en") in found and not usable(task, "dev", "en"):
            add("choosing", task, "dev", "en", everyone)
    for task, languages in needs.few.items():
        for language, users in languages.items():
            if not usable(task, "train", language) and not usable(task, "dev", language):
                add("training", task, "train", language, users)
    for task, splits in needs.scoring.items():
        for language, split in splits.items():
            other: Split = "dev" if split == "test" else "test"
            if usable(task, split, language):
                continue
            # A test file whose answers are withheld is the one that is planned, so nothing takes its place.
            there = bool((state := found.get((task, split, language))) and state.paths)
            moved = not there and usable(task, other, language)
            add("moved" if moved else "scoring", task, split, language, (task,))
    return [
        Blocked(
            task,
            split,
            effect,
            tuple(state.language for state in group),
            group[0].looked_for or group[0].paths,
            what,
        )
        for (task, split, effect, what), group in entries.items()
    ]
