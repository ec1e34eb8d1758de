"""The analysis of a results table from anywhere: files, a page, and the same as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stilts_core.analysis import summary, tables
from stilts_core.analysis.citations import cited
from stilts_core.analysis.evidence import Evidence, find_evidence
from stilts_core.analysis.evidence_tables import evidence_files
from stilts_core.analysis.frame import Frame, choose, scores_in
from stilts_core.analysis.questions import answers
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.report import render_page, words
from stilts_core.analysis.report.answer import answer
from stilts_core.analysis.report.blocks import Block, Cell, Page, Points, Section, Text
from stilts_core.analysis.report.columns import Field, files_of, label, table
from stilts_core.analysis.report.evidence import evidence_sections
from stilts_core.analysis.report.figures import definitions
from stilts_core.analysis.report.methods import Methods, methods
from stilts_core.analysis.report.names import TableNames
from stilts_core.analysis.report.typeset import typeset
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import ALL_TARGETS, Summary, summarise
from stilts_core.analysis.table import rounded
from stilts_core.catalog.bibliography import Entry, to_bibtex
from stilts_core.catalog.load import load_catalogue

OF_STUDIES = ("tables/claims.csv", "tables/reference.csv")
"""What only a study file can ask for."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a table says."""

    frame: Frame
    scores: Scores
    summary: tuple[Summary, ...]
    evidence: Evidence
    questions: tuple[QuestionAnswer, ...]


def analyse(
    frame: Frame, questions: Sequence[str] | None = None, study: str | None = None, protocol: str | None = None
) -> Analysis:
    """Computes everything; no input, no output.

    Args:
        frame: the table.
        questions: those to answer; default: those that the table has data for.
        study: of several studies in the table, this one.
        protocol: of several protocols, this one.

    Raises:
        DataError: the table has several studies or protocols and none is chosen, or has no scores.
    """
    mine = choose(choose(frame, "protocol", protocol), "study", study)
    scores, dev = scores_in(mine)
    evidence = find_evidence(scores, dev=dev)
    return Analysis(
        mine,
        scores,
        summarise(scores),
        evidence,
        tuple(answers(mine, scores, evidence, questions or (), only=questions is not None)),
    )


def files(found: Analysis, formats: Sequence[str] = ()) -> dict[str, bytes]:
    """The files of an analysis by name.

    Args:
        found: the analysis.
        formats: in which to have the tables beside, of `typeset.FORMATS`.
    """
    made = page(found)
    return {
        "summary.csv": summary.to_csv(found.scores, found.summary, found.evidence.gains),
        "tables/languages.csv": tables.languages_csv(found.scores),
        **{name: data for name, data in evidence_files(found.evidence, ()).items() if name not in OF_STUDIES},
        **files_of(table for question in found.questions for table in question.tables),
        **typeset(made, formats, methods_of_table(found)),
        "references.bib": to_bibtex(cited_by_table(found)).encode(),
        "report.html": render_page(made).encode(),
    }


def methods_of_table(found: Analysis) -> Methods | None:
    """The paragraph on methods of a table alone."""
    return methods(found.scores, found.evidence)


def cited_by_table(found: Analysis) -> tuple[Entry, ...]:
    """What a paper on the table has to cite, as far as names tell."""
    scores = found.scores
    tasks = [target.target for target in scores.targets]
    tasks += [task for name in scores.curricula for task in re.split("[-+.]", name)]
    questions = [question.name for question in found.questions]
    return cited(tasks, scores.encoders, scores.protocol, found.evidence, questions, load_catalogue())


