"""The sections of the single targets: arms, languages, and hidden states for retrieval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, DotPlot, Part, Plot, Section, Table, Text
from stilts_core.analysis.report.columns import Field, label, table
from stilts_core.analysis.report.figures import (
    Curve,
    Dots,
    Scale,
    axis,
    dot_row,
    gain_class,
    gain_limit,
    line_plot,
    scale_for,
)
from stilts_core.analysis.report.gains import colour_key, zero_shot_cell
from stilts_core.analysis.report.names import Names, Naming
from stilts_core.analysis.scores import Scores, TargetScores
from stilts_core.analysis.summary import ENGLISH, Spread, Summary, baseline_of
from stilts_core.analysis.table import SCORE
from stilts_core.analysis.tables import LanguageCell, StateCurve, language_cells, state_curves
from stilts_core.planning.params import EvaluateParams
from stilts_core.spec.study import BASELINE

Grid = dict[tuple[int, int], list[LanguageCell]]
"""Places of encoder and curriculum → the target's languages."""


def targets_section(collected: Collected, names: Names) -> Section:
    """One part for each target."""
    curves = state_curves(collected.scores, collected.frame)
    parts = [
        Part(
            f"target-{target.target}",
            names.target(target.target),
            tuple(_blocks(collected, names, target, [c for c in curves if c.target == target.target])),
        )
        for target in collected.scores.targets
    ]
    return Section("targets", "Target by target", parts=tuple(parts))


def _blocks(collected: Collected, names: Names, target: TargetScores, curves: Sequence[StateCurve]) -> Iterator[Block]:
    scores = collected.scores
    yield Text(_description(collected, names, target))
    rows = [row for row in collected.summary if row.target == target.target]
    if not any(row.scores for row in rows):
        yield Text("Nothing has been measured on this target yet.")
        return
    yield _arms(rows, names)
    grid = language_grid(scores, target)
    for e, encoder in enumerate(scores.encoders):
        yield from language_blocks(scores, names, target, grid, e)
        mine = [curve for curve in curves if curve.encoder == encoder]
        if mine:
            yield _states(mine, names, target.target, encoder)


def language_grid(scores: Scores, target: TargetScores) -> Grid:
    """The languages of a target in every arm."""
    arms = product(range(len(scores.encoders)), range(len(scores.curricula)))
    return {(e, c): language_cells(scores, target, e, c) for e, c in arms}


def language_blocks(scores: Scores, names: Naming, target: TargetScores, grid: Grid, e: int) -> Iterator[Block]:
    """The languages of a target with one encoder, as a figure and as a table; nothing without scores."""
    limit = gain_limit(cell.gain.mean or 0.0 for cells in grid.values() for cell in cells)
    if any(cell.score.values for c in range(len(scores.curricula)) for cell in grid[e, c]):
        order = _order(target, grid, e, baseline_of(scores))
        yield _dots(scores, names, target, grid, e, order)
        yield _languages(scores, names, target, grid, e, order, limit)


def _description(collected: Collected, names: Names, target: TargetScores) -> str:
    cells = [cell for cell in collected.plan.cells if cell.target == target.target]
    splits: dict[str, list[str]] = {}
    for cell in cells[:1]:
        for code, split in cell.languages.items():
            splits.setdefault(split, []).append(code)
    where = "; ".join(f"{split} set for {words.counted(len(codes), 'language')}" for split, codes in splits.items())
    texts = collected.frame.texts
    sizes = np.unique(collected.frame.n[texts["target"].of(target.target) & texts["metric"].of(SCORE)]).tolist()
    examples = ""
    if sizes:
        low, high = min(sizes), max(sizes)
        examples = f", {low:,} examples each" if low == high else f", {low:,} to {high:,} examples a language"
    chance = target.chance[~np.isnan(target.chance)]
    guess = f" Guessing gives {words.span(chance.tolist())}." if chance.size else ""
    return f"Score: {names.measure(target.target)}, percent. Evaluated on the {where}{examples}.{guess}"


