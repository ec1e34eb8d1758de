"""Which settings a training has, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Hyper, Protocol
from stilts_core.errors import SpecError
from stilts_core.spec.study import Override, Step, Target, TaskUse

MIX = "mix"
"""The name under which a protocol and an override speak of the common settings of a mix."""

MASKED = "mlm"
"""The task of masked text in a mix, by its name in the catalogue and the protocols."""

Phase = Literal["train", "target", "few-shot"]
Value = float | int | None

OF_A_TASK = frozenset(
    {
        "batch_size",
        "max_length",
        "doc_stride",
        "question_length",
        "answer_length",
        "dev_examples",
        "mlm_probability",
        "pool",
        "scale",
    }
)
"""The settings that each task of a mix has for itself; the others belong to the step."""

_OF_SPANS = frozenset({"doc_stride", "question_length", "answer_length"})
OF_RETRIEVAL = frozenset({"pool", "scale"})
OF_CHOOSING = frozenset({"patience", "evaluate_every", "dev_examples"})
"""The settings of the choice of the best weights; a dual encoder keeps its last ones."""

_OF_INPUTS = frozenset({"max_length", "mlm_probability"}) | _OF_SPANS | OF_RETRIEVAL
_STANDARD = Hyper()
_FIELDS = frozenset(Hyper.model_fields)
_SPECIAL_TOKENS = 4  # of a pair, in the encoder that spends most on them: <s> A </s></s> B </s>


@dataclass(frozen=True, slots=True)
class Subject:
    """What settings are asked for.

    Attributes:
        name: the protocol's name for it: of the task, for a target the target's own, or ``mix``.
        trained: the task that it is trained on, if that is another; overrides may name either.
        head: None for the common settings of a mix.
        masked: a mix with a masked-language task.
        target: the target's name in the study; overrides may name it too.
        untrained: a target that is scored as the encoder is: only the lengths of its inputs decide anything.
    """

    name: str
    head: Head | None
    phase: Phase
    curriculum: str
    encoder: str
    trained: str | None = None
    masked: bool = False
    target: str | None = None
    untrained: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and the place that decided it.

    Attributes:
        origin: ``built-in``, ``defaults``, ``heads.NAME``, ``tasks.NAME``, ``large.NAME`` or ``few_shot`` of the
            protocol, ``overrides.INDEX`` of the study, or ``encoder`` where the encoder takes no longer inputs.
    """

    value: Value
    origin: str


@dataclass(frozen=True, eq=False, slots=True)
class Resolved:
    """The settings of one subject: one object for all subjects that the same layers decide.

    Attributes:
        settings: by name, with the origin of each.
        cut_from: the ``max_length`` that was asked for, where the encoder takes less.
    """

    hyper: Hyper
    settings: Mapping[str, Setting]
    cut_from: int | None = None


class Resolver:
    """Settings by protocol and study: defaults < heads < tasks < large < few_shot < overrides in their order.

    Args:
        protocol: the study's.
        overrides: the study's.
        max_lengths: encoder → tokens it takes at most, where that is known.
        large: the encoders of `LARGE_LAYERS` layers or more.
    """

    def __init__(
        self,
        protocol: Protocol,
        overrides: Sequence[Override] = (),
        max_lengths: Mapping[str, int] | None = None,
        large: Collection[str] = (),
    ) -> None:
        self._protocol = protocol
        self._overrides = tuple(overrides)
        self._max_lengths = max_lengths or {}
        self._large = frozenset(large)
        self._base = protocol.defaults.model_dump()
        self._written = protocol.defaults.model_fields_set
        self._known: dict[object, Resolved] = {}

    def resolve(self, subject: Subject) -> Resolved:
        """The settings of a subject.

        Raises:
            SpecError: a layer names an unknown setting or gives an impossible value, or a span task's windows could
                not move on.
        """
        fits = tuple(index for index, override in enumerate(self._overrides) if _matches(override, subject))
        limit = self._max_lengths.get(subject.encoder)
        few = subject.phase == "few-shot"
        key = (subject.name, subject.head, subject.masked, few, subject.encoder in self._large, fits, limit)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._merge(subject, fits, limit)
        return found

    def _merge(self, subject: Subject, fits: tuple[int, ...], limit: int | None) -> Resolved:
        settings = {
            name: Setting(value, "defaults" if name in self._written else "built-in")
            for name, value in self._base.items()
        }
        layers: list[tuple[str, Mapping[str, Value]]] = []
        if subject.head is not None and subject.head in self._protocol.heads:
            layers.append((f"heads.{subject.head.value}", self._protocol.heads[subject.head]))
        if subject.name in self._protocol.tasks:
            layers.append((f"tasks.{subject.name}", self._protocol.tasks[subject.name]))
        if subject.encoder in self._large and subject.name in self._protocol.large:
            layers.append((f"large.{subject.name}", self._protocol.large[subject.name]))
        if subject.phase == "few-shot":
            layers.append(("few_shot", self._protocol.few_shot))
        if subject.masked:
            # Masked text in a mix slows the whole mix down to its own learning rate.
            rate = self._protocol.tasks.get(MASKED, {}).get("learning_rate")
            layers.append((f"tasks.{MASKED}", {} if rate is None else {"learning_rate": rate}))
        layers += [(f"overrides.{index}", self._overrides[index].set) for index in fits]
        for origin, layer in layers:
            for name, value in layer.items():
                if name not in _FIELDS:
                    raise SpecError(f'{origin}: there is no setting "{name}".', hint=_allowed())
                settings[name] = Setting(value, origin)
        cut_from: int | None = None
        wanted = settings["max_length"].value
        if limit is not None and subject.head is not None and wanted is not None and wanted > limit:
            cut_from = int(wanted)
            settings["max_length"] = Setting(limit, "encoder")
        try:
            hyper = Hyper.model_validate({name: setting.value for name, setting in settings.items()})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise SpecError(
                f"{settings[name].origin}: {name} of {subject.name} cannot be {settings[name].value}: "
                f"{first['msg'].lower()}."
            ) from error
        _check_windows(hyper, subject, settings)
        # Validation may turn 2.0 into 2: what is shown is what is used.
        settings = {name: Setting(getattr(hyper, name), setting.origin) for name, setting in settings.items()}
        return Resolved(hyper, settings, cut_from)


