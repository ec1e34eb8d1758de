"""Seeded draws that give the same values on every platform and Python version, and the meanings drawn with them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TypeVar

from stilts_core.sample.meaning import (
    ACT_VERBS,
    DEFINITE_VERBS,
    DO_VERBS,
    HYPERNYMS,
    NAMES,
    NUMERALS,
    PERSONS,
    PLACES,
    QUALITIES,
    THINGS,
    TIMES,
    Clause,
    Kind,
    Number,
    Person,
    Role,
    Thing,
)

T = TypeVar("T")
QUALIFIED = tuple(noun for noun in THINGS if QUALITIES[noun])
VERBS = tuple(DO_VERBS)
NOBODY = Person("")


class Draw:
    """A stream of choices that belongs to one file; only `random.Random.random` is used, whose values are fixed."""

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        self._random = random.Random(seed).random  # noqa: S311

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, count: int) -> int:
        """An integer in ``[0, count)``."""
        return int(self._random() * count)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def other(self, items: Sequence[T], *unwanted: T | None) -> T:
        """An item that is none of the unwanted."""
        return self.pick([item for item in items if item not in unwanted])

    def shuffled(self, items: Sequence[T]) -> list[T]:
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            place = self.below(last + 1)
            result[last], result[place] = result[place], result[last]
        return result


@dataclass(frozen=True, slots=True)
class Mix:
    """How often a drawn meaning has what.

    Attributes:
        kinds: one is picked; repeat a kind to have it more often.
        definite: share of the single things that are definite.
        counted: share of the things that are several.
        general: share of the indefinite animals and fruits that are called just that.
        adjective: share of the things with an adjective, where one fits.
    """

    kinds: tuple[Kind, ...] = (*(Kind.DO,) * 6, Kind.ACT, Kind.ACT, Kind.GO, Kind.RETURN, Kind.AT, Kind.BE)
    negated: float = 0.2
    place: float = 0.65
    time: float = 0.65
    definite: float = 0.25
    counted: float = 0.3
    general: float = 0.08
    adjective: float = 0.5
    people: float = 0.25
    fronted: float = 0.35


def person(draw: Draw) -> Person:
    """Mostly a name, else one or several definite persons."""
    if draw.chance(0.55):
        return Person(draw.pick(NAMES))
    return Person(draw.pick(PERSONS), plural=draw.chance(0.35))


def thing(draw: Draw, noun: str, mix: Mix, definite: bool, several: bool) -> Thing:
    """A thing with what the mix gives it; not several ones where how many did not do so would be open to dispute."""
    if not definite and noun in HYPERNYMS and draw.chance(mix.general):
        noun = HYPERNYMS[noun]
    number: Number = "one"
    if several and not definite and draw.chance(mix.counted):
        number = "many" if draw.chance(0.4) else draw.pick(NUMERALS)
    adjective = None
    if number not in NUMERALS and QUALITIES[noun] and draw.chance(mix.adjective):
        adjective = draw.pick(QUALITIES[noun])
    return Thing(noun, adjective, number, definite)


def clause(draw: Draw, mix: Mix) -> Clause:
    """A meaning."""
    kind = draw.pick(mix.kinds)
    negated = draw.chance(mix.negated)
    if kind is Kind.BE:
        noun = draw.pick(QUALIFIED)
        return Clause(kind, Thing(noun, definite=True), quality=draw.pick(QUALITIES[noun]), negated=negated)
    subject = person(draw)
    place = draw.pick(PLACES) if kind in (Kind.GO, Kind.RETURN, Kind.AT) or draw.chance(mix.place) else None
    time = draw.pick(TIMES) if draw.chance(mix.time) else None
    fronted = time is not None and draw.chance(mix.fronted)
    verb, patient = "", None
    if kind is Kind.ACT:
        verb = draw.pick(ACT_VERBS)
    elif kind is Kind.DO:
        verb = draw.pick(VERBS)
        patient = _patient(draw, mix, verb, subject, negated)
    return Clause(kind, subject, verb, patient, place, time, negated=negated, fronted=fronted)


def _patient(draw: Draw, mix: Mix, verb: str, subject: Person, negated: bool) -> Person | Thing:
    if verb == "see" and draw.chance(mix.people):
        seen = person(draw)
        while seen.noun == subject.noun:
            seen = person(draw)
        return seen
    definite = verb in DEFINITE_VERBS or draw.chance(mix.definite)
    return thing(draw, draw.pick(DO_VERBS[verb]), mix, definite, several=not negated)


def same_event(meaning: Clause) -> Clause:
    """A key that is equal for meanings which some language may not tell apart.

    Left aside are the order of words, "the" or "a" or a plural where there is no number, and what a question asks for.
    """
    patient = meaning.object
    if isinstance(patient, Thing) and (patient.definite or patient.number == "many"):
        patient = Thing(patient.noun, patient.adjective, "one" if patient.number == "many" else patient.number)
    asks = meaning.asks
    if not meaning.fronted and asks is None and patient is meaning.object:
        return meaning
    return replace(
        meaning,
        fronted=False,
        subject=NOBODY if asks is Role.SUBJECT else meaning.subject,
        object=None if asks is Role.OBJECT else patient,
        place=None if asks is Role.PLACE else meaning.place,
        time=None if asks is Role.TIME else meaning.time,
    )
