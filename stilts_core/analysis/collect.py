"""The collector: the manifests of a study as tables and a report, whatever has committed so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stilts_core.analysis import summary, tables
from stilts_core.analysis.citations import cited_by_study
from stilts_core.analysis.collected import Collected, gather
from stilts_core.analysis.costs import cost_rows
from stilts_core.analysis.evidence_tables import evidence_files
from stilts_core.analysis.imported import read_imports
from stilts_core.analysis.joining import (
    IMPORTED_NOTICE,
    Joined,
    join_studies,
    joined_files,
    joined_report,
    joined_sections,
)
from stilts_core.analysis.outcomes import SampleOf, samples_of
from stilts_core.analysis.questions import answers
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.report import render_page
from stilts_core.analysis.report.blocks import Notice, Page
from stilts_core.analysis.report.columns import files_of
from stilts_core.analysis.report.methods import methods_of_study
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.report.page import build_page
from stilts_core.analysis.report.typeset import typeset
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.table import ResultRow
from stilts_core.analysis.table_files import to_csv, to_parquet
from stilts_core.analysis.uncollected import uncollected
from stilts_core.catalog.bibliography import to_bibtex
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

    manifests = read_manifests(store, [stage.fingerprint for stage in plan.stages])
    return replace(gather(plan, manifests, gaps, samples, costs), imports=read_imports(store, plan.name))


@uncollected()
def files(collected: Collected, formats: Sequence[str] = ()) -> dict[str, bytes]:
    """The collector's files by name.

    Args:
        collected: the study.
        formats: in which to have the report's tables beside, of `typeset.FORMATS`.

    The tables depend on the plan and on what the stages measured alone; ``tables/missing.csv`` also has the reasons
    that were given, and ``report.html`` these and, in its section on how the study ran, times and machines.
    """
    questions = questions_of(collected)
    names = [question.name for question in questions]
    joined = join_studies([collected], collected.imports) if collected.imports else ()
    page = _with_imports(build_page(collected, questions), joined)
    return {
        **joined_files(joined),
        "results.csv": to_csv(collected.frame),
        "results.parquet": to_parquet(collected.frame),
        "summary.csv": summary.to_csv(collected.scores, collected.summary, collected.evidence.gains),
        "tables/languages.csv": tables.languages_csv(collected.scores),
        "tables/states.csv": tables.states_csv(collected.scores, collected.frame),
        "tables/missing.csv": tables.missing_csv(collected.gaps),
        **evidence_files(collected.evidence, collected.beside),
        **files_of(one for question in questions for one in question.tables),
        **typeset(page, formats, methods_of_study(collected, names) if formats else None),
        "references.bib": references(collected, names),
        "report.html": render_page(page).encode(),
    }


def references(collected: Collected, questions: Sequence[str]) -> bytes:
    """``references.bib``: every task, encoder, protocol, method and program that the study used."""
    catalogue = Names(collected.plan).catalogue
    entries = cited_by_study(collected.plan, collected.evidence, questions, catalogue)
    return to_bibtex(entries).encode()


def _with_imports(page: Page, joined: Sequence[Joined]) -> Page:
    """The report with what was imported beside the study, in sections of its own."""
    if not joined:
        return page
    at = next(place for place, section in enumerate(page.sections) if section.anchor == "missing")
    beside = tuple(
        replace(section, title=f"Beside other systems: {section.title[0].lower()}{section.title[1:]}")
        for section in joined_sections(joined)
    )
    notice = Notice("Tables from other systems lie beside this study.", IMPORTED_NOTICE)
    sections = (*page.sections[:at], *beside, *page.sections[at:])
    return replace(page, sections=sections, notices=(*page.notices, notice))


def questions_of(collected: Collected) -> tuple[QuestionAnswer, ...]:
    """The research questions that the study names, and those that its results have data for."""
    spec = collected.plan.study.get("spec")
    named = spec.get("questions") if isinstance(spec, Mapping) else None
    wanted = [str(name) for name in named] if isinstance(named, list | tuple) else []
    return tuple(answers(collected.frame, collected.scores, collected.evidence, wanted))


def report(collected: Collected, formats: Sequence[str] = ()) -> dict[str, bytes]:
    """``report.html`` and ``references.bib``, and the tables in these formats."""
    questions = questions_of(collected)
    names = [question.name for question in questions]
    joined = join_studies([collected], collected.imports) if collected.imports else ()
    page = _with_imports(build_page(collected, questions), joined)
    return {
        **typeset(page, formats, methods_of_study(collected, names) if formats else None),
        "references.bib": references(collected, names),
        "report.html": render_page(page).encode(),
    }


def together(studies: Sequence[Collected], store: Store, formats: Sequence[str] = ()) -> dict[str, bytes]:
    """The report of several studies of a store, with its tables; tables that lie beside any of them come along."""
    imports = {member.origin + member.name: member for study in studies for member in study.imports}
    return joined_report(studies, join_studies(studies, list(imports.values()), store), formats)


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
