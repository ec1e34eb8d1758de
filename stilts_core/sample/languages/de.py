"""German: the verb second, three genders, strong and weak adjectives, `kein` and `nicht`."""

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
PERSONS = {  # gender, nominative singular, accusative singular, nominative and accusative plural
    "girl": ("n", "Mädchen", "Mädchen", "Mädchen"),
    "boy": ("m", "Junge", "Jungen", "Jungen"),
    "woman": ("f", "Frau", "Frau", "Frauen"),
    "man": ("m", "Mann", "Mann", "Männer"),
    "teacher": ("f", "Lehrerin", "Lehrerin", "Lehrerinnen"),
    "doctor": ("m", "Arzt", "Arzt", "Ärzte"),
    "farmer": ("m", "Bauer", "Bauern", "Bauern"),
    "student": ("m", "Schüler", "Schüler", "Schüler"),
}
THINGS = {  # gender, nominative and accusative singular, nominative and accusative plural
    "cat": ("f", "Katze", "Katzen"),
    "dog": ("m", "Hund", "Hunde"),
    "horse": ("n", "Pferd", "Pferde"),
    "bird": ("m", "Vogel", "Vögel"),
    "apple": ("m", "Apfel", "Äpfel"),
    "banana": ("f", "Banane", "Bananen"),
    "orange": ("f", "Orange", "Orangen"),
    "egg": ("n", "Ei", "Eier"),
    "book": ("n", "Buch", "Bücher"),
    "letter": ("m", "Brief", "Briefe"),
    "newspaper": ("f", "Zeitung", "Zeitungen"),
    "cup": ("f", "Tasse", "Tassen"),
    "car": ("n", "Auto", "Autos"),
    "shirt": ("n", "Hemd", "Hemden"),
    "bag": ("f", "Tasche", "Taschen"),
    "key": ("m", "Schlüssel", "Schlüssel"),
    "phone": ("n", "Telefon", "Telefone"),
    "door": ("f", "Tür", "Türen"),
    "window": ("n", "Fenster", "Fenster"),
    "box": ("f", "Kiste", "Kisten"),
    "animal": ("n", "Tier", "Tiere"),
    "fruit": ("f", "Frucht", "Früchte"),
}
ADJECTIVES = {"red": "rot", "black": "schwarz", "white": "weiß", "big": "groß", "small": "klein", "new": "neu"}
NUMERALS = {"three": "drei", "four": "vier", "five": "fünf", "ten": "zehn"}
NOMINATIVE = {"m": "der", "f": "die", "n": "das"}
ACCUSATIVE = {"m": "den", "f": "die", "n": "das"}
EIN = {"m": "einen", "f": "eine", "n": "ein"}
VERBS = {  # third person of the preterite, singular and plural
    "see": ("sah", "sahen"),
    "buy": ("kaufte", "kauften"),
    "sell": ("verkaufte", "verkauften"),
    "eat": ("aß", "aßen"),
    "read": ("las", "lasen"),
    "write": ("schrieb", "schrieben"),
    "wash": ("wusch", "wuschen"),
    "open": ("öffnete", "öffneten"),
    "close": ("schloss", "schlossen"),
    "lose": ("verlor", "verloren"),
    "sleep": ("schlief", "schliefen"),
    "work": ("arbeitete", "arbeiteten"),
    "sing": ("sang", "sangen"),
    "dance": ("tanzte", "tanzten"),
    "go": ("ging", "gingen"),
    "return": ("kam", "kamen"),  # with the particle `zurück` at the end
    "at": ("war", "waren"),
    "be": ("war", "waren"),
}
PLACES = {  # where, whereto, wherefrom
    "garden": ("im/ADP Garten/NOUN", "in/ADP den/DET Garten/NOUN", "aus/ADP dem/DET Garten/NOUN"),
    "school": ("in/ADP der/DET Schule/NOUN", "zur/ADP Schule/NOUN", "aus/ADP der/DET Schule/NOUN"),
    "market": ("auf/ADP dem/DET Markt/NOUN", "auf/ADP den/DET Markt/NOUN", "vom/ADP Markt/NOUN"),
    "kitchen": ("in/ADP der/DET Küche/NOUN", "in/ADP die/DET Küche/NOUN", "aus/ADP der/DET Küche/NOUN"),
    "city": ("in/ADP der/DET Stadt/NOUN", "in/ADP die/DET Stadt/NOUN", "aus/ADP der/DET Stadt/NOUN"),
    "shop": ("im/ADP Laden/NOUN", "in/ADP den/DET Laden/NOUN", "aus/ADP dem/DET Laden/NOUN"),
    "library": ("in/ADP der/DET Bibliothek/NOUN", "in/ADP die/DET Bibliothek/NOUN", "aus/ADP der/DET Bibliothek/NOUN"),
    "forest": ("im/ADP Wald/NOUN", "in/ADP den/DET Wald/NOUN", "aus/ADP dem/DET Wald/NOUN"),
    "village": ("im/ADP Dorf/NOUN", "ins/ADP Dorf/NOUN", "aus/ADP dem/DET Dorf/NOUN"),
    "station": ("am/ADP Bahnhof/NOUN", "zum/ADP Bahnhof/NOUN", "vom/ADP Bahnhof/NOUN"),
}
TIMES = {
    "yesterday": "gestern/ADV",
    "morning": "am/ADP Morgen/NOUN",
    "afternoon": "am/ADP Nachmittag/NOUN",
    "evening": "am/ADP Abend/NOUN",
    "monday": "am/ADP Montag/NOUN",
    "friday": "am/ADP Freitag/NOUN",
    "saturday": "am/ADP Samstag/NOUN",
    "last-week": "letzte/ADJ Woche/NOUN",
}


