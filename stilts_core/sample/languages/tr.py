"""Turkish: the verb last, suffix chains with vowel harmony (written out), bare objects when indefinite and negated."""

from __future__ import annotations

from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography


def capital(letter: str) -> str:
    """The capital of `i` keeps its dot."""
    return "İ" if letter == "i" else letter.upper()


STYLE = Orthography(capital=capital)

NAMES = {  # nominative, accusative
    "anna": ("Anna", "Anna'yı"),
    "maria": ("Maria", "Maria'yı"),
    "sara": ("Sara", "Sara'yı"),
    "laura": ("Laura", "Laura'yı"),
    "david": ("David", "David'i"),
    "daniel": ("Daniel", "Daniel'i"),
    "robert": ("Robert", "Robert'i"),
    "martin": ("Martin", "Martin'i"),
}
PERSONS = {  # nominative, accusative, plural nominative, plural accusative
    "girl": ("kız", "kızı", "kızlar", "kızları"),
    "boy": ("oğlan", "oğlanı", "oğlanlar", "oğlanları"),
    "woman": ("kadın", "kadını", "kadınlar", "kadınları"),
    "man": ("adam", "adamı", "adamlar", "adamları"),
    "teacher": ("öğretmen", "öğretmeni", "öğretmenler", "öğretmenleri"),
    "doctor": ("doktor", "doktoru", "doktorlar", "doktorları"),
    "farmer": ("çiftçi", "çiftçiyi", "çiftçiler", "çiftçileri"),
    "student": ("öğrenci", "öğrenciyi", "öğrenciler", "öğrencileri"),
}
THINGS = {  # nominative, accusative, plural nominative
    "cat": ("kedi", "kediyi", "kediler"),
    "dog": ("köpek", "köpeği", "köpekler"),
    "horse": ("at", "atı", "atlar"),
    "bird": ("kuş", "kuşu", "kuşlar"),
    "apple": ("elma", "elmayı", "elmalar"),
    "banana": ("muz", "muzu", "muzlar"),
    "orange": ("portakal", "portakalı", "portakallar"),
    "egg": ("yumurta", "yumurtayı", "yumurtalar"),
    "book": ("kitap", "kitabı", "kitaplar"),
    "letter": ("mektup", "mektubu", "mektuplar"),
    "newspaper": ("gazete", "gazeteyi", "gazeteler"),
    "cup": ("fincan", "fincanı", "fincanlar"),
    "car": ("araba", "arabayı", "arabalar"),
    "shirt": ("gömlek", "gömleği", "gömlekler"),
    "bag": ("çanta", "çantayı", "çantalar"),
    "key": ("anahtar", "anahtarı", "anahtarlar"),
    "phone": ("telefon", "telefonu", "telefonlar"),
    "door": ("kapı", "kapıyı", "kapılar"),
    "window": ("pencere", "pencereyi", "pencereler"),
    "box": ("kutu", "kutuyu", "kutular"),
    "animal": ("hayvan", "hayvanı", "hayvanlar"),
    "fruit": ("meyve", "meyveyi", "meyveler"),
}
ADJECTIVES = {  # plain, with the past copula
    "red": ("kırmızı", "kırmızıydı"),
    "black": ("siyah", "siyahtı"),
    "white": ("beyaz", "beyazdı"),
    "big": ("büyük", "büyüktü"),
    "small": ("küçük", "küçüktü"),
    "new": ("yeni", "yeniydi"),
}
NUMERALS = {"three": "üç", "four": "dört", "five": "beş", "ten": "on"}
VERBS = {  # what stands before the verb, past, negated past
    "see": ("", "gördü", "görmedi"),
    "buy": ("satın/NOUN", "aldı", "almadı"),
    "sell": ("", "sattı", "satmadı"),
    "eat": ("", "yedi", "yemedi"),
    "read": ("", "okudu", "okumadı"),
    "write": ("", "yazdı", "yazmadı"),
    "wash": ("", "yıkadı", "yıkamadı"),
    "open": ("", "açtı", "açmadı"),
    "close": ("", "kapattı", "kapatmadı"),
    "lose": ("", "kaybetti", "kaybetmedi"),
    "sleep": ("", "uyudu", "uyumadı"),
    "work": ("", "çalıştı", "çalışmadı"),
    "sing": ("şarkı/NOUN", "söyledi", "söylemedi"),
    "dance": ("dans/NOUN", "etti", "etmedi"),
    "go": ("", "gitti", "gitmedi"),
    "return": ("", "döndü", "dönmedi"),
}
PLACES = {  # locative, dative, ablative, locative with the past copula
    "garden": ("bahçede", "bahçeye", "bahçeden", "bahçedeydi"),
    "school": ("okulda", "okula", "okuldan", "okuldaydı"),
    "market": ("pazarda", "pazara", "pazardan", "pazardaydı"),
    "kitchen": ("mutfakta", "mutfağa", "mutfaktan", "mutfaktaydı"),
    "city": ("şehirde", "şehre", "şehirden", "şehirdeydi"),
    "shop": ("dükkânda", "dükkâna", "dükkândan", "dükkândaydı"),
    "library": ("kütüphanede", "kütüphaneye", "kütüphaneden", "kütüphanedeydi"),
    "forest": ("ormanda", "ormana", "ormandan", "ormandaydı"),
    "village": ("köyde", "köye", "köyden", "köydeydi"),
    "station": ("istasyonda", "istasyona", "istasyondan", "istasyondaydı"),
}
TIMES = {
    "yesterday": "dün/NOUN",
    "morning": "sabahleyin/ADV",
    "afternoon": "öğleden/NOUN sonra/ADP",
    "evening": "akşamleyin/ADV",
    "monday": "pazartesi/NOUN günü/NOUN",
    "friday": "cuma/NOUN günü/NOUN",
    "saturday": "cumartesi/NOUN günü/NOUN",
    "last-week": "geçen/ADJ hafta/NOUN",
}


