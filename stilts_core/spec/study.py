"""The study: the science, in one file. It says nothing of where it runs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stilts_core.catalog.models import Benchmark, LanguageCode, Name, Provenance, Rows
from stilts_core.catalog.published import Published
from stilts_core.model import API_VERSION, Frozen
from stilts_core.spec.claims import Claim
from stilts_core.spec.own_task import OwnTask
from stilts_core.spec.sequences import Sequences
from stilts_core.spec.steps import BASELINE as BASELINE
from stilts_core.spec.steps import Curriculum as Curriculum
from stilts_core.spec.steps import Step as Step
from stilts_core.spec.steps import TaskUse as TaskUse


class Metadata(Frozen):
    """What a study is called and, for the report, what it asks."""

    name: Name
    title: str = ""
    question: str = ""


class TextFile(Frozen):
    """A file of the data root whose text an encoder is pretrained on, read with one of the catalogue's formats.

    Attributes:
        path: relative path; ``{lang}`` stands for each of the languages.
        parallel: the texts of one row are translations of each other (or of the row of the same number in the other
            languages): they feed the translation objectives.
        rows: share of the rows, ``[from, to)`` by a hash of the row number, that is used; the rest stays for others.
    """

    path: str
    format: str
    pair: str | None = None
    languages: tuple[LanguageCode, ...] = ("en",)
    parallel: bool = False
    rows: Rows = (0.0, 1.0)


class Pretraining(Frozen):
    """An XLM-R-like encoder made by the study itself, from scratch.

    Attributes:
        batch_tokens: tokens of one optimiser step.
        dropout: of the hidden states when the encoder is trained further; pretraining has none, too short to overfit.
        objectives: share of the steps spent on each objective: masked text (``mlm``), masked sentence pairs
            (``tlm``), telling translations from others by sentence vectors (``contrastive``) or by their words alone
            (``lexical``).
    """

    layers: PositiveInt = 6
    hidden: PositiveInt = 256
    heads: PositiveInt = 4
    intermediate: PositiveInt | None = None
    vocabulary: Annotated[int, Field(ge=300, le=500_000)] = 32_000
    max_length: Annotated[int, Field(ge=16, le=8192)] = 512
    sequence_length: Annotated[int, Field(ge=16)] = 128
    steps: PositiveInt = 1000
    batch_tokens: PositiveInt = 4096
    learning_rate: PositiveFloat = 1e-3
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mlm_probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    objectives: dict[Literal["mlm", "tlm", "contrastive", "lexical"], Annotated[float, Field(ge=0)]] = {
        "mlm": 1.0,
        "tlm": 1.0,
    }
    seed: Annotated[int, Field(ge=0)] = 0
    text: tuple[TextFile, ...] = Field(min_length=1)
    presentational: ClassVar[frozenset[str]] = frozenset({"text"})  # it reaches the stages as files, by their digests

    @model_validator(mode="after")
    def _fits(self) -> Pretraining:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        if self.sequence_length > self.max_length:
            raise ValueError(f"sequence_length ({self.sequence_length}) is over max_length ({self.max_length})")
        if not sum(self.objectives.values()):
            raise ValueError("objectives needs at least one share above 0")
        needs_pairs = any(self.objectives.get(name, 0) for name in ("tlm", "contrastive", "lexical"))
        if needs_pairs and not any(text.parallel for text in self.text):
            raise ValueError("the objectives tlm, contrastive and lexical need a text with `parallel: true`")
        return self


class Encoder(Frozen):
    """Phase 1. A text stands for ``source``.

    Attributes:
        source: a hub id, a folder, or an ``s3://`` address; none when ``pretrain`` is given.
        revision: of the hub, a commit or tag.
    """

    name: Name
    source: str | None = None
    revision: str | None = None
    pretrain: Pretraining | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            name = value.rstrip("/").rsplit("/", 1)[-1].lower()
            return {"name": name, "source": value}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Encoder:
        if (self.source is None) == (self.pretrain is None):
            raise ValueError("an encoder has either `source` or `pretrain`")
        return self


class FewShot(Frozen):
    """A few labelled examples of other languages: after the English training, the model learns them too.

    Attributes:
        examples: of each language, drawn with a fixed seed.
        languages: all in one training; evaluated as every other language, but no longer zero-shot.
    """

    examples: PositiveInt
    languages: tuple[LanguageCode, ...] = Field(min_length=1)


class TranslateTrain(Frozen):
    """The target's training set in other languages, translated as a rule, joined to the English one.

    Attributes:
        languages: beside English.
        provenance: how these versions came to be, where the catalogue does not say; for the record.
    """

    languages: tuple[LanguageCode, ...] = Field(min_length=1)
    provenance: Provenance | None = None


class Target(Frozen):
    """Phase 3. A text stands for ``task``.

    Attributes:
        name: what its results are called; default: the task's name. With it a task may be a target twice, zero-shot and
            with a few examples, say.
        languages: evaluate these only; default: all that the task has.
        split: the split looked for first; the other one is used for a language that lacks it.
        limit: evaluate a seeded sample of so many examples a language.
        train_limit: train on a seeded sample of so many examples.
        rows: retrieval only: the share of rows, as in ``TextFile``, that is evaluated.
        few_shot: learn a few examples of other languages too.
        translate_train: train on the training set in other languages too.
        training: retrieval only: ``false`` scores the encoder as it is, also where the task has a training set.
    """

    task: Name
    name: Name = ""
    languages: tuple[LanguageCode, ...] | None = None
    split: Literal["test", "dev"] = "test"
    limit: PositiveInt | None = None
    train_limit: PositiveInt | None = None
    rows: Rows = (0.0, 1.0)
    few_shot: FewShot | None = None
    translate_train: TranslateTrain | None = None
    training: bool = True

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"task": value}
        if isinstance(value, dict) and "name" not in value and "task" in value:
            value = {**value, "name": value["task"]}
        return value


class Match(Frozen):
    """What an override applies to; a field left out matches everything.

    Attributes:
        task: name of the task that is trained or of a target, or ``mix``.
        kind: ``train`` (curricula), ``target``, or ``few-shot`` (what a target learns from a few examples).
    """

    task: str | None = None
    kind: Literal["train", "target", "few-shot"] | None = None
    curriculum: str | None = None
    encoder: str | None = None


class Override(Frozen):
    """Settings that differ from the protocol's. Later overrides win over earlier ones."""

    match: Match = Match()
    set: dict[str, float | int | None] = Field(min_length=1)


