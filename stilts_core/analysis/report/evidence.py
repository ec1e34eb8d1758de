"""The sections on what the gains rest on: the transfer table, the best curricula, claims, published values, methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stilts_core.analysis.claims import Answer, Verdict, in_words
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.reference import Beside
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, Fold, Section, Table, Text
from stilts_core.analysis.report.figures import gain_class, gain_limit
from stilts_core.analysis.report.gains import colour_key
from stilts_core.analysis.report.names import Naming
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.analysis.table import SCORE
from stilts_core.analysis.transfer import ALPHA, Gain
from stilts_core.spec.study import BASELINE

MARK = "●"
_SIGNS = {Answer.SUPPORTED: "✓", Answer.CONTRADICTED: "✗", Answer.OPEN: "?"}


def evidence_sections(
    scores: Scores, evidence: Evidence, beside: Sequence[Beside], names: Naming
) -> Iterator[Section | None]:
    """In the order of the page; None for what has no data."""
    yield claims_section(evidence.verdicts, names)
    yield transfer_section(scores, evidence, names)
    yield best_section(evidence, names)
    yield reference_section(beside, names)
    yield wrong_section(evidence, names)


def transfer_section(scores: Scores, evidence: Evidence, names: Naming) -> Section | None:
    """The transfer table and what lies behind its marks; None without gains."""
    if not evidence.gains:
        return None
    blocks: list[Block] = [Text(_reading(evidence.gains))]
    limit = gain_limit(gain.interval.estimate for gain in evidence.gains)
    columns = [Column(names.short_target(t.target), title=names.target(t.target)) for t in scores.targets]
    if len(scores.targets) > 1:
        columns.append(Column("Mean"))
    for encoder in scores.encoders:
        mine = [gain for gain in evidence.gains if gain.encoder == encoder]
        if not mine:
            continue
        blocks.append(
            Table(
                caption=names.with_encoder("Gain over the baseline with its interval of 95 %, points", encoder)
                + f". {_mark_words(mine)}{_families(mine)}",
                columns=(Column("Curriculum", numeric=False), *columns),
                rows=tuple(_transfer_rows(scores, evidence, encoder, limit)),
                css="heat",
                colours=colour_key(limit),
                source="tables/gains.csv",
            )
        )
    blocks.append(_english(evidence.gains, names))
    blocks.append(Fold("p values, detectable gains, almost stochastic order", _behind(evidence.gains, names)))
    return Section("transfer", "What the gains rest on", tuple(blocks))


def _reading(gains: Sequence[Gain]) -> str:
    bases = dict.fromkeys(gain.interval.basis for gain in gains)
    over = words.listed(list(bases), "or")
    shown = sum(gain.shown for gain in gains if gain.target != ALL_TARGETS)
    singles = sum(gain.target != ALL_TARGETS for gain in gains)
    text = (
        f"An interval says where the gain would lie in 95 of 100 repetitions of the study; what varies in it: {over}. "
        f"{MARK} marks a gain or loss that stands after correction for all comparisons at {ALPHA:g}: "
        f"{shown:,} of {singles:,} on single targets."
    )
    if "one run" in bases:
        text += " An arm with one run and no outcomes of single examples has no interval."
    unequal = [gain for gain in gains if gain.detectable is not None]
    if unequal:
        middle = float(np.median([gain.detectable or 0.0 for gain in unequal]))
        text += (
            f" With the seeds at hand and the spread that they show, a gain of {words.score(middle)} points (median "
            "over the comparisons) would be found four times out of five."
        )
    return text


def _mark_words(gains: Sequence[Gain]) -> str:
    return f"{MARK} stands after correction at {ALPHA:g}. " if any(gain.shown for gain in gains) else ""


def _families(gains: Sequence[Gain]) -> str:
    said = dict.fromkeys(
        f"{gain.correction}, {words.counted(gain.family, 'test')}"
        + (" on the mean of the targets" if gain.target == ALL_TARGETS else "")
        for gain in gains
        if gain.family
    )
    return f"Corrected by {words.listed(list(said))}." if said else ""


def _transfer_rows(scores: Scores, evidence: Evidence, encoder: str, limit: float) -> Iterator[tuple[Cell, ...]]:
    targets = [target.target for target in scores.targets] + ([ALL_TARGETS] if len(scores.targets) > 1 else [])
    found = {(gain.curriculum, gain.target): gain for gain in evidence.gains if gain.encoder == encoder}
    e = scores.encoders.index(encoder)
    for c, curriculum in enumerate(scores.curricula):
        if curriculum != BASELINE and scores.asks_for(e, c):
            yield Cell(curriculum), *(_gain_cell(found.get((curriculum, target)), limit) for target in targets)


def _gain_cell(gain: Gain | None, limit: float) -> Cell:
    if gain is None:
        return Cell(words.NOTHING, css="none", title="no pair of runs has all its scores")
    one = gain.interval
    pairs = words.counted(len(gain.pairs), "pair of runs", "pairs of runs")
    title = f"p {words.p_value(one.p)}, corrected {words.p_value(gain.adjusted)}; {pairs}; over {one.basis}"
    return Cell(
        words.signed(one.estimate),
        sub=ends(one),
        css=gain_class(one.estimate, limit),
        title=title,
        flag=MARK if gain.shown else "",
    )


def ends(interval: Interval | None) -> str:
    """``−0.4 to +1.2``; ``one run`` where there is no interval."""
    if interval is None:
        return words.NOTHING
    if not np.isfinite(interval.low):
        return interval.basis
    return f"{words.signed(interval.low)} to {words.signed(interval.high)}"


def interval_cell(interval: Interval | None) -> Cell:
    """An estimate with its interval below it."""
    if interval is None:
        return Cell(words.NOTHING, css="none")
    return Cell(words.signed(interval.estimate), sub=ends(interval))


def _english(gains: Sequence[Gain], names: Naming) -> Table:
    rows = [
        (
            Cell(names.arm(gain.encoder, gain.curriculum)),
            Cell(names.target(gain.target)),
            interval_cell(gain.english),
            interval_cell(gain.others),
            interval_cell(gain.gap),
            Cell(
                ends(gain.general),
                sub=""
                if gain.by_language is None
                else f"p {words.p_value(gain.by_language.p)}, n {gain.by_language.n}",
            ),
        )
        for gain in gains
        if gain.target != ALL_TARGETS
    ]
    return Table(
        caption="English against the rest, points. The gap is English less the mean of the other languages: above 0 it "
        "has widened. The last column takes the languages as a sample of languages in general; below it Wilcoxon's "
        "signed-rank test over the languages.",
        columns=(
            Column("Arm", numeric=False),
            Column("Target", numeric=False),
            Column("Gain in English"),
            Column("Gain in the others"),
            Column("Change of the gap"),
            Column("Languages in general"),
        ),
        rows=tuple(rows),
        source="tables/gains.csv",
    )


def _behind(gains: Sequence[Gain], names: Naming) -> Table:
    rows = []
    for gain in gains:
        order = gain.order
        target = "Mean" if gain.target == ALL_TARGETS else names.target(gain.target)
        rows.append(
            (
                Cell(names.arm(gain.encoder, gain.curriculum)),
                Cell(target),
                Cell(words.NOTHING if gain.error_reduction is None else f"{words.signed(gain.error_reduction)} %"),
                Cell(str(len(gain.pairs))),
                Cell(words.score(gain.deviation, 2)),
                Cell(words.score(gain.detectable)),
                Cell(words.p_value(gain.interval.p)),
                Cell(words.p_value(gain.adjusted), sub=f"of {gain.family}" if gain.family else ""),
                Cell(
                    words.NOTHING if order is None else f"{order.minimum:.2f}",
                    sub="" if order is None else f"{order.runs[0]} and {order.runs[1]} runs",
                ),
            )
        )
    return Table(
        caption="Behind the marks. Detectable: the gain that so many pairs of runs with this deviation find with a "
        "power of 80 %. ε: almost stochastic order of the arm over the baseline at a confidence of 95 %; below 0.5 the "
        "arm's runs are above the baseline's nearly everywhere, safely so below 0.2.",
        columns=(
            Column("Arm", numeric=False),
            Column("Target", numeric=False),
            Column("Errors", title="gain as a share of the baseline's errors"),
            Column("Pairs"),
            Column("Deviation", title="of the gain over the pairs, points"),
            Column("Detectable"),
            Column("p"),
            Column("p corrected", title="and the size of its family"),
            Column("ε"),
        ),
        rows=tuple(rows),
        source="tables/gains.csv",
    )


def best_section(evidence: Evidence, names: Naming) -> Section | None:
    """The curriculum that each target would choose; None where there is no choice."""
    if not evidence.best:
        return None
    rows = []
    for best in evidence.best:
        right = best.oracle == best.chosen
        rows.append(
            (
                Cell(names.with_encoder(names.target(best.target), best.encoder)),
                Cell(best.chosen, mark=names.key(best.chosen)),
                interval_cell(best.interval),
                Cell("the same" if right else best.oracle, mark=None if right else names.key(best.oracle)),
                Cell(words.score(best.oracle_gap)),
                Cell(best.basis + (": optimistic" if best.optimistic else "")),
            )
        )
    text = Text(
        "The largest of several gains, chosen and reported on the same scores, is on average too large. So each target "
        "chooses its curriculum on one set of examples, and its gain is reported on another. The oracle is the "
        "curriculum with the largest gain on the examples that report; the gap is what choosing costs."
    )
    table = Table(
        caption="The best curriculum of each target, and its gain over the baseline with its interval of 95 %, points.",
        columns=(
            Column("Target", numeric=False),
            Column("Chosen", numeric=False),
            Column("Gain"),
            Column("Oracle", numeric=False),
            Column("Oracle gap"),
            Column("Chosen by", numeric=False),
        ),
        rows=tuple(rows),
        source="tables/best.csv",
    )
    return Section("best", "The best curriculum of each target", (text, table))


def claims_section(verdicts: Sequence[Verdict], names: Naming) -> Section | None:
    """The study's claims; None without any."""
    if not verdicts:
        return None
    counts = [f"{sum(v.answer is answer for v in verdicts)} {answer.value}" for answer in Answer]
    text = Text(
        f"Of {words.counted(len(verdicts), 'claim')}: {', '.join(counts)}. A claim is supported when the whole "
        "interval fulfils it and contradicted when none of it does; the intervals of a claim of several comparisons "
        "are widened so that all of them hold together at 95 %."
    )
    rows = []
    for verdict in verdicts:
        claim = verdict.claim
        source = claim.source + (" (recalled, not verified)" if claim.status == "recalled" else "")
        rows.append(
            (
                Cell(names.with_encoder(claim.says, verdict.encoder), sub=source),
                Cell(f"{_SIGNS[verdict.answer]} {verdict.answer.value}"),
                Cell(_intervals(verdict)),
                Cell(verdict.decides or words.NOTHING),
            )
        )
    heads = ("Claim", "Answer", "Gain, with its interval", "What would decide it")
    table = Table(
        caption="What is claimed, and what this study says of it.",
        columns=tuple(Column(head, numeric=False) for head in heads),
        rows=tuple(rows),
        css="prose",
        source="tables/claims.csv",
    )
    return Section("claims", "Claims", (text, table))


