"""What a stage of each kind is told, and what it commits."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stilts_core.catalog.models import (
    Head,
    Hyper,
    LongTagging,
    Metric,
    SeqevalVersion,
    SquadRules,
)
from stilts_core.model import Frozen
from stilts_core.spec.study import Pretraining


class EncoderSource(Frozen):
    """An encoder that exists before the study.

    Attributes:
        location: a hub id, a folder or an ``s3://`` address.
        digest: SHA-256 over the folder's files, so that its place does not matter; for a hub id it is of
            ``id@revision``.
        parameters: of the body, embeddings left out, where known; for the estimate of time only.
        max_length: tokens it takes at most, where known; longer inputs are cut to it when planning.
        layers: where known; protocols may have other settings for large encoders.
        files: name and SHA-256 of each file of one in a bucket, so that a stage can fetch and verify it.
    """

    location: str
    revision: str | None = None
    digest: str
    parameters: int | None = None
    max_length: int | None = None
    layers: int | None = None
    files: tuple[tuple[str, str], ...] = ()
    presentational: ClassVar[frozenset[str]] = frozenset(
        {"location", "revision", "parameters", "max_length", "layers", "files"}
    )


class TokenizerParams(Frozen):
    """`prepare`: train a tokenizer on the texts. Commits ``tokenizer/`` (a folder for AutoTokenizer)."""

    what: Literal["tokenizer"] = "tokenizer"
    vocabulary: int
    max_length: int


class TextParams(Frozen):
    """`prepare`: tokenise plain and parallel text for masked training. Parent ``tokenizer`` or ``encoder``.

    Commits ``text/`` (a dataset of head mlm) and, if any file is parallel, ``parallel/``.
    """

    what: Literal["text"] = "text"
    sequence_length: int
    encoder: EncoderSource | None = None


class TaskParams(Frozen):
    """`prepare`: read, check and tokenise a task's files. Parent ``tokenizer``, or ``encoder`` here.

    Commits ``data/`` (a `data.dataset.Dataset`) with a segment for each file, in the order of the stage's files.

    Attributes:
        purpose: ``train`` (the roles are train/* and dev/*) or ``evaluate``.
        limit: a seeded sample of so many examples of each evaluation file, or of the training set.
        shots: a seeded sample of so many examples of each training file.
        long_tagging: what becomes of sentences that are too long; None where there are none to tag.
    """

    what: Literal["task"] = "task"
    task: str
    head: Head
    labels: tuple[str, ...] = ()
    null_answers: bool = False
    purpose: Literal["train", "evaluate"]
    max_length: int
    doc_stride: int
    question_length: int
    limit: int | None = None
    shots: int | None = None
    long_tagging: LongTagging | None = None
    encoder: EncoderSource | None = None
    presentational: ClassVar[frozenset[str]] = frozenset({"task"})


class PretrainParams(Frozen):
    """`pretrain`: an encoder from scratch. Parents ``tokenizer`` and ``text``. Commits ``encoder/``."""

    settings: Pretraining


UNCAPPED = 2**53
"""A ``mix_cap`` over every training set: the largest power of two whose neighbours JSON readers keep apart."""


class TrainTask(Frozen):
    """One task of a training; its data are the parent ``data/<index>``.

    Its share of a mix follows from the number of its examples, which is known once they are tokenised, and from
    ``TrainParams.mix_cap``.

    Attributes:
        hyper: what belongs to the task alone (batch size, lengths, development sample); in a mix the other settings
            are those of the step.
        pooling: of a dual encoder, as in `catalog.models.Retrieval.trained`; None for other heads.
    """

    task: str
    head: Head
    labels: tuple[str, ...] = ()
    null_answers: bool = False
    metric: Metric | None = None
    hyper: Hyper
    pooling: Literal["mean", "cls"] | None = None
    presentational: ClassVar[frozenset[str]] = frozenset({"task"})


class TrainParams(Frozen):
    """`train`: phase 2 or 3. Parent ``encoder`` (a pretrain or train stage), or ``encoder`` here.

    Commits ``encoder/`` (folder for AutoModel and AutoTokenizer: the encoder alone), ``heads.safetensors`` and
    ``heads.json``, and ``history.json`` (losses by step, measures of the development samples by evaluation).

    Attributes:
        hyper: the settings common to the step (learning rate, schedule, clipping, patience).
        mix_cap: the K of examples-proportional sampling; `UNCAPPED` where a task is alone and trains on all it has.
        keep_head: go on with the head of the parent, which trained the same task, instead of a fresh one.
    """

    tasks: tuple[TrainTask, ...] = Field(min_length=1)
    hyper: Hyper
    mix_cap: int
    seed: int
    keep_head: bool = False
    encoder: EncoderSource | None = None


class EvaluateParams(Frozen):
    """`evaluate`: one model, one target, all of its languages. Parents ``data`` and ``model``, or ``encoder`` here.

    Commits ``predictions/<task>/`` in the official format, ``outcomes.parquet`` (per example) and ``metrics.json``.

    Attributes:
        retrieval_state: hidden state scored as the result, where known; every state is scored beside it.
        retrieval_share: the state as a share of the layers, where the depth is not in the protocol's table.
        seqeval: behaviour of entity F1; None for other measures.
        squad: program that scores answers; None for other measures.
    """

    task: str
    head: Head
    labels: tuple[str, ...] = ()
    null_answers: bool = False
    metric: Metric
    answer_length: int
    pooling: Literal["mean", "cls"] | None = None
    retrieval_states: dict[int, int] = Field(default_factory=dict)
    retrieval_share: float | None = None
    seqeval: SeqevalVersion | None = None
    squad: SquadRules | None = None
    encoder: EncoderSource | None = None


TIMINGS_FILE, BLOCKS_FILE, COSTS_FILE = "timings.parquet", "blocks.parquet", "costs.json"


class MeasuredModel(Frozen):
    """A model that is measured; it is the parent ``model/<index>``.

    Attributes:
        data: number of the parent ``data/<number>`` that holds its sentences.
    """

    data: int
    labels: tuple[str, ...] = ()


class CostParams(Frozen):
    """`measure`: the cost of forward passes, of all models of a target by turns on one machine without other stages.

    Parents ``model/<index>`` and ``data/<number>``. Commits ``timings.parquet`` (a row for each timed pass),
    ``blocks.parquet`` (memory and energy of each condition in each block) and ``costs.json`` (what is counted). A time
    is no function of its inputs: what was measured first is kept, and another ``machine`` is measured anew.

    Attributes:
        exits: shares of the layers, timed on sentences as they come.
        machine: as in `spec.study.Measure`.
        languages: whose sentences.
    """

    what: Literal["cost"] = "cost"
    task: str
    models: tuple[MeasuredModel, ...] = Field(min_length=1)
    languages: tuple[str, ...]
    precisions: tuple[Literal["fp32", "bf16"], ...]
    batches: tuple[int, ...]
    lengths: tuple[int, ...]
    blocks: int
    passes: int
    warmup: int
    exits: tuple[float, ...] = ()
    machine: str = ""
    presentational: ClassVar[frozenset[str]] = frozenset({"task"})


class ExitParams(Frozen):
    """`measure`: what a model knows before its last layer. Parents ``model``, ``train`` and ``data``.

    Trains a classifier on each of some hidden states, with the encoder as it is, and scores it in all languages.
    Commits ``exits.safetensors`` and ``exits.json``.

    Attributes:
        shares: of the layers.
        examples: of the training set, a seeded sample at most.
    """

    what: Literal["exits"] = "exits"
    task: str
    labels: tuple[str, ...] = ()
    shares: tuple[float, ...] = Field(min_length=1)
    examples: int
    seed: int
    presentational: ClassVar[frozenset[str]] = frozenset({"task"})


class RetainedParams(Frozen):
    """`evaluate`: how well a model still does a task of an earlier step of its curriculum.

    Parents ``data`` (the task's training set, with its development examples), ``model`` (a later train stage) and
    ``heads`` (the train stage that trained the task last): the encoder is the later one, the head is kept.

    Attributes:
        task: with the settings of its own training, so that the same development sample is scored.
        index: of the task in that training.
    """

    what: Literal["retained"] = "retained"
    task: TrainTask
    index: int


class FeaturesParams(Frozen):
    """`similarity`: what a task's inputs are to an encoder. Parents ``data``, and ``encoder`` or ``encoder`` here.

    Commits ``text.npy``, the mean embedding (H,), and ``tokens.npy``, states of sampled tokens (T, H) in 16 bits.

    Attributes:
        split: whose examples are sampled; None for all, where a target has no training set.
    """

    what: Literal["features"] = "features"
    split: Literal["train"] | None
    examples: int
    tokens: int
    seed: int
    encoder: EncoderSource | None = None


class FisherParams(Frozen):
    """`similarity`: the Fisher information of a trained task. Parents ``data`` and ``model``.

    Commits ``fisher.npy`` (P,), the diagonal, meaned over the weights of each unit, and ``fisher.json``, the parameters
    and how many units each has.
    """

    what: Literal["fisher"] = "fisher"
    examples: int
    seed: int


class ProbeParams(Frozen):
    """`similarity`: what a target's inputs are to a model with intermediate training.

    Parents ``data``, ``model``, and ``encoder`` (before that training) or ``encoder`` here. Commits ``probe.json``, its
    metrics: LogME where the target has labels, and label-free probes.
    """

    what: Literal["probe"] = "probe"
    split: Literal["train"] | None
    examples: int
    tokens: int
    seed: int
    encoder: EncoderSource | None = None


class CompareParams(Frozen):
    """`similarity`: every intermediate task with every target.

    Parents ``source/<place>`` and ``target/<place>`` (features), and where they could be made
    ``source-fisher/<place>`` and ``target-fisher/<place>``. Commits ``similarity.json``, its metrics: measure →
    source → target → value.

    Attributes:
        sources: curricula of one task.
        targets: names.
    """

    what: Literal["compare"] = "compare"
    sources: tuple[str, ...]
    targets: tuple[str, ...]


Params = (
    TokenizerParams
    | TextParams
    | TaskParams
    | PretrainParams
    | TrainParams
    | EvaluateParams
    | CostParams
    | ExitParams
    | RetainedParams
    | FeaturesParams
    | FisherParams
    | ProbeParams
    | CompareParams
)
