"""From a model's outputs to answers, tags, labels and choices; array operations, ties broken the same way always."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.examples import contexts, word_counts
from stilts_core.evaluation.outputs import require_finite

_BLOCK_TOKENS = 2**20
_NO_SCORE = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Span:
    """The best answer of an example.

    Attributes:
        text: of the context; empty where no token of the context was seen.
        score: start logit plus end logit.
        null_score: the score of having no answer, where it was asked for.
    """

    text: str
    score: float
    null_score: float | None = None

    @property
    def null_probability(self) -> float:
        """Probability of no answer against the best one: the logistic function of the difference of their scores."""
        if self.null_score is None:
            return 0.0
        difference = self.null_score - self.score
        small = float(np.exp(-abs(difference)))
        return 1 / (1 + small) if difference >= 0 else small / (1 + small)


def best_spans(
    dataset: Dataset,
    start: Array,
    end: Array,
    answer_length: int,
    null_answers: bool = False,
    *,
    examples: Array | None = None,
) -> list[Span]:
    """The best span of each example over all of its windows.

    A span lies in one window, begins and ends at tokens that hold characters of the context, and has ``answer_length``
    tokens at most. Of equal scores the first start wins, then the shorter span. No answer scores what the first token
    of a window gives, and of several windows the lowest counts.

    Args:
        dataset: of head span.
        start: (T,) logits, compared in float32.
        end: (T,) logits.
        answer_length: in tokens.
        null_answers: whether to give null scores.
        examples: decode these only, in this order; default: all. The logits of others are not looked at.

    Raises:
        DivergedError: a logit is not finite.
    """
    examples = _all(dataset) if examples is None else examples
    found: list[Span] = []
    for block in _blocks(dataset, examples):
        found.extend(_spans_of(dataset, start, end, answer_length, null_answers, block))
    return found


def _spans_of(
    dataset: Dataset, start: Array, end: Array, answer_length: int, null_answers: bool, examples: Array
) -> list[Span]:
    window, of_example = features_of(dataset, examples)
    firsts, stops = dataset.offsets[window], dataset.offsets[window + 1]
    tokens = _ranges(firsts, stops)
    lengths = stops - firsts
    feature = np.repeat(np.arange(len(window)), lengths)
    owner = np.repeat(of_example, lengths)
    starts, ends = start[tokens].astype(np.float32), end[tokens].astype(np.float32)
    require_finite(starts, ends)
    first_character, last_character = dataset.columns["char_start"][tokens], dataset.columns["char_end"][tokens]

    outside = (first_character < 0) | (last_character <= first_character)
    open_, close = np.where(outside, -np.inf, starts), np.where(outside, -np.inf, ends)
    score = np.full(len(tokens), -np.inf, dtype=np.float32)
    last = np.zeros(len(tokens), dtype=np.int64)
    for distance in range(min(answer_length, len(tokens))):
        stay = len(tokens) - distance
        candidate = open_[:stay] + close[distance:]
        better = (candidate > score[:stay]) & (feature[:stay] == feature[distance:])
        np.copyto(score[:stay], candidate, where=better)
        last[:stay][better] = distance
    last += np.arange(len(tokens))

    spans = [("", _NO_SCORE)] * len(examples)
    texts = contexts(dataset, examples)
    inside = np.flatnonzero(score > -np.inf)
    for place in inside[_first_maxima(score[inside], owner[inside])]:
        number = owner[place]
        spans[number] = (texts[number][first_character[place] : last_character[last[place]]], float(score[place]))
    if not null_answers:
        return [Span(text, value) for text, value in spans]
    nulls = np.full(len(examples), np.inf, dtype=np.float32)
    np.minimum.at(nulls, of_example, start[firsts].astype(np.float32) + end[firsts].astype(np.float32))
    return [Span(text, value, float(null)) for (text, value), null in zip(spans, nulls, strict=True)]


def random_spans(dataset: Dataset, answer_length: int, rng: np.random.Generator, *, examples: Array) -> list[str]:
    """A random span of the context of each example, cut off at the end of its window.

    The first token and the length, 1 to ``answer_length`` tokens, are drawn uniformly.

    Args:
        dataset: of head span.
        answer_length: in tokens.
        rng: what is drawn from.
        examples: (n,), may name an example more than once.
    """
    window, of_example = features_of(dataset, examples)
    firsts, stops = dataset.offsets[window], dataset.offsets[window + 1]
    tokens = _ranges(firsts, stops)
    first_character = dataset.columns["char_start"][tokens]
    inside = np.flatnonzero(first_character >= 0)
    feature = np.repeat(np.arange(len(window)), stops - firsts)[inside]
    counts = np.bincount(np.repeat(of_example, stops - firsts)[inside], minlength=len(examples))
    first = np.cumsum(counts) - counts + np.floor(rng.random(len(examples)) * counts).astype(np.int64)
    more = rng.integers(0, answer_length, size=len(examples))
    texts = [""] * len(examples)
    known = np.flatnonzero(counts)
    first = first[known]
    last = np.minimum(first + more[known], np.searchsorted(feature, feature[first], side="right") - 1)
    begins, ends = first_character[inside[first]], dataset.columns["char_end"][tokens[inside[last]]]
    of_known = contexts(dataset, examples[known])
    for number, context, begin, end in zip(known, of_known, begins, ends, strict=True):
        texts[number] = context[begin:end]
    return texts


def word_tags(
    dataset: Dataset, label_index: Array, labels: Sequence[str], *, examples: Array | None = None
) -> list[list[str]]:
    """The predicted tag of each word, read at its first token; the parts of a split sentence are joined.

    A word that no feature holds gets ``O`` where that is a label (named entities), else ``X`` (parts of speech).

    Args:
        dataset: of head tagging.
        label_index: (T,) label numbers; those of other tokens are not looked at.
        labels: number → tag.
        examples: decode these only, in this order; default: all.
    """
    examples = _all(dataset) if examples is None else examples
    names = [*labels, "O" if "O" in labels else "X"]
    window, of_example = features_of(dataset, examples)
    firsts, stops = dataset.offsets[window], dataset.offsets[window + 1]
    tokens = _ranges(firsts, stops)
    owner = np.repeat(of_example, stops - firsts)
    word = dataset.columns["word"][tokens].astype(np.int64)
    heads = word >= 0
    bounds = np.concatenate([[0], np.cumsum(word_counts(dataset, examples))])
    tags = np.full(bounds[-1], len(labels), dtype=np.int64)
    # Backwards, so that the first of several features that hold a word decides.
    tags[(bounds[owner[heads]] + word[heads])[::-1]] = label_index[tokens[heads]][::-1]
    return [[names[tag] for tag in tags[first:stop]] for first, stop in itertools.pairwise(bounds)]


def labels_of(logits: Array) -> Array:
    """The best label of each row, the first of equals: (E, L) → (E,).

    Raises:
        DivergedError: a logit is not finite.
    """
    require_finite(logits)
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def choices(dataset: Dataset, scores: Array, *, examples: Array | None = None) -> Array:
    """The number of each example's best choice, the first of equals.

    Args:
        dataset: of head choice.
        scores: (F,), one a feature.
        examples: decode these only, in this order; default: all.

    Raises:
        DivergedError: a score is not finite.
    """
    examples = _all(dataset) if examples is None else examples
    window, owner = features_of(dataset, examples)
    require_finite(scores[window])
    best = _first_maxima(scores[window], owner)
    return np.asarray(window[best] - dataset.feature_ranges[examples[owner[best]]], dtype=np.int64)


def features_of(dataset: Dataset, examples: Array) -> tuple[Array, Array]:
    """The features of some examples, one after another, and for each the place of its example among them."""
    first, stop = dataset.feature_ranges[examples], dataset.feature_ranges[examples + 1]
    return _ranges(first, stop), np.repeat(np.arange(len(examples)), stop - first)


def _all(dataset: Dataset) -> Array:
    return np.arange(int(dataset.meta["examples"]))


def _blocks(dataset: Dataset, examples: Array) -> Iterator[Array]:
    """Consecutive parts of the examples with a bounded number of tokens."""
    bounds = dataset.offsets[dataset.feature_ranges]
    before = np.cumsum(bounds[examples + 1] - bounds[examples]) // _BLOCK_TOKENS
    yield from np.split(examples, np.flatnonzero(np.diff(before)) + 1)


def _ranges(first: Array, stop: Array) -> Array:
    """The numbers of all the ranges [first, stop), one range after another."""
    lengths = stop - first
    ends = np.cumsum(lengths)
    return np.repeat(first - (ends - lengths), lengths) + np.arange(lengths.sum())


def _first_maxima(values: Array, owner: Array) -> Array:
    """The place of the first highest value of each owner; the values of an owner stand together."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    begins = np.flatnonzero(np.diff(owner, prepend=owner[0] - 1))
    sizes = np.diff(begins, append=len(values))
    top = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, begins), sizes))
    return np.asarray(top[np.diff(owner[top], prepend=owner[0] - 1) != 0])
