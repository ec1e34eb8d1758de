"""Examples as they stand in the files, before tokenisation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PairRecord:
    """Two texts and how they relate, or one and what it is; no label in a test file whose labels are withheld."""

    id: str
    text_a: str
    text_b: str | None
    label: str | None

    @property
    def has_gold(self) -> bool:
        return self.label is not None


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A question on a context.

    Attributes:
        answers: (text, position of its first character in the context); none where
            the question is impossible, or the file withholds them.
        impossible: the context does not answer the question.
    """

    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]
    impossible: bool = False

    @property
    def has_gold(self) -> bool:
        return self.impossible or bool(self.answers)


@dataclass(frozen=True, slots=True)
class ChoiceRecord:
    """A context and its possible continuations; ``label`` is the index of the right one."""

    id: str
    context: str
    choices: tuple[str, ...]
    label: int | None

    @property
    def has_gold(self) -> bool:
        return self.label is not None


@dataclass(frozen=True, slots=True)
class TagRecord:
    """A sentence as words, and a tag for each."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None

    @property
    def has_gold(self) -> bool:
        return self.tags is not None


@dataclass(frozen=True, slots=True)
class SentencePairRecord:
    """A sentence and its English translation."""

    id: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A text that looks for others, or one that is looked for.

    Attributes:
        text: what is encoded.
        context: what the text stands in, encoded after it.
        candidate: it is looked for: an English sentence, an answer, an entity.
        keys: a text and a candidate that share one belong together; None where the file withholds it.
        raw: the text as the file has it, where scoring needs it.
    """

    id: str
    text: str
    candidate: bool
    keys: tuple[str, ...] | None
    context: str | None = None
    raw: str | None = None

    @property
    def has_gold(self) -> bool:
        return self.keys is not None


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A plain text.

    Attributes:
        group: the same in the files of several languages, or on both sides of a parallel file, for translations of
            each other; None for a text without any.
    """

    text: str
    group: str | None = None


Record = PairRecord | SpanRecord | ChoiceRecord | TagRecord | SentencePairRecord | SearchRecord | TextRecord
