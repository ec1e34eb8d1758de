"""The tables of `stilts data`, which read the same in a terminal and in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stilts_core.catalog.models import Split
from stilts_core.catalog.quirks import Quirk
from stilts_core.data.blocked import Blocked
from stilts_core.data.check import DataReport
from stilts_core.data.coverage import FileState, State
from stilts_core.data.hub.pull import Pulled
from stilts_core.data.layout import Layout

Moved = set[tuple[str, Split, str]]
_MANY = 16  # languages named at most, and a few more
_STYLES: dict[str, str] = {
    "present": "green",
    "with dev": "green",
    "different": "yellow",
    "withheld": "yellow",
    "missing": "yellow",
    "unusable": "red",
}
_ORDER: tuple[State, ...] = ("present", "different", "withheld", "unusable", "missing")


def show_report(console: Console, report: DataReport) -> None:
    """Print what a check found."""
    moved = {
        (entry.task, entry.split, language)
        for entry in report.blocked
        if entry.effect == "moved"
        for language in entry.languages
    }
    _print(console, _states(report.states, moved))
    if any(state.state == "different" for state in report.states):
        _section(console, "Different")
        _say(
            console,
            "Another number of records than the official files have. Fewer is a slice, or a copy that lost rows: "
            "it trains and scores, but its scores are not those of the benchmark.",
        )
    _faults(console, report.states)
    show_quirks(console, [(quirk, state.paths) for state in report.states for quirk in state.quirks])
    _blocked(console, report.blocked)


def show_pulled(console: Console, made: Sequence[Pulled]) -> None:
    """Print what was taken from the hub."""
    table = _table("task", "split", "lang", ">records", ">official", "file")
    for file in made:
        official = "" if file.expected is None else f"{file.expected:,}"
        style = "" if file.expected in (None, file.records) else "yellow"
        path = f"{file.path} ({file.changed:,} texts changed to fit)" if file.changed else file.path
        table.add_row(
            file.task,
            file.split,
            file.language,
            Text(f"{file.records:,}", style),
            official,
            Text(path, overflow="fold"),
        )
    _print(console, table)
    show_quirks(console, [(quirk, (file.path,)) for file in made for quirk in file.quirks])


def show_layout(console: Console, layout: Layout) -> None:
    """Print where the files of a task belong."""
    for number, task in enumerate(layout.tasks):
        if number:
            console.print()
        console.print(Text.assemble((task.name, "bold"), f"  {task.title}"))
        facts = _table("", "")
        for what, value in task.facts.items():
            facts.add_row(Text(what, "dim"), Text(value, overflow="fold"))
        _print(console, facts)
        for split in task.splits:
            console.print()
            console.print(Text.assemble((split.split, "bold"), f"  {split.size}".rstrip()))
            console.print(Padding(Text(f"in {' '.join(split.languages)}", "dim"), (0, 0, 0, 2)))
            places = _table("", "")
            for index, place in enumerate(split.places):
                places.add_row(Text("" if not index else "or", "dim"), Text(place.path, "cyan", overflow="fold"))
                for more in filter(None, (place.pair, place.right)):
                    places.add_row(Text("with", "dim"), Text(more, "cyan", overflow="fold"))
                only = f" in {_codes(place.languages)}" if place.languages else ""
                places.add_row("", Text(f"{place.format}{only}{', one file or several' * place.several}", "dim"))
            _print(console, places)
    if layout.formats:
        _section(console, "Formats")
        formats = _table("", "")
        for name, text in layout.formats.items():
            formats.add_row(Text(name, "dim"), Text(text))
        _print(console, formats)


def _states(states: Sequence[FileState], moved: Moved) -> Table:
    table = _table("task", "split", "state", ">records", ">official", "languages")
    last = ""
    for (task, split), group in groupby(states, key=lambda state: (state.task, state.split)):
        files = list(group)
        words = [(_word(state, moved), state) for state in files]
        order = [*_ORDER, "with dev"]
        for word in sorted({word for word, _ in words}, key=lambda word: order.index(word)):
            same = [state for other, state in words if other == word]
            table.add_row(
                "" if task == last else task,
                split,
                Text(word, _STYLES[word]),
                _total([state.records for state in same]),
                _total([state.expected for state in same]),
                _languages(word, same),
            )
            last = task
    return table


def _word(state: FileState, moved: Moved) -> str:
    """The state; a test file that is missing while the language is scored on dev is ``with dev``."""
    if state.split == "test" and (state.task, state.split, state.language) in moved:
        return "with dev"
    return state.state


def _total(numbers: Sequence[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return f"{sum(known):,}" if known and len(known) == len(numbers) else ""


def _languages(word: str, states: Sequence[FileState]) -> Text:
    codes = [state.language for state in states]
    if word != "different" or len(states) == 1:
        return Text(_codes(codes))
    counts = {(state.records, state.expected) for state in states}
    if len(counts) == 1:
        records, expected = counts.pop()
        return Text(f"{_codes(codes)}: {records:,} of {expected:,} each")
    return Text(", ".join(f"{state.language} {state.records:,}/{state.expected:,}" for state in states))


def _faults(console: Console, states: Iterable[FileState]) -> None:
    faults = [state for state in states if state.fault]
    if not faults:
        return
    _section(console, "Unusable")
    for state in faults:
        _say(console, f"{state.task} {state.split} {state.language}: {state.fault}")


def show_quirks(console: Console, found: Iterable[tuple[Quirk, Sequence[str]]]) -> None:
    """Print known faults of copies with the files that show them."""
    files: dict[str, tuple[Quirk, list[str]]] = {}
    for quirk, paths in found:
        files.setdefault(quirk.name, (quirk, []))[1].extend(paths)
    if not files:
        return
    _section(console, "Known faults of copies")
    for name, (quirk, places) in files.items():
        console.print(Padding(Text(name, "yellow"), (0, 0, 0, 2)))
        table = _table("", "")
        more = f" and {len(places) - 3} more" if len(places) > 4 else ""
        table.add_row(Text("in", "dim"), Text(", ".join(places[: 3 if more else 4]) + more, overflow="fold"))
        table.add_row(Text("wrong", "dim"), Text(quirk.wrong))
        table.add_row(Text("do", "dim"), Text(quirk.remedy))
        console.print(Padding(table, (0, 0, 0, 4), expand=False))


def _blocked(console: Console, entries: Sequence[Blocked]) -> None:
    sentences = {
        "training": "Cannot be trained",
        "scoring": "Cannot be scored",
        "moved": "Scored on the other split",
        "choosing": "No English development set to choose by",
    }
    for effect, title in sentences.items():
        those = [entry for entry in entries if entry.effect == effect]
        if not those:
            continue
        _section(console, title)
        table = _table("", "", "")
        for entry in those:
            who = entry.what if effect != "scoring" or entry.what != (entry.task,) else ()
            lines = [", ".join(who)] if who and who != (entry.task,) else []
            lines.append(f"in {_codes(entry.languages)}")
            if effect in ("training", "scoring"):
                lines += [f"looked for {path}" for path in entry.looked_for]
            table.add_row(entry.task, entry.split, Text("\n".join(lines), overflow="fold"))
        _print(console, table)


def _codes(languages: Sequence[str]) -> str:
    if len(languages) <= _MANY + 2:
        return " ".join(languages)
    return f"{' '.join(languages[:_MANY])} and {len(languages) - _MANY} more"


def _section(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, "bold"))


def _say(console: Console, sentence: str) -> None:
    console.print(Padding(Text(sentence, overflow="fold"), (0, 0, 0, 2)))


def _print(console: Console, table: Table) -> None:
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _table(*headings: str) -> Table:
    """A table without a frame; ``>`` before a heading puts its column to the right; the last one folds."""
    table = Table(box=None, show_header=any(headings), header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for number, heading in enumerate(headings, start=1):
        last = number == len(headings)
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold",
            no_wrap=not last,
        )
    return table
