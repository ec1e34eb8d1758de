"""The table of docs/tasks.md is what the catalogue says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Split, Task

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
BEGIN, END = "<!-- tasks: begin -->\n", "<!-- tasks: end -->\n"
HEADER = "| task | head | metric | train | dev | test | languages: XTREME, XTREME-R | licence |\n"
RULE = "| --- | --- | --- | ---: | ---: | ---: | --- | --- |\n"


def test_the_table_is_what_the_catalogue_says(update_golden: bool) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    expected = f"{before}{BEGIN}{table()}{END}{after}"
    if update_golden:
        DOCUMENT.write_text(expected, encoding="utf-8")
    assert text == expected or update_golden


def table() -> str:
    return HEADER + RULE + "".join(row(task) for task in load_catalogue().tasks.values())


def row(task: Task) -> str:
    cells = [
        f"`{task.name}`<br>{task.title}",
        task.head.value,
        f"`{task.metric.value}`" if task.metric else "",
        *(sizes(task, task.sizes.get(split, {})) for split in _SPLITS),
        languages(task),
        task.licence,
    ]
    return f"| {' | '.join(cells)} |\n"


_SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def sizes(task: Task, known: Mapping[str, int]) -> str:
    """One number, or the range over the languages; English alone where those of some languages are not known."""
    counts = sorted(set(known.values()))
    if not counts:
        return ""
    if len(counts) > 1 and "*" not in known and set(known) < set(task.languages):
        return f"en {known['en']:,}"
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} – {counts[-1]:,}"


def languages(task: Task) -> str:
    if not task.benchmarks:
        return " ".join(task.languages) or "any"
    first = task.benchmarks.get("xtreme", ())
    second = task.benchmarks.get("xtreme-r", ())
    shown = " ".join(first or second)
    added = [code for code in second if first and code not in first]
    counts = f"{len(first) or '–'}, {len(second) or '–'}"
    return f"{counts}: {shown}" + (f"; XTREME-R adds {' '.join(added)}" if added else "")
