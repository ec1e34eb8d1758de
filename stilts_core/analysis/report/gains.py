"""The sections that compare arms over all targets: the gains and the mean scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Section, Table, Text
from stilts_core.analysis.report.columns import Field, Thing, label, table
from stilts_core.analysis.report.figures import BINS, gain_class, gain_limit
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.summary import ALL_TARGETS, ENGLISH, Spread, Summary
from stilts_core.spec.study import BASELINE


def gains_section(collected: Collected, names: Names) -> Section | None:
    """The heat map of gains; None for a study without gains to show."""
    shown = [row for row in collected.summary if row.gain.values]
    if not shown:
        return None
    limit = gain_limit(row.gain.mean or 0.0 for row in shown)
    blocks: list[Block] = [
        Text(
            "Each field is the mean gain over the baseline with the same encoder and seed, in points; below it the "
            "standard deviation of these differences over the seeds, and in how many of them the difference has the "
            "sign of the mean. Hatched fields: at least half of the scores behind them are at the level of guessing."
        )
    ]
    blocks += [_gains_table(collected, names, encoder, limit) for encoder in collected.scores.encoders]
    return Section("gains", "Gains", tuple(blocks))


def _gains_table(collected: Collected, names: Names, encoder: str, limit: float) -> Table:
    rows: dict[str, list[Summary]] = {name: [] for name in collected.scores.curricula if name != BASELINE}
    for row in collected.summary:
        if row.encoder == encoder and row.curriculum in rows:
            rows[row.curriculum].append(row)
    first: Field[str] = label("Curriculum", lambda name: name)
    return table(
        names.with_encoder("Gain over the baseline, curricula by targets", encoder)
        + ". Points; below, the deviation over the seeds and in how many of them the sign is the mean's."
        + _footnote([row for mine in rows.values() for row in mine]),
        rows,
        *_by_target(collected, names, first, rows.__getitem__, lambda row: gain_cell(row.gain, limit, row)),
        css="heat",
        colours=colour_key(limit),
        source="summary.csv",
    )


def colour_key(limit: float) -> tuple[tuple[str, str], ...]:
    """The steps of the gains' colours: class and, at the ends and in the middle, the gain it stands for."""
    losses = [(f"n{step}", words.signed(-limit) if step == BINS else "") for step in range(BINS, 0, -1)]
    gains = [(f"p{step}", words.signed(limit) if step == BINS else "") for step in range(1, BINS + 1)]
    return (*losses, ("z", "0"), *gains)


def gain_cell(gain: Spread, limit: float, row: Summary) -> Cell:
    """A field of the heat map."""
    if gain.mean is None:
        return Cell(words.NOTHING, css="none", title=row.note)
    count = len(gain.values)
    agreeing = sum((value > 0) == (gain.mean > 0) and value != 0 for value in gain.values)
    sub = "one seed" if count == 1 else f"± {words.score(gain.sd)} · {agreeing}/{count}"
    css = gain_class(gain.mean, limit) + (" hatched" if row.mostly_at_chance else "")
    title = f"{row.curriculum}, {row.target}: " + ", ".join(words.signed(value, 2) for value in gain.values)
    return Cell(words.signed(gain.mean), sub=sub, css=css, title=title + _seen_words(row), flag=_marks(row))


def _mark(row: Summary) -> str:
    """The mark of a mean over languages that are not all zero-shot; English alone, the usual case, is not marked."""
    return words.NOT_ZERO_SHOT if any(code != ENGLISH for code in row.seen) else ""


def _marks(row: Summary) -> str:
    return ("c" if row.mostly_at_chance else "") + _mark(row)


def _seen_words(row: Summary) -> str:
    others = [code for code in row.seen if code != ENGLISH]
    return f"; not zero-shot: {', '.join(others)}" if others else ""


