"""Arabic, without vowel marks: verb, subject, object; the verb agrees in gender; `lam` with the jussive."""

from __future__ import annotations

from stilts_core.sample.meaning import FEMALE, NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography(mark="؟")

NAMES = {
    "anna": "آنا",
    "maria": "ماريا",
    "sara": "سارة",
    "laura": "لورا",
    "david": "ديفيد",
    "daniel": "دانيال",
    "robert": "روبرت",
    "martin": "مارتن",
}
PERSONS = {  # without the article: singular, plural, plural accusative
    "girl": ("بنت", "بنات", "بنات"),
    "boy": ("ولد", "أولاد", "أولاد"),
    "woman": ("امرأة", "نساء", "نساء"),
    "man": ("رجل", "رجال", "رجال"),
    "teacher": ("معلمة", "معلمات", "معلمات"),
    "doctor": ("طبيب", "أطباء", "أطباء"),
    "farmer": ("مزارع", "مزارعون", "مزارعين"),
    "student": ("طالب", "طلاب", "طلاب"),
}
WITH_ARTICLE = {"امرأة": "المرأة"}
THINGS = {  # gender, singular, indefinite accusative, plural, indefinite accusative plural
    "cat": ("f", "قطة", "قطة", "قطط", "قططا"),
    "dog": ("m", "كلب", "كلبا", "كلاب", "كلابا"),
    "horse": ("m", "حصان", "حصانا", "أحصنة", "أحصنة"),
    "bird": ("m", "طائر", "طائرا", "طيور", "طيورا"),
    "apple": ("f", "تفاحة", "تفاحة", "تفاحات", "تفاحات"),
    "banana": ("f", "موزة", "موزة", "موزات", "موزات"),
    "orange": ("f", "برتقالة", "برتقالة", "برتقالات", "برتقالات"),
    "egg": ("f", "بيضة", "بيضة", "بيضات", "بيضات"),
    "book": ("m", "كتاب", "كتابا", "كتب", "كتبا"),
    "letter": ("f", "رسالة", "رسالة", "رسائل", "رسائل"),
    "newspaper": ("f", "جريدة", "جريدة", "جرائد", "جرائد"),
    "cup": ("m", "كوب", "كوبا", "أكواب", "أكوابا"),
    "car": ("f", "سيارة", "سيارة", "سيارات", "سيارات"),
    "shirt": ("m", "قميص", "قميصا", "قمصان", "قمصانا"),
    "bag": ("f", "حقيبة", "حقيبة", "حقائب", "حقائب"),
    "key": ("m", "مفتاح", "مفتاحا", "مفاتيح", "مفاتيح"),
    "phone": ("m", "هاتف", "هاتفا", "هواتف", "هواتف"),
    "door": ("m", "باب", "بابا", "أبواب", "أبوابا"),
    "window": ("f", "نافذة", "نافذة", "نوافذ", "نوافذ"),
    "box": ("m", "صندوق", "صندوقا", "صناديق", "صناديق"),
    "animal": ("m", "حيوان", "حيوانا", "حيوانات", "حيوانات"),
    "fruit": ("f", "فاكهة", "فاكهة", "فواكه", "فواكه"),
}
ADJECTIVES = {  # masculine, masculine indefinite accusative, feminine (also of several things)
    "red": ("أحمر", "أحمر", "حمراء"),
    "black": ("أسود", "أسود", "سوداء"),
    "white": ("أبيض", "أبيض", "بيضاء"),
    "big": ("كبير", "كبيرا", "كبيرة"),
    "small": ("صغير", "صغيرا", "صغيرة"),
    "new": ("جديد", "جديدا", "جديدة"),
}
COUNTED = {  # before masculine and before feminine nouns
    "three": ("ثلاثة", "ثلاث"),
    "four": ("أربعة", "أربع"),
    "five": ("خمسة", "خمس"),
    "ten": ("عشرة", "عشر"),
}
VERBS = {  # past masculine and feminine, jussive masculine and feminine; singular, as before every subject
    "see": ("رأى", "رأت", "ير", "تر"),
    "buy": ("اشترى", "اشترت", "يشتر", "تشتر"),
    "sell": ("باع", "باعت", "يبع", "تبع"),
    "eat": ("أكل", "أكلت", "يأكل", "تأكل"),
    "read": ("قرأ", "قرأت", "يقرأ", "تقرأ"),
    "write": ("كتب", "كتبت", "يكتب", "تكتب"),
    "wash": ("غسل", "غسلت", "يغسل", "تغسل"),
    "open": ("فتح", "فتحت", "يفتح", "تفتح"),
    "close": ("أغلق", "أغلقت", "يغلق", "تغلق"),
    "lose": ("فقد", "فقدت", "يفقد", "تفقد"),
    "sleep": ("نام", "نامت", "ينم", "تنم"),
    "work": ("عمل", "عملت", "يعمل", "تعمل"),
    "sing": ("غنى", "غنت", "يغن", "تغن"),
    "dance": ("رقص", "رقصت", "يرقص", "ترقص"),
    "go": ("ذهب", "ذهبت", "يذهب", "تذهب"),
    "return": ("عاد", "عادت", "يعد", "تعد"),
    "at": ("كان", "كانت", "يكن", "تكن"),
    "be": ("كان", "كانت", "يكن", "تكن"),
}
PLACES = {
    "garden": "الحديقة",
    "school": "المدرسة",
    "market": "السوق",
    "kitchen": "المطبخ",
    "city": "المدينة",
    "shop": "المتجر",
    "library": "المكتبة",
    "forest": "الغابة",
    "village": "القرية",
    "station": "المحطة",
}
TIMES = {
    "yesterday": "أمس/ADV",
    "morning": "في/ADP الصباح/NOUN",
    "afternoon": "بعد/ADP الظهر/NOUN",
    "evening": "في/ADP المساء/NOUN",
    "monday": "يوم/NOUN الاثنين/NOUN",
    "friday": "يوم/NOUN الجمعة/NOUN",
    "saturday": "يوم/NOUN السبت/NOUN",
    "last-week": "في/ADP الأسبوع/NOUN الماضي/ADJ",
}


