"""What arms, targets and languages are called in the report, and how arms are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol as Shape

from markupsafe import Markup
from pydantic import ValidationError

from stilts_core.analysis.report.figures import Style, key_mark
from stilts_core.catalog.load import Catalogue, load_catalogue
from stilts_core.catalog.models import Language, Metric
from stilts_core.data.root import overlay_for
from stilts_core.planning.params import EvaluateParams
from stilts_core.planning.plan import Plan
from stilts_core.spec.study import BASELINE, Curriculum, Encoder, Study

LONGEST_HEAD = 14

MEASURES = {
    Metric.ACCURACY: "accuracy",
    Metric.TAG_F1: "F1 of the tags",
    Metric.SQUAD: "mean of F1 and exact match",
    Metric.SQUAD_V2: "mean of best-threshold F1 and exact match",
    Metric.RETRIEVAL_ACCURACY: "retrieval accuracy",
    Metric.ACCURACY_F1: "mean of accuracy and F1",
    Metric.TAG_ACCURACY: "accuracy of the tags",
    Metric.MLQA: "mean of F1 and exact match",
    Metric.BITEXT_F1: "F1 of the mined pairs",
    Metric.MAP_20: "mean average precision at 20",
    Metric.MEWSLI: "mean reciprocal rank at 20",
}


class Naming(Shape):
    """What sections need that know a study by its table alone."""

    def arm(self, encoder: str, curriculum: str) -> str: ...
    def style(self, curriculum: str) -> Style: ...
    def key(self, curriculum: str) -> Markup: ...
    def with_encoder(self, text: str, encoder: str) -> str: ...
    def target(self, name: str) -> str: ...
    def short_target(self, name: str) -> str: ...
    def language(self, code: str) -> str: ...


@dataclass(frozen=True)
class TableNames:
    """Names for a results table from anywhere.

    Attributes:
        marked: always name the encoder, which bears a mark.
    """

    encoders: tuple[str, ...]
    curricula: tuple[str, ...]
    marked: bool = False

    def arm(self, encoder: str, curriculum: str) -> str:
        return f"{encoder}/{curriculum}" if self.marked or len(self.encoders) > 1 else curriculum

    def style(self, curriculum: str) -> Style:
        others = [name for name in self.curricula if name != BASELINE]
        return Style(0 if curriculum == BASELINE else others.index(curriculum) + 1)

    def key(self, curriculum: str) -> Markup:
        return key_mark(self.style(curriculum))

    def with_encoder(self, text: str, encoder: str) -> str:
        return f"{text}, {encoder}" if self.marked or len(self.encoders) > 1 else text

    def target(self, name: str) -> str:
        task = load_catalogue().tasks.get(name)
        return task.title if task else name

    def short_target(self, name: str) -> str:
        title = self.target(name)
        return title if len(title) <= LONGEST_HEAD else name

    def language(self, code: str) -> str:
        known = load_catalogue().languages.get(code)
        return known.name if known else code


@dataclass(frozen=True)
class Names:
    """Looks names up, with the bare name where nothing more is known."""

    plan: Plan

    @cached_property
    def study(self) -> Study | None:
        """The study as typed document; None where the plan holds something else."""
        try:
            return Study.model_validate(self.plan.study)
        except ValidationError:
            return None

    @cached_property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.study.spec.tasks if self.study else (), overlay_for(self.plan.data_root))

    @cached_property
    def _several_encoders(self) -> bool:
        return len({cell.encoder for cell in self.plan.cells}) > 1

    @cached_property
    def _places(self) -> dict[str, int]:
        others = dict.fromkeys(cell.curriculum for cell in self.plan.cells if cell.curriculum != BASELINE)
        return {BASELINE: 0, **{name: place for place, name in enumerate(others, 1)}}

    @cached_property
    def _evaluations(self) -> dict[str, EvaluateParams]:
        by_fingerprint = {stage.fingerprint: stage.params for stage in self.plan.stages}
        found: dict[str, EvaluateParams] = {}
        for cell in self.plan.cells:
            params = by_fingerprint.get(cell.fingerprint)
            if isinstance(params, EvaluateParams):
                found.setdefault(cell.target, params)
        return found

    @property
    def title(self) -> str:
        return (self.study.metadata.title if self.study else "") or self.plan.name

    @property
    def question(self) -> str:
        return self.study.metadata.question if self.study else ""

    def arm(self, encoder: str, curriculum: str) -> str:
        """The curriculum alone where the study has one encoder."""
        return f"{encoder}/{curriculum}" if self._several_encoders else curriculum

    def style(self, curriculum: str) -> Style:
        return Style(self._places[curriculum])

    def key(self, curriculum: str) -> Markup:
        return key_mark(self.style(curriculum))

    def with_encoder(self, text: str, encoder: str) -> str:
        """The text, with the encoder's name where the study has several."""
        return f"{text}, {encoder}" if self._several_encoders else text

    def target(self, name: str) -> str:
        found = next((t for t in self.study.spec.targets if t.name == name), None) if self.study else None
        task = self.catalogue.tasks.get(found.task if found else name)
        if task is None:
            return name
        return task.title if found is None or found.name == found.task else f"{task.title} ({name})"

    def short_target(self, name: str) -> str:
        """For the head of a column: titles where all of the study's are short, else names."""
        short = all(len(title) <= LONGEST_HEAD for title in self.titles.values())
        return self.target(name) if short else name

    @cached_property
    def titles(self) -> dict[str, str]:
        return {name: self.target(name) for name in dict.fromkeys(cell.target for cell in self.plan.cells)}

    def evaluation(self, target: str) -> EvaluateParams | None:
        """The parameters of a target's evaluations, all arms alike."""
        return self._evaluations.get(target)

    def measure(self, target: str) -> str:
        """What a target's score is."""
        params = self.evaluation(target)
        return MEASURES.get(params.metric, params.metric.value) if params else "score"

    def language(self, code: str) -> str:
        known = self.catalogue.languages.get(code)
        return known.name if known else code

    def known_language(self, code: str) -> Language | None:
        return self.catalogue.languages.get(code)

    def encoder(self, name: str) -> str:
        """Where an encoder comes from."""
        found = next((e for e in self.study.spec.encoders if e.name == name), None) if self.study else None
        return _origin(found) if found else ""

    def steps(self, name: str) -> str:
        """What a curriculum trains on, step by step."""
        found = next((c for c in self.study.spec.curricula if c.name == name), None) if self.study else None
        return _steps(found) if found else ""


def _origin(encoder: Encoder) -> str:
    made = encoder.pretrain
    if made is None:
        return f"{encoder.source}{f' at {encoder.revision}' if encoder.revision else ''}"
    objectives = ", ".join(f"{name} {share:g}" for name, share in made.objectives.items() if share)
    return (
        f"pretrained by the study: {made.layers} layers × {made.hidden}, {made.vocabulary:,} subwords, "
        f"{made.steps:,} steps of {made.batch_tokens:,} tokens ({objectives})"
    )


def _steps(curriculum: Curriculum) -> str:
    if not curriculum.steps:
        return "no intermediate training"
    texts = []
    for step in curriculum.steps:
        uses = []
        for use in step.mix:
            extras = [] if use.languages == ("en",) else [", ".join(use.languages)]
            extras += [use.provenance.kind] if use.provenance else []
            extras += [use.mlm] if use.mlm else []
            extras += [f"{use.limit:,} examples"] if use.limit else []
            uses.append(use.task + (f" ({'; '.join(extras)})" if extras else ""))
        texts.append(" + ".join(uses))
    return ", then ".join(texts)
