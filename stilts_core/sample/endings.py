"""Stories to be continued: four endings, of which the one that the story makes possible is right.

Every ending says of somebody what any of the four could have done; only who has which thing, or is where, decides.
"""

from __future__ import annotations

from stilts_core.sample.draw import Draw, person
from stilts_core.sample.languages import GRAMMARS
from stilts_core.sample.meaning import ACT_VERBS, PLACES, QUALITIES, TIMES, Clause, Kind, Person, Role, Thing

USES = {
    "apple": "eat",
    "banana": "eat",
    "orange": "eat",
    "egg": "eat",
    "book": "read",
    "newspaper": "read",
    "dog": "wash",
    "horse": "wash",
    "cup": "wash",
    "car": "wash",
    "shirt": "wash",
    "bag": "open",
    "box": "open",
}


def _ending(meaning: Clause) -> tuple[str, str]:
    """A sentence as its beginning (the subject) and the rest."""
    sentence = GRAMMARS["en"].realise(meaning)
    end = sentence.spans[Role.SUBJECT][1]
    subject = sentence.text[:end]
    is_name = isinstance(meaning.subject, Person) and sentence.tokens[0].upos == "PROPN"
    return subject if is_name else subject[0].lower() + subject[1:], sentence.text[end + 1 :]


def _people(draw: Draw, count: int) -> list[Person]:
    people: list[Person] = []
    while len(people) < count:
        somebody = person(draw)
        if all(somebody.noun != other.noun for other in people):
            people.append(somebody)
    return people


def _told(draw: Draw, meanings: list[Clause]) -> str:
    return " ".join(GRAMMARS["en"].realise(meaning).text for meaning in draw.shuffled(meanings))


def _bought(draw: Draw) -> tuple[str, str, list[str], str]:
    """Somebody uses what they bought, and not what another one bought or nobody has."""
    nouns = draw.shuffled(tuple(USES))[:4]
    people = _people(draw, 3)
    bought = []
    for somebody, noun in zip(people, nouns, strict=False):
        fitting = QUALITIES[noun]
        adjective = draw.pick(fitting) if fitting and draw.chance(0.3) else None
        time = draw.pick(TIMES) if draw.chance(0.3) else None
        place = draw.pick(PLACES)
        bought.append(Clause(Kind.DO, somebody, "buy", Thing(noun, adjective), place=place, time=time))
    ends = [_ending(Clause(Kind.DO, people[0], USES[noun], Thing(noun, definite=True))) for noun in nouns]
    return _told(draw, bought), ends[0][0], [rest for _, rest in ends], "Shopping"


def _went(draw: Draw) -> tuple[str, str, list[str], str]:
    """Somebody is active where they went, and not where another one went or nobody is."""
    places = draw.shuffled(PLACES)[:4]
    people = _people(draw, 3)
    went = [Clause(Kind.GO, somebody, place=place) for somebody, place in zip(people, places, strict=False)]
    act = draw.pick(ACT_VERBS)
    ends = [_ending(Clause(Kind.ACT, people[0], act, place=place)) for place in places]
    return _told(draw, went), ends[0][0], [rest for _, rest in ends], "Going out"


def endings(draw: Draw, count: int, taken: set[str], split: str) -> list[dict[str, object]]:
    """``count`` records in HellaSwag's layout, whose stories are not taken; those told here are added."""
    records: list[dict[str, object]] = []
    while len(records) < count:
        context, begun, ends, activity = (_bought if draw.chance(0.5) else _went)(draw)
        if context in taken:
            continue
        taken.add(context)
        order = draw.shuffled(range(len(ends)))
        records.append(
            {
                "ind": len(records),
                "activity_label": activity,
                "ctx_a": context,
                "ctx_b": begun,
                "ctx": f"{context} {begun}",
                "split": split,
                "split_type": "indomain",
                "label": order.index(0),
                "endings": [ends[index] for index in order],
                "source_id": f"sample~{split}{len(records)}",
            }
        )
    return records
