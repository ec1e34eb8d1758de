"""Exact match and token F1 of MLQA, whose normalisation depends on the language."""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, partial

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers import squad
from stilts_core.evaluation.scorers.squad import AnswerScores, Question, overlap_f1


def _words(articles: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(articles.split())})\b")


_ARTICLES: dict[str, re.Pattern[str] | None] = {
    "ar": re.compile("ال"),  # everywhere, inside a word too
    "de": _words("ein eine einen einem eines einer der die das den dem des"),
    "en": _words("a an the"),
    "es": _words("un una unos unas el la los las"),
    "hi": None,
    "vi": _words("của là cái chiếc những"),
    "zh": None,
}
_IDEOGRAPH = re.compile("([\u4e00-\u9fa5])")


@cache
def _punctuation() -> dict[int, None]:
    unicode = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P"))
    return dict.fromkeys((*unicode, *map(ord, string.punctuation)))


def tokens(text: str, language: str) -> list[str]:
    """The tokens that are compared: lower case, without punctuation of any script and the language's articles.

    Words are split at white space; in Chinese each character of U+4E00 to U+9FA5 is a token of its own.

    Raises:
        DataError: MLQA does not define the language.
    """
    if language not in _ARTICLES:
        known = ", ".join(_ARTICLES)
        raise DataError(f"MLQA scores the languages {known}; it has no rules for {language}.")
    articles = _ARTICLES[language]
    text = text.lower().translate(_punctuation())
    if articles is not None:
        text = articles.sub(" ", text)
    if language == "zh":
        text = _IDEOGRAPH.sub(r" \1 ", text)
    return text.split()


def exact_match(gold: str, predicted: str, language: str) -> float:
    """1 where the tokens are equal, else 0."""
    return float(tokens(gold, language) == tokens(predicted, language))


def token_f1(gold: str, predicted: str, language: str) -> float:
    """F1 of the multisets of tokens; 0 without a common one."""
    return overlap_f1(tokens(gold, language), tokens(predicted, language))


def score(questions: Sequence[Question], predictions: Mapping[str, str], language: str) -> AnswerScores:
    """As `squad.score`, with the tokens of the language.

    Raises:
        DataError: MLQA does not define the language, or a predicted question has no gold answer.
    """
    return squad.score(
        questions,
        predictions,
        exact=partial(exact_match, language=language),
        f1=partial(token_f1, language=language),
    )
