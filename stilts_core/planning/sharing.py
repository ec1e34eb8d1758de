"""What a plan saves by doing equal work once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.study import Study


@dataclass(frozen=True, slots=True)
class Share:
    """The stages of one kind.

    Attributes:
        stages: as planned.
        alone: as many as there would be if every result of the study were made from the beginning.
        work, work_alone: floating-point operations of both.
    """

    stages: int
    alone: int
    work: float
    work_alone: float


@dataclass(frozen=True, slots=True)
class Trainings:
    """The trainings of a study.

    Attributes:
        intermediate: of curricula.
        target: of targets, those on a few examples and other parts of a target's training included.
        alone: both, if every result were made from the beginning.
    """

    intermediate: int
    target: int
    alone: int


def trainings(plan: Plan) -> Trainings:
    """How many trainings a plan has: of a result's chain, as many as its curriculum has steps are intermediate."""
    stages = {stage.fingerprint: stage for stage in plan.stages}
    steps = {curriculum.name: len(curriculum.steps) for curriculum in Study.model_validate(plan.study).spec.curricula}
    intermediate: set[str] = set()
    target: set[str] = set()
    alone = 0
    for cell in plan.cells:
        chain: list[str] = []
        model = stages[cell.fingerprint].parents.get("model")
        while model is not None and stages[model].kind is StageKind.TRAIN:
            chain.append(model)
            model = stages[model].parents.get("encoder")
        chain.reverse()
        alone += len(chain)
        intermediate.update(chain[: steps[cell.curriculum]])
        target.update(chain[steps[cell.curriculum] :])
    return Trainings(len(intermediate), len(target - intermediate), alone)


def sharing(plan: Plan) -> dict[StageKind, Share]:
    """By kind, in the order of the kinds; a kind without stages is left out."""
    kinds = {stage.fingerprint: stage for stage in plan.stages}
    needed: dict[str, frozenset[str]] = {}  # a stage and all that it stands on
    for stage in plan.stages:
        needed[stage.fingerprint] = frozenset((stage.fingerprint,)).union(*(needed[p] for p in stage.parents.values()))
    uses: Counter[str] = Counter()
    for cell in plan.cells:
        uses.update(needed[cell.fingerprint])
    uses.update(stage.fingerprint for stage in plan.stages if stage.kind is StageKind.MEASURE)  # no cell stands on one
    stages: Counter[StageKind] = Counter()
    alone: Counter[StageKind] = Counter()
    work: dict[StageKind, float] = dict.fromkeys(StageKind, 0.0)
    work_alone: dict[StageKind, float] = dict.fromkeys(StageKind, 0.0)
    for fingerprint, stage in kinds.items():
        stages[stage.kind] += 1
        # What no result stands on, such as a measure of similarity, is made once in any case.
        count = uses[fingerprint] or 1
        alone[stage.kind] += count
        work[stage.kind] += stage.work
        work_alone[stage.kind] += stage.work * count
    return {kind: Share(stages[kind], alone[kind], work[kind], work_alone[kind]) for kind in StageKind if stages[kind]}
