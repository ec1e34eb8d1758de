"""Words with their tags, and the text they make.

Grammars write words as ``word/UPOS`` separated by blanks, for example ``auf/ADP dem/DET Markt/NOUN``; a chunk is such a
phrase with the role it plays. Tags are those of Universal Dependencies, for words as they are written (a fused form
such as German `im` is one word).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
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
        opening: begins a question.
        capital: how the first letter of a sentence is written.
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


def write(chunks: Iterable[Chunk], question: bool, style: Orthography) -> Sentence:
    """Put chunks together: blanks, the first capital, the marks at the ends, and where each role stands."""
    tokens: list[Token] = []
    text = ""
    spans: dict[Role, tuple[int, int]] = {}
    if question and style.opening:
        tokens.append(Token(style.opening, "PUNCT"))
        text = style.opening
    first = True
    for role, phrase in chunks:
        start = -1
        for token in parse(phrase):
            if first:
                token = Token(style.capital(token.text[0]) + token.text[1:], token.upos)
            elif style.spaces:
                text += " "
            first = False
            if start < 0:
                start = len(text)
            text += token.text
            tokens.append(token)
        if role is not None and start >= 0:
            begin, _ = spans.get(role, (start, 0))
            spans[role] = (begin, len(text))
    end = style.mark if question else style.stop
    tokens.append(Token(end, "PUNCT"))
    return Sentence(tuple(tokens), text + end, spans)
