"""Entity F1 of tag sequences as seqeval computes it, in its two behaviours, and token accuracy.

XTREME's own numbers come from seqeval 0.0.12, which is the default here; 1.2.2 is what a fresh installation gives.
They differ in how a tag splits into prefix and type, which decides what ``X``, ``SCONJ`` and tags with several hyphens
are; everything after that is shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.accuracy import read_lines

Sentences = Sequence[Sequence[str]]
Version = Literal["0.0.12", "1.2.2"]
OUTSIDE = "O"
_NO_TYPE = 0  # what both start with: the empty type


def read_tags(path: Path) -> list[list[str]]:
    """The sentences of a tag file: one tag a line, a blank line closes a sentence.

    A doubled or leading blank line makes an empty sentence; the last sentence needs no blank line.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    sentences: list[list[str]] = []
    sentence: list[str] = []
    for tag in read_lines(path):
        if tag:
            sentence.append(tag)
        else:
            sentences.append(sentence)
            sentence = []
    if sentence:
        sentences.append(sentence)
    return sentences


@dataclass(frozen=True, slots=True)
class ChunkScore:
    """Counts of chunks, and what follows from them in percent; 0 where a denominator is 0."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return _ratio(self.correct, self.predicted) * 100

    @property
    def recall(self) -> float:
        return _ratio(self.correct, self.gold) * 100

    @property
    def f1(self) -> float:
        precision, recall = _ratio(self.correct, self.predicted), _ratio(self.correct, self.gold)
        return _ratio(2 * precision * recall, precision + recall) * 100


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def chunk_score(gold: Sentences, predicted: Sentences, version: Version = "0.0.12") -> ChunkScore:
    """Micro-averaged chunk counts over all sentences.

    Sentences of different lengths are scored with shifted positions by 0.0.12, as the original does.

    Raises:
        DataError: different numbers of sentences; for 1.2.2 also no sentence, or a sentence of another length.
    """
    _check(gold, predicted, version)
    ends = _ChunkEnds(version)
    return _count(*_aligned(ends.find(gold), ends.find(predicted)))


def chunks(sentences: Sentences, version: Version = "0.0.12") -> list[tuple[str, int, int]]:
    """The chunks as (type, first, last), with positions in the joined sentences, each followed by one ``O``."""
    ends = _ChunkEnds(version)
    first, kind = ends.find(sentences)
    names = list(ends.types)
    return [(names[kind[last]], int(first[last]), int(last)) for last in np.flatnonzero(first >= 0)]


def sentence_counts(gold: Sentences, predicted: Sentences) -> Array:
    """What each sentence adds to the totals of the file under 0.0.12.

    Returns:
        (sentences, 5) integers: correct, predicted and gold chunks, equal tokens, tokens. Their sums over all sentences
        are the counts of `chunk_score` and `token_accuracy`.

    Raises:
        DataError: different numbers of sentences, or a sentence of another length.
    """
    _check(gold, predicted, "1.2.2" if gold else "0.0.12")
    ends = _ChunkEnds("0.0.12")
    (gold_first, gold_kind), (first, kind) = ends.find(gold), ends.find(predicted)
    lengths = np.array([len(sentence) for sentence in gold], dtype=np.int64)
    # The joined sequence has an O after each sentence and one more at its end.
    owner = np.append(np.repeat(np.arange(len(gold)), lengths + 1), len(gold))
    counts = np.zeros((len(gold) + 1, 5), dtype=np.int64)
    hits = (gold_first >= 0) & (gold_first == first) & (gold_kind == kind)
    for column, mask in enumerate((hits, first >= 0, gold_first >= 0)):
        counts[:, column] = np.bincount(owner[mask], minlength=len(gold) + 1)
    counts[:-1, 3] = [sum(g == p for g, p in zip(*pair, strict=True)) for pair in zip(gold, predicted, strict=True)]
    counts[:-1, 4] = lengths
    return counts[:-1]


def token_accuracy(gold: Sentences, predicted: Sentences) -> float:
    """Percent of the tokens whose tag is right.

    Raises:
        DataError: sentences do not match in number or length, or there is no token.
    """
    counts = sentence_counts(gold, predicted).sum(axis=0)
    if not counts[4]:
        raise DataError("There is nothing to score: no sentence has a token.")
    return int(counts[3]) / int(counts[4]) * 100


def _check(gold: Sentences, predicted: Sentences, version: Version) -> None:
    if len(gold) != len(predicted):
        raise DataError(f"{len(predicted)} predicted sentences for {len(gold)} gold ones: the numbers must be equal.")
    if version == "0.0.12":
        return
    if not gold:
        raise DataError("There is nothing to score: no sentence.")
    for number, (one, other) in enumerate(zip(gold, predicted, strict=True), start=1):
        if len(one) != len(other):
            raise DataError(f"Sentence {number} has {len(one)} gold tags and {len(other)} predicted ones.")


class _ChunkEnds:
    """Finds chunks; tags and types keep their numbers from one call to the next, so that results compare."""

    def __init__(self, version: Version) -> None:
        self.types: dict[str, int] = {"": _NO_TYPE}
        self._split = {"0.0.12": _type_0_0_12, "1.2.2": _type_1_2_2}[version]
        self._tags: dict[str, int] = {}

    def find(self, sentences: Sentences) -> tuple[Array, Array]:
        """For each position of the joined sentences: first position of the chunk that ends there, or -1; its type.

        A position ends one chunk at most, so comparing position by position is comparing sets of chunks.
        """
        tags = self._tags
        joined = [tags.setdefault(tag, len(tags)) for tag in _join(sentences)]
        ids = np.array(joined, dtype=np.int64)
        types = np.array([self.types.setdefault(self._split(tag), len(self.types)) for tag in tags], dtype=np.int64)
        prefixes = np.array([ord(tag[0]) for tag in tags], dtype=np.int64)

        now, kind = prefixes[ids], types[ids]
        before = np.concatenate([[ord("O")], now[:-1]])
        kind_before = np.concatenate([[_NO_TYPE], kind[:-1]])
        other = kind != kind_before
        ends = _among(before, "ES") | (_among(before, "BI") & _among(now, "BSO")) | (~_among(before, "O.") & other)
        starts = _among(now, "BS") | (_among(now, "EI") & _among(before, "ESO")) | (~_among(now, "O.") & other)

        position = np.arange(len(ids))
        # A start stays on record until the next one: an end may find the start of an earlier chunk, as in the original.
        record = np.maximum.accumulate(np.where(starts, position, 0))
        first = np.full(len(ids), -1, dtype=np.int64)
        closed = np.flatnonzero(ends) - 1
        first[closed] = record[closed]
        return first, kind


def _join(sentences: Sentences) -> Iterable[str]:
    for sentence in sentences:
        yield from sentence
        yield OUTSIDE
    yield OUTSIDE


def _type_0_0_12(tag: str) -> str:
    return tag.rpartition("-")[2]


def _type_1_2_2(tag: str) -> str:
    rest = tag[1:]
    _, hyphen, after = rest.partition("-")
    return (after if hyphen else rest) or "_"


def _among(prefixes: Array, letters: str) -> Array:
    return np.isin(prefixes, [ord(letter) for letter in letters])


def _aligned(
    gold: tuple[Array, Array], predicted: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Both padded to the longer of the two; nothing ends in the padding."""
    length = max(len(gold[0]), len(predicted[0]))
    return _padded(gold, length), _padded(predicted, length)


def _padded(found: tuple[Array, Array], length: int) -> tuple[Array, Array]:
    first, kind = found
    missing = (0, length - len(first))
    return np.pad(first, missing, constant_values=-1), np.pad(kind, missing)


def _count(gold: tuple[Array, Array], predicted: tuple[Array, Array]) -> ChunkScore:
    hits = (gold[0] >= 0) & (gold[0] == predicted[0]) & (gold[1] == predicted[1])
    return ChunkScore(correct=int(hits.sum()), predicted=int((predicted[0] >= 0).sum()), gold=int((gold[0] >= 0).sum()))