def definite(word: str) -> str:
    return WITH_ARTICLE.get(word, f"ال{word}")


def subject_phrase(what: Person | Thing) -> str:
    if isinstance(what, Thing):
        return f"{definite(THINGS[what.noun][1])}/NOUN"
    if what.noun in NAMES:
        return f"{NAMES[what.noun]}/PROPN"
    return f"{definite(PERSONS[what.noun][int(what.plural)])}/NOUN"


def object_phrase(what: Person | Thing) -> str:
    """The accusative, which shows in writing as a final alif of indefinite nouns that take one."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        return f"{definite(PERSONS[what.noun][2 if what.plural else 0])}/NOUN"
    gender, singular, one, plural, many = THINGS[what.noun]
    if what.number in NUMERALS:
        return f"{COUNTED[what.number][gender == 'f']}/NUM {plural}/NOUN"
    masculine, accusative, feminine = ADJECTIVES[what.adjective] if what.adjective else ("", "", "")
    if what.definite:
        noun, adjective = definite(singular), definite(feminine if gender == "f" else masculine)
    elif what.number == "many":
        noun, adjective = many, feminine
    else:
        noun, adjective = one, feminine if gender == "f" else accusative
    return f"{noun}/NOUN" + (f" {adjective}/ADJ" if what.adjective else "")


def verb(c: Clause) -> str:
    """The singular, since the verb stands before its subject; `who` is masculine."""
    if c.kind is Kind.BE:
        feminine = THINGS[c.thing.noun][0] == "f"
    else:
        feminine = c.person.noun in FEMALE and c.asks is not Role.SUBJECT
    form = VERBS[c.verb or str(c.kind)][feminine + 2 * c.negated]
    upos = "AUX" if c.kind in (Kind.AT, Kind.BE) else "VERB"
    return f"لم/PART {form}/{upos}" if c.negated else f"{form}/{upos}"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "إلى/ADP أين/ADV", Kind.RETURN: "من/ADP أين/ADV"}.get(c.kind, "أين/ADV")
    return {Role.SUBJECT: "من/PRON", Role.OBJECT: "ماذا/PRON"}.get(c.asks or Role.TIME, "متى/ADV")


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order."""
    body: list[Chunk] = [(None, verb(c))]
    if c.asks is not Role.SUBJECT:
        body.append((Role.SUBJECT, subject_phrase(c.subject)))
    if c.quality is not None:
        _, accusative, feminine = ADJECTIVES[c.quality]
        body.append((None, f"{feminine if THINGS[c.thing.noun][0] == 'f' else accusative}/ADJ"))
    if c.object is not None and c.asks is not Role.OBJECT:
        body.append((Role.OBJECT, object_phrase(c.object)))
    if c.place is not None and c.asks is not Role.PLACE:
        preposition = {Kind.GO: "إلى", Kind.RETURN: "من"}.get(c.kind, "في")
        body.append((Role.PLACE, f"{preposition}/ADP {PLACES[c.place]}/NOUN"))
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    if c.asks is not None:
        return [(None, question_word(c)), *body, *time]
    return [*time, *body] if c.fronted else [*body, *time]
