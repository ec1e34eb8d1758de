"""Everything that is computed from a plan and the manifests of its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from stilts_core.analysis.evidence import Evidence, find_evidence
from stilts_core.analysis.frame import Frame, concatenated, frame_of, rows_of
from stilts_core.analysis.gaps import Gap, find_gaps
from stilts_core.analysis.member import Member
from stilts_core.analysis.outcomes import SampleOf, no_samples
from stilts_core.analysis.reference import Beside, beside
from stilts_core.analysis.rows import LanguageResult, language_notes, language_results, reading_rows, result_frame
from stilts_core.analysis.scores import Scores, scores_of
from stilts_core.analysis.stage_rows import stage_rows
from stilts_core.analysis.summary import Summary, summarise
from stilts_core.analysis.table import ResultRow
from stilts_core.analysis.uncollected import uncollected
from stilts_core.catalog.published import resolved
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.study import Study
from stilts_core.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Collected:
    """The tables of a study and what they come from.

    Attributes:
        manifests: fingerprint → manifest of the committed stages of the plan.
        results: fingerprint of an evaluate stage → its results by language.
        notes: fingerprint of an evaluate stage → what it said of a language.
        frame: the long table.
        imports: tables from other systems beside the study; no other attribute holds anything of them.
    """

    plan: Plan
    manifests: Mapping[str, Manifest]
    results: Mapping[str, Mapping[str, LanguageResult]]
    notes: Mapping[str, Mapping[str, str]]
    frame: Frame
    scores: Scores
    summary: tuple[Summary, ...]
    gaps: tuple[Gap, ...]
    evidence: Evidence
    beside: tuple[Beside, ...]
    imports: tuple[Member, ...] = ()

    @property
    def rows(self) -> tuple[ResultRow, ...]:
        """The long table row by row; for few of them."""
        return tuple(rows_of(self.frame))


Samples = Callable[[Mapping[str, Manifest], Scores, Mapping[str, str]], SampleOf]
"""From manifests, scores and the tasks of the targets to the outcomes of single examples."""

Costs = Callable[[Mapping[str, Manifest]], tuple[ResultRow, ...]]
"""From manifests to the rows of what forward passes cost."""


@uncollected()
def gather(
    plan: Plan,
    manifests: Mapping[str, Manifest],
    gaps: Mapping[str, str] | None = None,
    samples: Samples | None = None,
    costs: Costs | None = None,
) -> Collected:
    """Computes the tables; no input but what ``samples`` reads, no output.

    Args:
        plan: what the study expects.
        manifests: those of its stages that have committed; others are left alone.
        gaps: fingerprint of a stage → a sentence why it has not committed.
        samples: finds the outcomes of single examples; without it intervals are over seeds alone.
        costs: reads what was measured of the models' costs.
    """
    mine = {stage.fingerprint: manifests[stage.fingerprint] for stage in plan.stages if stage.fingerprint in manifests}
    evaluated = [stage.fingerprint for stage in plan.stages if stage.kind is StageKind.EVALUATE]
    results = {name: language_results(mine[name]) for name in evaluated if name in mine}
    notes = {name: language_notes(mine[name]) for name in evaluated if name in mine}
    study = _study(plan)
    others = (*stage_rows(plan, study, mine), *reading_rows(plan, mine), *(costs(mine) if costs else ()))
    frame = result_frame(plan, results)
    if others:
        frame = concatenated([frame, frame_of(others)])
    scores = scores_of(plan.name, plan.protocol, plan.cells, frame)
    tasks = {cell.target: cell.task or cell.target for cell in plan.cells}
    sample_of = samples(mine, scores, tasks) if samples else no_samples
    evidence = find_evidence(scores, sample_of, study.spec.claims if study else ())
    references = [resolved(one) for one in study.spec.reference] if study else []
    return Collected(
        plan=plan,
        manifests=mine,
        results=results,
        frame=frame,
        scores=scores,
        summary=summarise(scores),
        notes=notes,
        gaps=find_gaps(plan, mine.keys(), results, gaps or {}, notes),
        evidence=evidence,
        beside=beside(references, scores, evidence.best, frame),
    )


def _study(plan: Plan) -> Study | None:
    """The study that the plan was made from; None where it holds none that this release can read."""
    try:
        return Study.model_validate(plan.study)
    except ValidationError:
        return None
