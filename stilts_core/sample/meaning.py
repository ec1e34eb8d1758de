"""What a sentence of the sample says, apart from any language: the frozen meanings that every grammar realises."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Number = Literal["one", "many", "three", "four", "five", "ten"]
NUMERALS: tuple[Number, ...] = ("three", "four", "five", "ten")


class Kind(StrEnum):
    """The constructions."""

    DO = "do"  # somebody does something to somebody or something
    ACT = "act"  # somebody is active somewhere
    GO = "go"  # somebody goes to a place
    RETURN = "return"  # somebody comes back from a place
    AT = "at"  # somebody is at a place
    BE = "be"  # something has a quality


class Role(StrEnum):
    """The parts of a sentence that a question can ask for."""

    SUBJECT = "subject"
    OBJECT = "object"
    PLACE = "place"
    TIME = "time"


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Somebody: a name, or a definite person or group of persons ("the girl", "the girls")."""

    noun: str
    plural: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """An animal or a thing: "a cat", "the red cup", "new books", "three apples".

    Only a single thing may be definite, and a counted one carries no adjective.
    """

    noun: str
    adjective: str | None = None
    number: Number = "one"
    definite: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence in the past tense.

    Attributes:
        verb: of `Kind.DO` and `Kind.ACT`; empty for the other kinds, which are one verb each.
        object: of `Kind.DO`; of a negated sentence a person or a single thing.
        quality: the adjective that `Kind.BE` ascribes to its subject.
        fronted: the time stands first.
        asks: the role that a question asks for; that role is filled with the answer, which the question leaves out.
    """

    kind: Kind
    subject: Person | Thing
    verb: str = ""
    object: Person | Thing | None = None
    place: str | None = None
    time: str | None = None
    quality: str | None = None
    negated: bool = False
    fronted: bool = False
    asks: Role | None = None

    @property
    def person(self) -> Person:
        """The subject of every kind but `Kind.BE`."""
        if not isinstance(self.subject, Person):
            raise TypeError(f"{self.kind} needs a person as its subject")
        return self.subject

    @property
    def thing(self) -> Thing:
        """The subject of `Kind.BE`."""
        if not isinstance(self.subject, Thing):
            raise TypeError("a quality needs a thing as its subject")
        return self.subject


FEMALE_NAMES = ("anna", "maria", "sara", "laura")
MALE_NAMES = ("david", "daniel", "robert", "martin")
NAMES = FEMALE_NAMES + MALE_NAMES
FEMALE_PERSONS = ("girl", "woman", "teacher")
MALE_PERSONS = ("boy", "man", "doctor", "farmer", "student")
PERSONS = FEMALE_PERSONS + MALE_PERSONS
FEMALE = frozenset(FEMALE_NAMES + FEMALE_PERSONS)

ANIMALS = ("cat", "dog", "horse", "bird")
FRUITS = ("apple", "banana", "orange")
HYPERNYMS = {**dict.fromkeys(ANIMALS, "animal"), **dict.fromkeys(FRUITS, "fruit")}
ANIMATE = frozenset((*ANIMALS, "animal"))
OTHER_THINGS = (
    "egg book letter newspaper cup car shirt bag key phone door window box".split()  # noqa: SIM905
)
THINGS = (*ANIMALS, *FRUITS, *OTHER_THINGS)

COLOURS = ("red", "black", "white")
SIZES = ("big", "small")
ADJECTIVES = (*COLOURS, *SIZES, "new")

DO_VERBS: dict[str, tuple[str, ...]] = {
    "see": (*ANIMALS, *FRUITS, "book", "letter", "newspaper", "cup", "car", "shirt", "bag", "key", "phone", "box"),
    "buy": (*ANIMALS, *FRUITS, "egg", "book", "newspaper", "cup", "car", "shirt", "bag", "phone", "box"),
    "sell": (*ANIMALS, *FRUITS, "egg", "book", "newspaper", "cup", "car", "shirt", "bag", "phone"),
    "eat": (*FRUITS, "egg"),
    "read": ("book", "letter", "newspaper"),
    "write": ("book", "letter"),
    "wash": ("dog", "horse", *FRUITS, "cup", "car", "shirt", "bag", "window"),
    "open": ("door", "window", "box", "bag"),
    "close": ("door", "window", "box", "bag"),
    "lose": ("key", "phone", "bag", "book", "letter", "shirt"),
}
"""What each verb can be done to."""

DEFINITE_VERBS = frozenset({"wash", "open", "close", "lose"})
"""Verbs whose object is always a definite single thing ("opened the door")."""

ACT_VERBS = ("sleep", "work", "sing", "dance")
PLACES = ("garden", "school", "market", "kitchen", "city", "shop", "library", "forest", "village", "station")
TIMES = ("yesterday", "morning", "afternoon", "evening", "monday", "friday", "saturday", "last-week")

_ANIMAL_LIKE = ("black", "white", "big", "small")
QUALITIES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(ANIMALS, _ANIMAL_LIKE),
    "apple": ("red", "big", "small"),
    "banana": SIZES,
    "orange": SIZES,
    "egg": ("white", "big", "small"),
    "book": ("red", "black", "white", "new"),
    "letter": (),
    "newspaper": ("new",),
    "cup": ADJECTIVES,
    "car": ADJECTIVES,
    "shirt": ADJECTIVES,
    "bag": ADJECTIVES,
    "key": ("black", "big", "small", "new"),
    "phone": ("red", "black", "white", "new"),
    "door": ADJECTIVES,
    "window": ("white", "big", "small", "new"),
    "box": ADJECTIVES,
    "animal": _ANIMAL_LIKE,
    "fruit": SIZES,
}
"""The adjectives that go with each noun in every language."""


def exclusive(first: str, second: str) -> bool:
    """Whether nothing has both qualities: two colours, or big and small."""
    return first != second and any({first, second} <= set(group) for group in (COLOURS, SIZES))
