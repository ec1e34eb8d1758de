"""Texts that look for others: sentences to mine (BUCC), questions (LAReQA), mentions of entities (Mewsli-X).

What dual encoders learn from is read to the same records: each text that looks for others shares a key with what it
looks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_core.data.readers.lines import (
    FETCH_AGAIN,
    read_json_lines,
    read_lines,
    read_text,
    text_field,
    whole_number,
)
from stilts_core.data.readers.sentence_breaks import sentence_breaks
from stilts_core.data.readers.spans import read_squad
from stilts_core.data.records import SearchRecord
from stilts_core.errors import DataError, SpecError

Span = tuple[int, int]


def read_bucc(path: Path, pair: Path | None, gold: Path | None) -> list[SearchRecord]:
    """Two files of lines ``id TAB sentence`` and one of the right pairs, ``id TAB id``.

    Raises:
        DataError: a line has another shape, an id stands twice, or a right pair names a sentence that is not there.
    """
    if pair is None:
        raise SpecError(f"{path} is one side of the sentences.", hint="Name the English side as `pair` of its source.")
    foreign, english = (_numbered(file) for file in (path, pair))
    right: dict[str, list[str]] | None = None
    if gold is not None:
        right = {}
        for number, line in enumerate(read_lines(gold), start=1):
            ids = line.strip().split("\t")
            if len(ids) != 2 or ids[0] not in foreign or ids[1] not in english:
                raise DataError(
                    f"{gold}:{number}: a sentence of {path.name}, a tab and one of {pair.name} are expected.",
                    hint=FETCH_AGAIN,
                )
            right.setdefault(ids[0], []).append(ids[1])
    return [
        SearchRecord(
            id=id_,
            text=text.strip(),
            candidate=candidate,
            keys=None if right is None else (id_,) if candidate else tuple(right.get(id_, ())),
            raw=text,
        )
        for candidate, side in ((False, foreign), (True, english))
        for id_, text in side.items()
    ]


def _numbered(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        id_, tab, text = line.partition("\t")
        if not tab or not id_.strip():
            raise DataError(f"{path}:{number}: an id, a tab and a sentence are expected.", hint=FETCH_AGAIN)
        if id_ in found:
            raise DataError(f"{path}:{number}: the id {id_} stands here for the second time.", hint=FETCH_AGAIN)
        found[id_] = text
    return found


def read_lareqa(path: Path, language: str) -> list[SearchRecord]:
    """SQuAD's JSON with the breaks between sentences: the questions, then every sentence of their paragraphs.

    A question's answers are the sentences of its paragraph that equal the one in which its answer begins; a question
    whose answer begins in none is left out, as the official program does.

    Raises:
        DataError: the JSON is of another shape.
    """
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: no valid JSON ({error}).", hint=FETCH_AGAIN) from error
    questions: list[SearchRecord] = []
    sentences: list[SearchRecord] = []
    number = 0
    for article in _list(document, "data", str(path)):
        for paragraph in _list(article, "paragraphs", str(path)):
            number += 1
            where = f"{path}: paragraph {number}"
            context = text_field(paragraph, "context", where)
            breaks = [_span(entry, len(context), where) for entry in _list(paragraph, "sentence_breaks", where)]
            asked = [
                (question, _answer_sentence(question, context, breaks, where)) for question in _questions(paragraph)
            ]
            asked = [(question, sentence) for question, sentence in asked if sentence]
            if not asked:
                continue
            questions += [
                SearchRecord(
                    id=str(question["id"]),
                    text=text_field(question, "question", where),
                    candidate=False,
                    keys=(str(question["id"]),),
                )
                for question, _ in asked
            ]
            sentences += [
                SearchRecord(
                    id=f"{language}_{number}_{place}",
                    text=context[start:end],
                    candidate=True,
                    keys=tuple(str(question["id"]) for question, right in asked if right == context[start:end]),
                    context=context,
                )
                for place, (start, end) in enumerate(breaks)
            ]
    if len({question.id for question in questions}) < len(questions):
        raise DataError(f"{path}: a question's id stands twice.", hint=FETCH_AGAIN)
    return questions + sentences


def _questions(paragraph: Any) -> list[Any]:
    return _list(paragraph, "qas", "a paragraph")


def _answer_sentence(question: Any, context: str, breaks: Sequence[Span], where: str) -> str | None:
    if not isinstance(question, dict) or "id" not in question:
        raise DataError(f"{where}: a question without `id`.", hint=FETCH_AGAIN)
    here = f"{where}: question {question['id']}"
    answers = _list(question, "answers", here)
    if not answers or not isinstance(answers[0], dict):
        raise DataError(f"{here}: an answer is expected.", hint=FETCH_AGAIN)
    begin = whole_number(answers[0].get("answer_start"), f"{here}: `answer_start`")
    return next((context[start:end] for start, end in breaks if start <= begin < end), None)


def read_squad_sentences(path: Path) -> list[SearchRecord]:
    """SQuAD in English as LAReQA's training set: the questions, then the sentences in which their answers begin.

    Of several answers the first counts, as with XTREME-R. A question whose answer begins in no sentence is left out, as
    is one without an answer. Each sentence of a paragraph stands once.

    Raises:
        DataError: as `spans.read_squad`.
    """
    questions: list[SearchRecord] = []
    sentences: dict[tuple[str, str], list[str]] = {}
    breaks: dict[str, list[Span]] = {}
    for record in read_squad(path):
        if record.impossible:
            continue
        if not record.answers:
            questions.append(SearchRecord(record.id, record.question, candidate=False, keys=None))
            continue
        begin = record.answers[0][1]
        if record.context not in breaks:
            breaks[record.context] = sentence_breaks(record.context)
        sentence = next((record.context[s:e] for s, e in breaks[record.context] if s <= begin < e), None)
        if sentence is not None:
            questions.append(SearchRecord(record.id, record.question, candidate=False, keys=(record.id,)))
            sentences.setdefault((record.context, sentence), []).append(record.id)
    return questions + [
        SearchRecord(id=f"sentence {number}", text=sentence, candidate=True, keys=tuple(asked), context=context)
        for number, ((context, sentence), asked) in enumerate(sentences.items())
    ]


def read_mentions(path: Path, language: str) -> list[SearchRecord]:
    """The mentions of Mewsli-X in a language, each in its sentence, marked and named before it.

    Raises:
        DataError: a line has another shape, the articles' text is missing, or a mention does not stand where it should.
    """
    records: list[SearchRecord] = []
    for where, row in read_json_lines(path):
        context = row.get("context")
        if not isinstance(context, dict):
            raise DataError(f"{where}: an object `context` is expected.", hint=FETCH_AGAIN)
        if context.get("language") != language:
            continue
        text = text_field(context, "text", where)
        if not text:
            raise DataError(
                f"{where}: the article has no text.",
                hint="The archive comes without it: `get-mewsli-x.sh` of the release puts it in.",
            )
        sentences = [_span(entry, len(text), where) for entry in _list(context, "sentence_spans", where)]
        for mention in _list(row, "mentions", where):
            records.append(_mention(mention, text, sentences, where))
    return records


def read_mention_pairs(path: Path, language: str) -> list[SearchRecord]:
    """Mewsli-X's training set, mentions in Wikipedia: those in a language, then the entities that they name, each once.

    Raises:
        DataError: a line has another shape, a mention does not stand where it should or names another entity than its
            line, or an entity has two descriptions.
    """
    mentions: list[SearchRecord] = []
    entities: dict[str, SearchRecord] = {}
    for where, row in read_json_lines(path):
        pair, entity = row.get("contextual_mention"), row.get("entity")
        context = pair.get("context") if isinstance(pair, dict) else None
        if not isinstance(pair, dict) or not isinstance(context, dict) or not isinstance(entity, dict):
            raise DataError(
                f"{where}: the objects `contextual_mention` (with a `context`) and `entity` are expected.",
                hint=FETCH_AGAIN,
            )
        if context.get("language") != language:
            continue
        text = text_field(context, "text", where)
        sentences = [_span(entry, len(text), where) for entry in _list(context, "sentence_spans", where)]
        mention, named = _mention(pair.get("mention"), text, sentences, where), _entity(entity, where)
        if mention.keys != (named.id,):
            raise DataError(f"{where}: the mention is of another entity than {named.id}.", hint=FETCH_AGAIN)
        if entities.setdefault(named.id, named).text != named.text:
            raise DataError(f"{where}: the entity {named.id} has another description before.", hint=FETCH_AGAIN)
        mentions.append(mention)
    return [*mentions, *entities.values()]


def _mention(mention: Any, text: str, sentences: Sequence[Span], where: str) -> SearchRecord:
    if not isinstance(mention, dict) or not isinstance(mention.get("mention_span"), dict):
        raise DataError(f"{where}: a mention without `mention_span`.", hint=FETCH_AGAIN)
    start, end = _span(mention["mention_span"], len(text), where)
    name = text_field(mention["mention_span"], "text", where)
    around = next(((left, right) for left, right in sentences if left <= start and end <= right), None)
    if text[start:end] != name or around is None:
        raise DataError(
            f"{where}: the mention `{name[:60]}` does not stand in one sentence at characters {start} to {end}.",
            hint=FETCH_AGAIN,
        )
    left, right = (_BRACES.sub(r"(\1)", part) for part in (text[around[0] : start], text[end : around[1]]))
    return SearchRecord(
        id=text_field(mention, "example_id", where),
        text=_on_one_line(f"{name}: {left} {{ {name} }} {right}"),
        candidate=False,
        keys=(text_field(mention, "entity_id", where).strip(),),
    )


_BRACES = re.compile(r"\{(.*?)\}")


def read_entities(path: Path) -> list[SearchRecord]:
    """The entities of Mewsli-X: the first sentences of an article on each, in some language.

    Raises:
        DataError: a line has another shape, or an entity stands twice.
    """
    found: dict[str, SearchRecord] = {}
    for where, row in read_json_lines(path):
        entity = _entity(row, where)
        if entity.id in found:
            raise DataError(f"{where}: the entity {entity.id} stands here for the second time.", hint=FETCH_AGAIN)
        found[entity.id] = entity
    if not found:
        raise DataError(f"{path} holds no entity.", hint=FETCH_AGAIN)
    return list(found.values())


def _entity(row: dict[str, Any], where: str) -> SearchRecord:
    name = text_field(row, "entity_id", where)
    text = text_field(row, "description", where)
    spans = [_span(entry, len(text), where) for entry in _list(row, "sentence_spans", where)]
    sentences = " ".join(text[start:end] for start, end in spans)
    return SearchRecord(id=name, text=_on_one_line(sentences), candidate=True, keys=(name,))


def _on_one_line(text: str) -> str:
    """Line breaks and pairs of blanks as one blank, as the official preprocessing does it: once, from left to right."""
    return " ".join(text.splitlines()).replace("  ", " ").strip()


def _span(entry: Any, length: int, where: str) -> Span:
    """``[start, end]`` or ``{"start": …, "end": …}`` within a text."""
    values: Sequence[Any] = ()
    if isinstance(entry, Mapping):
        values = entry.get("start"), entry.get("end")
    elif isinstance(entry, list):
        values = entry
    if len(values) != 2:
        raise DataError(f"{where}: a span of two numbers is expected.", hint=FETCH_AGAIN)
    start, end = (whole_number(value, f"{where}: a span") for value in values)
    if not 0 <= start <= end <= length:
        raise DataError(f"{where}: the span {start} to {end} does not lie in its text.", hint=FETCH_AGAIN)
    return start, end


def _list(row: Any, key: str, where: str) -> list[Any]:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, list):
        raise DataError(f"{where}: a list `{key}` is expected.", hint=FETCH_AGAIN)
    return value