def of_use(use: TaskUse, catalogue: Catalogue, curriculum: str, encoder: str) -> Subject:
    """The settings of a task in a curriculum."""
    task = catalogue.task(use.task)
    trained = catalogue.training_task(task)
    return Subject(task.name, trained.head, "train", curriculum, encoder, trained=trained.name)


def of_mix(step: Step, catalogue: Catalogue, curriculum: str, encoder: str) -> Subject:
    """The settings that the tasks of a mix have in common."""
    masked = any(catalogue.task(use.task).head is Head.MLM for use in step.mix)
    return Subject(MIX, None, "train", curriculum, encoder, masked=masked)


def of_target(
    target: Target, catalogue: Catalogue, curriculum: str, encoder: str, *, phase: Phase = "target"
) -> Subject:
    """The settings of a target: of its training (or that on a few examples), and of how its inputs are cut."""
    task = catalogue.task(target.task)
    trained = catalogue.training_task(task).name
    untrained = not trains(target, catalogue)
    return Subject(
        task.name, task.head, phase, curriculum, encoder, trained=trained, target=target.name, untrained=untrained
    )


def trains(target: Target, catalogue: Catalogue) -> bool:
    """Whether a target has a training: every one but a retrieval target without training set, or that wants none."""
    task = catalogue.task(target.task)
    return task.head is not Head.RETRIEVAL or (target.training and bool(catalogue.training_task(task).train))


def for_task(hyper: Hyper, head: Head, *, common: Hyper | None = None) -> Hyper:
    """The settings of one task of a training as they enter its stage: what decides nothing is at its standard value.

    Args:
        hyper: the task's own.
        head: of the task.
        common: the settings of the mix that it is a part of.
    """
    values = hyper.model_dump()
    if common is not None:
        values.update({name: value for name, value in common.model_dump().items() if name not in OF_A_TASK})
    idle = idle_settings(head)
    if head is Head.SPAN and not values["patience"]:
        idle.add("answer_length")  # it decides the development score, which decides nothing without patience
    return _standard(values, idle)


def idle_settings(head: Head) -> set[str]:
    """The settings that decide nothing in a training of such a head, whatever the others are."""
    idle = set() if head is Head.SPAN else set(_OF_SPANS)
    if head is not Head.MLM:
        idle.add("mlm_probability")
    return idle | (OF_CHOOSING if head is Head.RETRIEVAL else OF_RETRIEVAL)


def for_mix(hyper: Hyper) -> Hyper:
    """The common settings of a mix: lengths and the like are its tasks' own."""
    return _standard(hyper.model_dump(), set(_OF_INPUTS))


def _standard(values: dict[str, Value], idle: set[str]) -> Hyper:
    return Hyper.model_validate(values | {name: getattr(_STANDARD, name) for name in idle})


def _matches(override: Override, subject: Subject) -> bool:
    match = override.match
    return (
        (match.task is None or match.task in (subject.name, subject.trained, subject.target))
        and (match.kind is None or match.kind == subject.phase)
        and (match.curriculum is None or match.curriculum == subject.curriculum)
        and (match.encoder is None or match.encoder == subject.encoder)
    )


def _check_windows(hyper: Hyper, subject: Subject, settings: Mapping[str, Setting]) -> None:
    if subject.head is not Head.SPAN:
        return
    room = hyper.max_length - hyper.question_length - _SPECIAL_TOKENS
    if room <= hyper.doc_stride:
        origin = {name: settings[name].origin for name in ("max_length", "question_length", "doc_stride")}
        raise SpecError(
            f"{subject.name}: inputs of {hyper.max_length} tokens ({origin['max_length']}) with questions of "
            f"{hyper.question_length} ({origin['question_length']}) leave {max(room, 0)} for the context, so windows "
            f"that overlap by {hyper.doc_stride} ({origin['doc_stride']}) do not move on.",
            hint="Lower doc_stride or question_length by an override, or raise max_length.",
        )


def _allowed() -> str:
    return f"The settings are {', '.join(sorted(_FIELDS))}."
