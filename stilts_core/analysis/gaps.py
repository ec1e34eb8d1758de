"""What a study still lacks, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from stilts_core.analysis.rows import LanguageResult
from stilts_core.planning.plan import Plan, Stage


@dataclass(frozen=True, slots=True)
class Gap:
    """A cell without all of its scores.

    Attributes:
        languages: those without a score; empty where the whole cell is missing.
        seen: the languages of the cell that are not zero-shot.
        fingerprint: of its evaluate stage.
        reason: a sentence.
    """

    encoder: str
    curriculum: str
    target: str
    seed: int
    languages: tuple[str, ...]
    seen: tuple[str, ...]
    fingerprint: str
    reason: str


def find_gaps(
    plan: Plan,
    committed: Collection[str],
    results: Mapping[str, Mapping[str, LanguageResult]],
    reasons: Mapping[str, str],
    notes: Mapping[str, Mapping[str, str]],
) -> tuple[Gap, ...]:
    """The gaps of a study, in the order of its cells.

    Args:
        plan: says which cells there are.
        committed: fingerprints of the stages that have a manifest.
        results: fingerprint of an evaluate stage → its results.
        reasons: fingerprint of a stage of any kind → a sentence why it has not committed.
        notes: fingerprint of an evaluate stage → language → what the evaluation said of it.
    """
    return tuple(_gaps(plan, committed, results, reasons, notes))


def _gaps(
    plan: Plan,
    committed: Collection[str],
    results: Mapping[str, Mapping[str, LanguageResult]],
    reasons: Mapping[str, str],
    notes: Mapping[str, Mapping[str, str]],
) -> Iterator[Gap]:
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for cell in plan.cells:
        found = results.get(cell.fingerprint, {})
        absent = tuple(code for code in cell.languages if code not in found)
        if not absent:
            continue
        whole = len(absent) == len(cell.languages)
        if cell.fingerprint in committed:
            said = dict.fromkeys(filter(None, (notes.get(cell.fingerprint, {}).get(code) for code in absent)))
            reason = " ".join(said) or "Its evaluation has committed without a score for this."
        else:
            reason = _reason(cell.fingerprint, stages, committed, reasons)
        yield Gap(
            encoder=cell.encoder,
            curriculum=cell.curriculum,
            target=cell.target,
            seed=cell.seed,
            languages=() if whole else absent,
            seen=tuple(code for code in cell.languages if not cell.zero_shot(code)),
            fingerprint=cell.fingerprint,
            reason=reason,
        )


def _reason(
    fingerprint: str, stages: Mapping[str, Stage], committed: Collection[str], reasons: Mapping[str, str]
) -> str:
    """The stage's own reason, else that of the nearest stage it waits for, else which stages it waits for."""
    seen = {fingerprint}
    level = [fingerprint]
    roots: list[str] = []
    while level:
        for name in level:
            if name in reasons:
                where = "" if name == fingerprint else f"{_label(name, stages)}: "
                return where + reasons[name]
        following = []
        for name in level:
            stage = stages.get(name)
            waiting = [parent for parent in stage.parents.values() if parent not in committed] if stage else []
            if not waiting:
                roots.append(name)
            following += [parent for parent in waiting if parent not in seen]
            seen.update(waiting)
        level = list(dict.fromkeys(following))
    first = roots[0] if roots else fingerprint
    if first == fingerprint:
        return "Its evaluation has not committed yet."
    others = len(set(roots)) - 1
    more = f" and {others} more" if others else ""
    return f"Waits for {_label(first, stages)}{more}, which {'have' if others else 'has'} not committed yet."


def _label(fingerprint: str, stages: Mapping[str, Stage]) -> str:
    stage = stages.get(fingerprint)
    return stage.label if stage and stage.label else f"stage {fingerprint[:8]}"
