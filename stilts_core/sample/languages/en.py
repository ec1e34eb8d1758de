"""English: subject, verb, object, place, time; `do` in negation and questions."""

from __future__ import annotations

from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography()

NAMES = {
    "anna": "Anna",
    "maria": "Maria",
    "sara": "Sara",
    "laura": "Laura",
    "david": "David",
    "daniel": "Daniel",
    "robert": "Robert",
    "martin": "Martin",
}
PLURALS = {
    "girl": "girls",
    "boy": "boys",
    "woman": "women",
    "man": "men",
    "teacher": "teachers",
    "doctor": "doctors",
    "farmer": "farmers",
    "student": "students",
    "cat": "cats",
    "dog": "dogs",
    "horse": "horses",
    "bird": "birds",
    "apple": "apples",
    "banana": "bananas",
    "orange": "oranges",
    "egg": "eggs",
    "book": "books",
    "letter": "letters",
    "newspaper": "newspapers",
    "cup": "cups",
    "car": "cars",
    "shirt": "shirts",
    "bag": "bags",
    "key": "keys",
    "phone": "phones",
    "door": "doors",
    "window": "windows",
    "box": "boxes",
    "animal": "animals",
    "fruit": "fruits",
}
PAST = {
    "see": "saw",
    "buy": "bought",
    "sell": "sold",
    "eat": "ate",
    "read": "read",
    "write": "wrote",
    "wash": "washed",
    "open": "opened",
    "close": "closed",
    "lose": "lost",
    "sleep": "slept",
    "work": "worked",
    "sing": "sang",
    "dance": "danced",
    "go": "went",
    "return": "returned",
}
AT_PLACES = frozenset({"school", "market", "station"})
TIMES = {
    "yesterday": "yesterday/NOUN",
    "morning": "in/ADP the/DET morning/NOUN",
    "afternoon": "in/ADP the/DET afternoon/NOUN",
    "evening": "in/ADP the/DET evening/NOUN",
    "monday": "on/ADP Monday/PROPN",
    "friday": "on/ADP Friday/PROPN",
    "saturday": "on/ADP Saturday/PROPN",
    "last-week": "last/ADJ week/NOUN",
}
QUESTION_WORDS = {
    Role.SUBJECT: "who/PRON",
    Role.OBJECT: "what/PRON",
    Role.PLACE: "where/ADV",
    Role.TIME: "when/ADV",
}


def noun_phrase(what: Person | Thing) -> str:
    """A name, a definite person, or a thing with its article, number and adjective."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        return f"the/DET {PLURALS[what.noun] if what.plural else what.noun}/NOUN"
    words = [] if what.adjective is None else [f"{what.adjective}/ADJ"]
    if what.number == "one":
        words.append(f"{what.noun}/NOUN")
        article = "the" if what.definite else "an" if words[0][0] in "aeio" else "a"
        return " ".join([f"{article}/DET", *words])
    words.append(f"{PLURALS[what.noun]}/NOUN")
    return " ".join(words if what.number == "many" else [f"{what.number}/NUM", *words])


def place(kind: Kind, name: str) -> str:
    """Where, whereto or wherefrom, as the kind of sentence has it."""
    preposition = {Kind.GO: "to", Kind.RETURN: "from"}.get(kind, "at" if name in AT_PLACES else "in")
    return f"{preposition}/ADP {name}/NOUN" if name == "school" else f"{preposition}/ADP the/DET {name}/NOUN"


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order."""
    verb = c.verb or str(c.kind)
    plural = isinstance(c.subject, Person) and c.subject.plural
    subject = (Role.SUBJECT, noun_phrase(c.subject))
    rest: list[Chunk] = []
    if c.object is not None and c.asks is not Role.OBJECT:
        rest.append((Role.OBJECT, noun_phrase(c.object)))
    if c.place is not None and c.asks is not Role.PLACE:
        rest.append((Role.PLACE, place(c.kind, c.place)))
    if c.kind is Kind.RETURN and c.asks is Role.PLACE:
        rest.append((None, "from/ADP"))
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    be = ("were/AUX" if plural and c.asks is not Role.SUBJECT else "was/AUX") if c.kind in (Kind.AT, Kind.BE) else ""
    if c.asks is not None:
        question = (None, QUESTION_WORDS[c.asks])
        if c.asks is Role.SUBJECT:
            return [question, (None, be or f"{PAST[verb]}/VERB"), *rest, *time]
        if be:
            return [question, (None, be), subject, *rest, *time]
        return [question, (None, "did/AUX"), subject, (None, f"{verb}/VERB"), *rest, *time]
    if be:
        predicate = f"{be} not/PART" if c.negated else be
    else:
        predicate = f"did/AUX not/PART {verb}/VERB" if c.negated else f"{PAST[verb]}/VERB"
    quality = [(None, f"{c.quality}/ADJ")] if c.quality else []
    body = [subject, (None, predicate), *quality, *rest]
    return [*time, *body] if c.fronted else [*body, *time]
