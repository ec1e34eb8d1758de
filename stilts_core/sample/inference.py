"""Pairs for natural language inference, drawn so that neither side alone tells the label.

Hypotheses are drawn by editing what follows from a premise; the label is computed (`logic.label`). Pairs are kept in
triples, one of each label, whose hypotheses are built alike (construction, polarity, which parts are there), so a
hypothesis by itself says nothing of its label.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from stilts_core.sample.draw import Draw, Mix, clause, person, same_event
from stilts_core.sample.logic import Label, consequences, label
from stilts_core.sample.meaning import (
    DEFINITE_VERBS,
    DO_VERBS,
    HYPERNYMS,
    NUMERALS,
    PLACES,
    QUALITIES,
    THINGS,
    TIMES,
    Clause,
    Kind,
    Person,
    Thing,
)


@dataclass(frozen=True, slots=True)
class Pair:
    premise: Clause
    hypothesis: Clause
    label: Label


Edit = Callable[[Draw, Clause], Clause]


def _drop(_: Draw, c: Clause) -> Clause:
    return c if c.kind in (Kind.GO, Kind.RETURN, Kind.AT) else replace(c, place=None)


def _drop_time(_: Draw, c: Clause) -> Clause:
    return replace(c, time=None)


def _plain(_: Draw, c: Clause) -> Clause:
    if not isinstance(c.object, Thing) or c.object.definite:
        return c
    return replace(c, object=replace(c.object, adjective=None))


def _generalise(_: Draw, c: Clause) -> Clause:
    if not isinstance(c.object, Thing) or c.object.definite or c.object.noun not in HYPERNYMS:
        return c
    wide = HYPERNYMS[c.object.noun]
    adjective = c.object.adjective if c.object.adjective in QUALITIES[wide] else None
    return replace(c, object=replace(c.object, noun=wide, adjective=adjective))


def _uncount(draw: Draw, c: Clause) -> Clause:
    if not isinstance(c.object, Thing) or c.object.number not in NUMERALS:
        return c
    return replace(c, object=replace(c.object, number="many" if draw.chance(0.7) else "one"))


def _place(draw: Draw, c: Clause) -> Clause:
    # The same time at another place would be a contradiction to some readers; without the time it is open.
    return replace(c, place=draw.other(PLACES, c.place), time=None if c.place else c.time)


def _time(draw: Draw, c: Clause) -> Clause:
    return replace(c, time=draw.other(TIMES, c.time))


def _adjective(draw: Draw, c: Clause) -> Clause:
    if not isinstance(c.object, Thing) or c.object.definite or c.object.number in NUMERALS:
        return c
    fitting = [a for a in QUALITIES[c.object.noun] if a != c.object.adjective]
    return replace(c, object=replace(c.object, adjective=draw.pick(fitting))) if fitting else c


def _subject(draw: Draw, c: Clause) -> Clause:
    other = person(draw)
    return c if other.noun in (c.person.noun, getattr(c.object, "noun", "")) else replace(c, subject=other)


def _object(draw: Draw, c: Clause) -> Clause:
    if isinstance(c.object, Person):
        other = person(draw)
        return c if other.noun in (c.person.noun, c.object.noun) else replace(c, object=other)
    if c.object is None:
        return c
    noun = draw.other(DO_VERBS[c.verb], c.object.noun)
    adjective = c.object.adjective if c.object.adjective in QUALITIES[noun] else None
    return replace(c, object=replace(c.object, noun=noun, adjective=adjective))


def _verb(draw: Draw, c: Clause) -> Clause:
    # Whoever buys or reads something may be said to see it, so `see` is not exchanged.
    if not isinstance(c.object, Thing) or c.verb == "see":
        return c
    group = [v for v in DO_VERBS if (v in DEFINITE_VERBS) == (c.verb in DEFINITE_VERBS)]
    fitting = [v for v in group if v not in ("see", c.verb) and c.object.noun in DO_VERBS[v]]
    return replace(c, verb=draw.pick(fitting)) if fitting else c


def _exchange(_: Draw, c: Clause) -> Clause:
    return replace(c, subject=c.object, object=c.subject) if isinstance(c.object, Person) else c


WEAKEN: tuple[Edit, ...] = (_drop, _drop_time, _plain, _generalise, _uncount)
ALTER: tuple[Edit, ...] = (_place, _time, _adjective, _subject, _object, _verb, _exchange)


def _about_quality(draw: Draw, premise: Clause) -> Clause | None:
    """A hypothesis about a quality of the premise's thing, or rarely of another one."""
    thing = premise.subject if premise.kind is Kind.BE else premise.object
    if not isinstance(thing, Thing) or not QUALITIES[thing.noun]:
        return None
    noun = thing.noun
    if draw.chance(0.15):
        noun = draw.pick([noun for noun in THINGS if QUALITIES[noun]])
    quality = draw.pick(QUALITIES[noun])
    return Clause(Kind.BE, Thing(noun, definite=True), quality=quality, negated=draw.chance(0.5))


def hypothesis(draw: Draw, premise: Clause) -> Clause | None:
    """A sentence to be judged by the premise, or None where the draw gives none."""
    definite = isinstance(premise.object, Thing) and premise.object.definite
    if premise.kind is Kind.BE or (definite and draw.chance(0.5)):
        return _about_quality(draw, premise)
    event = replace(premise, negated=False, fronted=False)
    base = draw.pick(consequences(event))
    result = base
    for edit in draw.shuffled(WEAKEN)[: 1 + draw.below(3)]:
        result = edit(draw, result)
    if draw.chance(0.5):
        result = draw.pick(ALTER)(draw, result)
    if base.kind is Kind.AT and premise.kind in (Kind.GO, Kind.RETURN):
        result = replace(result, time=None)  # when exactly the person was there is open to dispute
    negated = draw.chance(0.5)
    if negated and isinstance(result.object, Thing) and result.object.number != "one":
        return None  # how many were not bought is open to dispute
    fronted = result.time is not None and draw.chance(0.3)
    return replace(result, negated=negated, fronted=fronted)


def _shape(c: Clause) -> tuple[object, ...]:
    """How a hypothesis is built; pairs of one triple share it."""
    thing = c.object if isinstance(c.object, Thing) else None
    return (
        c.kind,
        c.negated,
        c.place is None,
        c.time is None,
        type(c.object),
        thing and (thing.adjective is None, thing.noun in ("animal", "fruit"), thing.number, thing.definite),
    )


def pairs(draw: Draw, count: int, mix: Mix, taken: set[Clause]) -> list[Pair]:
    """``count`` different pairs, as many of each label as can be, whose premises are not taken.

    Args:
        taken: premises of the other splits; those used here are added.
    """
    waiting: defaultdict[tuple[object, ...], dict[Label, deque[Pair]]] = defaultdict(
        lambda: {each: deque(maxlen=8) for each in Label}
    )
    result: list[Pair] = []
    seen: set[tuple[Clause, Clause]] = set()
    used: set[Clause] = set()
    while len(result) < count:
        premise = clause(draw, mix)
        key = same_event(premise)
        guess = None if key in taken else hypothesis(draw, premise)
        if guess is None or same_event(guess) == key or (key, same_event(guess)) in seen:
            continue
        seen.add((key, same_event(guess)))
        triple = waiting[_shape(guess)]
        triple[label(premise, guess)].append(Pair(premise, guess, label(premise, guess)))
        if all(triple.values()):
            result += [triple[each].popleft() for each in Label]
    result = draw.shuffled(result[:count])
    used.update(same_event(pair.premise) for pair in result)
    taken |= used
    return result
