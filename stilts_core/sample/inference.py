"""Pairs for natural language inference, drawn so that neither side alone tells the label.

Hypotheses are drawn by editing what follows from a premise; the label is computed (`logic.label`). Pairs are kept in
triples, one of each label, whose hypotheses are built alike (construction, polarity, which parts are there), so a
hypothesis by itself says nothing of its label.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from stilts_core.sample.draw import QUALIFIED, Draw, Mix, clause, person, same_event
from stilts_core.sample.logic import Label, consequences, label
from stilts_core.sample.meaning import (
    DEFINITE_VERBS,
    DO_VERBS,
    HYPERNYMS,
    NUMERALS,
    PLACES,
    QUALITIES,
    TIMES,
    Clause,
    Kind,
    Number,
    Person,
    Thing,
)


@dataclass(frozen=True, slots=True)
class Pair:
    premise: Clause
    hypothesis: Clause
    label: Label


GENERAL = frozenset(HYPERNYMS.values())
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


def _several(draw: Draw, premise: Clause, c: Clause) -> Clause:
    """More of the thing. Not "apples" for one apple, which some languages do not tell from it."""
    if not isinstance(c.object, Thing) or c.object.definite or c.object.adjective or c.object.number in NUMERALS:
        return c
    number: Number = "many" if premise.negated and draw.chance(0.5) else draw.pick(NUMERALS)
    return replace(c, object=replace(c.object, number=number))


def _add_place(draw: Draw, c: Clause) -> Clause:
    return c if c.place else replace(c, place=draw.pick(PLACES))


def _add_time(draw: Draw, c: Clause) -> Clause:
    return c if c.time else replace(c, time=draw.pick(TIMES))


def _add_adjective(draw: Draw, c: Clause) -> Clause:
    return c if isinstance(c.object, Thing) and c.object.adjective else _adjective(draw, c)


def _specialise(draw: Draw, c: Clause) -> Clause:
    if not isinstance(c.object, Thing) or c.object.noun not in GENERAL:
        return c
    narrow = [n for n in DO_VERBS[c.verb] if HYPERNYMS.get(n) == c.object.noun]
    fitting = [n for n in narrow if c.object.adjective is None or c.object.adjective in QUALITIES[n]]
    return replace(c, object=replace(c.object, noun=draw.pick(fitting))) if fitting else c


WEAKEN: tuple[Edit, ...] = (_drop, _drop_time, _plain, _generalise, _generalise, _uncount)
STRENGTHEN: tuple[Edit, ...] = (_add_place, _add_time, _add_adjective, _specialise, _specialise)
ALTER: tuple[Edit, ...] = (_place, _time, _adjective, _subject, _object, _verb, _exchange)


def _about_quality(draw: Draw, premise: Clause) -> Clause | None:
    """A hypothesis about a quality of the premise's thing, or seldom of another one."""
    thing = premise.subject if premise.kind is Kind.BE else premise.object
    if not isinstance(thing, Thing) or not QUALITIES[thing.noun]:
        return None
    noun = thing.noun
    if draw.chance(0.15):
        noun = draw.pick(QUALIFIED)
    quality = draw.pick(QUALITIES[noun])
    return Clause(Kind.BE, Thing(noun, definite=True), quality=quality, negated=draw.chance(0.5))


def hypothesis(draw: Draw, premise: Clause) -> Clause | None:
    """A sentence to be judged by the premise, or None where the draw gives none."""
    definite = isinstance(premise.object, Thing) and premise.object.definite
    # "Did not close the white door" takes for granted that it was white, but does not say so.
    if premise.kind is Kind.BE or (definite and not premise.negated and draw.chance(0.4)):
        return _about_quality(draw, premise)
    event = replace(premise, negated=False, fronted=False)
    base = draw.pick(consequences(event))
    result = base
    stronger = premise.negated and draw.chance(0.6)
    for edit in draw.shuffled(STRENGTHEN if stronger else WEAKEN)[: 1 + draw.below(3)]:
        result = edit(draw, result)
    if draw.chance(0.4):
        result = draw.pick(ALTER)(draw, result)
    elif draw.chance(0.15):
        result = _several(draw, premise, result)
    if base.kind is Kind.AT and premise.kind in (Kind.GO, Kind.RETURN):
        result = replace(result, time=None)  # when exactly the person was there is open to dispute
    negated = draw.chance(0.5)
    if result == event and not draw.chance(0.2):
        return None  # the same sentence or its bare negation: a few are enough
    if negated and isinstance(result.object, Thing) and result.object.number != "one":
        return None  # how many were not bought is open to dispute
    fronted = result.time is not None and draw.chance(0.3)
    return replace(result, negated=negated, fronted=fronted)


