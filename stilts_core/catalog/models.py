"""What a task, a language and a protocol are: the schema of the catalogue's data files and of a user's own tasks."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from stilts_core.catalog.nearest import unknown
from stilts_core.model import Frozen

Split = Literal["train", "dev", "test"]
Benchmark = Literal["xtreme", "xtreme-r"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Rows = tuple[Share, Share]
ColumnRole = Literal["text", "pair", "label"]


class Head(StrEnum):
    """What is put on top of the encoder, and with it the shape of a task's examples."""

    CLASSIFICATION = "classification"  # a pair of texts, one label
    SPAN = "span"  # a question and a context, an answer inside it or none
    CHOICE = "choice"  # a context and several continuations, one of them right
    TAGGING = "tagging"  # words, a label each
    MLM = "mlm"  # text, masked tokens restored
    RETRIEVAL = "retrieval"  # texts and what they look for, found by the encoder alone; trained, a dual encoder


class Metric(StrEnum):
    """The official measure of a task; `evaluation` holds one scorer for each."""

    ACCURACY = "accuracy"
    TAG_F1 = "tag-f1"  # entity F1 of seqeval 0.0.12 beside token accuracy
    SQUAD = "squad"  # mean of F1 and exact match, SQuAD v1.1 normalisation
    SQUAD_V2 = "squad-v2"  # mean of best-threshold F1 and exact match
    RETRIEVAL_ACCURACY = "retrieval-accuracy"  # share of English sentences whose nearest neighbour is their translation
    ACCURACY_F1 = "accuracy-f1"  # mean of accuracy and the F1 of the label 1
    TAG_ACCURACY = "tag-accuracy"  # share of words with the right tag
    MLQA = "mlqa"  # mean of F1 and exact match, MLQA's normalisation by language
    BITEXT_F1 = "bitext-f1"  # F1 of mined sentence pairs
    MAP_20 = "map-20"  # mean average precision of the first 20 answers
    MEWSLI = "mewsli"  # mean reciprocal rank of the entity among the first 20, called mAP@20 by XTREME-R


def _member_of(kind: type[StrEnum]) -> BeforeValidator:
    """Take the word of a file for the member, also where a document is read strictly."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, kind):
            return value
        try:
            return kind(value)
        except ValueError:
            raise ValueError(unknown(_words(kind.__name__), value, [member.value for member in kind])) from None

    return BeforeValidator(convert)


def _words(name: str) -> str:
    """``LongTagging`` as ``long tagging``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


class Provenance(Frozen):
    """How the texts of a source that are not English came into their language; English ones are original.

    A text stands for ``kind``.

    Attributes:
        kind: ``original`` where there are English texts alone, ``native`` for a set made alike in each language.
        note: by whom or by what, for people.
    """

    kind: Literal["original", "native", "human-translation", "machine-translation"] = "original"
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class Source(Frozen):
    """One place where a split of a task may lie under the data root.

    Attributes:
        path: relative path with ``{lang}`` for the language (or ``{iso3}`` for its three-letter code); a ``*`` may
            stand for a part of the path and must match one file.
        several: the ``*`` may match several files, which are read one after another, sorted by path.
        format: the reader (`data.readers`).
        pair: the second file, for formats of two: the English side of a parallel text, the labels of a file without,
            the entities that mentions are linked to.
        gold: the file of the right pairs, for sentences to mine; without it nothing can be scored.
        languages: the languages found here, where that is not all of the task's.
        columns: of a table, what is in which column: ``text``, ``pair`` (a second text) and ``label``, each by the
            header's name or by its number from 1.
        rows: share of the rows, ``[from, to)`` by a hash of the row number: one file may so hold several splits.
        provenance: how the texts came into their language; it is recorded with every result of a training on them.
    """

    path: str
    format: Literal[
        "pairs-tsv",
        "mnli-jsonl",
        "mnli-glue",
        "anli-jsonl",
        "qqp-glue",
        "xnli-tsv",
        "xnli-jsonl",
        "xnli-mt-tsv",
        "pawsx-tsv",
        "squad-json",
        "tydiqa-json",
        "hellaswag-jsonl",
        "xcopa-jsonl",
        "copa-xml",
        "cosmosqa-csv",
        "cosmosqa-jsonl",
        "commonsenseqa-jsonl",
        "socialiqa-jsonl",
        "tags-tsv",
        "panx-tsv",
        "conllu",
        "ccg-tsv",
        "label-lines",
        "label-json",
        "parallel-lines",
        "bucc",
        "lareqa-json",
        "squad-sentences",
        "mewslix-jsonl",
        "mewslix-pairs",
        "text-lines",
        "table",
        "choices-jsonl",
    ]
    pair: str | None = None
    gold: str | None = None
    several: bool = False
    languages: tuple[LanguageCode, ...] | None = None
    columns: dict[ColumnRole, str | PositiveInt] | None = None
    rows: Rows = (0.0, 1.0)
    provenance: Provenance = Provenance()


