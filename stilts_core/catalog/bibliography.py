"""What to cite: the papers behind tasks, encoders, protocols, statistics and programs, and BibTeX of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from stilts_core.catalog.load import read_data_file
from stilts_core.model import Frozen

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
OTHERS = "others"
_VENUES = {"article": "journal", "book": "publisher"}


class Entry(Frozen):
    """A paper, a book, or a page.

    Attributes:
        author: ``Last, First`` each; the last may be ``others``.
        title: in BibTeX's way: braces protect capitals; words with capitals inside are protected by themselves.
        venue: journal, proceedings or publisher, by type.
        anthology: the paper's id in the ACL Anthology.
        arxiv: its number.
        note: what there is instead of authors and title.
    """

    key: Key
    type: Literal["article", "inproceedings", "incollection", "book", "misc"]
    author: tuple[str, ...] = ()
    year: PositiveInt | None = None
    title: str
    venue: str = ""
    volume: PositiveInt | None = None
    number: PositiveInt | None = None
    pages: str = ""
    anthology: str = ""
    arxiv: str = ""
    url: str = ""
    note: str = ""

    @property
    def short(self) -> str:
        """``Holm 1979``, ``Dror et al. 2019``."""
        names = [name.split(",")[0] for name in self.author]
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{who} {self.year}"

    @property
    def address(self) -> str:
        """Where it can be read, where known."""
        if self.anthology:
            return f"https://aclanthology.org/{self.anthology}"
        return self.url or (f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else "")


Keys = Mapping[str, tuple[Key, ...]]


class Bibliography(Frozen):
    """All entries, and the keys to cite for what a study used: by name of a task, an encoder, and so on."""

    entries: tuple[Entry, ...]
    always: tuple[Key, ...]
    tasks: Keys
    encoders: Keys
    protocols: Keys
    methods: Keys
    questions: Keys
    programs: Keys

    @model_validator(mode="after")
    def _known(self) -> Bibliography:
        known = {entry.key for entry in self.entries}
        if len(known) < len(self.entries):
            raise ValueError("two entries have the same key")
        tables = (self.tasks, self.encoders, self.protocols, self.methods, self.questions, self.programs)
        used = {key for table in tables for keys in table.values() for key in keys} | set(self.always)
        if used != known:
            raise ValueError(f"keys without an entry, or entries that nothing cites: {sorted(used ^ known)}")
        return self

    def entry(self, key: str) -> Entry:
        return next(entry for entry in self.entries if entry.key == key)


@lru_cache(maxsize=1)
def bibliography() -> Bibliography:
    """The bibliography that ships."""
    return read_data_file(files("stilts_core.catalog") / "data" / "bibliography.yaml", Bibliography)


def own_entry(name: str, title: str, citation: str, url: str) -> Entry:
    """The entry of a task that a study brings, whose citation is one text."""
    key = re.sub(r"[^a-z0-9]+", "-", f"task-{name}".lower()).strip("-")
    return Entry(key=key, type="misc", title=f"{{{plain(title)}}}", url=url, note=plain(citation))


def plain(text: str) -> str:
    """A text of a study without the characters that would end a field of BibTeX."""
    return text.replace("{", "(").replace("}", ")").replace("\\", "/")


def to_bibtex(entries: Iterable[Entry]) -> str:
    """The entries as a BibTeX file of plain ASCII where LaTeX has a command for the letter, by key."""
    return "\n".join(_entry(entry) for entry in sorted(entries, key=lambda entry: entry.key))


def _entry(entry: Entry) -> str:
    where = _VENUES.get(entry.type, "booktitle")
    fields = {
        "author": " and ".join(entry.author),
        "title": _protected(entry.title),
        where: entry.venue,
        "year": str(entry.year or ""),
        "volume": str(entry.volume or ""),
        "number": str(entry.number or ""),
        "pages": entry.pages,
        "eprint": entry.arxiv,
        "archiveprefix": "arXiv" if entry.arxiv else "",
        "url": entry.address,
        "note": entry.note,
    }
    raw = {"url", "eprint"}
    lines = [f"  {name} = {{{value if name in raw else _latex(value)}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{entry.type}{{{entry.key},", *lines, "}", ""])


def _protected(title: str) -> str:
    """The title with braces around words that have a capital beyond their first letter."""
    parts = re.split(r"(\{[^{}]*\}|[^\s{}:,()?]+)", title)
    return "".join(f"{{{part}}}" if re.search(r"^[^{].*[A-Z]", part) else part for part in parts)


_MARKS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u ",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r ",
    "\u030c": "v ",
    "\u0327": "c ",
    "\u0328": "k ",
}
_LETTERS = {"ø": "{\\o}", "Ø": "{\\O}", "ß": "{\\ss}", "ł": "{\\l}", "Ł": "{\\L}", "æ": "{\\ae}", "ı": "{\\i}"}


def _latex(text: str) -> str:
    """Accents as LaTeX writes them, and what LaTeX takes for commands escaped; braces stay."""
    out: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if len(marks) == 1 and marks[0] in _MARKS and base.isascii():
            out.append(f"{{\\{_MARKS[marks[0]]}{base}}}")
        elif letter in "&%$#_":
            out.append(f"\\{letter}")
        elif letter in "~^":
            out.append(f"\\{letter}{{}}")
        else:
            out.append(_LETTERS.get(letter, letter))
    return "".join(out)