SHARES = {Kind.DO: 0.7, Kind.ACT: 0.16, Kind.GO: 0.07, Kind.RETURN: 0.07, Kind.AT: 0.14, Kind.BE: 0.1}
"""The most that each kind of hypothesis takes of the pairs."""


def _shape(c: Clause) -> tuple[object, ...]:
    """How a hypothesis is built; pairs of one triple share it."""
    thing = c.object if isinstance(c.object, Thing) else None
    parts = (c.place is not None) + (c.time is not None) + (thing is not None and thing.adjective is not None)
    number = thing and ("some" if thing.number in NUMERALS else thing.number)
    return (c.kind, c.negated, parts, isinstance(c.object, Person), thing and thing.noun in GENERAL, number)


def _adds(premise: Clause, hypothesis: Clause) -> bool:
    """Whether the hypothesis has a word of content that the premise has not."""
    known = {premise.kind, premise.verb, premise.subject, premise.place, premise.time, None}
    told = {hypothesis.kind, hypothesis.verb, hypothesis.subject, hypothesis.place, hypothesis.time}
    for thing, words in ((premise.object, known), (hypothesis.object, told)):
        words |= {thing.noun, thing.adjective} if isinstance(thing, Thing) else {thing}
    return not told <= known


NEUTRAL = {"affirmed": 0.5, "negated-less": 0.3, "negated-more": 0.2}
"""Kinds of neutral pairs, by the premise's polarity and whether the hypothesis adds a word, and their shares."""


def _slot(pair: Pair) -> str:
    """Where a pair waits: by its label, a neutral one by its kind."""
    if pair.label is not Label.NEUTRAL:
        return pair.label
    if not pair.premise.negated:
        return "affirmed"
    return "negated-more" if _adds(pair.premise, pair.hypothesis) else "negated-less"


def pairs(draw: Draw, count: int, mix: Mix, taken: set[Clause]) -> list[Pair]:
    """``count`` different pairs, as many of each label as can be, whose premises are not taken.

    Triples with affirmed and with negated hypotheses keep step, and the kinds of neutral pairs keep their shares as far
    as what is drawn allows: then neither a premise by itself nor the words that are on one side alone tell the label.

    Args:
        taken: premises of the other splits; those used here are added.
    """
    waiting: defaultdict[tuple[object, ...], defaultdict[str, deque[Pair]]]
    waiting = defaultdict(lambda: defaultdict(lambda: deque(maxlen=64)))
    result: list[Pair] = []
    seen: set[tuple[Clause, Clause]] = set()
    made: Counter[tuple[Kind, bool]] = Counter()
    neutral: Counter[str] = Counter()
    while len(result) < count:
        premise = clause(draw, mix)
        key = same_event(premise)
        guess = None if key in taken else hypothesis(draw, premise)
        if guess is None or same_event(guess) == key or (key, same_event(guess)) in seen:
            continue
        seen.add((key, same_event(guess)))
        pair = Pair(premise, guess, label(premise, guess))
        slots = waiting[_shape(guess)]
        slots[_slot(pair)].append(pair)
        ready = [kind for kind in NEUTRAL if slots[kind]]
        share = made[guess.kind, guess.negated] / (1 + len(result) // 3)
        if ready and slots[Label.ENTAILMENT] and slots[Label.CONTRADICTION] and share <= SHARES[guess.kind] / 2:
            open_kind = min(ready, key=lambda kind: neutral[kind] / NEUTRAL[kind])
            result += [slots[name].popleft() for name in (Label.ENTAILMENT, open_kind, Label.CONTRADICTION)]
            neutral[open_kind] += 1
            made[guess.kind, guess.negated] += 1
    result = draw.shuffled(result[:count])
    taken.update(same_event(pair.premise) for pair in result)
    return result
