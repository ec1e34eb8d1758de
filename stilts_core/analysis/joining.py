"""The joined report of several studies and imported tables: its page, its files, and its sections for a study's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stilts_core.analysis import summary, tables
from stilts_core.analysis.analyse import Analysis, cited_by_table, means_section
from stilts_core.analysis.citations import cited_by_study
from stilts_core.analysis.collected import Collected
from stilts_core.analysis.evidence import find_evidence
from stilts_core.analysis.evidence_tables import evidence_files
from stilts_core.analysis.frame import scores_in
from stilts_core.analysis.joined import Group, join
from stilts_core.analysis.member import Member
from stilts_core.analysis.outcomes import SampleOf, no_samples, samples_of
from stilts_core.analysis.questions import answers
from stilts_core.analysis.report import render_page, words
from stilts_core.analysis.report.answer import answer
from stilts_core.analysis.report.blocks import (
    Block,
    Cell,
    DotPlot,
    Fold,
    Notice,
    Page,
    Part,
    Plot,
    Points,
    Section,
    Table,
    Text,
)
from stilts_core.analysis.report.columns import files_of, label, table
from stilts_core.analysis.report.evidence import evidence_sections
from stilts_core.analysis.report.figures import definitions
from stilts_core.analysis.report.methods import SHOWN, Methods, methods
from stilts_core.analysis.report.names import Names, TableNames
from stilts_core.analysis.report.targets import language_blocks, language_grid
from stilts_core.analysis.report.typeset import typeset
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.summary import summarise
from stilts_core.analysis.table import csv_bytes, flag, rounded
from stilts_core.catalog.bibliography import to_bibtex
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Manifest

ALONE = frozenset({"tables/claims.csv", "tables/reference.csv"})
"""What only one study's file can ask for."""

Joined = tuple[Group, Analysis]


def member_of(collected: Collected) -> Member:
    """A study as a member."""
    done = len(collected.plan.cells) - len(collected.gaps)
    note = f"{done} of {words.counted(len(collected.plan.cells), 'cell')} with all scores"
    return Member(collected.plan.name, collected.plan.protocol, collected.frame, note=note)


def join_studies(
    studies: Sequence[Collected], imports: Sequence[Member] = (), store: Store | None = None
) -> tuple[Joined, ...]:
    """The studies and tables, a table and its statistics for each protocol.

    Args:
        studies: with different names.
        imports: tables from other systems.
        store: where the outcomes of single examples lie; without it intervals are over seeds alone.
    """
    manifests = {name: one for study in studies for name, one in study.manifests.items()}
    tasks = {cell.target: cell.task or cell.target for study in studies for cell in study.plan.cells}
    groups = join([*map(member_of, studies), *imports])
    return tuple((group, _analyse(group, store, manifests, tasks)) for group in groups if len(group.frame))


def _analyse(
    group: Group, store: Store | None, manifests: Mapping[str, Manifest], tasks: Mapping[str, str]
) -> Analysis:
    found, dev = scores_in(group.frame)
    scores = replace(found, study=" + ".join(member.name for member in group.members))
    of_targets = {t.target: tasks.get(t.target.partition(" [")[0], t.target) for t in scores.targets}
    sample_of: SampleOf = samples_of(store, manifests, scores, of_targets) if store else no_samples
    evidence = find_evidence(scores, sample_of, dev=dev)
    questions = tuple(answers(group.frame, scores, evidence))
    return Analysis(group.frame, scores, summarise(scores), evidence, questions)


def joined_sections(joined: Sequence[Joined], prefix: str = "joined") -> Iterator[Section]:
    """One after another, the sections of each protocol, its name in their titles where there are several."""
    for number, (group, found) in enumerate(joined, 1):
        under = f", protocol {group.protocol or 'not stated'}" if len(joined) > 1 else ""
        yield _members_section(group, f"{prefix}-{number}-members", under)
        marked = any(member.imported for member in group.members)
        names = TableNames(found.scores.encoders, found.scores.curricula, marked)
        said = answer(found.summary, {target.target: names.target(target.target) for target in found.scores.targets})
        blocks: list[Block] = [Text(said.lead), *([Points(said.points)] if len(said.points) > 1 else [])]
        blocks += [Text(said.caveat)] if said.caveat else []
        sections = (
            Section("answer", "Answer", tuple(blocks)),
            *(question.section for question in found.questions),
            *evidence_sections(found.scores, found.evidence, (), names),
            means_section(found, names),
            _targets_section(found.scores, names),
        )
        for section in sections:
            if section is not None:
                parts = tuple(replace(part, anchor=f"{prefix}-{number}-{part.anchor}") for part in section.parts)
                anchor = f"{prefix}-{number}-{section.anchor}"
                yield _sourced(replace(section, anchor=anchor, title=section.title + under, parts=parts), number)


def _sourced(section: Section, number: int) -> Section:
    """The section with the joined tables' names as the files behind its tables."""

    def moved(block: Block) -> Block:
        if isinstance(block, Fold):
            inner = block.inner
            return replace(block, inner=replace(inner, source=_path(inner.source, number)))
        if isinstance(block, Table | DotPlot | Plot):
            return replace(block, source=_path(block.source, number))
        return block

    parts = tuple(replace(part, blocks=tuple(map(moved, part.blocks))) for part in section.parts)
    return replace(section, blocks=tuple(map(moved, section.blocks)), parts=parts)


def _path(name: str, number: int) -> str:
    return f"joined/{number}/{name.removeprefix('tables/')}" if name else ""


