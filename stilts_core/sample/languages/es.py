"""Spanish: gender and number on articles and adjectives, the adjective after the noun, `a` before persons."""

from __future__ import annotations

from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography(opening="¿")

NAMES = {
    "anna": "Ana",
    "maria": "María",
    "sara": "Sara",
    "laura": "Laura",
    "david": "David",
    "daniel": "Daniel",
    "robert": "Roberto",
    "martin": "Martín",
}
NOUNS = {  # gender, singular, plural
    "girl": ("f", "niña", "niñas"),
    "boy": ("m", "niño", "niños"),
    "woman": ("f", "mujer", "mujeres"),
    "man": ("m", "hombre", "hombres"),
    "teacher": ("f", "maestra", "maestras"),
    "doctor": ("m", "médico", "médicos"),
    "farmer": ("m", "granjero", "granjeros"),
    "student": ("m", "alumno", "alumnos"),
    "cat": ("m", "gato", "gatos"),
    "dog": ("m", "perro", "perros"),
    "horse": ("m", "caballo", "caballos"),
    "bird": ("m", "pájaro", "pájaros"),
    "apple": ("f", "manzana", "manzanas"),
    "banana": ("m", "plátano", "plátanos"),
    "orange": ("f", "naranja", "naranjas"),
    "egg": ("m", "huevo", "huevos"),
    "book": ("m", "libro", "libros"),
    "letter": ("f", "carta", "cartas"),
    "newspaper": ("m", "periódico", "periódicos"),
    "cup": ("f", "taza", "tazas"),
    "car": ("m", "coche", "coches"),
    "shirt": ("f", "camisa", "camisas"),
    "bag": ("f", "bolsa", "bolsas"),
    "key": ("f", "llave", "llaves"),
    "phone": ("m", "teléfono", "teléfonos"),
    "door": ("f", "puerta", "puertas"),
    "window": ("f", "ventana", "ventanas"),
    "box": ("f", "caja", "cajas"),
    "animal": ("m", "animal", "animales"),
    "fruit": ("f", "fruta", "frutas"),
}
ADJECTIVES = {  # masculine and feminine singular; the plural adds -s
    "red": ("rojo", "roja"),
    "black": ("negro", "negra"),
    "white": ("blanco", "blanca"),
    "big": ("grande", "grande"),
    "small": ("pequeño", "pequeña"),
    "new": ("nuevo", "nueva"),
}
NUMERALS = {"three": "tres", "four": "cuatro", "five": "cinco", "ten": "diez"}
VERBS = {  # third person of the preterite (of `estar` and `ser` the imperfect), singular and plural
    "see": ("vio", "vieron"),
    "buy": ("compró", "compraron"),
    "sell": ("vendió", "vendieron"),
    "eat": ("comió", "comieron"),
    "read": ("leyó", "leyeron"),
    "write": ("escribió", "escribieron"),
    "wash": ("lavó", "lavaron"),
    "open": ("abrió", "abrieron"),
    "close": ("cerró", "cerraron"),
    "lose": ("perdió", "perdieron"),
    "sleep": ("durmió", "durmieron"),
    "work": ("trabajó", "trabajaron"),
    "sing": ("cantó", "cantaron"),
    "dance": ("bailó", "bailaron"),
    "go": ("fue", "fueron"),
    "return": ("volvió", "volvieron"),
    "at": ("estaba", "estaban"),
    "be": ("era", "eran"),
}
PLACES = {  # gender, noun
    "garden": ("m", "jardín"),
    "school": ("f", "escuela"),
    "market": ("m", "mercado"),
    "kitchen": ("f", "cocina"),
    "city": ("f", "ciudad"),
    "shop": ("f", "tienda"),
    "library": ("f", "biblioteca"),
    "forest": ("m", "bosque"),
    "village": ("m", "pueblo"),
    "station": ("f", "estación"),
}
TIMES = {
    "yesterday": "ayer/ADV",
    "morning": "por/ADP la/DET mañana/NOUN",
    "afternoon": "por/ADP la/DET tarde/NOUN",
    "evening": "por/ADP la/DET noche/NOUN",
    "monday": "el/DET lunes/NOUN",
    "friday": "el/DET viernes/NOUN",
    "saturday": "el/DET sábado/NOUN",
    "last-week": "la/DET semana/NOUN pasada/ADJ",
}


def noun_phrase(what: Person | Thing, negated: bool = False) -> str:
    """A name, a definite person, or a thing; `ningún` when it is indefinite and negated."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        gender, singular, plural = NOUNS[what.noun]
        if what.plural:
            return f"{'las' if gender == 'f' else 'los'}/DET {plural}/NOUN"
        return f"{'la' if gender == 'f' else 'el'}/DET {singular}/NOUN"
    gender, singular, plural = NOUNS[what.noun]
    feminine = gender == "f"
    adjective = ADJECTIVES[what.adjective][feminine] if what.adjective else ""
    if what.number != "one":
        number = "" if what.number == "many" else f"{NUMERALS[what.number]}/NUM "
        return f"{number}{plural}/NOUN" + (f" {adjective}s/ADJ" if adjective else "")
    if what.definite:
        article = "la" if feminine else "el"
    elif negated:
        article = "ninguna" if feminine else "ningún"
    else:
        article = "una" if feminine else "un"
    return f"{article}/DET {singular}/NOUN" + (f" {adjective}/ADJ" if adjective else "")


def direct_object(what: Person | Thing, negated: bool) -> str:
    """Persons take `a`, which melts into `al`."""
    phrase = noun_phrase(what, negated)
    if isinstance(what, Thing):
        return phrase
    return "al/ADP " + phrase.removeprefix("el/DET ") if phrase.startswith("el/DET ") else f"a/ADP {phrase}"


def place(kind: Kind, name: str) -> str:
    gender, noun = PLACES[name]
    if kind in (Kind.GO, Kind.RETURN):
        preposition = "a" if kind is Kind.GO else "de"
        return f"{preposition}l/ADP {noun}/NOUN" if gender == "m" else f"{preposition}/ADP la/DET {noun}/NOUN"
    return f"en/ADP {'la' if gender == 'f' else 'el'}/DET {noun}/NOUN"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "adónde/ADV", Kind.RETURN: "de/ADP dónde/ADV"}.get(c.kind, "dónde/ADV")
    return {Role.SUBJECT: "quién/PRON", Role.OBJECT: "qué/PRON"}.get(c.asks or Role.TIME, "cuándo/ADV")


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order; in questions the verb stands before its subject."""
    plural = isinstance(c.subject, Person) and c.subject.plural and c.asks is not Role.SUBJECT
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    verb: Chunk = (None, ("no/ADV " if c.negated else "") + f"{VERBS[c.verb or str(c.kind)][plural]}/{upos}")
    subject = [(Role.SUBJECT, noun_phrase(c.subject))] if c.asks is not Role.SUBJECT else []
    rest: list[Chunk] = []
    if c.quality is not None:
        rest.append((None, f"{ADJECTIVES[c.quality][NOUNS[c.thing.noun][0] == 'f']}/ADJ"))
    if c.object is not None and c.asks is not Role.OBJECT:
        rest.append((Role.OBJECT, direct_object(c.object, c.negated)))
    if c.place is not None and c.asks is not Role.PLACE:
        rest.append((Role.PLACE, place(c.kind, c.place)))
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    if c.asks is not None:
        return [(None, question_word(c)), verb, *subject, *rest, *time]
    return [*time, *subject, verb, *rest] if c.fronted else [*subject, verb, *rest, *time]
