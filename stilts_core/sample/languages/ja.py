"""Japanese: no blanks, the verb last, particles, counters, polite past forms."""

from __future__ import annotations

from stilts_core.sample.meaning import NUMERALS, Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography(spaces=False, stop="。", mark="。")  # a polite question ends in か and a full stop

NAMES = {
    "anna": "アンナ",
    "maria": "マリア",
    "sara": "サラ",
    "laura": "ラウラ",
    "david": "デイビッド",
    "daniel": "ダニエル",
    "robert": "ロバート",
    "martin": "マーティン",
}
PERSONS = {
    "girl": "少女",
    "boy": "少年",
    "woman": "女性",
    "man": "男性",
    "teacher": "先生",
    "doctor": "医者",
    "farmer": "農夫",
    "student": "学生",
}
THINGS = {  # noun, counter
    "cat": ("猫", "匹"),
    "dog": ("犬", "匹"),
    "horse": ("馬", "頭"),
    "bird": ("鳥", "羽"),
    "apple": ("りんご", "個"),
    "banana": ("バナナ", "本"),
    "orange": ("オレンジ", "個"),
    "egg": ("卵", "個"),
    "book": ("本", "冊"),
    "letter": ("手紙", "通"),
    "newspaper": ("新聞", "部"),
    "cup": ("カップ", "個"),
    "car": ("車", "台"),
    "shirt": ("シャツ", "枚"),
    "bag": ("かばん", "個"),
    "key": ("鍵", "本"),
    "phone": ("電話", "台"),
    "door": ("ドア", "枚"),
    "window": ("窓", "枚"),
    "box": ("箱", "個"),
    "animal": ("動物", "匹"),
    "fruit": ("果物", "個"),
}
ADJECTIVES = {"red": "赤", "black": "黒", "white": "白", "big": "大き", "small": "小さ", "new": "新し"}  # without -い
COUNTED = {"three": "三", "four": "四", "five": "五", "ten": "十"}
VERBS = {  # the stem before -ます
    "see": "見",
    "buy": "買い",
    "sell": "売り",
    "eat": "食べ",
    "read": "読み",
    "write": "書き",
    "wash": "洗い",
    "open": "開け",
    "close": "閉め",
    "lose": "なくし",
    "sleep": "寝",
    "work": "働き",
    "sing": "歌い",
    "dance": "踊り",
    "go": "行き",
    "return": "戻り",
    "at": "い",
}
DONE = ("まし/AUX た/AUX", "ませ/AUX ん/AUX でし/AUX た/AUX")
PLACES = {
    "garden": "庭",
    "school": "学校",
    "market": "市場",
    "kitchen": "台所",
    "city": "町",
    "shop": "店",
    "library": "図書館",
    "forest": "森",
    "village": "村",
    "station": "駅",
}
PARTICLES = {Kind.GO: "へ", Kind.RETURN: "から", Kind.AT: "に"}
TIMES = {
    "yesterday": "昨日/NOUN",
    "morning": "朝/NOUN",
    "afternoon": "午後/NOUN に/ADP",
    "evening": "夕方/NOUN に/ADP",
    "monday": "月曜日/NOUN に/ADP",
    "friday": "金曜日/NOUN に/ADP",
    "saturday": "土曜日/NOUN に/ADP",
    "last-week": "先週/NOUN",
}


def noun_phrase(what: Person | Thing) -> str:
    """Nouns have neither article nor number; a counted one has a counter before it."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        return f"{PERSONS[what.noun]}/NOUN" + (" たち/NOUN" if what.plural else "")
    noun, counter = THINGS[what.noun]
    if what.number in NUMERALS:
        return f"{COUNTED[what.number]}/NUM {counter}/NOUN の/ADP {noun}/NOUN"
    return (f"{ADJECTIVES[what.adjective]}い/ADJ " if what.adjective else "") + f"{noun}/NOUN"


def predicate(c: Clause) -> str:
    if c.quality is not None:
        stem = ADJECTIVES[c.quality]
        return f"{stem}く/ADJ なかっ/AUX た/AUX です/AUX" if c.negated else f"{stem}かっ/ADJ た/AUX です/AUX"
    return f"{VERBS[c.verb or str(c.kind)]}/VERB {DONE[c.negated]}"


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order; a question word stays in its place."""
    subject: list[Chunk] = [(Role.SUBJECT, noun_phrase(c.subject)), (None, "は/ADP")]
    if c.asks is Role.SUBJECT:
        subject = [(None, "誰/PRON が/ADP")]
    time: list[Chunk] = [(Role.TIME, TIMES[c.time])] if c.time is not None else []
    if c.asks is Role.TIME:
        time = [(None, "いつ/PRON")]
    place: list[Chunk] = []
    if c.place is not None:
        particle = PARTICLES.get(c.kind, "で")
        asked = c.asks is Role.PLACE
        place = [
            (None, f"どこ/PRON {particle}/ADP") if asked else (Role.PLACE, f"{PLACES[c.place]}/NOUN {particle}/ADP")
        ]
    patient: list[Chunk] = []
    if c.object is not None:
        asked_object: Chunk = (None, "何/PRON")
        patient = [asked_object if c.asks is Role.OBJECT else (Role.OBJECT, noun_phrase(c.object)), (None, "を/ADP")]
    end: list[Chunk] = [(None, "か/PART")] if c.asks is not None else []
    opening = [*time, *subject] if c.fronted and c.asks is None else [*subject, *time]
    return [*opening, *place, *patient, (None, predicate(c)), *end]
