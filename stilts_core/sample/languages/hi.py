"""Hindi: the verb last, postpositions, ergative `ने`, `को` on persons and definite animals, agreement with objects."""

from __future__ import annotations

from stilts_core.sample.meaning import ANIMATE, FEMALE, NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography(stop="।")

NAMES = {
    "anna": "अन्ना",
    "maria": "मारिया",
    "sara": "सारा",
    "laura": "लॉरा",
    "david": "डेविड",
    "daniel": "डैनियल",
    "robert": "रॉबर्ट",
    "martin": "मार्टिन",
}
PERSONS = {  # direct and oblique singular, direct and oblique plural
    "girl": ("लड़की", "लड़की", "लड़कियाँ", "लड़कियों"),
    "boy": ("लड़का", "लड़के", "लड़के", "लड़कों"),
    "woman": ("औरत", "औरत", "औरतें", "औरतों"),
    "man": ("आदमी", "आदमी", "आदमी", "आदमियों"),
    "teacher": ("अध्यापिका", "अध्यापिका", "अध्यापिकाएँ", "अध्यापिकाओं"),
    "doctor": ("डॉक्टर", "डॉक्टर", "डॉक्टर", "डॉक्टरों"),
    "farmer": ("किसान", "किसान", "किसान", "किसानों"),
    "student": ("छात्र", "छात्र", "छात्र", "छात्रों"),
}
THINGS = {  # gender, direct and oblique singular, direct plural
    "cat": ("f", "बिल्ली", "बिल्ली", "बिल्लियाँ"),
    "dog": ("m", "कुत्ता", "कुत्ते", "कुत्ते"),
    "horse": ("m", "घोड़ा", "घोड़े", "घोड़े"),
    "bird": ("f", "चिड़िया", "चिड़िया", "चिड़ियाँ"),
    "apple": ("m", "सेब", "सेब", "सेब"),
    "banana": ("m", "केला", "केले", "केले"),
    "orange": ("m", "संतरा", "संतरे", "संतरे"),
    "egg": ("m", "अंडा", "अंडे", "अंडे"),
    "book": ("f", "किताब", "किताब", "किताबें"),
    "letter": ("f", "चिट्ठी", "चिट्ठी", "चिट्ठियाँ"),
    "newspaper": ("m", "अख़बार", "अख़बार", "अख़बार"),
    "cup": ("m", "प्याला", "प्याले", "प्याले"),
    "car": ("f", "गाड़ी", "गाड़ी", "गाड़ियाँ"),
    "shirt": ("f", "कमीज़", "कमीज़", "कमीज़ें"),
    "bag": ("m", "थैला", "थैले", "थैले"),
    "key": ("f", "चाबी", "चाबी", "चाबियाँ"),
    "phone": ("m", "फ़ोन", "फ़ोन", "फ़ोन"),
    "door": ("m", "दरवाज़ा", "दरवाज़े", "दरवाज़े"),
    "window": ("f", "खिड़की", "खिड़की", "खिड़कियाँ"),
    "box": ("m", "डिब्बा", "डिब्बे", "डिब्बे"),
    "animal": ("m", "जानवर", "जानवर", "जानवर"),
    "fruit": ("m", "फल", "फल", "फल"),
}
ADJECTIVES = {  # masculine direct, masculine oblique and plural, feminine
    "red": ("लाल", "लाल", "लाल"),
    "black": ("काला", "काले", "काली"),
    "white": ("सफ़ेद", "सफ़ेद", "सफ़ेद"),
    "big": ("बड़ा", "बड़े", "बड़ी"),
    "small": ("छोटा", "छोटे", "छोटी"),
    "new": ("नया", "नए", "नई"),
}
COUNTED = {"three": "तीन", "four": "चार", "five": "पाँच", "ten": "दस"}
Forms = tuple[str, str, str, str]
DONE: Forms = ("किया", "किए", "की", "कीं")
TRANSITIVE: dict[str, tuple[str, Forms]] = {  # what stands before it; masculine, masc. plural, feminine, fem. plural
    "see": ("", ("देखा", "देखे", "देखी", "देखीं")),
    "buy": ("", ("ख़रीदा", "ख़रीदे", "ख़रीदी", "ख़रीदीं")),
    "sell": ("", ("बेचा", "बेचे", "बेची", "बेचीं")),
    "eat": ("", ("खाया", "खाए", "खाई", "खाईं")),
    "read": ("", ("पढ़ा", "पढ़े", "पढ़ी", "पढ़ीं")),
    "write": ("", ("लिखा", "लिखे", "लिखी", "लिखीं")),
    "wash": ("", ("धोया", "धोए", "धोई", "धोईं")),
    "open": ("", ("खोला", "खोले", "खोली", "खोलीं")),
    "close": ("बंद/ADJ", DONE),
    "lose": ("", ("खोया", "खोए", "खोई", "खोईं")),
    "work": ("काम/NOUN", DONE),  # the verb agrees with its own noun
    "sing": ("गाना/NOUN", ("गाया", "गाए", "गाई", "गाईं")),
}
INTRANSITIVE: dict[str, Forms] = {
    "sleep": ("सोया", "सोए", "सोई", "सोईं"),
    "dance": ("नाचा", "नाचे", "नाची", "नाचीं"),
    "go": ("गया", "गए", "गई", "गईं"),
    "return": ("लौटा", "लौटे", "लौटी", "लौटीं"),
    "at": ("था", "थे", "थी", "थीं"),
    "be": ("था", "थे", "थी", "थीं"),
}
PLACES = {  # oblique noun, postposition of rest, and of motion
    "garden": ("बगीचे", "में", "में"),
    "school": ("स्कूल", "में", ""),
    "market": ("बाज़ार", "में", ""),
    "kitchen": ("रसोई", "में", "में"),
    "city": ("शहर", "में", ""),
    "shop": ("दुकान", "में", "में"),
    "library": ("पुस्तकालय", "में", ""),
    "forest": ("जंगल", "में", "में"),
    "village": ("गाँव", "में", ""),
    "station": ("स्टेशन", "पर", ""),
}
TIMES = {
    "yesterday": "कल/NOUN",
    "morning": "सुबह/NOUN",
    "afternoon": "दोपहर/NOUN में/ADP",
    "evening": "शाम/NOUN को/ADP",
    "monday": "सोमवार/PROPN को/ADP",
    "friday": "शुक्रवार/PROPN को/ADP",
    "saturday": "शनिवार/PROPN को/ADP",
    "last-week": "पिछले/ADJ हफ़्ते/NOUN",
}