class Task(Frozen):
    """A task of the catalogue, or one that a study brings.

    Attributes:
        parts: the tasks whose training and development sets together are this one's: they share one head, and every
            example of theirs is seen once an epoch, so that they are sampled in proportion to their sizes.
        train: where the English (or other) training set may lie, first match wins; empty for a task without one.
        dev: where its development sets may lie.
        test: where its test sets may lie.
        train_on: the task whose training and English development set this target uses instead of its own.
        train_first: the tasks on which this target is trained before ``train_on``, in order; the head is kept.
        languages: the languages that have evaluation data; they make up the task's score. Where ``benchmarks`` is
            given they default to XTREME's, or for a task that XTREME lacks to XTREME-R's.
        extra_languages: further languages with data that a study may name; they are no part of the official score.
            Where ``benchmarks`` is given they default to those that only XTREME-R scores.
        benchmarks: the languages over which each benchmark takes the mean.
        sizes: split → language, or ``*`` for every other one → examples of the official files: questions, sentences,
            pairs. A language that is not there is not known.
        labels: the closed list of labels, in the order of the output layer.
        labels_from: where the list lies that ``labels`` leaves out, first match wins: a file of labels, or a data file,
            whose labels in ascending order make up the list.
        label_count: how many labels that list has in the official release.
        null_answers: a span task whose questions may have no answer.
        restricted: why the files cannot be fetched by anyone, and where they are got, for a set that is not free.
    """

    name: Name
    title: str
    head: Annotated[Head, _member_of(Head)]
    metric: Annotated[Metric, _member_of(Metric)] | None = None
    labels: tuple[str, ...] = ()
    labels_from: tuple[Source, ...] = ()
    label_count: PositiveInt | None = None
    null_answers: bool = False
    parts: tuple[Name, ...] = ()
    train_on: Name | None = None
    train_first: tuple[Name, ...] = ()
    train: tuple[Source, ...] = ()
    dev: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()
    languages: tuple[LanguageCode, ...] = ("en",)
    extra_languages: tuple[LanguageCode, ...] = ()
    benchmarks: dict[Benchmark, tuple[LanguageCode, ...]] = {}
    sizes: dict[Split, dict[str, PositiveInt]] = {}
    licence: str = ""
    citation: str = ""
    url: str = ""
    restricted: str = ""
    presentational: ClassVar[frozenset[str]] = frozenset({"title", "licence", "citation", "url", "restricted"})

    @model_validator(mode="before")
    @classmethod
    def _languages_of_benchmarks(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(benchmarks := value.get("benchmarks"), dict):
            return value
        languages: Any = value.get("languages", benchmarks.get("xtreme") or benchmarks.get("xtreme-r"))
        if not isinstance(languages, list | tuple):
            return value
        extra = type(languages)(code for code in benchmarks.get("xtreme-r", ()) if code not in languages)
        return {"extra_languages": extra, **value, "languages": languages}

    def scored_languages(self, benchmark: Benchmark | None) -> tuple[str, ...]:
        """The languages that make up the task's score: in a benchmark that has the task, those that it takes."""
        return self.benchmarks.get(benchmark, self.languages) if benchmark else self.languages

    def size(self, split: Split, language: str) -> int | None:
        """Examples of the official file, where known."""
        sizes = self.sizes.get(split, {})
        return sizes.get(language, sizes.get("*"))


class Language(Frozen):
    """A language of the catalogue.

    Attributes:
        code: ISO 639-1 where there is one.
        iso3: the three-letter code that Tatoeba's files use.
        family: family and branch.
        script: ISO 15924.
        morphology: ``agglutinative``, ``fusional``, ``isolating``, ``root-pattern`` or ``debated``.
        cc100_gib: size of the language in CC-100, GiB; None where absent.
        spaces: words are separated by blanks.
    """

    code: LanguageCode
    iso3: str
    name: str
    family: str
    script: str
    morphology: str
    cc100_gib: float | None = None
    spaces: bool = True


class Hyper(Frozen):
    """The settings of one training that belong to the science.

    Attributes:
        learning_rate: peak of the linear schedule.
        batch_size: examples in one optimiser step, over all ranks.
        epochs: passes over the training set; ``max_steps`` bounds them.
        embedding_rate: learning rate of the word embeddings as a share of the others'; 0 keeps them as they are, which
            protects the alignment between languages of a small encoder.
        warmup: share of the steps spent on linear warm-up.
        max_length: tokens of one input, special tokens included.
        doc_stride: overlap in tokens of the windows of a long context.
        question_length: tokens of a question at most.
        answer_length: tokens of a predicted answer at most.
        patience: evaluations without gain before training stops; 0 trains to the end and keeps the last weights.
        evaluate_every: optimiser steps between evaluations on the development sample; 0: once an epoch, or without
            patience at the end alone.
        dev_examples: size of the seeded development sample.
        pool: retrieval: so many examples of a batch, one after another, are told apart from each other: an example's
            right answer from those of the others. None: all of the batch. Machine and micro-batch do not matter.
        scale: retrieval: what cosines are multiplied with before the softmax, one over its temperature. XTREME-R's is a
            weight that begins at 100 and, at its learning rate, cannot leave it by as much as 1 %; here it stays there.
    """

    learning_rate: PositiveFloat = 1e-5
    batch_size: PositiveInt = 32
    epochs: PositiveFloat = 3
    max_steps: PositiveInt | None = None
    embedding_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: PositiveFloat = 1.0
    adam_epsilon: PositiveFloat = 1e-8
    adam_beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    max_length: Annotated[int, Field(ge=8)] = 256
    doc_stride: PositiveInt = 128
    question_length: PositiveInt = 64
    answer_length: PositiveInt = 30
    patience: Annotated[int, Field(ge=0)] = 0
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    dev_examples: PositiveInt = 500
    mlm_probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    pool: Annotated[int, Field(ge=2)] | None = None
    scale: PositiveFloat = 100.0


class Retrieval(Frozen):
    """How a sentence becomes a vector for retrieval.

    Attributes:
        pooling: mean over the tokens, or what stands for an input in the architecture (`cls`), without training.
        layers: number of encoder layers → hidden state that is scored as the result (0 is the embedding output).
        layer_share: the hidden state for other depths, as a share of the layers, rounded.
        trained: the pooling of a dual encoder, in training and after it; its vectors are those of the last state.
    """

    pooling: Literal["mean", "cls"] = "mean"
    trained: Literal["mean", "cls"] = "cls"
    layers: dict[int, int] = {}
    layer_share: Annotated[float, Field(gt=0, le=1)] = 0.6


class LongTagging(StrEnum):
    """What becomes of a sentence to tag that is longer than an input may be."""

    SPLIT = "split"  # it goes on in further inputs, each as full as it can be; every word is tagged once
    SPLIT_XTREME = "split-xtreme"  # the same, with the room that XTREME's script leaves: 3 tokens for XLM-R's two
    TRUNCATE = "truncate"  # its end is cut off, and the words that are lost are not scored


class SquadRules(StrEnum):
    """Which of two official programs scores the answers of a task whose questions all have one."""

    V1 = "v1"  # evaluate-v1.1: nothing in common is 0, also where both sides are empty
    V2 = "v2"  # the functions of evaluate-v2.0: empty gold answers are dropped, two empty sides are 1


class SeqevalVersion(StrEnum):
    """Whose behaviour decides what a chunk of tags is; they differ for X, SCONJ and tags with several hyphens."""

    OLD = "0.0.12"
    NEW = "1.2.2"


class Scoring(Frozen):
    """The rules of scoring that protocols do not share. What is not here follows from a task's metric.

    Attributes:
        seqeval: behaviour of entity F1.
        squad: program for questions that all have an answer, MLQA left out: its normalisation is its own.
        aggregation: ``xtreme`` is the unweighted mean over all languages of a task, English among them, for questions
            of the mean of F1 and exact match; and overall the mean over the tasks, not over their groups.
    """

    seqeval: Annotated[SeqevalVersion, _member_of(SeqevalVersion)] = SeqevalVersion.OLD
    squad: Annotated[SquadRules, _member_of(SquadRules)] = SquadRules.V1
    aggregation: Literal["xtreme"] = "xtreme"


Settings = dict[str, float | int | None]


class Protocol(Frozen):
    """A named set of hyper-parameters, scorers and aggregation rules.

    Attributes:
        defaults: settings of every training.
        heads: settings by kind of head, over the defaults.
        tasks: settings by task name, over those; the name ``mix`` holds those of a mix's common settings.
        large: settings by task name, over those, for encoders of ``LARGE_LAYERS`` layers or more.
        few_shot: settings of the training on a few examples that follows the English one, over those of the target.
        mix_cap: the K of examples-proportional sampling, ``min(e, K) / sum(min(e, K))``.
        long_tagging: what becomes of sentences to tag that are too long.
        retrieval: of every task without another entry in ``retrieval_by_task``.
        scoring: the rules of scoring.
    """

    name: Name
    title: str
    source: str = ""
    defaults: Hyper = Hyper()
    heads: dict[Head, Settings] = {}
    tasks: dict[str, Settings] = {}
    large: dict[str, Settings] = {}
    few_shot: Settings = {}
    mix_cap: PositiveInt = 131072
    long_tagging: Annotated[LongTagging, _member_of(LongTagging)] = LongTagging.SPLIT
    retrieval: Retrieval = Retrieval()
    retrieval_by_task: dict[str, Retrieval] = {}
    scoring: Scoring = Scoring()
    presentational: ClassVar[frozenset[str]] = frozenset({"title", "source"})

    def retrieval_of(self, task: str) -> Retrieval:
        """How the sentences of a retrieval task become vectors."""
        return self.retrieval_by_task.get(task, self.retrieval)


LARGE_LAYERS = 24
"""Layers from which on an encoder is what XTREME's scripts call large."""
