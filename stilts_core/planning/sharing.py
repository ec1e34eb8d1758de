"""What a plan saves by doing equal work once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stilts_core.planning.plan import Plan, StageKind


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


def sharing(plan: Plan) -> dict[StageKind, Share]:
    """By kind, in the order of the kinds; a kind without stages is left out."""
    kinds = {stage.fingerprint: stage for stage in plan.stages}
    needed: dict[str, frozenset[str]] = {}  # a stage and all that it stands on
    for stage in plan.stages:
        needed[stage.fingerprint] = frozenset((stage.fingerprint,)).union(*(needed[p] for p in stage.parents.values()))
    uses: Counter[str] = Counter()
    for cell in plan.cells:
        uses.update(needed[cell.fingerprint])
    stages: Counter[StageKind] = Counter()
    alone: Counter[StageKind] = Counter()
    work: dict[StageKind, float] = dict.fromkeys(StageKind, 0.0)
    work_alone: dict[StageKind, float] = dict.fromkeys(StageKind, 0.0)
    for fingerprint, stage in kinds.items():
        stages[stage.kind] += 1
        alone[stage.kind] += uses[fingerprint]
        work[stage.kind] += stage.work
        work_alone[stage.kind] += stage.work * uses[fingerprint]
    return {kind: Share(stages[kind], alone[kind], work[kind], work_alone[kind]) for kind in StageKind if stages[kind]}
