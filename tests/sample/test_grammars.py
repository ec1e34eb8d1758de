"""What holds of every sentence in every language."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.sample.draw import Draw, Mix, clause
from stilts_core.sample.languages import GRAMMARS, LANGUAGES
from stilts_core.sample.meaning import (
    ACT_VERBS,
    DO_VERBS,
    NAMES,
    NUMERALS,
    PERSONS,
    PLACES,
    QUALITIES,
    THINGS,
    TIMES,
    Clause,
    Kind,
    Person,
    Role,
    Thing,
)
from stilts_core.sample.questions import ask
from stilts_core.sample.tokens import UPOS, Orthography, parse, write

LETTERS = {
    "ar": "\u0621-\u063a\u0641-\u064a",
    "de": "A-Za-zÄÖÜäöüß",
    "en": "A-Za-z",
    "es": "A-Za-záéíñóúÁÉÍ",
    "fi": "A-Za-zäöÄÖ",
    "hi": "\u0900-\u0963",
    "hu": "A-Za-záéíóöőúüűÁÉÍÓÖŐÚÜŰ",
    "ja": "\u3041-\u309f\u30a1-\u30ff\u4e00-\u9fff",
    "ru": "А-Яа-яЁё",
    "sw": "A-Za-z",
    "tr": "A-PR-VYZa-pr-vyzÇĞİÖŞÜâçğıöşü'",
    "zh": "\u4e00-\u9fff",
}
MARKS = {"ar": ".؟", "es": ".¿?", "hi": "।?", "ja": "。", "zh": "。？"}


def drawn(seed: int) -> Clause:
    draw = Draw(f"test/{seed}")
    meaning = clause(draw, Mix(general=0.3))
    if not meaning.negated and meaning.kind not in (Kind.BE, Kind.AT) and draw.chance(0.4):
        return ask(draw, meaning)
    return meaning


meanings = st.integers(0, 10**9).map(drawn)


@pytest.mark.parametrize("language", LANGUAGES)
@given(meaning=meanings)
@settings(max_examples=120, deadline=None)
def test_text_tokens_and_spans_agree(language: str, meaning: Clause) -> None:
    grammar = GRAMMARS[language]
    sentence = grammar.realise(meaning)
    marks = MARKS.get(language, ".?")
    assert re.fullmatch(f"[{LETTERS[language]} {re.escape(marks)}]+", sentence.text)
    assert all(token.upos in UPOS and token.text and " " not in token.text for token in sentence.tokens)
    assert [token.text for token in sentence.tokens if token.upos == "PUNCT"] == [
        char for char in sentence.text if char in marks
    ]
    words = [token.text for token in sentence.tokens if token.upos != "PUNCT"]
    bare = "".join(char for char in sentence.text if char not in marks)
    assert bare == (" " if grammar.style.spaces else "").join(words)
    assert sentence.text[-1] == (grammar.style.mark if meaning.asks else grammar.style.stop)
    for role, (start, end) in sentence.spans.items():
        assert role is not meaning.asks
        assert sentence.text[start:end].strip(" ") == sentence.text[start:end] != ""


@pytest.mark.parametrize("language", LANGUAGES)
@given(meaning=meanings)
@settings(max_examples=60, deadline=None)
def test_an_answer_stands_in_the_sentence_but_not_in_the_question(language: str, meaning: Clause) -> None:
    if meaning.asks is None:
        return
    told = GRAMMARS[language].realise(replace(meaning, asks=None))
    start, end = told.spans[meaning.asks]
    question = GRAMMARS[language].realise(meaning)
    assert told.text[start:end]
    assert meaning.asks not in question.spans
    assert question.text != told.text


def every_form() -> list[Clause]:
    """Meanings that together use every word in every form."""
    anna, david = Person("anna"), Person("david")
    people = [Person(name) for name in NAMES] + [Person(noun, many) for noun in PERSONS for many in (False, True)]
    things = [
        Thing(noun, adjective, number, definite)
        for noun in (*THINGS, "animal", "fruit")
        for adjective in (None, *QUALITIES[noun])
        for number, definite in (("one", False), ("one", True), ("many", False))
    ]
    things += [Thing(noun, number=number) for noun in (*THINGS, "animal", "fruit") for number in NUMERALS]
    result = [Clause(Kind.DO, anna, "see", thing) for thing in things]
    result += [Clause(Kind.DO, anna, "see", thing, negated=True) for thing in things if thing.number == "one"]
    result += [
        Clause(Kind.DO, david if who == anna else anna, "see", who, negated=no)
        for who in people
        for no in (False, True)
    ]
    result += [
        Clause(Kind.DO, who, verb, Thing(nouns[0], definite=known), negated=no)
        for who, (verb, nouns), known, no in product(people, DO_VERBS.items(), (False, True), (False, True))
    ]
    result += [Clause(Kind.ACT, who, verb, negated=no) for who, verb, no in product(people, ACT_VERBS, (False, True))]
    moves = (Kind.GO, Kind.RETURN, Kind.AT)
    result += [
        Clause(kind, who, place=place, negated=no)
        for kind, who, place, no in product(moves, people, PLACES, (False, True))
    ]
    result += [Clause(Kind.ACT, anna, "sleep", place=place, time=time) for place, time in product(PLACES, TIMES)]
    result += [
        Clause(Kind.BE, Thing(noun, definite=True), quality=quality, negated=no)
        for noun in QUALITIES
        for quality in QUALITIES[noun]
        for no in (False, True)
    ]
    return result


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_missing_a_form_and_polarity_always_shows(language: str) -> None:
    said = {meaning: GRAMMARS[language].realise(meaning).text for meaning in every_form()}
    assert all(text != said.get(replace(meaning, negated=not meaning.negated)) for meaning, text in said.items())


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"ja", "zh"}))
def test_a_name_is_a_proper_noun_and_a_sentence_begins_with_a_capital(language: str) -> None:
    sentence = GRAMMARS[language].realise(Clause(Kind.ACT, Person("anna"), "sleep", time="yesterday", fronted=True))
    assert sum(token.upos == "PROPN" for token in sentence.tokens) == 1
    assert sentence.text[0] == sentence.text[0].upper()


def test_the_turkish_capital_keeps_its_dot() -> None:
    sentence = write([(Role.PLACE, "istasyonda/NOUN")], question=False, style=GRAMMARS["tr"].style)
    assert (sentence.text, sentence.spans[Role.PLACE]) == ("İstasyonda.", (0, 10))


@pytest.mark.parametrize("phrase", ["word", "word/", "/NOUN", "word/THING"])
def test_words_without_a_known_tag_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="is not word/UPOS"):
        parse(phrase)


def test_a_blank_stands_between_words_only_where_a_language_has_blanks() -> None:
    chunks = [(None, "a/DET b/NOUN"), (Role.PLACE, "c/ADV")]
    assert write(chunks, question=True, style=Orthography(opening="¿")).text == "¿A b c?"
    assert write(chunks, question=False, style=Orthography(spaces=False)).text == "Abc."
