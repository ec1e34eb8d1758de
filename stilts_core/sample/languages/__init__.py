"""The languages of the sample: one module each, with a table of words and a function from a meaning to chunks.

A module offers ``STYLE``, an `Orthography`, and ``clause``, which turns a `Clause` into chunks in the order of the
language. Forms that no safe rule gives are written out in its tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stilts_core.sample.languages import ar, de, en, es, fi, hi, hu, ja, ru, sw, tr, zh
from stilts_core.sample.meaning import Clause
from stilts_core.sample.tokens import Chunk, Orthography, Sentence, write


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language of the sample."""

    code: str
    style: Orthography
    clause: Callable[[Clause], list[Chunk]]

    def realise(self, meaning: Clause) -> Sentence:
        """The sentence that says ``meaning``."""
        return write(self.clause(meaning), meaning.asks is not None, self.style)


GRAMMARS = {
    code: Grammar(code, module.STYLE, module.clause)
    for code, module in {
        "ar": ar,
        "de": de,
        "en": en,
        "es": es,
        "fi": fi,
        "hi": hi,
        "hu": hu,
        "ja": ja,
        "ru": ru,
        "sw": sw,
        "tr": tr,
        "zh": zh,
    }.items()
}
LANGUAGES = tuple(GRAMMARS)