def _arms(rows: Sequence[Summary], names: Names) -> Table:
    def spread(value: Spread, signs: bool = False) -> Cell:
        if value.mean is None:
            return Cell(words.NOTHING, css="none")
        text = words.signed(value.mean) if signs else words.score(value.mean)
        return Cell(text, sub="" if value.sd is None else f"± {words.score(value.sd)}")

    english: tuple[Field[Summary], ...] = (
        Field("English", lambda row: spread(row.english)),
        Field("Other languages", lambda row: spread(row.others)),
        Field(
            "Transfer gap",
            lambda row: spread(row.transfer_gap, signs=True),
            title="English less the mean of the other languages",
        ),
    )
    return table(
        "Arms: mean over the languages and standard deviation over distinct runs, percent; gains in points.",
        rows,
        label("Arm", lambda row: Cell(names.arm(row.encoder, row.curriculum), mark=names.key(row.curriculum))),
        Field("Mean", lambda row: spread(row.score)),
        Field(
            "Zero-shot",
            zero_shot_cell,
            title="mean over the languages of which the arm has seen no labelled data",
        ),
        Field(
            "Gain",
            lambda row: Cell("", css="none") if row.curriculum == BASELINE else spread(row.gain, signs=True),
        ),
        *(english if any(row.transfer_gap.values for row in rows) else ()),
        Field("Runs", _runs_cell, title="distinct runs of the seeds asked for"),
        Field(
            "At chance",
            lambda row: f"{row.at_chance} of {row.scores}" if row.at_chance else "0" if row.scores else words.NOTHING,
            title="single scores that can't be told from guessing",
        ),
        source="summary.csv",
    )


def _runs_cell(row: Summary) -> Cell:
    runs = f"{row.runs} of {row.seeds} seeds" if row.missing else words.counted(row.seeds, "seed")
    return Cell(str(row.runs), sub=runs if row.runs != row.seeds else "", title=row.note)


def _order(target: TargetScores, grid: Grid, e: int, base: int | None) -> list[int]:
    """English first, then the languages from the highest score of the baseline (or first arm) to the lowest."""
    cells = grid[e, base or 0]

    def key(place: int) -> tuple[bool, float, int]:
        mean = cells[place].score.mean
        return target.languages[place] != ENGLISH, math.inf if mean is None else -mean, place

    return sorted(range(len(target.languages)), key=key)


def _scale(grid: Grid, e: int) -> Scale:
    cells = [cell for (encoder, _), row in grid.items() if encoder == e for cell in row]
    values = [value for cell in cells for value in cell.score.values]
    chances = [cell.chance for cell in cells if cell.chance is not None]
    low, high = min(values), max(values)
    if chances and low - min(chances) < 0.4 * (high - low):
        values.append(min(chances))
    return scale_for(values)


def _dots(scores: Scores, names: Naming, target: TargetScores, grid: Grid, e: int, order: Sequence[int]) -> DotPlot:
    curricula = scores.curricula
    scale = _scale(grid, e)
    rows = []
    for place in order:
        dots = [
            Dots(curriculum, names.style(curriculum), grid[e, c][place].score.values)
            for c, curriculum in enumerate(curricula)
        ]
        chance = next((grid[e, c][place].chance for c in range(len(curricula)) if grid[e, c][place].score.values), None)
        code = target.languages[place]
        rows.append((names.language(code), code, dot_row(dots, scale, chance)))
    return DotPlot(
        caption=names.with_encoder("Scores by language", scores.encoders[e])
        + ". Marks are means, ticks single runs, the upright line is the baseline's mean, the dotted one guessing; "
        "English first, then by the baseline's score. Percent.",
        axis=axis(scale),
        rows=tuple(rows),
        key=tuple((names.key(curriculum), curriculum) for curriculum in curricula),
        source="tables/languages.csv",
    )