def person(what: Person, oblique: bool) -> str:
    if what.noun in NAMES:
        return f"{NAMES[what.noun]}/PROPN"
    return f"{PERSONS[what.noun][2 * what.plural + oblique]}/NOUN"


def direct_object(what: Person | Thing, negated: bool) -> tuple[list[Chunk], int]:
    """The object, and which form of the verb agrees with it; with `को` the verb agrees with nothing."""
    marker: Chunk = (None, "को/ADP")
    if isinstance(what, Person):
        return [(Role.OBJECT, person(what, oblique=True)), marker], 0
    gender, one, oblique, many = THINGS[what.noun]
    feminine = gender == "f"
    marked = what.definite and what.noun in ANIMATE
    several = what.number != "one"
    adjective = ""
    if what.adjective:
        adjective = f"{ADJECTIVES[what.adjective][2 if feminine else int(marked or several)]}/ADJ "
    if marked:
        return [(Role.OBJECT, f"{adjective}{oblique}/NOUN"), marker], 0
    if several:
        count = f"{COUNTED[what.number]}/NUM " if what.number in NUMERALS else ""
        return [(Role.OBJECT, f"{count}{adjective}{many}/NOUN")], 2 * feminine + 1
    article = "" if what.definite else "कोई/DET " if negated else "एक/NUM "
    return [(Role.OBJECT, f"{article}{adjective}{one}/NOUN")], 2 * feminine


def place(c: Clause) -> str:
    noun, rest, motion = PLACES[c.place or ""]
    postposition = {Kind.GO: motion, Kind.RETURN: "से"}.get(c.kind, rest)
    return f"{noun}/NOUN {postposition}/ADP" if postposition else f"{noun}/NOUN"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return "कहाँ/PRON से/ADP" if c.kind is Kind.RETURN else "कहाँ/PRON"
    return {Role.OBJECT: "क्या/PRON"}.get(c.asks or Role.TIME, "कब/ADV")


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order: subject, time, place, object, question word, verb."""
    name = c.verb or str(c.kind)
    ergative = name in TRANSITIVE
    before, forms = TRANSITIVE[name] if ergative else ("", INTRANSITIVE[name])
    patient: list[Chunk] = []
    agreement = 0
    if c.object is not None and c.asks is not Role.OBJECT:
        patient, agreement = direct_object(c.object, c.negated)
    if isinstance(c.subject, Thing):
        gender, noun, _, _ = THINGS[c.subject.noun]
        agreement = 2 * (gender == "f")
        subject: list[Chunk] = [(Role.SUBJECT, f"{noun}/NOUN")]
        patient = [(None, f"{ADJECTIVES[c.quality or ''][agreement]}/ADJ")]
    elif c.asks is Role.SUBJECT:
        subject = [(None, "किसने/PRON" if ergative else "कौन/PRON")]
    elif ergative:
        subject = [(Role.SUBJECT, person(c.subject, oblique=True)), (None, "ने/ADP")]
    else:
        agreement = 2 * (c.subject.noun in FEMALE) + c.subject.plural
        subject = [(Role.SUBJECT, person(c.subject, oblique=False))]
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    where = [(Role.PLACE, place(c))] if c.place is not None and c.asks is not Role.PLACE else []
    opening = [*time, *subject] if c.fronted and c.asks is None else [*subject, *time]
    question = [(None, question_word(c))] if c.asks not in (None, Role.SUBJECT) else []
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    negation = "नहीं/PART " if c.negated else ""
    predicate = f"{before} {negation}{forms[agreement]}/{upos}"
    return [*opening, *where, *patient, *question, (None, predicate)]