def page(found: Analysis) -> Page:
    """The report of a table alone."""
    scores = found.scores
    names = TableNames(scores.encoders, scores.curricula)
    said = answer(found.summary, {target.target: names.target(target.target) for target in scores.targets})
    said_methods = methods_of_table(found)
    blocks: list[Block] = [Text(said.lead)]
    if len(said.points) > 1:
        blocks.append(Points(said.points))
    if said.caveat:
        blocks.append(Text(said.caveat))
    sections = (
        Section("answer", "Answer", tuple(blocks)),
        *(question.section for question in found.questions),
        *evidence_sections(scores, found.evidence, (), names),
        means_section(found, names),
        said_methods.section() if said_methods else None,
    )
    languages = {code for target in scores.targets for code in target.languages}
    facts = (
        ("Study", scores.study),
        ("Arms", f"{len(scores.encoders)} × {len(scores.curricula)}"),
        ("Targets", str(len(scores.targets))),
        ("Languages", str(len(languages))),
        ("Seeds", str(len(scores.seeds))),
        ("Rows", f"{len(found.frame):,}"),
        ("Protocol", scores.protocol or "not stated"),
    )
    return Page(
        title=scores.study or "Results",
        question="",
        facts=facts,
        notices=(),
        sections=tuple(section for section in sections if section is not None),
        definitions=definitions(),
        command="stilts analyse TABLE --only {}",
    )


def means_section(found: Analysis, names: TableNames) -> Section:
    scores = found.scores
    by_arm: dict[tuple[str, str], list[Summary]] = {}
    for row in found.summary:
        if scores.asks_for(scores.encoders.index(row.encoder), scores.curricula.index(row.curriculum)):
            by_arm.setdefault((row.encoder, row.curriculum), []).append(row)
    heads = [names.short_target(target.target) for target in scores.targets]
    if len(heads) > 1:
        heads.append("Mean")

    def mean(place: int) -> Field[tuple[str, str]]:
        return Field(heads[place], lambda arm: _mean_cell(by_arm[arm][place]))

    means = table(
        "Mean over the languages of each target, percent, with the standard deviation over distinct runs.",
        by_arm,
        label("Arm", lambda arm: Cell(names.arm(*arm), mark=names.key(arm[1]))),
        *map(mean, range(len(heads))),
        source="summary.csv",
    )
    return Section("means", "Mean scores", (means,))


def _mean_cell(row: Summary) -> Cell:
    return Cell(words.score(row.score.mean), sub=_spread(row), title=row.note)


def _spread(row: Summary) -> str:
    if row.score.mean is None:
        return ""
    return "one run" if row.score.sd is None else f"± {words.score(row.score.sd)}"


def to_json(found: Analysis) -> str:
    """The analysis for programs: gains, best curricula, wrong runs, and the answers with their tables."""
    document = {
        "study": found.scores.study,
        "protocol": found.scores.protocol,
        "gains": [
            {
                "encoder": gain.encoder,
                "curriculum": gain.curriculum,
                "target": None if gain.target == ALL_TARGETS else gain.target,
                **_interval(gain.interval),
                "p_adjusted": rounded(gain.adjusted),
                "family": gain.family,
                "correction": gain.correction,
                "pairs": len(gain.pairs),
                "detectable": rounded(gain.detectable),
            }
            for gain in found.evidence.gains
        ],
        "best": [
            {
                "encoder": best.encoder,
                "target": best.target,
                "chosen": best.chosen,
                **_interval(best.interval),
                "oracle": best.oracle,
                "oracle_gap": rounded(best.oracle_gap),
                "chosen_by": best.basis,
            }
            for best in found.evidence.best
        ],
        "wrong_runs": [
            {
                "encoder": run.encoder,
                "curriculum": run.curriculum,
                "target": run.target,
                "seed": run.seed,
                "kind": run.kind,
                "score": rounded(run.score),
            }
            for run in found.evidence.wrong
        ],
        "questions": [
            {
                "question": question.name,
                "answered": question.answered,
                "answer": question.answer,
                "caveats": list(question.caveats),
                "tables": {
                    table.name: [dict(zip(table.header, record, strict=True)) for record in table.records]
                    for table in question.tables
                },
            }
            for question in found.questions
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "gain": rounded(interval.estimate),
        "low": rounded(interval.low),
        "high": rounded(interval.high),
        "p": rounded(interval.p),
        "over": interval.basis,
    }
