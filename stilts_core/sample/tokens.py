"""Words with their tags, and the text they make.

Grammars write words as ``word/UPOS`` separated by blanks, for example ``auf/ADP dem/DET Markt/NOUN``; a chunk is such a
phrase with the role it plays. Tags are those of Universal Dependencies, for words as they are written (a fused form
such as German `im` is one word).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from stilts_core.sample.meaning import Role

UPOS = frozenset(
    ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "VERB")
)
Chunk = tuple[Role | None, str]


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a mark, and its Universal Dependencies part of speech."""

    text: str
    upos: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A realised meaning.

    Attributes:
        text: the sentence as it is written.
        spans: characters ``[start, end)`` of each role in `text`.
    """

    tokens: tuple[Token, ...]
    text: str
    spans: dict[Role, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Orthography:
    """How a language writes words one after another.

    Attributes:
        spaces: words are separated by blanks.
        stop: ends a statement.
        mark: ends a question.
        opening: begins a question; one mark or none.
        capital: how the first letter of a sentence is written; gives one letter.
    """

    spaces: bool = True
    stop: str = "."
    mark: str = "?"
    opening: str = ""
    capital: Callable[[str], str] = str.upper


@cache
def parse(phrase: str) -> tuple[Token, ...]:
    """The tokens of ``word/UPOS`` notation.

    Raises:
        ValueError: a word has no tag, or one that is not in `UPOS`.
    """
    tokens = []
    for item in phrase.split():
        text, _, upos = item.rpartition("/")
        if not text or upos not in UPOS:
            raise ValueError(f"{item!r} in {phrase!r} is not word/UPOS")
        tokens.append(Token(unicodedata.normalize("NFC", text), upos))
    return tuple(tokens)


@cache
def _spelled(phrase: str, blank: str) -> str:
    return blank.join(token.text for token in parse(phrase))


@cache
def _mark(text: str) -> tuple[Token, ...]:
    return (Token(text, "PUNCT"),) if text else ()


def write(chunks: Sequence[Chunk], question: bool, style: Orthography) -> Sentence:
    """Put chunks together: blanks, the first capital, the marks at the ends, and where each role stands."""
    blank = " " if style.spaces else ""
    opening, end = (style.opening, style.mark) if question else ("", style.stop)
    tokens = list(_mark(opening))
    text = opening
    spans: dict[Role, tuple[int, int]] = {}
    for role, phrase in chunks:
        if len(text) > len(opening):
            text += blank
        start = len(text)
        text += _spelled(phrase, blank)
        tokens += parse(phrase)
        if role is not None:
            spans[role] = (start, len(text))
    first = len(opening)
    text = text[:first] + style.capital(text[first]) + text[first + 1 :]
    word = tokens[first]
    tokens[first] = Token(style.capital(word.text[0]) + word.text[1:], word.upos)
    return Sentence((*tokens, *_mark(end)), text + end, spans)
