"""Swahili: noun classes with concord on adjectives, numbers and the copula; object markers for animates."""

from __future__ import annotations

from stilts_core.sample.meaning import ANIMATE, NUMERALS, Clause, Kind, Person, Role, Thing
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
PERSONS = {  # singular, plural
    "girl": ("msichana", "wasichana"),
    "boy": ("mvulana", "wavulana"),
    "woman": ("mwanamke", "wanawake"),
    "man": ("mwanamume", "wanaume"),
    "teacher": ("mwalimu", "walimu"),
    "doctor": ("daktari", "madaktari"),
    "farmer": ("mkulima", "wakulima"),
    "student": ("mwanafunzi", "wanafunzi"),
}
THINGS = {  # singular, plural, class of agreement in the singular and in the plural
    "cat": ("paka", "paka", 1, 2),
    "dog": ("mbwa", "mbwa", 1, 2),
    "horse": ("farasi", "farasi", 1, 2),
    "bird": ("ndege", "ndege", 1, 2),
    "apple": ("tufaha", "matufaha", 5, 6),
    "banana": ("ndizi", "ndizi", 9, 10),
    "orange": ("chungwa", "machungwa", 5, 6),
    "egg": ("yai", "mayai", 5, 6),
    "book": ("kitabu", "vitabu", 7, 8),
    "letter": ("barua", "barua", 9, 10),
    "newspaper": ("gazeti", "magazeti", 5, 6),
    "cup": ("kikombe", "vikombe", 7, 8),
    "car": ("gari", "magari", 5, 6),
    "shirt": ("shati", "mashati", 5, 6),
    "bag": ("mfuko", "mifuko", 3, 4),
    "key": ("ufunguo", "funguo", 11, 10),
    "phone": ("simu", "simu", 9, 10),
    "door": ("mlango", "milango", 3, 4),
    "window": ("dirisha", "madirisha", 5, 6),
    "box": ("sanduku", "masanduku", 5, 6),
    "animal": ("mnyama", "wanyama", 1, 2),
    "fruit": ("tunda", "matunda", 5, 6),
}
_CONCORD = {  # red, black, white, big, small, new
    1: "mwekundu mweusi mweupe mkubwa mdogo mpya",
    2: "wekundu weusi weupe wakubwa wadogo wapya",
    3: "mwekundu mweusi mweupe mkubwa mdogo mpya",
    4: "myekundu myeusi myeupe mikubwa midogo mipya",
    5: "jekundu jeusi jeupe kubwa dogo jipya",
    6: "mekundu meusi meupe makubwa madogo mapya",
    7: "chekundu cheusi cheupe kikubwa kidogo kipya",
    8: "vyekundu vyeusi vyeupe vikubwa vidogo vipya",
    9: "nyekundu nyeusi nyeupe kubwa ndogo mpya",
    10: "nyekundu nyeusi nyeupe kubwa ndogo mpya",
    11: "mwekundu mweusi mweupe mkubwa mdogo mpya",
}
ADJECTIVES = {
    number: dict(zip(("red", "black", "white", "big", "small", "new"), forms.split(), strict=True))
    for number, forms in _CONCORD.items()
}
_COUNTED = {  # three, four, five, ten
    2: "watatu wanne watano kumi",
    4: "mitatu minne mitano kumi",
    6: "matatu manne matano kumi",
    8: "vitatu vinne vitano kumi",
    10: "tatu nne tano kumi",
}
COUNTED = {number: dict(zip(NUMERALS, forms.split(), strict=True)) for number, forms in _COUNTED.items()}
COPULA = {  # "was", "was not", by the class of the subject
    1: ("alikuwa", "hakuwa"),
    3: ("ulikuwa", "haukuwa"),
    5: ("lilikuwa", "halikuwa"),
    7: ("kilikuwa", "hakikuwa"),
    9: ("ilikuwa", "haikuwa"),
    11: ("ulikuwa", "haukuwa"),
}
STEMS = {  # the stem, and what follows the verb
    "see": ("ona", ""),
    "buy": ("nunua", ""),
    "sell": ("uza", ""),
    "eat": ("la", ""),
    "read": ("soma", ""),
    "write": ("andika", ""),
    "wash": ("osha", ""),
    "open": ("fungua", ""),
    "close": ("funga", ""),
    "lose": ("poteza", ""),
    "sleep": ("lala", ""),
    "work": ("fanya", " kazi/NOUN"),
    "sing": ("imba", ""),
    "dance": ("cheza", " ngoma/NOUN"),
    "go": ("enda", ""),
    "return": ("rudi", ""),
    "at": ("wa", ""),
}
MONOSYLLABIC = frozenset({"la", "wa"})  # they keep the infinitive's `ku` after `li`
PLACES = {
    "garden": "bustanini",
    "school": "shuleni",
    "market": "sokoni",
    "kitchen": "jikoni",
    "city": "mjini",
    "shop": "dukani",
    "library": "maktabani",
    "forest": "msituni",
    "village": "kijijini",
    "station": "kituoni",
}
TIMES = {
    "yesterday": "jana/ADV",
    "morning": "asubuhi/NOUN",
    "afternoon": "alasiri/NOUN",
    "evening": "jioni/NOUN",
    "monday": "siku/NOUN ya/ADP Jumatatu/PROPN",
    "friday": "siku/NOUN ya/ADP Ijumaa/PROPN",
    "saturday": "siku/NOUN ya/ADP Jumamosi/PROPN",
    "last-week": "wiki/NOUN iliyopita/VERB",
}


