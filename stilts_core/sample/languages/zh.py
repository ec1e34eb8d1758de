"""Chinese (simplified): no blanks, measure words, the aspect particle of completed events, place before the verb."""

from __future__ import annotations

from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing
from stilts_core.sample.tokens import Chunk, Orthography

STYLE = Orthography(spaces=False, stop="。", mark="？")

NAMES = {
    "anna": "安娜",
    "maria": "玛丽亚",
    "sara": "萨拉",
    "laura": "劳拉",
    "david": "大卫",
    "daniel": "丹尼尔",
    "robert": "罗伯特",
    "martin": "马丁",
}
PERSONS = {
    "girl": "女孩",
    "boy": "男孩",
    "woman": "女人",
    "man": "男人",
    "teacher": "老师",
    "doctor": "医生",
    "farmer": "农民",
    "student": "学生",
}
THINGS = {  # noun, measure word
    "cat": ("猫", "只"),
    "dog": ("狗", "只"),
    "horse": ("马", "匹"),
    "bird": ("鸟", "只"),
    "apple": ("苹果", "个"),
    "banana": ("香蕉", "根"),
    "orange": ("橙子", "个"),
    "egg": ("鸡蛋", "个"),
    "book": ("书", "本"),
    "letter": ("信", "封"),
    "newspaper": ("报纸", "份"),
    "cup": ("杯子", "个"),
    "car": ("汽车", "辆"),
    "shirt": ("衬衫", "件"),
    "bag": ("包", "个"),
    "key": ("钥匙", "把"),
    "phone": ("手机", "部"),
    "door": ("门", "扇"),
    "window": ("窗户", "扇"),
    "box": ("箱子", "个"),
    "animal": ("动物", "只"),
    "fruit": ("水果", "个"),
}
ADJECTIVES = {"red": "红", "black": "黑", "white": "白", "big": "大", "small": "小", "new": "新"}
QUALITIES = {  # the predicate, affirmed and negated
    "red": ("是/AUX 红色/NOUN 的/PART", "不/ADV 是/AUX 红色/NOUN 的/PART"),
    "black": ("是/AUX 黑色/NOUN 的/PART", "不/ADV 是/AUX 黑色/NOUN 的/PART"),
    "white": ("是/AUX 白色/NOUN 的/PART", "不/ADV 是/AUX 白色/NOUN 的/PART"),
    "big": ("很/ADV 大/ADJ", "不/ADV 大/ADJ"),
    "small": ("很/ADV 小/ADJ", "不/ADV 小/ADJ"),
    "new": ("是/AUX 新/ADJ 的/PART", "不/ADV 是/AUX 新/ADJ 的/PART"),
}
NUMERALS = {"three": "三", "four": "四", "five": "五", "ten": "十"}
VERBS = {
    "see": "看见",
    "buy": "买",
    "sell": "卖",
    "eat": "吃",
    "read": "读",
    "write": "写",
    "wash": "洗",
    "open": "打开",
    "close": "关上",
    "lose": "弄丢",
}
ACTS = {  # affirmed, without the particle
    "sleep": "睡觉/VERB",
    "work": "工作/VERB",
    "sing": "唱歌/VERB",
    "dance": "跳舞/VERB",
}
PLACES = {  # after 在 and 从; as a goal
    "garden": ("花园/NOUN 里/ADP", "花园/NOUN"),
    "school": ("学校/NOUN", "学校/NOUN"),
    "market": ("市场/NOUN", "市场/NOUN"),
    "kitchen": ("厨房/NOUN 里/ADP", "厨房/NOUN"),
    "city": ("城/NOUN 里/ADP", "城/NOUN 里/ADP"),
    "shop": ("商店/NOUN 里/ADP", "商店/NOUN"),
    "library": ("图书馆/NOUN", "图书馆/NOUN"),
    "forest": ("森林/NOUN 里/ADP", "森林/NOUN"),
    "village": ("村子/NOUN 里/ADP", "村子/NOUN 里/ADP"),
    "station": ("车站/NOUN", "车站/NOUN"),
}
TIMES = {
    "yesterday": "昨天/NOUN",
    "morning": "早上/NOUN",
    "afternoon": "下午/NOUN",
    "evening": "晚上/NOUN",
    "monday": "星期一/NOUN",
    "friday": "星期五/NOUN",
    "saturday": "星期六/NOUN",
    "last-week": "上周/NOUN",
}


def noun_phrase(what: Person | Thing, negated: bool) -> str:
    """A name, a person, or a thing: indefinite ones are counted by a measure word, and bare under negation."""
    if isinstance(what, Person):
        if what.noun in NAMES:
            return f"{NAMES[what.noun]}/PROPN"
        return f"{PERSONS[what.noun]}/NOUN" + (" 们/PART" if what.plural else "")
    noun, measure = THINGS[what.noun]
    core = (f"{ADJECTIVES[what.adjective]}/ADJ " if what.adjective else "") + f"{noun}/NOUN"
    if what.definite:
        return f"那/DET {measure}/NOUN {core}"
    if what.number == "many" or (what.number == "one" and negated):
        return core
    return f"{'一' if what.number == 'one' else NUMERALS[what.number]}/NUM {measure}/NOUN {core}"


def predicate(c: Clause) -> list[Chunk]:
    """Everything after subject and time."""
    asks_place = c.asks is Role.PLACE
    where, goal = PLACES[c.place] if c.place else ("", "")
    if c.kind is Kind.BE:
        return [(None, QUALITIES[c.quality or ""][c.negated])]
    negation: list[Chunk] = [(None, "没有/ADV")] if c.negated else []
    done: list[Chunk] = [] if c.negated else [(None, "了/AUX")]
    if c.kind is Kind.GO:
        to: Chunk = (None, "哪里/PRON") if asks_place else (Role.PLACE, goal)
        return [*negation, (None, "去/VERB"), *done, to]
    if c.kind is Kind.AT:
        verb: Chunk = (None, "不/ADV 在/VERB" if c.negated else "在/VERB")
        return [verb, (None, "哪里/PRON") if asks_place else (Role.PLACE, where)]
    preposition = "从/ADP" if c.kind is Kind.RETURN else "在/ADP"
    place: list[Chunk] = []
    if asks_place:
        place = [(None, f"{preposition} 哪里/PRON")]
    elif where:
        place = [(Role.PLACE, f"{preposition} {where}")]
    if c.kind is Kind.RETURN:
        return [*negation, *place, (None, "回来/VERB"), *done]
    if c.object is None:
        return [*negation, *place, (None, ACTS[c.verb]), *done]
    patient: Chunk = (Role.OBJECT, noun_phrase(c.object, c.negated))
    if c.asks is Role.OBJECT:
        patient = (None, "什么/PRON")
    return [*negation, *place, (None, f"{VERBS[c.verb]}/VERB"), *done, patient]


def clause(c: Clause) -> list[Chunk]:
    """The chunks of a sentence in order: subject, time, place, verb, object; a question word stays in its place."""
    subject: Chunk = (Role.SUBJECT, noun_phrase(c.subject, negated=False))
    if c.asks is Role.SUBJECT:
        subject = (None, "谁/PRON")
    time: list[Chunk] = [(Role.TIME, TIMES[c.time])] if c.time is not None else []
    if c.asks is Role.TIME:
        time = [(None, "什么/DET 时候/NOUN")]
    opening = [*time, subject] if c.fronted and c.asks is None else [subject, *time]
    return [*opening, *predicate(c)]
