"""Files from which a dual encoder can learn something that no encoder knows: which name belongs to which topic.

A question, or a mention, says the topic; what it looks for says the name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOPICS = list("αβγδεζηθικλμνξοπρστυφχψω")
NAMES = list("абвгдежзиклмнопрстуфхцчш")
"""Letters, so that any tokenizer makes one piece of each."""

COUNT = len(TOPICS)
QUESTIONS = ("where is", "what about")
AROUND = (("where is", "what"), ("a", "of it"))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def paragraph(topics: list[int], question: str, *, breaks: bool) -> dict[str, Any]:
    """Sentences on some topics, each of which answers a question."""
    context, spans, asked = "", [], []
    for number in topics:
        sentence = f"It was {NAMES[number]}."
        start = len(context) + bool(context)
        context += f"{' ' if context else ''}{sentence}"
        spans.append([start, start + len(sentence)])
        answers = [{"text": NAMES[number], "answer_start": start + len("It was ")}]
        asked.append({"id": f"q{number}", "question": f"{question} {TOPICS[number]} ?", "answers": answers})
    return {"context": context, "qas": asked, **({"sentence_breaks": spans} if breaks else {})}


def squad(*paragraphs: dict[str, Any]) -> str:
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": list(paragraphs)}]})


def write_lareqa(root: Path) -> None:
    """SQuAD and XQuAD-R: in the test other sentences stand together than in training."""
    learnt = []
    for apart in (0, 1, 5, 7):  # sentences alone, then two by two
        for number in range(COUNT):
            topics = [number, (number + apart) % COUNT] if apart else [number]
            for question in QUESTIONS:
                entry = paragraph(topics, question, breaks=False)
                for asked in entry["qas"]:
                    asked["id"] = f"{len(learnt)}-{asked['id']}"
                learnt.append(entry)
    write(root / "squad/train-v1.1.json", squad(*learnt))
    for language, question in zip(("en", "de"), QUESTIONS, strict=True):
        tested = [paragraph([number, number + COUNT // 2], question, breaks=True) for number in range(COUNT // 2)]
        write(root / f"lareqa/xquad-r/{language}.json", squad(*tested))


def mention(number: int, language: str, around: tuple[str, str], key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An article with one mention of a topic: its context, and the mention."""
    text = f"{around[0]} {TOPICS[number]} {around[1]}."
    start = len(around[0]) + 1
    context = {
        "document_title": "t",
        "document_url": "u",
        "document_id": "d",
        "language": language,
        "text": text,
        "sentence_spans": [{"start": 0, "end": len(text)}],
    }
    span = {"start": start, "end": start + len(TOPICS[number]), "text": TOPICS[number]}
    return context, {"example_id": key, "mention_span": span, "entity_id": f"Q{number}"}


def entity(number: int) -> dict[str, Any]:
    text = f"{NAMES[number]} it is."
    spans = [{"start": 0, "end": len(text)}]
    known = {"description_language": "en", "description_url": "u"}
    return {"entity_id": f"Q{number}", "title": "t", "description": text, "sentence_spans": spans, **known}


def mention_pairs(language: str = "en") -> list[dict[str, Any]]:
    """Two mentions of each entity."""
    rows = []
    for at, around in enumerate(AROUND):
        for number in range(COUNT):
            context, named = mention(number, language, around, f"w{at}-{number}")
            rows.append({"contextual_mention": {"context": context, "mention": named}, "entity": entity(number)})
    return rows


def write_mewslix(root: Path) -> None:
    """Pairs of Wikipedia in English, and mentions in the news of two languages."""
    write(root / "mewslix/wikipedia_pairs-train.jsonl", json_lines(mention_pairs()))
    write(root / "mewslix/candidate_set_entities.jsonl", json_lines([entity(number) for number in range(COUNT)]))
    rows = []
    for language, around in zip(("en", "de"), AROUND, strict=True):
        for number in range(COUNT):
            context, named = mention(number, language, around, f"{language}{number}")
            rows.append({"context": context, "mentions": [named]})
    write(root / "mewslix/wikinews_mentions-test.jsonl", json_lines(rows))