def noun_phrase(what: Person | Thing) -> str:
    """The noun, then its adjective or number."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        return f"{PERSONS[what.noun][int(what.plural)]}/NOUN"
    one, many, singular, plural = THINGS[what.noun]
    noun, number = (one, singular) if what.number == "one" else (many, plural)
    if what.number in NUMERALS:
        return f"{noun}/NOUN {COUNTED[number][what.number]}/NUM"
    return f"{noun}/NOUN" + (f" {ADJECTIVES[number][what.adjective]}/ADJ" if what.adjective else "")


def object_marker(what: Person | Thing | None, stem: str) -> str:
    """`m-` (`mu-` before u, `mw-` before another vowel) or `wa-` for an animate object; none for things."""
    if isinstance(what, Person):
        several = what.plural
    elif what is not None and what.noun in ANIMATE:
        several = what.number != "one"
    else:
        return ""
    if several:
        return "wa"
    return "mu" if stem[0] == "u" else "mw" if stem[0] in "aeio" else "m"


def verb(c: Clause) -> str:
    """Subject marker, tense, object marker, stem: `alimwona`, `hakumwona`, `walinunua`, `hawakununua`."""
    if c.kind is Kind.BE:
        return f"{COPULA[THINGS[c.thing.noun][2]][c.negated]}/AUX"
    stem, after = STEMS[c.verb or str(c.kind)]
    plural = c.person.plural and c.asks is not Role.SUBJECT
    subject = "wa" if plural else "a"
    tail = object_marker(c.object if c.asks is not Role.OBJECT else None, stem) + stem
    if c.negated:
        word = ("hawa" if plural else "ha") + "ku" + tail
    else:
        word = subject + "li" + ("ku" if stem in MONOSYLLABIC else "") + tail
    return f"{word}/{'AUX' if c.kind is Kind.AT else 'VERB'}{after}"


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order; a question word stays where its answer would stand."""
    subject: Chunk = (Role.SUBJECT, noun_phrase(c.subject))
    if c.asks is Role.SUBJECT:
        subject = (None, "nani/PRON")
    time: list[Chunk] = [(Role.TIME, TIMES[c.time])] if c.time is not None else []
    if c.asks is Role.TIME:
        time = [(None, "lini/ADV")]
    rest: list[Chunk] = [(None, verb(c))]
    if c.quality is not None:
        rest.append((None, f"{ADJECTIVES[THINGS[c.thing.noun][2]][c.quality]}/ADJ"))
    if c.object is not None:
        rest.append((None, "nini/PRON") if c.asks is Role.OBJECT else (Role.OBJECT, noun_phrase(c.object)))
    if c.place is not None:
        origin = "kutoka/ADP " if c.kind is Kind.RETURN else ""
        asked = c.asks is Role.PLACE
        rest.append((None, f"{origin}wapi/ADV") if asked else (Role.PLACE, f"{origin}{PLACES[c.place]}/NOUN"))
    return [*time, subject, *rest] if c.fronted and c.asks is None else [subject, *rest, *time]
