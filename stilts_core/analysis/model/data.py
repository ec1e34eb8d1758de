"""The data that a model has been trained and scored on: languages, how the texts came into them, licences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stilts_core.analysis.model.find import ArmModel
from stilts_core.analysis.model.markdown import code, text
from stilts_core.analysis.report import words
from stilts_core.analysis.report.names import Names
from stilts_core.catalog.models import Head, Provenance, Task
from stilts_core.planning.params import PretrainParams, TaskParams, TrainParams
from stilts_core.planning.plan import DataFile, Stage

_BESIDE = ("pair", "gold")  # files beside another one, which has the language
_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class DataUse:
    """What one training, or the evaluations of one target, read.

    Attributes:
        purpose: for people.
        labelled: languages whose labels a training saw; a language that is in no use's is zero-shot.
        unlabelled: languages whose plain text a training saw.
        scored: languages of an evaluation.
        told: languages and how the text came into them, for people.
        tasks: of the catalogue or the study, for titles and licences.
        paths: of texts that belong to no task, in the data root.
    """

    purpose: str
    labelled: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()
    told: str = ""
    tasks: tuple[Task, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def titles(self) -> str:
        """What the data are called, with their addresses; Markdown."""
        titles = [f"[{text(task.title)}]({task.url})" if task.url else text(task.title) for task in self.tasks]
        return "; ".join(titles) or f"texts of the study: {', '.join(map(code, self.paths))}"

    @property
    def licences(self) -> str:
        """Each licence once, with whose it is where there are several; Markdown."""
        found: dict[str, list[str]] = {}
        for task in self.tasks:
            found.setdefault(task.licence or "not stated", []).append(task.title)
        if not found:
            return "not stated"
        if len(found) == 1:
            return text(next(iter(found)))
        return "; ".join(f"{text(words.listed(titles))}: {text(licence)}" for licence, titles in found.items())

    @property
    def citations(self) -> tuple[str, ...]:
        return tuple(task.citation for task in self.tasks if task.citation)


def data_of(model: ArmModel, names: Names) -> tuple[DataUse, ...]:
    """The data of a model: of its pretraining, of each training in turn, of each target that it is scored on."""
    return (*_trained(model, names), *_scored(model, names))


def _trained(model: ArmModel, names: Names) -> Iterator[DataUse]:
    for stage in model.trail:
        if isinstance(stage.params, PretrainParams):
            languages = _languages(model.stages[stage.parents["text"]].files)
            paths = tuple(text.path for text in stage.params.settings.text)
            yield DataUse("pretraining", unlabelled=languages, told=", ".join(languages), paths=paths)
    for number, stage in enumerate(model.trainings, start=1):
        assert isinstance(stage.params, TrainParams)  # noqa: S101 (the plan pairs kinds with their parameters)
        for task, data in zip(stage.params.tasks, model.data_of(stage), strict=True):
            files = [file for file in data.files if file.role.partition("/")[0] not in ("dev", "labels")]
            languages = _languages(files)
            labelled = task.head is not Head.MLM
            yield DataUse(
                purpose=f"training {number}",
                labelled=languages if labelled else (),
                unlabelled=() if labelled else languages,
                told=_told(files, unstated=": not stated" if labelled else "") + _amount(data),
                tasks=_tasks(names, task.task),
            )


def _scored(model: ArmModel, names: Names) -> Iterator[DataUse]:
    for cell in {cell.target: cell for cell in model.cells}.values():
        codes = tuple(cell.languages)
        seen = [code for code in codes if not cell.zero_shot(code)]
        data = model.stages[cell.fingerprint].parents.get("data")
        files = [file for file in model.stages[data].files if file.role != "labels"] if data else []
        but = "all" if not seen else "none" if len(seen) == len(codes) else f"all but {words.listed(seen)}"
        yield DataUse(
            purpose=f"scores on {cell.target}",
            scored=codes,
            told=f"{_told(files) or ', '.join(codes)}; zero-shot in {but}",
            tasks=_tasks(names, cell.task or cell.target),
        )


def _tasks(names: Names, name: str) -> tuple[Task, ...]:
    task = names.catalogue.tasks.get(name)
    return names.catalogue.parts_of(task) if task else ()


def _own(files: Iterable[DataFile]) -> Iterator[tuple[str, DataFile]]:
    for file in files:
        language = file.role.rpartition("/")[2]
        if language not in _BESIDE:
            yield language, file


def _languages(files: Iterable[DataFile]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(language for language, _ in _own(files)))


def _told(files: Iterable[DataFile], unstated: str = "") -> str:
    kinds: dict[str, dict[str, None]] = {}
    for language, file in _own(files):
        kinds.setdefault(_came(language, file.provenance, unstated), {})[language] = None
    return "; ".join(f"{', '.join(codes)}{kind}" for kind, codes in kinds.items())


def _came(language: str, provenance: Provenance | None, unstated: str) -> str:
    """How a file's text came into its language, after a colon; English stands for itself."""
    if language == _ENGLISH and (provenance is None or provenance.kind == "original"):
        return ""
    if provenance is None:
        return unstated
    note = f" ({provenance.note})" if provenance.note else ""
    return f": {provenance.kind}{note}"


def _amount(data: Stage) -> str:
    params = data.params
    if not isinstance(params, TaskParams):
        return ""
    if params.shots:
        return f"; {params.shots:,} examples of each"
    return f"; a sample of {params.limit:,} examples" if params.limit else ""
