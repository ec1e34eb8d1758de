"""Every setting of every training of a study, with the place that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Hyper, Metric
from stilts_core.planning import settings
from stilts_core.planning.expand import resolver_of
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.settings import Resolved, Setting, Subject, Value
from stilts_core.spec.study import Study

_SPANS = ("doc_stride", "question_length", "answer_length")
_LENGTHS = ("max_length", "question_length")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The settings of trainings that agree in all of them.

    Attributes:
        title: what is trained, or only evaluated.
        arms: encoder and curriculum of each training that has these settings.
        settings: name → value and origin, only those that decide something here.
    """

    title: str
    arms: tuple[tuple[str, str], ...]
    settings: Mapping[str, Setting]


def explain(study: Study, catalogue: Catalogue, encoders: Mapping[str, EncoderSource]) -> tuple[Explanation, ...]:
    """The explanations of a study: curricula first, then targets, each in the order of the study.

    Raises:
        SpecError: a setting is unknown or impossible.
    """
    resolver = resolver_of(study, catalogue.protocol(study.spec.protocol), encoders)
    arms: dict[tuple[str, tuple[tuple[str, Setting], ...]], dict[tuple[str, str], None]] = {}

    def add(title: str, subject: Subject, *, of_a_mix: bool = False) -> None:
        asks = subject.head is Head.RETRIEVAL and catalogue.task(subject.name).metric is Metric.MAP_20
        deciding = _deciding(subject, resolver.resolve(subject), of_a_mix=of_a_mix, asks=asks)
        arms.setdefault((title, tuple(deciding.items())), {})[subject.encoder, subject.curriculum] = None

    pairs = [(encoder.name, curriculum) for encoder in study.spec.encoders for curriculum in study.spec.curricula]
    for encoder, curriculum in pairs:
        for step in curriculum.steps:
            if len(step.mix) > 1:
                add(f"mix {step.name}", settings.of_mix(step, catalogue, curriculum.name, encoder))
            for use in step.mix:
                subject = settings.of_use(use, catalogue, curriculum.name, encoder)
                title = f"{use.task} in a mix" if len(step.mix) > 1 else f"intermediate {use.task}"
                add(title, subject, of_a_mix=len(step.mix) > 1)
    for encoder, curriculum in pairs:
        for target in study.spec.targets:
            subject = settings.of_target(target, catalogue, curriculum.name, encoder)
            on = f" (trained on {subject.trained})" if subject.trained != subject.name else ""
            add(f"target {target.name}{on}", subject)
            if target.few_shot:
                few = settings.of_target(target, catalogue, curriculum.name, encoder, phase="few-shot")
                add(f"few examples of target {target.name}", few)
    return tuple(Explanation(title, tuple(found), dict(deciding)) for (title, deciding), found in arms.items())


def _deciding(subject: Subject, resolved: Resolved, *, of_a_mix: bool, asks: bool) -> dict[str, Setting]:
    """The settings that decide something for the subject, in the order of `Hyper`.

    Args:
        asks: its questions and what they look for have lengths of their own.
    """
    names = list(Hyper.model_fields)
    spans: tuple[str, ...] = _SPANS
    if subject.head is Head.RETRIEVAL:
        names = [name for name in names if name not in settings.OF_CHOOSING]
        spans = ("doc_stride", "answer_length") if asks else _SPANS
    else:
        names = [name for name in names if name not in settings.OF_RETRIEVAL]
    if subject.untrained:
        names = [name for name in names if name in _LENGTHS]
    if subject.head is None:
        names = [name for name in names if name not in settings.OF_A_TASK]
    if of_a_mix:
        names = [name for name in names if name in settings.OF_A_TASK]
    if subject.head is not Head.SPAN:
        names = [name for name in names if name not in spans]
    if subject.head is not Head.MLM:
        names = [name for name in names if name != "mlm_probability"]
    return {name: resolved.settings[name] for name in names}


def written(value: Value) -> str:
    """A value as it would be written in a study."""
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)
