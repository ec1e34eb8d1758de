"""The report's content, from the collected tables; its looks are the templates'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.report import words
from stilts_core.analysis.report.answer import answer
from stilts_core.analysis.report.blocks import Block, Notice, Page, Points, Section, Text
from stilts_core.analysis.report.evidence import evidence_sections
from stilts_core.analysis.report.figures import definitions
from stilts_core.analysis.report.gains import gains_section, means_section
from stilts_core.analysis.report.methods import methods_of_study
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.report.record import (
    arms_section,
    chance_section,
    evaluations,
    files_section,
    languages_section,
    missing_section,
    ran_section,
    settings_section,
)
from stilts_core.analysis.report.targets import targets_section
from stilts_core.analysis.summary import ALL_TARGETS, ENGLISH

SAMPLE = "sample://"


class Answered(Protocol):
    """What `questions.answer.QuestionAnswer` gives to the report."""

    @property
    def name(self) -> str: ...
    @property
    def section(self) -> Section: ...


def build_page(collected: Collected, questions: Sequence[Answered] = ()) -> Page:
    """Everything that the report says."""
    names = Names(collected.plan)
    methods = methods_of_study(collected, [question.name for question in questions])
    sections = (
        _answer_section(collected, names),
        *(question.section for question in questions),
        arms_section(collected, names),
        gains_section(collected, names),
        *evidence_sections(collected.scores, collected.evidence, collected.beside, names),
        means_section(collected, names),
        targets_section(collected, names),
        chance_section(collected, names),
        missing_section(collected, names),
        ran_section(collected),
        settings_section(collected, names),
        languages_section(collected, names),
        methods.section() if methods else None,
        files_section(),
    )
    return Page(
        title=names.title,
        question=names.question,
        facts=tuple(_facts(collected)),
        notices=tuple(_notices(collected, names)),
        sections=tuple(section for section in sections if section is not None),
        definitions=definitions(),
        command=f"stilts results {collected.plan.name}.yaml --only {{}}",
    )


def _answer_section(collected: Collected, names: Names) -> Section:
    found = answer(collected.summary, names.titles)
    blocks: list[Block] = [Text(found.lead)]
    if len(found.points) > 1:
        blocks.append(Points(found.points))
    if found.caveat:
        blocks.append(Text(found.caveat))
    return Section("answer", "Answer", tuple(blocks))


def _facts(collected: Collected) -> Iterator[tuple[str, str]]:
    scores, plan = collected.scores, collected.plan
    languages = {code for target in scores.targets for code in target.languages}
    complete = len(plan.cells) - len(collected.gaps)
    yield "Study", plan.name
    encoders = words.counted(len(scores.encoders), "encoder")
    yield "Arms", f"{encoders} × {words.counted(len(scores.curricula), 'curriculum', 'curricula')}"
    yield "Targets", str(len(scores.targets))
    yield "Languages", str(len(languages))
    yield "Seeds", str(len(scores.seeds))
    yield "Cells with all scores", f"{complete} of {len(plan.cells)}"
    yield "Evaluations", str(evaluations(collected))
    yield "Protocol", plan.protocol


def _notices(collected: Collected, names: Names) -> Iterator[Notice]:
    if collected.plan.data_root.startswith(SAMPLE):
        yield Notice(
            "A sample, not a result.",
            "The data are the built-in sample benchmark, made from a small grammar to show how a study works. Its "
            "numbers say nothing about real tasks, languages or encoders.",
        )
    if collected.gaps:
        yield Notice(
            "Not complete.",
            f"{len(collected.gaps)} of {words.counted(len(collected.plan.cells), 'cell')} without all scores; numbers "
            "may change when they arrive. The section on what is missing says which, and why.",
        )
    taught = [row for row in collected.summary if row.target != ALL_TARGETS and set(row.seen) - {ENGLISH}]
    if taught:
        by_languages: dict[str, list[str]] = {}
        for row in taught:
            codes = words.listed([code for code in row.seen if code != ENGLISH])
            arm = f"{names.arm(row.encoder, row.curriculum)} on {names.target(row.target)}"
            by_languages.setdefault(codes, []).append(arm)
        where = "; ".join(f"{codes}: {words.listed(arms)}" for codes, arms in by_languages.items())
        yield Notice(
            "Not every language is zero-shot.",
            f"These arms have been trained on labelled data of languages that they are scored in. {where}. They are "
            f"marked {words.NOT_ZERO_SHOT} in the tables, and left out of the means over the zero-shot languages.",
        )
    low = [row for row in collected.summary if row.target != ALL_TARGETS and row.mostly_at_chance]
    if low:
        by_target: dict[str, list[str]] = {}
        for row in low:
            by_target.setdefault(names.target(row.target), []).append(names.arm(row.encoder, row.curriculum))
        where = "; ".join(f"{target}: {words.listed(arms)}" for target, arms in by_target.items())
        yield Notice(
            "Some runs stay at the level of guessing.",
            f"At least half of the scores of these arms can't be told from guessing. {where}. Gains on these targets "
            "are no evidence.",
        )
