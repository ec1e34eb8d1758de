"""Russian: cases, gender in the past tense, animate accusatives, numerals that govern the genitive."""

from __future__ import annotations

from stilts_core.sample.meaning import ANIMATE, FEMALE, NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography()

NAMES = {  # nominative, accusative
    "anna": ("Анна", "Анну"),
    "maria": ("Мария", "Марию"),
    "sara": ("Сара", "Сару"),
    "laura": ("Лаура", "Лауру"),
    "david": ("Дэвид", "Дэвида"),
    "daniel": ("Даниэль", "Даниэля"),
    "robert": ("Роберт", "Роберта"),
    "martin": ("Мартин", "Мартина"),
}
PERSONS = {  # nominative, accusative, plural nominative, plural accusative
    "girl": ("девочка", "девочку", "девочки", "девочек"),
    "boy": ("мальчик", "мальчика", "мальчики", "мальчиков"),
    "woman": ("женщина", "женщину", "женщины", "женщин"),
    "man": ("мужчина", "мужчину", "мужчины", "мужчин"),
    "teacher": ("учительница", "учительницу", "учительницы", "учительниц"),
    "doctor": ("врач", "врача", "врачи", "врачей"),
    "farmer": ("фермер", "фермера", "фермеры", "фермеров"),
    "student": ("ученик", "ученика", "ученики", "учеников"),
}
THINGS = {  # gender, nominative, accusative, genitive singular, nominative plural, genitive plural
    "cat": ("f", "кошка", "кошку", "кошки", "кошки", "кошек"),
    "dog": ("f", "собака", "собаку", "собаки", "собаки", "собак"),
    "horse": ("f", "лошадь", "лошадь", "лошади", "лошади", "лошадей"),
    "bird": ("f", "птица", "птицу", "птицы", "птицы", "птиц"),
    "apple": ("n", "яблоко", "яблоко", "яблока", "яблоки", "яблок"),
    "banana": ("m", "банан", "банан", "банана", "бананы", "бананов"),
    "orange": ("m", "апельсин", "апельсин", "апельсина", "апельсины", "апельсинов"),
    "egg": ("n", "яйцо", "яйцо", "яйца", "яйца", "яиц"),
    "book": ("f", "книга", "книгу", "книги", "книги", "книг"),
    "letter": ("n", "письмо", "письмо", "письма", "письма", "писем"),
    "newspaper": ("f", "газета", "газету", "газеты", "газеты", "газет"),
    "cup": ("f", "чашка", "чашку", "чашки", "чашки", "чашек"),
    "car": ("f", "машина", "машину", "машины", "машины", "машин"),
    "shirt": ("f", "рубашка", "рубашку", "рубашки", "рубашки", "рубашек"),
    "bag": ("f", "сумка", "сумку", "сумки", "сумки", "сумок"),
    "key": ("m", "ключ", "ключ", "ключа", "ключи", "ключей"),
    "phone": ("m", "телефон", "телефон", "телефона", "телефоны", "телефонов"),
    "door": ("f", "дверь", "дверь", "двери", "двери", "дверей"),
    "window": ("n", "окно", "окно", "окна", "окна", "окон"),
    "box": ("f", "коробка", "коробку", "коробки", "коробки", "коробок"),
    "animal": ("n", "животное", "животное", "животного", "животные", "животных"),
    "fruit": ("m", "фрукт", "фрукт", "фрукта", "фрукты", "фруктов"),
}
ADJECTIVES = {  # accusative: masculine inanimate, feminine, neuter; nominative and genitive plural; instrumental m/n, f
    "red": ("красный", "красную", "красное", "красные", "красных", "красным", "красной"),
    "black": ("чёрный", "чёрную", "чёрное", "чёрные", "чёрных", "чёрным", "чёрной"),
    "white": ("белый", "белую", "белое", "белые", "белых", "белым", "белой"),
    "big": ("большой", "большую", "большое", "большие", "больших", "большим", "большой"),
    "small": ("маленький", "маленькую", "маленькое", "маленькие", "маленьких", "маленьким", "маленькой"),
    "new": ("новый", "новую", "новое", "новые", "новых", "новым", "новой"),
}
COUNTED = {  # before inanimate and before animate nouns in the accusative
    "three": ("три", "трёх"),
    "four": ("четыре", "четырёх"),
    "five": ("пять", "пять"),
    "ten": ("десять", "десять"),
}
VERBS = {  # past: masculine, feminine, plural; one event, seen as a whole
    "see": ("увидел", "увидела", "увидели"),
    "buy": ("купил", "купила", "купили"),
    "sell": ("продал", "продала", "продали"),
    "eat": ("съел", "съела", "съели"),
    "read": ("прочитал", "прочитала", "прочитали"),
    "write": ("написал", "написала", "написали"),
    "wash": ("помыл", "помыла", "помыли"),
    "open": ("открыл", "открыла", "открыли"),
    "close": ("закрыл", "закрыла", "закрыли"),
    "lose": ("потерял", "потеряла", "потеряли"),
    "sleep": ("спал", "спала", "спали"),
    "work": ("работал", "работала", "работали"),
    "sing": ("пел", "пела", "пели"),
    "dance": ("танцевал", "танцевала", "танцевали"),
    "go": ("ходил", "ходила", "ходили"),  # there and back
    "return": ("вернулся", "вернулась", "вернулись"),
    "at": ("был", "была", "были"),
}
NEGATED_SEE = ("видел", "видела", "видели")  # a perfective `see` is not negated
BE = {"m": "был", "f": "была", "n": "было"}
PLACES = {  # where, whereto, wherefrom
    "garden": ("в/ADP саду/NOUN", "в/ADP сад/NOUN", "из/ADP сада/NOUN"),
    "school": ("в/ADP школе/NOUN", "в/ADP школу/NOUN", "из/ADP школы/NOUN"),
    "market": ("на/ADP рынке/NOUN", "на/ADP рынок/NOUN", "с/ADP рынка/NOUN"),
    "kitchen": ("на/ADP кухне/NOUN", "на/ADP кухню/NOUN", "с/ADP кухни/NOUN"),
    "city": ("в/ADP городе/NOUN", "в/ADP город/NOUN", "из/ADP города/NOUN"),
    "shop": ("в/ADP магазине/NOUN", "в/ADP магазин/NOUN", "из/ADP магазина/NOUN"),
    "library": ("в/ADP библиотеке/NOUN", "в/ADP библиотеку/NOUN", "из/ADP библиотеки/NOUN"),
    "forest": ("в/ADP лесу/NOUN", "в/ADP лес/NOUN", "из/ADP леса/NOUN"),
    "village": ("в/ADP деревне/NOUN", "в/ADP деревню/NOUN", "из/ADP деревни/NOUN"),
    "station": ("на/ADP вокзале/NOUN", "на/ADP вокзал/NOUN", "с/ADP вокзала/NOUN"),
}
TIMES = {
    "yesterday": "вчера/ADV",
    "morning": "утром/ADV",
    "afternoon": "днём/ADV",
    "evening": "вечером/ADV",
    "monday": "в/ADP понедельник/NOUN",
    "friday": "в/ADP пятницу/NOUN",
    "saturday": "в/ADP субботу/NOUN",
    "last-week": "на/ADP прошлой/ADJ неделе/NOUN",
}


