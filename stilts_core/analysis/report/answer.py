"""The study's answer in plain words, computed from the summary and no bolder than it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_core.analysis.report.words import counted, listed, number, score, signed, span
from stilts_core.analysis.summary import ALL_TARGETS, Summary
from stilts_core.spec.study import BASELINE


@dataclass(frozen=True, slots=True)
class Answer:
    """What a study says.

    Attributes:
        lead: the paragraph.
        points: a heading (encoder, target) and a sentence for each target.
        caveat: how far it can be trusted.
    """

    lead: str
    points: tuple[tuple[str, str], ...]
    caveat: str


def answer(summary: Sequence[Summary], titles: Mapping[str, str]) -> Answer:
    """The answer to which curriculum helps which target, and by how much.

    Args:
        summary: rows of all arms.
        titles: target → how the report calls it.
    """
    by_encoder: dict[str, list[Summary]] = {}
    for row in summary:
        by_encoder.setdefault(row.encoder, []).append(row)
    if not any(row.runs for row in summary):
        return Answer("Nothing has been measured yet: no evaluation of this study has committed.", (), "")
    if not any(row.curriculum == BASELINE for row in summary):
        return Answer(
            "The study has no baseline, so there is no gain to report: the tables below give the scores alone.", (), ""
        )
    several = len(by_encoder) > 1
    leads, points = [], []
    for encoder, rows in by_encoder.items():
        leads.append((f"With {encoder}: " if several else "") + _lead(rows))
        for target in dict.fromkeys(row.target for row in rows if row.target != ALL_TARGETS):
            heading = titles.get(target, target)
            of_target = [row for row in rows if row.target == target]
            points.append((f"{encoder}, {heading}" if several else heading, _point(of_target)))
    return Answer(" ".join(leads), tuple(points), _caveat(summary))


def _ranked(rows: Sequence[Summary]) -> list[Summary]:
    with_gain = [row for row in rows if row.gain.values]
    return sorted(with_gain, key=lambda row: -(row.gain.mean or 0.0))


def _lead(rows: Sequence[Summary]) -> str:
    targets = list(dict.fromkeys(row.target for row in rows if row.target != ALL_TARGETS))
    if len(targets) == 1:
        return _point(rows)
    ranked = _ranked([row for row in rows if row.target == ALL_TARGETS])
    if not ranked:
        count = number(len(targets))
        return f"No curriculum has results on all {count} targets yet, so only single targets can be compared."
    best, worst = ranked[0], ranked[-1]
    over = f"over the {number(len(targets))} targets"
    if (best.gain.mean or 0.0) <= 0:
        text = f"On the mean {over} no curriculum is above the baseline; {best.curriculum} comes nearest"
    elif best.gain.same_sign and len(best.gain.values) > 1:
        text = f"On the mean {over}, {best.curriculum} helps most"
    else:
        text = f"On the mean {over}, {best.curriculum} has the largest gain"
    text += f", at {_gain(best)}: {score(best.score.mean)} against {_baseline(rows, ALL_TARGETS)}."
    if len(ranked) > 1:
        text += f" The smallest is that of {worst.curriculum}, {_gain(worst)}."
    return text


def _baseline(rows: Sequence[Summary], target: str) -> str:
    row = next((row for row in rows if row.target == target and row.curriculum == BASELINE), None)
    return score(row.score.mean if row else None)


def _gain(row: Summary) -> str:
    values = row.gain.values
    points = f"{signed(row.gain.mean)} points"
    if len(values) == 1:
        return f"{points} (one seed)"
    return f"{points} ({span(values, signs=True)} over {counted(len(values), 'seed')})"


def _point(rows: Sequence[Summary]) -> str:
    ranked = _ranked(rows)
    base = next((row for row in rows if row.curriculum == BASELINE), None)
    if base is None or not base.runs:
        return "The baseline has no results yet, so there is no gain to report."
    if not ranked:
        return f"The baseline is at {score(base.score.mean)}; no other curriculum has results yet."
    if all(row.mostly_at_chance for row in (base, *ranked)):
        return (
            f"Every arm stays at the level of guessing in at least half of its scores (baseline "
            f"{score(base.score.mean)}), so the differences say little."
        )
    best, worst = ranked[0], ranked[-1]
    warnings = _chance_words((base, *ranked)) + _degenerate_words((base, *ranked))
    if (best.gain.mean or 0.0) <= 0:
        level = f"the baseline's {score(base.score.mean)}"
        return f"No curriculum gains over {level}; {best.curriculum} comes nearest, {_gain(best)}.{warnings}"
    steady = [row for row in ranked if row.gain.same_sign and (row.gain.mean or 0) > 0 and len(row.gain.values) > 1]
    text = f"{best.curriculum} gains most, {_gain(best)}, from {score(base.score.mean)} to {score(best.score.mean)}."
    if len(best.gain.values) > 1 and best not in steady:
        text += " Its seeds do not agree on the sign."
    others = [row.curriculum for row in steady if row is not best]
    if others:
        text += f" {listed(others)} also {'gains' if len(others) == 1 else 'gain'} in every seed."
    if worst is not best and worst.gain.same_sign and (worst.gain.mean or 0.0) < 0:
        text += f" {worst.curriculum} loses, {_gain(worst)}."
    return text + warnings


def _degenerate_words(rows: Sequence[Summary]) -> str:
    found = [f"{row.degenerate} of {row.scores} scores of {row.curriculum}" for row in rows if row.degenerate]
    if not found:
        return ""
    return f" Degenerate, with nearly one answer to everything: {listed(found)}; they count in the means."


def _chance_words(rows: Sequence[Summary]) -> str:
    found = [row.curriculum for row in rows if row.mostly_at_chance]
    if not found:
        return ""
    return f" At least half of the scores of {listed(found)} stay at the level of guessing."


def _caveat(summary: Sequence[Summary]) -> str:
    pairs = [len(row.gain.values) for row in summary if row.gain.values]
    if not pairs:
        return ""
    most = max(pairs)
    if most == 1:
        seeds = "There is one run of each arm, so nothing is known of how much a gain moves with the seed."
    else:
        few = "so a gain of the size of its spread may be accident" if most < 10 else "and no test is behind it"
        seeds = f"A gain is the mean of {number(most)} paired seeds at most, {few}."
    curricula = len({row.curriculum for row in summary} - {BASELINE})
    choice = " The largest of several gains, picked afterwards, is on average too large." if curricula > 1 else ""
    return f"{seeds}{choice}"
