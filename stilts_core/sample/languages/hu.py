"""Hungarian: definite and indefinite conjugation, verbal particles, case suffixes with vowel harmony (written out)."""

from __future__ import annotations

from stilts_core.sample.meaning import NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography()

NAMES = {  # nominative, accusative
    "anna": ("Anna", "Annát"),
    "maria": ("Mária", "Máriát"),
    "sara": ("Sára", "Sárát"),
    "laura": ("Laura", "Laurát"),
    "david": ("Dávid", "Dávidot"),
    "daniel": ("Dániel", "Dánielt"),
    "robert": ("Róbert", "Róbertet"),
    "martin": ("Martin", "Martint"),
}
PERSONS = {  # nominative, accusative, plural nominative, plural accusative
    "girl": ("lány", "lányt", "lányok", "lányokat"),
    "boy": ("fiú", "fiút", "fiúk", "fiúkat"),
    "woman": ("nő", "nőt", "nők", "nőket"),
    "man": ("férfi", "férfit", "férfiak", "férfiakat"),
    "teacher": ("tanárnő", "tanárnőt", "tanárnők", "tanárnőket"),
    "doctor": ("orvos", "orvost", "orvosok", "orvosokat"),
    "farmer": ("gazda", "gazdát", "gazdák", "gazdákat"),
    "student": ("diák", "diákot", "diákok", "diákokat"),
}
THINGS = {  # nominative, accusative, plural accusative
    "cat": ("macska", "macskát", "macskákat"),
    "dog": ("kutya", "kutyát", "kutyákat"),
    "horse": ("ló", "lovat", "lovakat"),
    "bird": ("madár", "madarat", "madarakat"),
    "apple": ("alma", "almát", "almákat"),
    "banana": ("banán", "banánt", "banánokat"),
    "orange": ("narancs", "narancsot", "narancsokat"),
    "egg": ("tojás", "tojást", "tojásokat"),
    "book": ("könyv", "könyvet", "könyveket"),
    "letter": ("levél", "levelet", "leveleket"),
    "newspaper": ("újság", "újságot", "újságokat"),
    "cup": ("csésze", "csészét", "csészéket"),
    "car": ("autó", "autót", "autókat"),
    "shirt": ("ing", "inget", "ingeket"),
    "bag": ("táska", "táskát", "táskákat"),
    "key": ("kulcs", "kulcsot", "kulcsokat"),
    "phone": ("telefon", "telefont", "telefonokat"),
    "door": ("ajtó", "ajtót", "ajtókat"),
    "window": ("ablak", "ablakot", "ablakokat"),
    "box": ("doboz", "dobozt", "dobozokat"),
    "animal": ("állat", "állatot", "állatokat"),
    "fruit": ("gyümölcs", "gyümölcsöt", "gyümölcsöket"),
}
ADJECTIVES = {"red": "piros", "black": "fekete", "white": "fehér", "big": "nagy", "small": "kis", "new": "új"}
PREDICATES = {**ADJECTIVES, "small": "kicsi"}
COUNTED = {"three": "három", "four": "négy", "five": "öt", "ten": "tíz"}
# Past: indefinite singular and plural, definite singular and plural; particle of the indefinite, of the definite.
TRANSITIVE = {
    "see": ("látott", "láttak", "látta", "látták", "", ""),
    "buy": ("vett", "vettek", "vette", "vették", "", "meg"),
    "sell": ("adott", "adtak", "adta", "adták", "el", "el"),
    "eat": ("evett", "ettek", "ette", "ették", "", "meg"),
    "read": ("olvasott", "olvastak", "olvasta", "olvasták", "", "el"),
    "write": ("írt", "írtak", "írta", "írták", "", "meg"),
    "wash": ("mosott", "mostak", "mosta", "mosták", "meg", "meg"),
    "open": ("nyitott", "nyitottak", "nyitotta", "nyitották", "ki", "ki"),
    "close": ("csukott", "csuktak", "csukta", "csukták", "be", "be"),
    "lose": ("veszített", "veszítettek", "veszítette", "veszítették", "el", "el"),
}
INTRANSITIVE = {  # past singular and plural
    "sleep": ("aludt", "aludtak"),
    "work": ("dolgozott", "dolgoztak"),
    "sing": ("énekelt", "énekeltek"),
    "dance": ("táncolt", "táncoltak"),
    "go": ("ment", "mentek"),
    "return": ("jött", "jöttek"),
    "at": ("volt", "voltak"),
    "be": ("volt", "voltak"),
}
PARTICLES = {"meg": "meg/PART"}  # the others are adverbs
PLACES = {  # where, whereto, wherefrom
    "garden": ("kertben", "kertbe", "kertből"),
    "school": ("iskolában", "iskolába", "iskolából"),
    "market": ("piacon", "piacra", "piacról"),
    "kitchen": ("konyhában", "konyhába", "konyhából"),
    "city": ("városban", "városba", "városból"),
    "shop": ("boltban", "boltba", "boltból"),
    "library": ("könyvtárban", "könyvtárba", "könyvtárból"),
    "forest": ("erdőben", "erdőbe", "erdőből"),
    "village": ("faluban", "faluba", "faluból"),
    "station": ("állomáson", "állomásra", "állomásról"),
}
TIMES = {
    "yesterday": "tegnap/ADV",
    "morning": "reggel/ADV",
    "afternoon": "délután/ADV",
    "evening": "este/ADV",
    "monday": "hétfőn/NOUN",
    "friday": "pénteken/NOUN",
    "saturday": "szombaton/NOUN",
    "last-week": "a/DET múlt/ADJ héten/NOUN",
}