def _intervals(verdict: Verdict) -> str:
    found = verdict.comparisons
    if len(found) > 4:
        counts = {answer: sum(one.answer is answer for one in found) for answer in Answer}
        return (
            f"{len(found)} comparisons: {counts[Answer.SUPPORTED]} fulfil it, {counts[Answer.CONTRADICTED]} do not, "
            f"{counts[Answer.OPEN]} open"
        )
    parts = []
    for one in found:
        gain = "not measured"
        if one.interval is not None:
            gain = f"{words.signed(one.interval.estimate)} ({ends(one.interval)})"
        parts.append(f"{one.curriculum} on {in_words(one.target)}: {gain}")
    return "; ".join(parts) or "not measured"


def reference_section(beside: Sequence[Beside], names: Naming) -> Section | None:
    """Published values beside the study's; None without any."""
    if not beside:
        return None
    rows = []
    for one in beside:
        measure = "" if one.metric == SCORE else one.metric
        rows.append(
            (
                Cell(one.table, sub=one.source),
                Cell(one.row),
                Cell(names.target(one.target), sub=measure),
                Cell(words.score(one.published), sub="recalled" if one.status == "recalled" else ""),
                Cell(words.score(one.own)),
                Cell(words.signed(one.difference)),
            )
        )
    text = Text(
        "Published values beside this study's mean over languages and runs. They come from other code, data and seeds, "
        "so a difference has no interval here. Values marked recalled could not be seen in a source."
    )
    table = Table(
        caption="Published values, percent.",
        columns=(
            Column("Table", numeric=False),
            Column("Row", numeric=False),
            Column("Target", numeric=False),
            Column("Published"),
            Column("This study"),
            Column("Difference"),
        ),
        rows=tuple(rows),
        css="prose",
        source="tables/reference.csv",
    )
    return Section("reference", "Published values", (text, table))


