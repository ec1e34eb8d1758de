"""What follows from a sentence: the labels of the inference task, decided on meanings and so right in every language.

A sentence says that an event of some description happened, or, negated, that none did. One description covers another
if whatever fits the second fits the first ("ate a fruit" covers "ate a red apple in the garden"). So, with P the
premise's description and H the hypothesis's:

    premise      hypothesis   entailment    contradiction
    P happened   H happened   H covers P    –
    P happened   no H         –             H covers P
    no P         no H         P covers H    –
    no P         H happened   –             P covers H

Somebody who did something at a place was there; somebody who went to a place or came back from it was there too. A
thing has at most one colour, and is not both big and small. All other pairs are neutral.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from stilts_core.sample.meaning import HYPERNYMS, NUMERALS, Clause, Kind, Person, Thing, exclusive


class Label(StrEnum):
    ENTAILMENT = "entailment"
    NEUTRAL = "neutral"
    CONTRADICTION = "contradiction"


def covers_thing(wide: Person | Thing | None, narrow: Person | Thing | None) -> bool:
    """Whether every ``narrow`` is a ``wide``; a definite thing is covered by itself alone."""
    if not isinstance(wide, Thing) or not isinstance(narrow, Thing) or wide.definite or narrow.definite:
        return wide == narrow
    return (
        wide.noun in (narrow.noun, HYPERNYMS.get(narrow.noun))
        and wide.adjective in (None, narrow.adjective)
        and (
            wide.number == narrow.number
            or wide.number == "one"
            or (wide.number == "many" and narrow.number in NUMERALS)
        )
    )


def covers(wide: Clause, narrow: Clause) -> bool:
    """Whether every event of the second description fits the first; polarity is left aside."""
    return (
        wide.kind is narrow.kind
        and wide.verb == narrow.verb
        and wide.subject == narrow.subject
        and wide.place in (None, narrow.place)
        and wide.time in (None, narrow.time)
        and covers_thing(wide.object, narrow.object)
    )


def consequences(event: Clause) -> list[Clause]:
    """An event that happened, and what else is then true."""
    result = [event]
    if event.place is not None and event.kind is not Kind.AT:
        time = event.time if event.kind in (Kind.DO, Kind.ACT) else None
        result.append(Clause(Kind.AT, event.subject, place=event.place, time=time))
    return result


def quality_label(premise: Clause, hypothesis: Clause) -> Label:
    """The label of a hypothesis about a quality; the premise states one, or names a thing by one."""
    thing, quality = premise.subject, premise.quality
    if premise.kind is not Kind.BE:
        if premise.negated or not isinstance(premise.object, Thing) or not premise.object.definite:
            return Label.NEUTRAL
        thing, quality = Thing(premise.object.noun, definite=True), premise.object.adjective
    asked = hypothesis.quality
    if thing != hypothesis.subject or quality is None or asked is None:
        return Label.NEUTRAL
    if quality == asked:
        same = hypothesis.negated == (premise.negated and premise.kind is Kind.BE)
        return Label.ENTAILMENT if same else Label.CONTRADICTION
    if exclusive(quality, asked) and not premise.negated:
        return Label.ENTAILMENT if hypothesis.negated else Label.CONTRADICTION
    return Label.NEUTRAL


def label(premise: Clause, hypothesis: Clause) -> Label:
    """What the premise says of the hypothesis, by the module's table."""
    if hypothesis.kind is Kind.BE:
        return quality_label(premise, hypothesis)
    said = replace(hypothesis, negated=False)
    if premise.negated:
        decided = covers(replace(premise, negated=False), said)
    else:
        decided = any(covers(said, event) for event in consequences(premise))
    if not decided:
        return Label.NEUTRAL
    return Label.ENTAILMENT if premise.negated == hypothesis.negated else Label.CONTRADICTION