def nominative(what: Person | Thing) -> str:
    if isinstance(what, Thing):
        return f"{THINGS[what.noun][1]}/NOUN"
    if what.noun in NAMES:
        return f"{NAMES[what.noun][0]}/PROPN"
    return f"{PERSONS[what.noun][2 if what.plural else 0]}/NOUN"


def accusative(what: Person | Thing) -> str:
    """An object; animate nouns have the genitive's form in the plural and after three and four."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun][1]}/PROPN"
        return f"{PERSONS[what.noun][3 if what.plural else 1]}/NOUN"
    gender, _, accusative_one, genitive_one, plural, genitive_plural = THINGS[what.noun]
    animate = what.noun in ANIMATE
    if what.number in NUMERALS:
        few = what.number in ("three", "four") and not animate
        return f"{COUNTED[what.number][animate]}/NUM {genitive_one if few else genitive_plural}/NOUN"
    if what.number == "many":
        noun, form = (genitive_plural, 4) if animate else (plural, 3)
    else:
        noun, form = accusative_one, {"m": 0, "f": 1, "n": 2}[gender]
    return (f"{ADJECTIVES[what.adjective][form]}/ADJ " if what.adjective else "") + f"{noun}/NOUN"


def verb(c: Clause) -> str:
    """The past tense, which agrees in gender and number; `who` is masculine."""
    negation = "не/PART " if c.negated else ""
    if c.kind is Kind.BE:
        return f"{negation}{BE[THINGS[c.thing.noun][0]]}/AUX"
    name = c.verb or str(c.kind)
    forms = NEGATED_SEE if c.negated and name == "see" else VERBS[name]
    form = 2 if c.person.plural else int(c.person.noun in FEMALE)
    upos = "AUX" if c.kind is Kind.AT else "VERB"
    return f"{negation}{forms[0 if c.asks is Role.SUBJECT else form]}/{upos}"


def question_word(c: Clause) -> str:
    if c.asks is Role.PLACE:
        return {Kind.GO: "куда/ADV", Kind.RETURN: "откуда/ADV"}.get(c.kind, "где/ADV")
    if c.asks is Role.OBJECT:
        return "кого/PRON" if isinstance(c.object, Person) or (c.object and c.object.noun in ANIMATE) else "что/PRON"
    return "кто/PRON" if c.asks is Role.SUBJECT else "когда/ADV"


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order."""
    predicate: Chunk = (None, verb(c))
    subject = [(Role.SUBJECT, nominative(c.subject))] if c.asks is not Role.SUBJECT else []
    time = [(Role.TIME, TIMES[c.time])] if c.time is not None and c.asks is not Role.TIME else []
    rest: list[Chunk] = []
    if c.quality is not None:
        rest.append((None, f"{ADJECTIVES[c.quality][6 if THINGS[c.thing.noun][0] == 'f' else 5]}/ADJ"))
    if c.object is not None and c.asks is not Role.OBJECT:
        rest.append((Role.OBJECT, accusative(c.object)))
    if c.place is not None and c.asks is not Role.PLACE:
        direction = {Kind.GO: 1, Kind.RETURN: 2}.get(c.kind, 0)
        rest.append((Role.PLACE, PLACES[c.place][direction]))
    if c.asks is not None:
        return [(None, question_word(c)), *subject, *time, predicate, *rest]
    opening = [*time, *subject] if c.fronted else [*subject, *time]
    return [*opening, predicate, *rest]