class Measure(Frozen):
    """What the question on efficiency measures: what a forward pass costs, of every arm side by side.

    Attributes:
        targets: those whose models are measured; default: every target that classifies sentences.
        languages: whose sentences; default: all that the target is scored in.
        precisions: of the weights and the products.
        batches: sentences of one forward pass.
        lengths: upper ends of the buckets of tokens; longer sentences are one more. Sentences as they come are always
            measured too.
        blocks: repetitions of everything, each in an order of its own.
        passes: timed forward passes of each condition in each block.
        warmup: passes before them that are not timed.
        seeds: of the study's seeds, the first so many have their models measured.
        machine: a word of the user's for what it is measured on. Times are measured once and kept; another word has
            them measured anew, on a GPU after a processor, say.
        exits: shares of the layers after which a classifier of its own may answer: 0.5 for half of them.
        exit_examples: examples of the training set that such a classifier learns from at most.
    """

    targets: tuple[Name, ...] = ()
    languages: tuple[LanguageCode, ...] | None = None
    precisions: tuple[Literal["fp32", "bf16"], ...] = Field(default=("fp32", "bf16"), min_length=1)
    batches: tuple[PositiveInt, ...] = Field(default=(1, 8, 32), min_length=1)
    lengths: tuple[PositiveInt, ...] = (32, 64, 128)
    blocks: Annotated[int, Field(ge=2)] = 10
    passes: PositiveInt = 5
    warmup: Annotated[int, Field(ge=0)] = 2
    seeds: PositiveInt = 1
    machine: Name | Literal[""] = ""
    exits: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    exit_examples: PositiveInt = 20_000

    @model_validator(mode="after")
    def _each_once_and_rising(self) -> Measure:
        for name in ("lengths", "batches", "exits"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} must rise, each once")
        if len(set(self.precisions)) < len(self.precisions):
            raise ValueError("precisions has one twice")
        return self


class Data(Frozen):
    """Where the data lie: a folder, ``s3://bucket/prefix``, or ``sample://`` for the built-in sample benchmark."""

    root: str = "data"


class Spec(Frozen):
    """What is compared with what.

    Attributes:
        sequences: curricula that follow from a list of tasks, beside those of ``curricula``.
        benchmark: whose list of languages a target has that names none; default: XTREME's, for a task that it lacks
            XTREME-R's.
        tasks: the study's own, in the catalogue's schema; a text is a file beside the study that holds one or several.
        claims: what a paper says, for the report to judge.
        reference: published results that the report lays beside the study's own.
        measure: how the question on efficiency is measured; it goes with ``questions: [efficiency]``.
    """

    encoders: tuple[Encoder, ...] = Field(min_length=1)
    curricula: tuple[Curriculum, ...] = Field(min_length=1)
    sequences: Sequences | None = None
    targets: tuple[Target, ...] = Field(min_length=1)
    seeds: PositiveInt | tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = 1
    protocol: str = "xtreme-2020"
    benchmark: Benchmark | None = None
    data: Data = Data()
    overrides: tuple[Override, ...] = ()
    tasks: tuple[OwnTask, ...] = ()
    questions: tuple[str, ...] = ("transfer",)
    claims: tuple[Claim, ...] = ()
    reference: tuple[Published, ...] = ()
    measure: Measure | None = None

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(value, tuple) and (not value or len(set(value)) != len(value)):
            raise ValueError("seeds is a number, or a list of different numbers")
        if isinstance(value, int) and value > 1000:
            raise ValueError("at most 1000 seeds")
        return value

    @model_validator(mode="after")
    def _with_sequences(self) -> Spec:
        """Add the curricula of `sequences`; those that are there already, as in a plan's record of its study, stay."""
        if self.sequences is not None:
            known = {curriculum.name: curriculum for curriculum in self.curricula}
            made = self.sequences.curricula()
            other = [one.name for one in made if known.get(one.name, one) != one]
            if other:
                raise ValueError(f"curricula has another {', '.join(other)} than sequences makes; rename it")
            # The model is frozen for everybody else, and not yet handed out.
            self.__dict__["curricula"] = (*self.curricula, *(one for one in made if one.name not in known))
        return self

    @model_validator(mode="after")
    def _distinct_names(self) -> Spec:
        for what, names in (
            ("encoders", [encoder.name for encoder in self.encoders]),
            ("curricula", [curriculum.name for curriculum in self.curricula]),
            ("targets", [target.name for target in self.targets]),
            ("tasks", [task.name for task in self.tasks]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} has {', '.join(twice)} more than once")
        return self

    def seed_list(self) -> tuple[int, ...]:
        """The seeds, in order; a number n stands for 0 to n - 1. Arms share them, so that they can be paired."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


class Study(Frozen):
    """A study file."""

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Study"] = "Study"
    metadata: Metadata
    spec: Spec
    presentational: ClassVar[frozenset[str]] = frozenset({"metadata"})