def the(words: str) -> str:
    """The definite article, `az` before a vowel."""
    return f"{'az' if words[0] in 'aáeéiíoóöőuúüű' else 'a'}/DET {words}"


def nominative(what: Person | Thing) -> str:
    if isinstance(what, Thing):
        return the(f"{THINGS[what.noun][0]}/NOUN")
    if what.noun in NAMES:
        return f"{NAMES[what.noun][0]}/PROPN"
    return the(f"{PERSONS[what.noun][2 if what.plural else 0]}/NOUN")


def accusative(what: Person | Thing, negated: bool) -> str:
    """An object; an indefinite one is bare under negation."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun][1]}/PROPN"
        return the(f"{PERSONS[what.noun][3 if what.plural else 1]}/NOUN")
    _, one, many = THINGS[what.noun]
    if what.number in NUMERALS:
        return f"{COUNTED[what.number]}/NUM {one}/NOUN"
    noun = (f"{ADJECTIVES[what.adjective]}/ADJ " if what.adjective else "") + f"{one}/NOUN"
    if what.definite:
        return the(noun)
    if what.number == "many":
        return noun.replace(f"{one}/NOUN", f"{many}/NOUN")
    return noun if negated else f"egy/DET {noun}"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "hova/ADV", Kind.RETURN: "honnan/ADV"}.get(c.kind, "hol/ADV")
    return {Role.SUBJECT: "ki/PRON", Role.OBJECT: "mit/PRON"}.get(c.asks or Role.TIME, "mikor/ADV")


def verb(c: Clause) -> tuple[str, str]:
    """The verbal particle, and the verb without it."""
    plural = isinstance(c.subject, Person) and c.subject.plural and c.asks is not Role.SUBJECT
    name = c.verb or str(c.kind)
    if name in INTRANSITIVE:
        return "vissza" if c.kind is Kind.RETURN else "", INTRANSITIVE[name][plural]
    definite = c.asks is not Role.OBJECT and (
        isinstance(c.object, Person) or (c.object is not None and c.object.definite)
    )
    forms = TRANSITIVE[name]
    return forms[4 + definite], forms[2 * definite + plural]


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order.

    A negation or a question word stands right before the verb and drives its particle behind it.
    """
    particle, form = verb(c)
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    subject = [(Role.SUBJECT, nominative(c.subject))] if c.asks is not Role.SUBJECT else []
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    place: list[Chunk] = []
    if c.place is not None and c.asks is not Role.PLACE:
        direction = {Kind.GO: 1, Kind.RETURN: 2}.get(c.kind, 0)
        place = [(Role.PLACE, the(f"{PLACES[c.place][direction]}/NOUN"))]
    patient: list[Chunk] = []
    if c.object is not None and c.asks is not Role.OBJECT:
        patient = [(Role.OBJECT, accusative(c.object, c.negated))]
    behind: list[Chunk] = [(None, PARTICLES.get(particle, f"{particle}/ADV"))] if particle else []
    if c.asks is not None:
        return [(None, question_word(c)), (None, f"{form}/{upos}"), *behind, *subject, *time, *place, *patient]
    opening = [*time, *subject] if c.fronted else [*subject, *time]
    quality: list[Chunk] = [(None, f"{PREDICATES[c.quality]}/ADJ")] if c.quality is not None else []
    if c.negated:
        return [*opening, (None, f"nem/ADV {form}/{upos}"), *behind, *quality, *place, *patient]
    predicate: Chunk = (None, f"{particle}{form}/{upos}")
    if c.kind in (Kind.GO, Kind.AT, Kind.ACT, Kind.BE):
        return [*opening, *quality, *place, predicate]
    return [*opening, predicate, *place, *patient]
