"""The collector: the manifests of a study as tables and a report, whatever has committed so far."""

from __future__ import annotations

from collections.abc import Mapping

from stilts_core.analysis import summary, table, tables
from stilts_core.analysis.collected import Collected, gather
from stilts_core.analysis.costs import cost_rows
from stilts_core.analysis.evidence_tables import evidence_files
from stilts_core.analysis.frame import frame_of
from stilts_core.analysis.outcomes import SampleOf, samples_of
from stilts_core.analysis.questions import answers
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.report import render
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.table import ResultRow
from stilts_core.planning.plan import Plan
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifests
from stilts_core.storage.manifest import Manifest

__all__ = ["Collected", "collect", "files", "gather", "read", "report"]


def read(store: Store, plan: Plan, gaps: Mapping[str, str] | None = None) -> Collected:
    """As `gather`, with the manifests and the outcomes of single examples that the store holds.

    Raises:
        StorageError: the store can't be read.
    """

    def samples(manifests: Mapping[str, Manifest], scores: Scores, tasks: Mapping[str, str]) -> SampleOf:
        return samples_of(store, manifests, scores, tasks)

    def costs(manifests: Mapping[str, Manifest]) -> tuple[ResultRow, ...]:
        return cost_rows(store, plan, manifests)

    return gather(plan, read_manifests(store, [stage.fingerprint for stage in plan.stages]), gaps, samples, costs)


def files(collected: Collected) -> dict[str, bytes]:
    """The collector's files by name.

    The tables depend on the plan and on what the stages measured alone; ``tables/missing.csv`` also has the reasons
    that were given, and ``report.html`` these and, in its section on how the study ran, times and machines.
    """
    questions = questions_of(collected)
    return {
        "results.csv": table.to_csv(collected.rows),
        "results.parquet": table.to_parquet(collected.rows),
        "summary.csv": summary.to_csv(collected.scores, collected.summary, collected.evidence.gains),
        "tables/languages.csv": tables.languages_csv(collected.scores),
        "tables/states.csv": tables.states_csv(collected.scores, collected.rows),
        "tables/missing.csv": tables.missing_csv(collected.gaps),
        **evidence_files(collected.evidence, collected.beside),
        **{
            f"tables/{one.name}.csv": table.csv_bytes(one.header, one.records)
            for question in questions
            for one in question.tables
        },
        "report.html": render(collected, questions).encode(),
    }


def questions_of(collected: Collected) -> tuple[QuestionAnswer, ...]:
    """The research questions that the study names, and those that its results have data for."""
    spec = collected.plan.study.get("spec")
    named = spec.get("questions") if isinstance(spec, Mapping) else None
    wanted = [str(name) for name in named] if isinstance(named, list | tuple) else []
    return tuple(answers(frame_of(collected.rows), collected.scores, collected.evidence, wanted))


def report(collected: Collected) -> bytes:
    """``report.html``."""
    return render(collected, questions_of(collected)).encode()


def collect(store: Store, plan: Plan, gaps: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The collector's files by name, from whatever has committed so far.

    Args:
        store: where the manifests are.
        plan: what the study expects.
        gaps: fingerprint of a stage → a sentence why it has not committed.

    Raises:
        StorageError: the store can't be read.
    """
    return files(read(store, plan, gaps))