def nominative(what: Person | Thing) -> str:
    """A subject; things are definite and single."""
    if isinstance(what, Thing):
        gender, noun, _ = THINGS[what.noun]
        return f"{NOMINATIVE[gender]}/DET {noun}/NOUN"
    if what.noun in NAMES:
        return f"{NAMES[what.noun]}/PROPN"
    gender, noun, _, plural = PERSONS[what.noun]
    return f"die/DET {plural}/NOUN" if what.plural else f"{NOMINATIVE[gender]}/DET {noun}/NOUN"


def accusative(what: Person | Thing, negated: bool) -> str:
    """An object; an indefinite one is negated by `kein`."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        gender, _, noun, plural = PERSONS[what.noun]
        return f"die/DET {plural}/NOUN" if what.plural else f"{ACCUSATIVE[gender]}/DET {noun}/NOUN"
    gender, noun, plural = THINGS[what.noun]
    stem = ADJECTIVES[what.adjective] if what.adjective else ""
    if what.number != "one":
        number = "" if what.number == "many" else f"{NUMERALS[what.number]}/NUM "
        return number + (f"{stem}e/ADJ " if stem else "") + f"{plural}/NOUN"
    if what.definite:
        article, ending = ACCUSATIVE[gender], {"m": "en", "f": "e", "n": "e"}[gender]
    else:
        article, ending = ("k" if negated else "") + EIN[gender], {"m": "en", "f": "e", "n": "es"}[gender]
    return f"{article}/DET " + (f"{stem}{ending}/ADJ " if stem else "") + f"{noun}/NOUN"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "wohin/ADV", Kind.RETURN: "woher/ADV"}.get(c.kind, "wo/ADV")
    return {Role.SUBJECT: "wer/PRON", Role.OBJECT: "was/PRON"}.get(c.asks or Role.TIME, "wann/ADV")


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order: one constituent, the finite verb, then subject, time, place, object."""
    plural = isinstance(c.subject, Person) and c.subject.plural and c.asks is not Role.SUBJECT
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    verb: Chunk = (None, f"{VERBS[c.verb or str(c.kind)][plural]}/{upos}")
    subject = [(Role.SUBJECT, nominative(c.subject))] if c.asks is not Role.SUBJECT else []
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    place: list[Chunk] = []
    if c.place is not None and c.asks is not Role.PLACE:
        direction = {Kind.GO: 1, Kind.RETURN: 2}.get(c.kind, 0)
        place = [(Role.PLACE, PLACES[c.place][direction])]
    if c.quality is not None:
        place = [(None, f"{ADJECTIVES[c.quality]}/ADJ")]
    patient: list[Chunk] = []
    by_kein = False
    if c.object is not None and c.asks is not Role.OBJECT:
        by_kein = isinstance(c.object, Thing) and not c.object.definite
        patient = [(Role.OBJECT, accusative(c.object, c.negated))]
    negation: list[Chunk] = [(None, "nicht/PART")] if c.negated and not by_kein else []
    field = [*place, *patient, *negation] if patient else [*negation, *place]
    end: list[Chunk] = [(None, "zurück/ADV")] if c.kind is Kind.RETURN else []
    if c.asks is not None:
        return [(None, question_word(c)), verb, *subject, *time, *field, *end]
    if c.fronted and time:
        return [*time, verb, *subject, *field, *end]
    return [*subject, verb, *time, *field, *end]
