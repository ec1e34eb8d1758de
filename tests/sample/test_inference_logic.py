"""The labels of the inference task follow from what the sentences say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.sample.draw import Draw, clause, same_event
from stilts_core.sample.generate import PREMISES
from stilts_core.sample.inference import hypothesis, pairs
from stilts_core.sample.logic import Label, label
from stilts_core.sample.meaning import Clause, Kind, Person, Thing

ANNA, DAVID = Person("anna"), Person("david")
E, N, C = Label.ENTAILMENT, Label.NEUTRAL, Label.CONTRADICTION
ATE = Clause(Kind.DO, ANNA, "eat", Thing("apple", "red"), place="garden", time="yesterday")
LESS = Clause(Kind.DO, ANNA, "eat", Thing("apple"))


def no(meaning: Clause) -> Clause:
    return replace(meaning, negated=True)


def quality(noun: str, value: str, negated: bool = False) -> Clause:
    return Clause(Kind.BE, Thing(noun, definite=True), quality=value, negated=negated)


@pytest.mark.parametrize(
    ("premise", "said", "expected"),
    [
        (ATE, LESS, E),
        (LESS, ATE, N),
        (ATE, no(LESS), C),
        (LESS, no(ATE), N),
        (no(LESS), no(ATE), E),
        (no(ATE), no(LESS), N),
        (no(LESS), ATE, C),
        (no(ATE), LESS, N),
        (ATE, replace(LESS, object=Thing("fruit")), E),
        (ATE, replace(LESS, object=Thing("fruit", "red")), E),
        (ATE, replace(LESS, object=Thing("fruit", "big")), N),
        (ATE, replace(LESS, object=Thing("animal")), N),
        (ATE, replace(LESS, subject=DAVID), N),
        (ATE, replace(LESS, verb="buy"), N),
        (ATE, Clause(Kind.AT, ANNA, place="garden"), E),
        (ATE, Clause(Kind.AT, ANNA, place="garden", time="yesterday"), E),
        (ATE, Clause(Kind.AT, ANNA, place="garden", time="monday"), N),
        (ATE, Clause(Kind.AT, ANNA, place="garden", negated=True), C),
        (ATE, Clause(Kind.AT, ANNA, place="school", negated=True), N),
        (no(ATE), Clause(Kind.AT, ANNA, place="garden"), N),
        (Clause(Kind.GO, ANNA, place="city"), Clause(Kind.AT, ANNA, place="city"), E),
        (Clause(Kind.RETURN, ANNA, place="city"), Clause(Kind.AT, ANNA, place="city", negated=True), C),
        (replace(LESS, object=Thing("apple", number="three")), replace(LESS, object=Thing("apple", number="many")), E),
        (replace(LESS, object=Thing("apple", number="three")), LESS, E),
        (LESS, replace(LESS, object=Thing("apple", number="three")), N),
        (Clause(Kind.DO, ANNA, "see", DAVID), Clause(Kind.DO, DAVID, "see", ANNA), N),
        (quality("cup", "red"), quality("cup", "black"), C),
        (quality("cup", "red"), quality("cup", "black", negated=True), E),
        (quality("cup", "red"), quality("cup", "big"), N),
        (quality("cup", "red"), quality("car", "black"), N),
        (quality("cup", "big", negated=True), quality("cup", "small"), N),
        (quality("cup", "big", negated=True), quality("cup", "big"), C),
        (quality("cup", "big", negated=True), quality("cup", "big", negated=True), E),
        (Clause(Kind.DO, ANNA, "wash", Thing("cup", "red", definite=True)), quality("cup", "white"), C),
        (Clause(Kind.DO, ANNA, "wash", Thing("cup", "red", definite=True)), quality("cup", "red"), E),
        (Clause(Kind.DO, ANNA, "buy", Thing("cup", "red")), quality("cup", "white"), N),
    ],
)
def test_labels(premise: Clause, said: Clause, expected: Label) -> None:
    assert label(premise, said) is expected


OPPOSITE = {E: C, C: E, N: N}


@given(seed=st.integers(0, 10**9))
@settings(max_examples=300, deadline=None)
def test_denying_the_hypothesis_turns_the_label_round(seed: int) -> None:
    draw = Draw(f"logic/{seed}")
    premise = clause(draw, PREMISES)
    said = hypothesis(draw, premise)
    if said is not None:
        assert label(premise, replace(said, negated=not said.negated)) is OPPOSITE[label(premise, said)]
    assert label(premise, premise) is E


def test_pairs_are_balanced_different_and_apart_from_those_before() -> None:
    taken: set[Clause] = set()
    first = pairs(Draw("pairs/first"), 90, PREMISES, taken)
    before = set(taken)
    second = pairs(Draw("pairs/second"), 90, PREMISES, taken)
    assert Counter(pair.label for pair in first) == {E: 30, N: 30, C: 30}
    assert all(label(pair.premise, pair.hypothesis) is pair.label for pair in first + second)
    assert not before & {same_event(pair.premise) for pair in second}
    assert len({(pair.premise, pair.hypothesis) for pair in first}) == 90
