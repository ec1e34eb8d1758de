"""Short stories with questions whose answer is a span of the story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stilts_core.sample.draw import Draw, Mix, clause, same_event
from stilts_core.sample.languages import Grammar
from stilts_core.sample.meaning import Clause, Kind, Person, Role, Thing

STORY = Mix(
    kinds=(*(Kind.DO,) * 5, Kind.ACT, Kind.ACT, Kind.GO, Kind.RETURN),
    negated=0.12,
    place=0.8,
    time=0.8,
    definite=0.0,
    general=0.0,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a story; ``sentence`` is the one that answers it, None where none does."""

    meaning: Clause
    sentence: int | None


@dataclass(frozen=True, slots=True)
class Story:
    sentences: tuple[Clause, ...]
    questions: tuple[Question, ...]


def _same_thing(asked: Person | Thing | None, told: Person | Thing | None) -> bool:
    if not isinstance(asked, Thing) or not isinstance(told, Thing):
        return asked == told
    # How many is left aside: not every language tells "the apple" from "apples".
    return asked.noun == told.noun and asked.adjective in (None, told.adjective)


def answers(question: Clause, sentence: Clause) -> bool:
    """Whether the sentence answers the question: it happened, and fits all that the question says."""
    return (
        not sentence.negated
        and question.kind is sentence.kind
        and question.verb == sentence.verb
        and (question.asks is Role.SUBJECT or question.subject == sentence.subject)
        and (question.asks is Role.OBJECT or _same_thing(question.object, sentence.object))
        and (question.asks is Role.PLACE or question.place in (None, sentence.place))
        and (question.asks is Role.TIME or question.time in (None, sentence.time))
    )


def _definite(what: Person | Thing | None) -> Person | Thing | None:
    """A single thing of the story is known by the time somebody asks."""
    return replace(what, definite=True) if isinstance(what, Thing) and what.number == "one" else what


def ask(draw: Draw, sentence: Clause) -> Clause:
    """A question about an affirmed sentence."""
    roles = [Role.SUBJECT]
    roles += [Role.OBJECT] * (2 * isinstance(sentence.object, Thing))
    roles += [Role.PLACE] * (2 * (sentence.place is not None))
    roles += [Role.TIME] * (sentence.time is not None)
    role = draw.pick(roles)
    moves = sentence.kind in (Kind.GO, Kind.RETURN)
    return replace(
        sentence,
        asks=role,
        fronted=False,
        object=sentence.object if role is Role.OBJECT else _definite(sentence.object),
        place=sentence.place if role is Role.PLACE or moves or draw.chance(0.5) else None,
        time=sentence.time if role is Role.TIME or draw.chance(0.25) else None,
    )


def _unanswered(draw: Draw, question: Clause, story: list[Clause]) -> Clause:
    """The question with a part of another sentence or of none, so that it may have no answer."""
    other = draw.pick(story)
    if question.asks is Role.SUBJECT or draw.chance(0.5):
        if question.kind is Kind.DO and question.asks is not Role.OBJECT:
            fresh = clause(draw, replace(STORY, kinds=(Kind.DO,), negated=0.0))
            source = other if other.kind is Kind.DO and draw.chance(0.5) else fresh
            return replace(question, verb=source.verb, object=_definite(source.object))
        return replace(question, time=other.time) if question.asks is not Role.TIME else question
    return replace(question, subject=other.subject)


def story(draw: Draw, taken: set[Clause], length: tuple[int, int], count: int, impossible: float) -> Story | None:
    """A story of ``length`` sentences and ``count`` questions, or None where this draw has not so many."""
    sentences: list[Clause] = []
    wanted = length[0] + draw.below(length[1] - length[0] + 1)
    while len(sentences) < wanted:
        sentence = clause(draw, STORY)
        known = [s.subject for s in sentences]
        if same_event(sentence) not in taken and (sentence.subject not in known or draw.chance(0.15)):
            sentences.append(sentence)
    questions: list[Question] = []
    told = [index for index, sentence in enumerate(sentences) if not sentence.negated]
    for _ in range(8 * count):
        if len(questions) == count or not told:
            break
        index = draw.pick(told)
        question = ask(draw, sentences[index])
        none = draw.chance(impossible)
        if none:
            question = _unanswered(draw, question, sentences)
            if isinstance(question.object, Person) and question.object.noun == question.person.noun:
                continue
        found = [i for i, sentence in enumerate(sentences) if answers(question, sentence)]
        asked = [(q.meaning.asks, q.sentence) for q in questions]
        told_once = none or (question.asks, index) not in asked
        if found == ([] if none else [index]) and told_once:
            questions.append(Question(question, None if none else index))
    if len(questions) < count:
        return None
    taken.update(same_event(sentence) for sentence in sentences)
    taken.update(same_event(question.meaning) for question in questions)
    return Story(tuple(sentences), tuple(questions))


def stories(
    draw: Draw, taken: set[Clause], questions: int, length: tuple[int, int], impossible: float = 0.0
) -> list[Story]:
    """Stories of ``length`` sentences, at least to at most, with ``questions`` questions in all, three to a story.

    Args:
        taken: meanings of the other files; those used here are added.
        impossible: share of the questions that no sentence answers.
    """
    result: list[Story] = []
    while sum(len(s.questions) for s in result) < questions:
        told = story(draw, taken, length, 3, impossible)
        if told is not None:
            result.append(told)
    return result


def squad(grammar: Grammar, told: list[Story], name: Callable[[int, int], str], version: str) -> dict[str, object]:
    """The stories as a SQuAD document (v1.1, or with ``is_impossible`` for version ``v2.0``).

    Args:
        name: the id of a question, by the numbers of its story and its own.
    """
    paragraphs = []
    for number, each in enumerate(told):
        context, starts = "", []
        sentences = [grammar.realise(meaning) for meaning in each.sentences]
        for sentence in sentences:
            context += " " if context and grammar.style.spaces else ""
            starts.append(len(context))
            context += sentence.text
        entries = []
        for index, question in enumerate(each.questions):
            spans = []
            if question.sentence is not None and question.meaning.asks is not None:
                sentence = sentences[question.sentence]
                begin, end = sentence.spans[question.meaning.asks]
                spans = [{"text": sentence.text[begin:end], "answer_start": starts[question.sentence] + begin}]
            entry = {"id": name(number, index), "question": grammar.realise(question.meaning).text, "answers": spans}
            entries.append(entry | {"is_impossible": not spans} if version == "v2.0" else entry)
        paragraphs.append({"title": f"Story {number + 1}", "paragraphs": [{"context": context, "qas": entries}]})
    return {"version": version, "data": paragraphs}