def nominative(what: Person | Thing) -> str:
    if isinstance(what, Thing):
        return f"{THINGS[what.noun][0]}/NOUN"
    if what.noun in NAMES:
        return f"{NAMES[what.noun][0]}/PROPN"
    return f"{PERSONS[what.noun][2 if what.plural else 0]}/NOUN"


def direct_object(what: Person | Thing, negated: bool) -> str:
    """Accusative when definite; else with `bir`, a number or the plural, and bare under negation."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun][1]}/PROPN"
        return f"{PERSONS[what.noun][3 if what.plural else 1]}/NOUN"
    bare, definite, plural = THINGS[what.noun]
    adjective = f"{ADJECTIVES[what.adjective][0]}/ADJ " if what.adjective else ""
    if what.definite:
        return f"{adjective}{definite}/NOUN"
    if what.number == "one":
        return f"{adjective}{bare}/NOUN" if negated else f"{adjective}bir/DET {bare}/NOUN"
    return f"{adjective}{plural}/NOUN" if what.number == "many" else f"{NUMERALS[what.number]}/NUM {bare}/NOUN"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "nereye/PRON", Kind.RETURN: "nereden/PRON"}.get(c.kind, "nerede/PRON")
    return {Role.SUBJECT: "kim/PRON", Role.OBJECT: "ne/PRON"}.get(c.asks or Role.TIME, "ne/PRON zaman/NOUN")


def predicate(c: Clause) -> list[Chunk]:
    """The verb, or what carries the copula."""
    if c.kind is Kind.BE:
        plain, past = ADJECTIVES[c.quality or ""]
        return [(None, f"{plain}/ADJ değildi/AUX" if c.negated else f"{past}/ADJ")]
    if c.kind is Kind.AT and c.asks is Role.PLACE:
        return [(None, "neredeydi/PRON")]
    if c.kind is Kind.AT:
        forms = PLACES[c.place or ""]
        return [(Role.PLACE, f"{forms[0]}/NOUN"), (None, "değildi/AUX")] if c.negated else [(None, f"{forms[3]}/NOUN")]
    before, past, negated = VERBS[c.verb or str(c.kind)]
    return [(None, f"{before} {negated if c.negated else past}/VERB")]


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order; a question word stands before the verb, or before a bare object."""
    subject = [(Role.SUBJECT, nominative(c.subject))] if c.asks is not Role.SUBJECT else []
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    place: list[Chunk] = []
    if c.place is not None and c.asks is not Role.PLACE and c.kind is not Kind.AT:
        place = [(Role.PLACE, f"{PLACES[c.place][{Kind.GO: 1, Kind.RETURN: 2}.get(c.kind, 0)]}/NOUN")]
    patient: list[Chunk] = []
    definite = True
    if c.object is not None and c.asks is not Role.OBJECT:
        definite = isinstance(c.object, Person) or c.object.definite
        patient = [(Role.OBJECT, direct_object(c.object, c.negated))]
    if c.asks is None:
        opening = [*time, *subject] if c.fronted else [*subject, *time]
        return [*opening, *place, *patient, *predicate(c)]
    if c.kind is Kind.AT and c.asks is Role.PLACE:
        return [*subject, *time, *predicate(c)]
    question: list[Chunk] = [(None, question_word(c))]
    middle = [*patient, *question] if definite else [*question, *patient]
    return [*subject, *time, *place, *middle, *predicate(c)]
