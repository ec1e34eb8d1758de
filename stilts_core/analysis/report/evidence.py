"""The sections on what the gains rest on: the transfer table, the best curricula, claims, published values, methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stilts_core.analysis.claims import Answer, Verdict, in_words
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.reference import Beside
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Fold, Section, Table, Text
from stilts_core.analysis.report.columns import Field, corrected_cell, ends, interval_cell, label, table
from stilts_core.analysis.report.figures import gain_class, gain_limit
from stilts_core.analysis.report.gains import colour_key
from stilts_core.analysis.report.names import Naming
from stilts_core.analysis.scores import Scores
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
    targets = [target.target for target in scores.targets] + ([ALL_TARGETS] if len(scores.targets) > 1 else [])
    for encoder in scores.encoders:
        mine = [gain for gain in evidence.gains if gain.encoder == encoder]
        if not mine:
            continue
        blocks.append(
            table(
                names.with_encoder("Gain over the baseline with its interval of 95 %, points", encoder)
                + f". {_mark_words(mine)}{_families(mine)}",
                _transfer_rows(scores, encoder),
                *_transfer_columns(mine, targets, limit, names),
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


def _transfer_rows(scores: Scores, encoder: str) -> Iterator[str]:
    e = scores.encoders.index(encoder)
    for c, curriculum in enumerate(scores.curricula):
        if curriculum != BASELINE and scores.asks_for(e, c):
            yield curriculum


def _transfer_columns(gains: Sequence[Gain], targets: Sequence[str], limit: float, names: Naming) -> list[Field[str]]:
    return [label("Curriculum", str), *(_transfer_column(gains, target, limit, names) for target in targets)]


def _transfer_column(gains: Sequence[Gain], target: str, limit: float, names: Naming) -> Field[str]:
    found = {gain.curriculum: gain for gain in gains if gain.target == target}

    def of(curriculum: str) -> Cell:
        return _gain_cell(found.get(curriculum), limit)

    if target == ALL_TARGETS:
        return Field("Mean", of)
    return Field(names.short_target(target), of, title=names.target(target))


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


def _english(gains: Sequence[Gain], names: Naming) -> Table:
    return table(
        "English against the rest, points. The gap is English less the mean of the other languages: above 0 it "
        "has widened. The last column takes the languages as a sample of languages in general; below it Wilcoxon's "
        "signed-rank test over the languages.",
        [gain for gain in gains if gain.target != ALL_TARGETS],
        label("Arm", lambda g: names.arm(g.encoder, g.curriculum)),
        label("Target", lambda g: names.target(g.target)),
        Field("Gain in English", lambda g: interval_cell(g.english)),
        Field("Gain in the others", lambda g: interval_cell(g.others)),
        Field("Change of the gap", lambda g: interval_cell(g.gap)),
        Field(
            "Languages in general",
            lambda g: Cell(
                ends(g.general),
                sub="" if g.by_language is None else f"p {words.p_value(g.by_language.p)}, n {g.by_language.n}",
            ),
        ),
        source="tables/gains.csv",
    )


def _behind(gains: Sequence[Gain], names: Naming) -> Table:
    return table(
        "Behind the marks. Detectable: the gain that so many pairs of runs with this deviation find with a "
        "power of 80 %. ε: almost stochastic order of the arm over the baseline at a confidence of 95 %; below 0.5 the "
        "arm's runs are above the baseline's nearly everywhere, safely so below 0.2.",
        gains,
        label("Arm", lambda g: names.arm(g.encoder, g.curriculum)),
        label("Target", lambda g: "Mean" if g.target == ALL_TARGETS else names.target(g.target)),
        Field(
            "Errors",
            lambda g: words.NOTHING if g.error_reduction is None else f"{words.signed(g.error_reduction)} %",
            title="gain as a share of the baseline's errors",
        ),
        Field("Pairs", lambda g: str(len(g.pairs))),
        Field("Deviation", lambda g: words.score(g.deviation, 2), title="of the gain over the pairs, points"),
        Field("Detectable", lambda g: words.score(g.detectable)),
        Field("p", lambda g: words.p_value(g.interval.p)),
        Field("p corrected", lambda g: corrected_cell(g), title="and the size of its family"),
        Field("ε", _order_cell),
        source="tables/gains.csv",
    )


def _order_cell(gain: Gain) -> Cell:
    order = gain.order
    if order is None:
        return Cell(words.NOTHING)
    return Cell(f"{order.minimum:.2f}", sub=f"{order.runs[0]} and {order.runs[1]} runs")


def best_section(evidence: Evidence, names: Naming) -> Section | None:
    """The curriculum that each target would choose; None where there is no choice."""
    if not evidence.best:
        return None
    text = Text(
        "The largest of several gains, chosen and reported on the same scores, is on average too large. So each target "
        "chooses its curriculum on one set of examples, and its gain is reported on another. The oracle is the "
        "curriculum with the largest gain on the examples that report; the gap is what choosing costs."
    )
    shown = table(
        "The best curriculum of each target, and its gain over the baseline with its interval of 95 %, points.",
        evidence.best,
        label("Target", lambda b: names.with_encoder(names.target(b.target), b.encoder)),
        label("Chosen", lambda b: Cell(b.chosen, mark=names.key(b.chosen))),
        Field("Gain", lambda b: interval_cell(b.interval)),
        label(
            "Oracle",
            lambda b: Cell("the same") if b.oracle == b.chosen else Cell(b.oracle, mark=names.key(b.oracle)),
        ),
        Field("Oracle gap", lambda b: words.score(b.oracle_gap)),
        label("Chosen by", lambda b: b.basis + (": optimistic" if b.optimistic else "")),
        source="tables/best.csv",
    )
    return Section("best", "The best curriculum of each target", (text, shown))


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
    shown = table(
        "What is claimed, and what this study says of it.",
        verdicts,
        label(
            "Claim",
            lambda v: Cell(
                names.with_encoder(v.claim.says, v.encoder),
                sub=v.claim.source + (" (recalled, not verified)" if v.claim.status == "recalled" else ""),
            ),
        ),
        label("Answer", lambda v: f"{_SIGNS[v.answer]} {v.answer.value}"),
        label("Gain, with its interval", _intervals),
        label("What would decide it", lambda v: v.decides or words.NOTHING),
        css="prose",
        source="tables/claims.csv",
    )
    return Section("claims", "Claims", (text, shown))


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
    text = Text(
        "Published values beside this study's mean over languages and runs. They come from other code, data and seeds, "
        "so a difference has no interval here. Values marked recalled could not be seen in a source."
    )
    shown = table(
        "Published values, percent.",
        beside,
        label("Table", lambda b: Cell(b.table, sub=b.source)),
        label("Row", lambda b: b.row),
        label("Target", lambda b: Cell(names.target(b.target), sub="" if b.metric == SCORE else b.metric)),
        Field(
            "Published",
            lambda b: Cell(words.score(b.published), sub="recalled" if b.status == "recalled" else ""),
        ),
        Field("This study", lambda b: words.score(b.own)),
        Field("Difference", lambda b: words.signed(b.difference)),
        css="prose",
        source="tables/reference.csv",
    )
    return Section("reference", "Published values", (text, shown))


_KINDS = {
    "one answer": "nearly one answer to everything",
    "guessing": "at the level of guessing",
    "collapse": "far below the arm's other seeds",
}


def wrong_section(evidence: Evidence, names: Naming) -> Section | None:
    """Runs that went wrong; None where there are none."""
    if not evidence.wrong:
        return None
    text = Text(
        f"{words.counted(len(evidence.wrong), 'run')} ended where a run should not. They are part of what an arm does, "
        "so they stay in every mean and interval."
    )
    shown = table(
        "Runs that went wrong; the usual score is the median over the arm's seeds.",
        evidence.wrong,
        label("Arm", lambda w: names.arm(w.encoder, w.curriculum)),
        label("Target", lambda w: names.target(w.target)),
        Field("Seed", lambda w: str(w.seed)),
        label(
            "What is wrong",
            lambda w: Cell(_KINDS[w.kind], sub="" if w.languages is None else f"{w.languages} of {w.of} languages"),
        ),
        Field("Score", lambda w: words.score(w.score)),
        Field("Usual", lambda w: words.score(w.usual)),
        source="tables/wrong_runs.csv",
    )
    return Section("wrong", "Runs that went wrong", (text, Fold("Show them", shown) if len(shown.rows) > 12 else shown))