_KINDS = {
    "one answer": "nearly one answer to everything",
    "guessing": "at the level of guessing",
    "collapse": "far below the arm's other seeds",
}


def wrong_section(evidence: Evidence, names: Naming) -> Section | None:
    """Runs that went wrong; None where there are none."""
    if not evidence.wrong:
        return None
    rows = [
        (
            Cell(names.arm(run.encoder, run.curriculum)),
            Cell(names.target(run.target)),
            Cell(str(run.seed)),
            Cell(_KINDS[run.kind], sub="" if run.languages is None else f"{run.languages} of {run.of} languages"),
            Cell(words.score(run.score)),
            Cell(words.score(run.usual)),
        )
        for run in evidence.wrong
    ]
    text = Text(
        f"{words.counted(len(rows), 'run')} ended where a run should not. They are part of what an arm does, so they "
        "stay in every mean and interval."
    )
    table = Table(
        caption="Runs that went wrong; the usual score is the median over the arm's seeds.",
        columns=(
            Column("Arm", numeric=False),
            Column("Target", numeric=False),
            Column("Seed"),
            Column("What is wrong", numeric=False),
            Column("Score"),
            Column("Usual"),
        ),
        rows=tuple(rows),
        source="tables/wrong_runs.csv",
    )
    return Section(
        "wrong", "Runs that went wrong", (text, Fold("Show them", table)) if len(rows) > 12 else (text, table)
    )