def _members_section(group: Group, anchor: str, under: str) -> Section:
    shown = table(
        f"What is joined, under the protocol {group.protocol or 'that is not stated'}."
        + (MARKED if any(member.imported for member in group.members) else ""),
        group.members,
        label("Name", lambda m: Cell(m.name, flag="‡" if m.imported else "")),
        label("Kind", lambda m: "imported" if m.imported else "study"),
        label("What there is", lambda m: m.note),
        label("Source", lambda m: m.origin or words.NOTHING),
        css="prose",
    )
    return Section(anchor, "What is joined" + under, (shown, *map(Text, group.notes)))


def _targets_section(scores: Scores, names: TableNames) -> Section:
    parts = []
    for place, target in enumerate(scores.targets):
        grid = language_grid(scores, target)
        blocks = [b for e in range(len(scores.encoders)) for b in language_blocks(scores, names, target, grid, e)]
        if blocks:
            parts.append(Part(f"target-{place}", names.target(target.target), tuple(blocks)))
    return Section("targets", "Target by target", parts=tuple(parts))


def joined_page(studies: Sequence[Collected], joined: Sequence[Joined]) -> Page:
    """The report of several studies."""
    members = [member for group, _ in joined for member in group.members]
    facts = (
        ("Studies", ", ".join(member.name for member in members if not member.imported)),
        ("Imported", ", ".join(member.name for member in members if member.imported) or "nothing"),
        ("Protocols", ", ".join(group.protocol or "not stated" for group, _ in joined)),
        ("Rows", f"{sum(len(group.frame) for group, _ in joined):,}"),
    )
    notices = []
    if len(joined) > 1:
        notices.append(
            Notice(
                "Several protocols.",
                "Scores under different protocols are not comparable: each protocol has tables and statistics of its "
                "own, and nothing compares one with another.",
            )
        )
    if any(member.imported for member in members):
        notices.append(Notice("Not all of it was run here.", IMPORTED_NOTICE))
    gaps = [f"{study.plan.name}: {member_of(study).note}" for study in studies if study.gaps]
    if gaps:
        notices.append(Notice("Not complete.", f"{'; '.join(gaps)}. Numbers may change when the others arrive."))
    found = joined_methods(studies, joined)
    return Page(
        title=" + ".join(Names(study.plan).title for study in studies),
        question="",
        facts=facts,
        notices=tuple(notices),
        sections=(*joined_sections(joined), *(method.section() for method in found)),
        definitions=definitions(),
        command=f"stilts report {' '.join(f'{study.plan.name}.yaml' for study in studies)} --only {{}}",
    )


MARKED = " ‡: from another system, not run here; its arms are marked."
IMPORTED_NOTICE = (
    "Arms marked imported come from results tables of other systems. Their code, data and seeds are not known here; "
    "each is compared with the baseline of its own table."
)


def joined_methods(studies: Sequence[Collected], joined: Sequence[Joined]) -> list[Methods]:
    """The paragraph, where there are gains: one for all protocols."""
    record = [f"The plan of {study.plan.name} is {study.plan.digest()[:SHOWN]}." for study in studies]
    record += [f"{m.name} was imported: {m.origin}." for group, _ in joined for m in group.members if m.imported]
    made = [methods(found.scores, found.evidence) for _, found in joined]
    texts = [one.marked for one in made if one]
    return [Methods(" ".join([*texts, *record]))] if texts else []


def joined_files(joined: Sequence[Joined]) -> dict[str, bytes]:
    """The tables of each protocol below ``joined/<its number>/``."""
    made: dict[str, bytes] = {}
    for number, (group, found) in enumerate(joined, 1):
        of_group = {
            "results.csv": rows_csv(group),
            "summary.csv": summary.to_csv(found.scores, found.summary, found.evidence.gains),
            "tables/languages.csv": tables.languages_csv(found.scores),
            **{name: data for name, data in evidence_files(found.evidence, ()).items() if name not in ALONE},
            **files_of(one for question in found.questions for one in question.tables),
        }
        made |= {_path(name, number): data for name, data in of_group.items()}
    return made


def joined_report(
    studies: Sequence[Collected], joined: Sequence[Joined], formats: Sequence[str] = ()
) -> dict[str, bytes]:
    """The report of several studies, its tables, and what a paper on them has to cite."""
    page = joined_page(studies, joined)
    entries = {
        entry.key: entry
        for study in studies
        for entry in cited_by_study(study.plan, study.evidence, (), Names(study.plan).catalogue)
    }
    entries |= {entry.key: entry for _, found in joined for entry in cited_by_table(found)}
    return {
        **joined_files(joined),
        **typeset(page, formats, next(iter(joined_methods(studies, joined)), None)),
        "references.bib": to_bibtex(entries.values()).encode(),
        "report.html": render_page(page).encode(),
    }


def rows_csv(group: Group) -> bytes:
    """Every row of a group, with the study that it is of and whether it was imported."""
    frame = group.frame
    imported = {member.name for member in group.members if member.imported}
    columns = ("study", "encoder", "curriculum", "target", "language", "protocol", "split", "metric", "fingerprint")
    texts = [[column.names[code] for code in column.codes.tolist()] for column in (frame.texts[c] for c in columns)]
    records = zip(
        *texts,
        map(flag, frame.zero_shot.tolist()),
        frame.seed.tolist(),
        map(rounded, frame.value.tolist()),
        frame.n.tolist(),
        (flag(name in imported) for name in texts[0]),
        strict=True,
    )
    return csv_bytes((*columns, "zero_shot", "seed", "value", "n", "imported"), records)