def means_section(collected: Collected, names: Names) -> Section:
    """The mean scores of all arms."""
    rows: dict[tuple[str, str], list[Summary]] = {
        (encoder, curriculum): [] for encoder in collected.scores.encoders for curriculum in collected.scores.curricula
    }
    for row in collected.summary:
        rows[row.encoder, row.curriculum].append(row)

    def of_arms(caption: str, cell: Callable[[Summary], Cell]) -> Table:
        arm: Field[tuple[str, str]] = label("Arm", lambda a: Cell(names.arm(*a), mark=names.key(a[1])))
        return table(caption, rows, *_by_target(collected, names, arm, rows.__getitem__, cell), source="summary.csv")

    means = of_arms(
        "Mean over the languages of each target, percent, with the standard deviation over distinct runs."
        + _footnote(collected.summary),
        lambda row: score_cell(row.score, row),
    )
    unseen = of_arms(
        "Mean over the zero-shot languages of each target alone: those of which the arm has seen no labelled "
        "data. Percent; below it how many of the target's languages they are.",
        zero_shot_cell,
    )
    measures = "; ".join(f"{title}: {names.measure(target)}" for target, title in names.titles.items())
    blocks: list[Block] = [Text(f"What is measured: {measures}."), means, unseen]
    notes = _notes(collected.summary, names)
    if notes:
        blocks.append(Text(f"Notes: {notes}."))
    return Section("means", "Mean scores", tuple(blocks))


def zero_shot_cell(row: Summary) -> Cell:
    """The mean over the zero-shot languages, and how many they are."""
    if row.zero_shot.mean is None:
        return Cell(words.NOTHING, css="none", title=row.note or "no language is zero-shot")
    sub = "" if row.languages is None else f"{row.languages - len(row.seen)} of {row.languages}"
    title = ", ".join(words.score(value, 2) for value in row.zero_shot.values)
    return Cell(words.score(row.zero_shot.mean), sub=sub, title=title)


def _footnote(rows: Sequence[Summary]) -> str:
    text = ""
    if any(row.mostly_at_chance for row in rows):
        text += " c: at least half of the scores behind it are at the level of guessing."
    if any(_mark(row) for row in rows):
        text += (
            f" {words.NOT_ZERO_SHOT}: the arm has been trained on labelled data of languages other than English among "
            "them."
        )
    return text


def score_cell(score: Spread, row: Summary) -> Cell:
    """A mean with its deviation."""
    if score.mean is None:
        return Cell(words.NOTHING, css="none", title=row.note)
    sub = "one run" if score.sd is None else f"± {words.score(score.sd)}"
    css = "dim" if row.mostly_at_chance else ""
    title = ", ".join(words.score(value, 2) for value in score.values) + _seen_words(row)
    return Cell(words.score(score.mean), sub=sub, css=css, title=title, flag=_marks(row))


def _by_target(
    collected: Collected,
    names: Names,
    first: Field[Thing],
    rows: Callable[[Thing], Sequence[Summary]],
    cell: Callable[[Summary], Cell],
) -> Iterator[Field[Thing]]:
    """A first column, and one for each target and their mean, as each thing's rows of the summary are."""
    yield first
    heads = [(names.short_target(target.target), names.target(target.target)) for target in collected.scores.targets]
    for place, (head, title) in enumerate([*heads, ("Mean", "")] if len(heads) > 1 else heads):
        yield Field(head, partial(_of_place, rows, cell, place), title=title)


def _of_place(
    rows: Callable[[Thing], Sequence[Summary]], cell: Callable[[Summary], Cell], place: int, thing: Thing
) -> Cell:
    return cell(rows(thing)[place])


def _notes(rows: Sequence[Summary], names: Names) -> str:
    """What the summary says of shared runs, each sentence once with the arms and targets it holds for."""
    shared: dict[str, dict[str, None]] = {}
    for row in rows:
        for note in row.note.split("; "):
            if "share" in note and row.target != ALL_TARGETS:
                where = f"{names.arm(row.encoder, row.curriculum)} on {names.target(row.target)}"
                shared.setdefault(note, {})[where] = None
    return "; ".join(f"{words.listed(list(where))}: {note}" for note, where in shared.items())
