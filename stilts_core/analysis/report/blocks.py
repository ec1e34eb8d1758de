"""What a page is made of: sections of paragraphs, tables and figures; the templates give them their looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    block: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list of headed sentences."""

    block: ClassVar[str] = "points"
    points: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """A list of terms and what there is to say of each."""

    block: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a table.

    Attributes:
        text: what it says.
        sub: a second, smaller line.
        css: classes.
        title: more, for who points at it.
        flag: letters before the text, explained in the caption.
        mark: a legend's mark before the text.
    """

    text: str
    sub: str = ""
    css: str = ""
    title: str = ""
    mark: Markup | None = None
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; columns of numbers are set to the right."""

    text: str
    numeric: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: what it shows, without its number.
        css: classes.
        colours: the key to the colours of its fields, where it has any: class and label of each step.
        hue: what the colours say; the page's caption ends with it, those of formats without colours do not.
        source: file with the same numbers.
    """

    block: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    css: str = ""
    colours: tuple[tuple[str, str], ...] = ()
    hue: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class DotPlot:
    """A row of dots for each language.

    Attributes:
        rows: name, code and drawing.
        key: mark and label of each arm.
        wide: room for names that are longer than those of languages.
    """

    block: ClassVar[str] = "dots"
    caption: str
    axis: Markup
    rows: tuple[tuple[str, str, Markup], ...]
    key: tuple[tuple[Markup, str], ...]
    source: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing."""

    block: ClassVar[str] = "plot"
    caption: str
    drawing: Markup
    key: tuple[tuple[Markup, str], ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Fold:
    """A long table behind a line that opens it; open on paper."""

    block: ClassVar[str] = "fold"
    title: str
    inner: Table


Block = Text | Points | Facts | Table | DotPlot | Plot | Fold


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section under a heading of its own."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A section and its parts, listed in the table of contents."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader must know before any number."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report.

    Attributes:
        facts: the study at a glance.
        command: writes the table behind a figure again, with ``{}`` where the table's name stands; empty: none does.
    """

    title: str
    question: str
    facts: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]
    sections: tuple[Section, ...]
    definitions: Markup
    command: str = ""
