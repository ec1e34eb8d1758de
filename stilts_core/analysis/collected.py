"""Everything that is computed from a plan and the manifests of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stilts_core.analysis.gaps import Gap, find_gaps
from stilts_core.analysis.rows import LanguageResult, language_notes, language_results, result_rows
from stilts_core.analysis.scores import Scores, scores_of
from stilts_core.analysis.summary import Summary, summarise
from stilts_core.analysis.table import ResultRow
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Collected:
    """The tables of a study and what they come from.

    Attributes:
        manifests: fingerprint → manifest of the committed stages of the plan.
        results: fingerprint of an evaluate stage → its results by language.
        notes: fingerprint of an evaluate stage → what it said of a language.
    """

    plan: Plan
    manifests: Mapping[str, Manifest]
    results: Mapping[str, Mapping[str, LanguageResult]]
    notes: Mapping[str, Mapping[str, str]]
    rows: tuple[ResultRow, ...]
    scores: Scores
    summary: tuple[Summary, ...]
    gaps: tuple[Gap, ...]


def gather(plan: Plan, manifests: Mapping[str, Manifest], gaps: Mapping[str, str] | None = None) -> Collected:
    """Computes the tables; no input, no output.

    Args:
        plan: what the study expects.
        manifests: those of its stages that have committed; others are left alone.
        gaps: fingerprint of a stage → a sentence why it has not committed.
    """
    mine = {stage.fingerprint: manifests[stage.fingerprint] for stage in plan.stages if stage.fingerprint in manifests}
    evaluated = [stage.fingerprint for stage in plan.stages if stage.kind is StageKind.EVALUATE]
    results = {name: language_results(mine[name]) for name in evaluated if name in mine}
    notes = {name: language_notes(mine[name]) for name in evaluated if name in mine}
    rows = result_rows(plan, results)
    scores = scores_of(plan.name, plan.protocol, plan.cells, rows)
    return Collected(
        plan=plan,
        manifests=mine,
        results=results,
        rows=rows,
        scores=scores,
        summary=summarise(scores),
        notes=notes,
        gaps=find_gaps(plan, mine.keys(), results, gaps or {}, notes),
    )