def _languages(
    scores: Scores,
    names: Naming,
    target: TargetScores,
    grid: Grid,
    e: int,
    order: Sequence[int],
    limit: float,
) -> Table:
    curricula = scores.curricula

    def column(c: int) -> Field[int]:
        return Field(curricula[c], lambda place: _language_cell(grid[e, c][place], limit))

    coloured = any(grid[e, c][place].gain.values for c in range(len(curricula)) for place in order)
    marks = [cell for c in range(len(curricula)) for cell in grid[e, c]]
    chance = " c: at the level of guessing." if any(cell.at_chance for cell in marks) else ""
    degenerate = " d: nearly one answer to everything." if any(cell.degenerate for cell in marks) else ""
    seen = words.NOT_ZERO_SHOT_MEANS if any(not cell.zero_shot for cell in marks) else ""
    return table(
        names.with_encoder("Languages by curricula", scores.encoders[e])
        + f". Mean and standard deviation over distinct runs, percent.{chance}{degenerate}{seen}",
        order,
        label("Language", lambda place: _language(target.languages[place], names)),
        *map(column, range(len(curricula))),
        css="languages",
        colours=colour_key(limit) if coloured else (),
        hue="Coloured by the difference to the baseline in points." if coloured else "",
        source="tables/languages.csv",
    )


def _language(code: str, names: Naming) -> Cell:
    return Cell(names.language(code), sub=code, css="language")


def _language_cell(cell: LanguageCell, limit: float) -> Cell:
    count = len(cell.score.values)
    seen = "" if cell.zero_shot else words.NOT_ZERO_SHOT
    if cell.score.mean is None:
        return Cell(words.NOTHING, css="none", title="missing", flag=seen)
    marks = ("c" if cell.at_chance else "") + ("d" if cell.degenerate else "") + seen
    facts = [", ".join(words.score(value, 2) for value in cell.score.values)]
    if cell.gain.mean is not None:
        facts.append(f"gain {words.signed(cell.gain.mean, 2)}")
    if cell.at_chance:
        facts.append(f"at chance in {cell.at_chance} of {count}")
    if not cell.zero_shot:
        facts.append("not zero-shot")
    if cell.degenerate:
        facts.append(f"degenerate in {cell.degenerate} of {count}")
    return Cell(
        words.score(cell.score.mean),
        sub="" if cell.score.sd is None else f"± {words.score(cell.score.sd)}",
        flag=marks,
        css=gain_class(cell.gain.mean, limit) + (" dim" if 2 * cell.at_chance >= count else ""),
        title="; ".join(facts),
    )


def _states(curves: Sequence[StateCurve], names: Names, target: str, encoder: str) -> Plot:
    scored = _scored_state(names.evaluation(target), max(curves[0].states))
    shown = [
        Curve(
            names.arm(curve.encoder, curve.curriculum),
            names.style(curve.curriculum),
            tuple(
                (state, spread.values)
                for state, spread in zip(curve.states, curve.scores, strict=True)
                if spread.values
            ),
        )
        for curve in curves
    ]
    shown = [curve for curve in shown if curve.points]
    result = f" The dotted line marks state {scored}, whose score is the result." if scored is not None else ""
    return Plot(
        caption=names.with_encoder("Retrieval by hidden state", encoder)
        + f". Mean over the languages, percent; 0 is the embedding output.{result}",
        drawing=line_plot(shown, scored, f"Retrieval accuracy of {names.target(target)} by hidden state"),
        key=tuple((names.key(curve.curriculum), curve.curriculum) for curve in curves),
        source="tables/states.csv",
    )


def _scored_state(params: EvaluateParams | None, layers: int) -> int | None:
    if params is None:
        return None
    if layers in params.retrieval_states:
        return params.retrieval_states[layers]
    return None if params.retrieval_share is None else max(1, round(params.retrieval_share * layers))
