"""The stages that come before any fine-tuning: pretraining, and tokenising what is trained and evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Hyper, LongTagging, Metric, Provenance, Task
from stilts_core.errors import SpecError
from stilts_core.planning import estimate
from stilts_core.planning.graph import Graph
from stilts_core.planning.lineage import text_languages
from stilts_core.planning.params import EncoderSource, PretrainParams, TaskParams, TextParams, TokenizerParams
from stilts_core.planning.plan import StageKind
from stilts_core.planning.sources import EvaluationFiles, Locator
from stilts_core.spec.study import FewShot, Pretraining, Target, TaskUse

_LEAST_ROOM = 8  # tokens of an input that still says something


@dataclass(frozen=True, eq=False, slots=True)
class Origin:
    """Phase 1: an encoder that is there, or the stages that make one.

    Attributes:
        body: parameters without embeddings, for the estimate of work.
        source: of one that is there.
        stage, tokenizer: of one that is made.
        text: the languages of the texts that it was made from.
    """

    name: str
    body: float
    source: EncoderSource | None = None
    stage: str | None = None
    tokenizer: str | None = None
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A `prepare` stage and roughly what it makes."""

    stage: str
    amount: estimate.Amount


class Preparation:
    """Adds each stage of preparation once. See `expand.make_plan` for the errors."""

    def __init__(self, graph: Graph, locator: Locator, catalogue: Catalogue, long_tagging: LongTagging) -> None:
        self._graph = graph
        self._locator = locator
        self._catalogue = catalogue
        self._long_tagging = long_tagging
        self._known: dict[object, Prepared] = {}
        self._evaluation_files: dict[str, EvaluationFiles] = {}

    def pretrain(self, name: str, pretraining: Pretraining) -> Origin:
        """An encoder from scratch: its tokenizer, its text, its training."""
        files = self._locator.texts(pretraining, name)
        tokenizer = self._graph.add(
            StageKind.PREPARE,
            TokenizerParams(vocabulary=pretraining.vocabulary, max_length=pretraining.max_length),
            {},
            files,
            label=f"tokenizer · {name}",
            work=estimate.prepare_work(files, tokenizer=True),
        )
        text = self._graph.add(
            StageKind.PREPARE,
            TextParams(sequence_length=pretraining.sequence_length),
            {"tokenizer": tokenizer},
            files,
            label=f"text · {name}",
            work=estimate.prepare_work(files),
        )
        stage = self._graph.add(
            StageKind.PRETRAIN,
            PretrainParams(settings=pretraining),
            {"tokenizer": tokenizer, "text": text},
            label=name,
            work=estimate.pretrain_work(pretraining),
        )
        return Origin(
            name,
            estimate.body_parameters(pretraining),
            stage=stage,
            tokenizer=tokenizer,
            text=text_languages(pretraining),
        )

    def training(
        self,
        origin: Origin,
        task: Task,
        hyper: Hyper,
        languages: tuple[str, ...],
        limit: int | None,
        provenance: Provenance | None = None,
    ) -> Prepared:
        """A task's training set in some languages."""
        lengths = _lengths(task, hyper)
        key = (origin.name, task.name, "train", languages, limit, *lengths.values())
        if key not in self._known:
            files = self._locator.training(task, languages, provenance)
            where = "" if languages == ("en",) else f" in {', '.join(languages)}"
            stage = self._graph.add(
                StageKind.PREPARE,
                self._task_params(origin, task, "train", lengths, limit),
                _tokenizer(origin),
                (*files, *self._locator.labels(task)),
                label=f"{task.name} to train on{where} · {origin.name}",
                work=estimate.prepare_work(files),
            )
            self._known[key] = Prepared(stage, estimate.training_set(files, limit))
        return self._known[key]

    def few(self, origin: Origin, task: Task, hyper: Hyper, few: FewShot) -> Prepared:
        """A few labelled examples of some languages."""
        lengths = _lengths(task, hyper)
        key = (origin.name, task.name, "few", few, *lengths.values())
        if key not in self._known:
            files = self._locator.few(task, few.languages)
            stage = self._graph.add(
                StageKind.PREPARE,
                self._task_params(origin, task, "train", lengths, None, few.examples),
                _tokenizer(origin),
                (*files, *self._locator.labels(task)),
                label=f"{task.name}, {few.examples} examples each in {', '.join(few.languages)} · {origin.name}",
                work=estimate.prepare_work(files),
            )
            self._known[key] = Prepared(stage, estimate.amount(files, few.examples))
        return self._known[key]

    def masked_text(self, origin: Origin, task: Task, use: TaskUse, hyper: Hyper) -> Prepared:
        """The text of a masked-language task within a curriculum."""
        if use.limit is not None:
            raise SpecError(f"`limit` does not apply to {task.name}: it trains on text, not on examples.")
        languages = use.languages if use.mlm is None else self._catalogue.languages_of(use.mlm)
        key = (origin.name, task.name, "text", languages, hyper.max_length)
        if key not in self._known:
            files = self._locator.masked_text(task, languages)
            stage = self._graph.add(
                StageKind.PREPARE,
                TextParams(sequence_length=hyper.max_length, encoder=origin.source),
                _tokenizer(origin),
                files,
                label=f"text in {len(languages)} language{'s' * (len(languages) != 1)} · {origin.name}",
                work=estimate.prepare_work(files),
            )
            self._known[key] = Prepared(stage, estimate.amount(files))
        return self._known[key]

    def evaluation(self, origin: Origin, task: Task, target: Target, hyper: Hyper) -> tuple[Prepared, EvaluationFiles]:
        """What a target is scored on, in all of its languages."""
        files = self._evaluation_files.get(target.name)
        if files is None:
            files = self._evaluation_files[target.name] = self._locator.evaluation(task, target)
        lengths = _lengths(task, hyper)
        key = (origin.name, target.name, "evaluate", *lengths.values())
        if key not in self._known:
            count = len(files.splits)
            stage = self._graph.add(
                StageKind.PREPARE,
                self._task_params(origin, task, "evaluate", lengths, target.limit),
                _tokenizer(origin),
                (*files.files, *self._locator.labels(task)),
                label=f"{task.name} in {count} language{'s' * (count != 1)} · {origin.name}",
                work=estimate.prepare_work(files.files),
            )
            self._known[key] = Prepared(stage, estimate.amount(files.files, target.limit))
        return self._known[key], files

    def _task_params(
        self,
        origin: Origin,
        task: Task,
        purpose: Literal["train", "evaluate"],
        lengths: Mapping[str, int],
        limit: int | None,
        shots: int | None = None,
    ) -> TaskParams:
        return TaskParams(
            task=task.name,
            head=task.head,
            labels=task.labels,
            null_answers=task.null_answers,
            purpose=purpose,
            max_length=lengths["max_length"],
            doc_stride=lengths["doc_stride"],
            question_length=lengths["question_length"],
            limit=limit,
            shots=shots,
            long_tagging=self._long_tagging if task.head is Head.TAGGING else None,
            encoder=origin.source,
        )

    @property
    def evaluation_files(self) -> Mapping[str, EvaluationFiles]:
        """By target, of those that were asked for."""
        return self._evaluation_files


def _lengths(task: Task, hyper: Hyper) -> dict[str, int]:
    """The lengths that decide how inputs are cut; windows and questions are a matter of spans."""
    spans = task.head is Head.SPAN
    asked = spans or task.metric is Metric.MAP_20  # its answers have the room that its questions leave
    if asked and not spans and hyper.max_length - hyper.question_length < _LEAST_ROOM:
        raise SpecError(
            f"{task.name}: questions of {hyper.question_length} tokens leave no room for answers out of "
            f"{hyper.max_length}.",
            hint="Lower question_length by an override, or take an encoder for longer inputs.",
        )
    return {
        "max_length": hyper.max_length,
        "doc_stride": hyper.doc_stride if spans else 0,
        "question_length": hyper.question_length if asked else 0,
    }


def _tokenizer(origin: Origin) -> dict[str, str]:
    return {} if origin.tokenizer is None else {"tokenizer": origin.tokenizer}
