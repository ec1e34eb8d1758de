"""Finnish: partitive and accusative objects, the negative verb, local cases; consonant gradation is written out."""

from __future__ import annotations

from stilts_core.sample.meaning import NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography()

NAMES = {  # nominative, genitive (also the accusative), partitive
    "anna": ("Anna", "Annan", "Annaa"),
    "maria": ("Maria", "Marian", "Mariaa"),
    "sara": ("Sara", "Saran", "Saraa"),
    "laura": ("Laura", "Lauran", "Lauraa"),
    "david": ("David", "Davidin", "Davidia"),
    "daniel": ("Daniel", "Danielin", "Danielia"),
    "robert": ("Robert", "Robertin", "Robertia"),
    "martin": ("Martin", "Martinin", "Martinia"),
}
PERSONS = {  # nominative, genitive, partitive; plural nominative, plural partitive
    "girl": ("tyttö", "tytön", "tyttöä", "tytöt", "tyttöjä"),
    "boy": ("poika", "pojan", "poikaa", "pojat", "poikia"),
    "woman": ("nainen", "naisen", "naista", "naiset", "naisia"),
    "man": ("mies", "miehen", "miestä", "miehet", "miehiä"),
    "teacher": ("opettaja", "opettajan", "opettajaa", "opettajat", "opettajia"),
    "doctor": ("lääkäri", "lääkärin", "lääkäriä", "lääkärit", "lääkäreitä"),
    "farmer": ("maanviljelijä", "maanviljelijän", "maanviljelijää", "maanviljelijät", "maanviljelijöitä"),
    "student": ("oppilas", "oppilaan", "oppilasta", "oppilaat", "oppilaita"),
}
THINGS = {  # nominative, genitive (also the accusative), partitive, plural partitive
    "cat": ("kissa", "kissan", "kissaa", "kissoja"),
    "dog": ("koira", "koiran", "koiraa", "koiria"),
    "horse": ("hevonen", "hevosen", "hevosta", "hevosia"),
    "bird": ("lintu", "linnun", "lintua", "lintuja"),
    "apple": ("omena", "omenan", "omenaa", "omenoita"),
    "banana": ("banaani", "banaanin", "banaania", "banaaneja"),
    "orange": ("appelsiini", "appelsiinin", "appelsiinia", "appelsiineja"),
    "egg": ("kananmuna", "kananmunan", "kananmunaa", "kananmunia"),
    "book": ("kirja", "kirjan", "kirjaa", "kirjoja"),
    "letter": ("kirje", "kirjeen", "kirjettä", "kirjeitä"),
    "newspaper": ("sanomalehti", "sanomalehden", "sanomalehteä", "sanomalehtiä"),
    "cup": ("kuppi", "kupin", "kuppia", "kuppeja"),
    "car": ("auto", "auton", "autoa", "autoja"),
    "shirt": ("paita", "paidan", "paitaa", "paitoja"),
    "bag": ("laukku", "laukun", "laukkua", "laukkuja"),
    "key": ("avain", "avaimen", "avainta", "avaimia"),
    "phone": ("puhelin", "puhelimen", "puhelinta", "puhelimia"),
    "door": ("ovi", "oven", "ovea", "ovia"),
    "window": ("ikkuna", "ikkunan", "ikkunaa", "ikkunoita"),
    "box": ("laatikko", "laatikon", "laatikkoa", "laatikoita"),
    "animal": ("eläin", "eläimen", "eläintä", "eläimiä"),
    "fruit": ("hedelmä", "hedelmän", "hedelmää", "hedelmiä"),
}
ADJECTIVES = {  # as above
    "red": ("punainen", "punaisen", "punaista", "punaisia"),
    "black": ("musta", "mustan", "mustaa", "mustia"),
    "white": ("valkoinen", "valkoisen", "valkoista", "valkoisia"),
    "big": ("iso", "ison", "isoa", "isoja"),
    "small": ("pieni", "pienen", "pientä", "pieniä"),
    "new": ("uusi", "uuden", "uutta", "uusia"),
}
COUNTED = {"three": "kolme", "four": "neljä", "five": "viisi", "ten": "kymmenen"}
VERBS = {  # imperfect third person singular and plural, active participle singular and plural
    "see": ("näki", "näkivät", "nähnyt", "nähneet"),
    "buy": ("osti", "ostivat", "ostanut", "ostaneet"),
    "sell": ("myi", "myivät", "myynyt", "myyneet"),
    "eat": ("söi", "söivät", "syönyt", "syöneet"),
    "read": ("luki", "lukivat", "lukenut", "lukeneet"),
    "write": ("kirjoitti", "kirjoittivat", "kirjoittanut", "kirjoittaneet"),
    "wash": ("pesi", "pesivät", "pessyt", "pesseet"),
    "open": ("avasi", "avasivat", "avannut", "avanneet"),
    "close": ("sulki", "sulkivat", "sulkenut", "sulkeneet"),
    "lose": ("kadotti", "kadottivat", "kadottanut", "kadottaneet"),
    "sleep": ("nukkui", "nukkuivat", "nukkunut", "nukkuneet"),
    "work": ("työskenteli", "työskentelivät", "työskennellyt", "työskennelleet"),
    "sing": ("lauloi", "lauloivat", "laulanut", "laulaneet"),
    "dance": ("tanssi", "tanssivat", "tanssinut", "tanssineet"),
    "go": ("meni", "menivät", "mennyt", "menneet"),
    "return": ("palasi", "palasivat", "palannut", "palanneet"),
    "at": ("oli", "olivat", "ollut", "olleet"),
    "be": ("oli", "olivat", "ollut", "olleet"),
}
PLACES = {  # where, whereto, wherefrom
    "garden": ("puutarhassa", "puutarhaan", "puutarhasta"),
    "school": ("koulussa", "kouluun", "koulusta"),
    "market": ("torilla", "torille", "torilta"),
    "kitchen": ("keittiössä", "keittiöön", "keittiöstä"),
    "city": ("kaupungissa", "kaupunkiin", "kaupungista"),
    "shop": ("kaupassa", "kauppaan", "kaupasta"),
    "library": ("kirjastossa", "kirjastoon", "kirjastosta"),
    "forest": ("metsässä", "metsään", "metsästä"),
    "village": ("kylässä", "kylään", "kylästä"),
    "station": ("asemalla", "asemalle", "asemalta"),
}
TIMES = {
    "yesterday": "eilen/ADV",
    "morning": "aamulla/NOUN",
    "afternoon": "iltapäivällä/NOUN",
    "evening": "illalla/NOUN",
    "monday": "maanantaina/NOUN",
    "friday": "perjantaina/NOUN",
    "saturday": "lauantaina/NOUN",
    "last-week": "viime/ADJ viikolla/NOUN",
}


