"""Which model an arm's is, and by which stages it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stilts_core.catalog.models import Head
from stilts_core.catalog.nearest import unknown
from stilts_core.errors import MissingInputError, SpecError
from stilts_core.planning.params import EncoderSource, EvaluateParams, TrainParams
from stilts_core.planning.plan import Cell, Plan, Stage, StageKind
from stilts_core.spec.study import BASELINE, Study


@dataclass(frozen=True, slots=True)
class ArmModel:
    """A model that stages of a study made.

    Attributes:
        target: whose training ended it; empty for the encoder after the last step of the curriculum.
        trail: the stages that trained it, first to last: a pretraining, the steps of the curriculum, and with a target
            the trainings on that.
        steps: how many of the trail are steps of the curriculum.
        source: the encoder that it began with; None where the study pretrained it.
        cells: the results of the arm, with a target on that alone; all seeds.
        stages: fingerprint → stage of the plan.
    """

    encoder: str
    curriculum: str
    target: str
    seed: int
    trail: tuple[Stage, ...]
    steps: int
    source: EncoderSource | None
    cells: tuple[Cell, ...]
    stages: Mapping[str, Stage]

    @property
    def arm(self) -> str:
        return f"{self.encoder}/{self.curriculum}"

    @property
    def name(self) -> str:
        """A name for its folder: ``<encoder>--<curriculum>[--<target>]--seed<n>``."""
        parts = [self.encoder, self.curriculum, self.target, f"seed{self.seed}"]
        return "--".join(part for part in parts if part)

    @property
    def made_by(self) -> Stage:
        """The stage whose hand-off it is: what a stage that goes on from here reads."""
        return self.trail[-1]

    @property
    def trainings(self) -> tuple[Stage, ...]:
        """The trail without the pretraining."""
        return tuple(stage for stage in self.trail if stage.kind is StageKind.TRAIN)

    @property
    def trained_on_target(self) -> bool:
        """The last training was on the target, and not a step of the curriculum."""
        return bool(self.target) and len(self.trainings) > self.steps

    @property
    def head(self) -> Head | None:
        """The head of the target's training; None where there is none, or one without weights (a dual encoder's)."""
        params = self.made_by.params
        if not self.trained_on_target or not isinstance(params, TrainParams):
            return None
        return None if params.tasks[0].head is Head.RETRIEVAL else params.tasks[0].head

    def data_of(self, training: Stage) -> tuple[Stage, ...]:
        """The stages that prepared what a training reads, in the order of its tasks."""
        assert isinstance(training.params, TrainParams)  # noqa: S101 (the plan pairs kinds with their parameters)
        return tuple(self.stages[training.parents[f"data/{at}"]] for at in range(len(training.params.tasks)))

    def fingerprints(self) -> tuple[str, ...]:
        """Of every stage whose manifest has something to say about it."""
        names: dict[str, None] = {}
        for stage in self.trail:
            names.update(dict.fromkeys((*stage.parents.values(), stage.fingerprint)))
        names.update(dict.fromkeys(cell.fingerprint for cell in self.cells))
        return tuple(names)


def find_model(plan: Plan, study: Study, arm: str, target: str | None = None, seed: int | None = None) -> ArmModel:
    """The model of an arm.

    Args:
        plan: of the study.
        study: says how many steps each curriculum has.
        arm: ``<encoder>/<curriculum>``; the curriculum alone where the study has one encoder.
        target: the model after the training on this target; None: the encoder after the curriculum.
        seed: default: the study's first.

    Raises:
        SpecError: there is no such arm, target or seed, or no stage has trained the model.
    """
    encoder, curriculum = _arm(plan, arm)
    cells = [cell for cell in plan.cells if (cell.encoder, cell.curriculum) == (encoder, curriculum)]
    targets = list(dict.fromkeys(cell.target for cell in cells))
    if target is not None and target not in targets:
        raise _no(plan, unknown("target", target, targets))
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    if seed is not None and seed not in seeds:
        raise SpecError(f"The study {plan.name} has no seed {seed}; its seeds are {', '.join(map(str, seeds))}.")
    wanted = seeds[0] if seed is None else seed
    stages = {stage.fingerprint: stage for stage in plan.stages}
    mine = [cell for cell in cells if target in (None, cell.target)]
    cell = next(cell for cell in mine if cell.seed == wanted)
    steps = next(len(each.steps) for each in study.spec.curricula if each.name == curriculum)
    trail = _trail(stages[cell.fingerprint], stages)
    before = sum(stage.kind is StageKind.PRETRAIN for stage in trail)
    if target is None:
        trail = trail[: before + steps]
    source = _source(stages[cell.fingerprint], trail)
    if not trail:
        what = f"on {target} is" if target else "is"
        raise SpecError(
            f"The model of {encoder}/{curriculum} {what} the encoder {encoder} as it was before the study: no stage "
            "has trained it.",
            hint="Name a target that is trained with --target, or another arm."
            if curriculum == BASELINE
            else "Name another arm.",
        )
    return ArmModel(encoder, curriculum, target or "", wanted, trail, steps, source, tuple(mine), stages)


def check_committed(model: ArmModel, committed: Mapping[str, object], reasons: Mapping[str, str]) -> None:
    """See that the model is there.

    Args:
        committed: by fingerprint, the stages that have committed.
        reasons: fingerprint of a stage → why it has not committed.

    Raises:
        MissingInputError: it is not there; the message names the first of its stages that is missing.
    """
    if model.made_by.fingerprint in committed:
        return
    first = next(stage for stage in model.trail if stage.fingerprint not in committed)
    reason = reasons.get(first.fingerprint, "")
    then = len(model.trail) - 1 - model.trail.index(first)
    what = f"{first.kind.value} {first.label or first.fingerprint[:12]}"
    after = f"; {then} more {'follows' if then == 1 else 'follow'} it" if then else ""
    raise MissingInputError(
        f"The model {model.name} is not there yet: the stage {what} has not committed"
        f"{f' ({reason})' if reason else ''}{after}.",
        hint="Run the study, and say the same again.",
    )


def _arm(plan: Plan, arm: str) -> tuple[str, str]:
    arms = list(dict.fromkeys((cell.encoder, cell.curriculum) for cell in plan.cells))
    alone = len({encoder for encoder, _ in arms}) == 1
    for encoder, curriculum in arms:
        if arm == f"{encoder}/{curriculum}" or (alone and arm == curriculum):
            return encoder, curriculum
    whole = "/" in arm or not alone
    raise _no(plan, unknown("arm", arm, [f"{encoder}/{name}" if whole else name for encoder, name in arms]))


def _no(plan: Plan, sentence: str) -> SpecError:
    return SpecError(f"The study {plan.name}: {sentence}.".replace("?.", "?"))


def _trail(evaluation: Stage, stages: Mapping[str, Stage]) -> tuple[Stage, ...]:
    """The stages that made the model of an evaluation, first to last."""
    found: list[Stage] = []
    name = evaluation.parents.get("model")
    while name is not None:
        found.append(stages[name])
        name = stages[name].parents.get("encoder")
    return tuple(reversed(found))


def _source(evaluation: Stage, trail: tuple[Stage, ...]) -> EncoderSource | None:
    params = trail[0].params if trail else evaluation.params
    return params.encoder if isinstance(params, TrainParams | EvaluateParams) else None