def nominative(what: Person | Thing) -> str:
    if isinstance(what, Thing):
        return f"{THINGS[what.noun][0]}/NOUN"
    if what.noun in NAMES:
        return f"{NAMES[what.noun][0]}/PROPN"
    return f"{PERSONS[what.noun][3 if what.plural else 0]}/NOUN"


def direct_object(what: Person | Thing, negated: bool) -> str:
    """Accusative of a whole, partitive under negation, of an indefinite plural and after a number."""
    case = 2 if negated else 1
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun][case]}/PROPN"
        forms = PERSONS[what.noun]
        if what.plural:
            return f"{forms[4 if negated else 3]}/NOUN"
        return f"{forms[case]}/NOUN"
    if what.number in NUMERALS:
        return f"{COUNTED[what.number]}/NUM {THINGS[what.noun][2]}/NOUN"
    if what.number == "many":
        case = 3
    return (f"{ADJECTIVES[what.adjective][case]}/ADJ " if what.adjective else "") + f"{THINGS[what.noun][case]}/NOUN"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "minne/ADV", Kind.RETURN: "mistä/PRON"}.get(c.kind, "missä/PRON")
    return {Role.SUBJECT: "kuka/PRON", Role.OBJECT: "mitä/PRON"}.get(c.asks or Role.TIME, "milloin/ADV")


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order."""
    plural = isinstance(c.subject, Person) and c.subject.plural and c.asks is not Role.SUBJECT
    forms = VERBS[c.verb or str(c.kind)]
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    predicate = f"{forms[plural]}/{upos}"
    if c.negated:
        predicate = f"{'eivät' if plural else 'ei'}/AUX {forms[2 + plural]}/{upos}"
    subject = [(Role.SUBJECT, nominative(c.subject))] if c.asks is not Role.SUBJECT else []
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    rest: list[Chunk] = []
    if c.quality is not None:
        rest.append((None, f"{ADJECTIVES[c.quality][0]}/ADJ"))
    if c.place is not None and c.asks is not Role.PLACE:
        direction = {Kind.GO: 1, Kind.RETURN: 2}.get(c.kind, 0)
        rest.append((Role.PLACE, f"{PLACES[c.place][direction]}/NOUN"))
    if c.object is not None and c.asks is not Role.OBJECT:
        rest.append((Role.OBJECT, direct_object(c.object, c.negated)))
    if c.asks is not None:
        return [(None, question_word(c)), *subject, (None, predicate), *time, *rest]
    if c.fronted:
        return [*time, *subject, (None, predicate), *rest]
    return [*subject, (None, predicate), *time, *rest]
