"""The measured costs in a results table, as arrays that the question on efficiency compares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.frame import NO_LANGUAGE, Frame
from stilts_core.analysis.statistics.results import Bools, Floats, Ints
from stilts_core.analysis.table import SCORE

EVERY = "all"
"""The bucket of sentences as they come."""

_TIMED = re.compile(r"(\w+)@(fp32|bf16)/b(\d+)/t([^/#]+)/l(\d+)(?:#(\d+))?")
_BY_DEPTH = re.compile(r"(flops_per_sentence|accuracy|parameters)@l(\d+)")
PER_BLOCK = "latency_p50"


def is_measured(frame: Frame) -> bool:
    """The table has measured latencies."""
    return any(name.startswith(f"{PER_BLOCK}@") for name in frame.texts["metric"].names)


@dataclass(frozen=True, slots=True)
class Costs:
    """The rows on one target, one for each measured value.

    Attributes:
        encoders, curricula, languages, measures, precisions, buckets: names; the columns of the same singular have
            places among them.
        block: -1 for values of all blocks.
    """

    target: str
    encoders: tuple[str, ...]
    curricula: tuple[str, ...]
    languages: tuple[str, ...]
    measures: tuple[str, ...]
    precisions: tuple[str, ...]
    buckets: tuple[str, ...]
    encoder: Ints
    curriculum: Ints
    language: Ints
    seed: Ints
    measure: Ints
    precision: Ints
    batch: Ints
    bucket: Ints
    layers: Ints
    block: Ints
    value: Floats
    n: Ints

    def of(self, measure: str, **held: int) -> Bools:
        """The rows of a measure with columns held at places; of all blocks unless ``block`` is held."""
        if measure not in self.measures:
            return np.zeros(len(self.value), dtype=bool)
        found = self.measure == self.measures.index(measure)
        for name, place in {"block": -1, **held}.items():
            found &= getattr(self, name) == place
        return np.asarray(found)

    def by_block(self, **held: int) -> Bools:
        """The medians of single blocks, with columns held at places."""
        found = (self.measure == self.measures.index(PER_BLOCK)) & (self.block >= 0)
        for name, place in held.items():
            found &= getattr(self, name) == place
        return np.asarray(found)

    def depth(self, encoder: int) -> int:
        """All layers of an encoder."""
        return int(self.layers[self.of(PER_BLOCK, encoder=encoder)].max(initial=0))

    @property
    def single(self) -> int:
        """The smallest batch that was measured."""
        return int(self.batch[self.of(PER_BLOCK)].min())

    @property
    def largest(self) -> int:
        """The largest batch that was measured."""
        return int(self.batch[self.of(PER_BLOCK)].max())

    @property
    def every(self) -> int:
        """Place of the bucket of all sentences."""
        return self.buckets.index(EVERY)


def costs_in(frame: Frame, encoders: Sequence[str], curricula: Sequence[str]) -> Iterator[Costs]:
    """The costs of each target that has any, encoders and curricula in the given order."""
    names = frame.texts["metric"].names
    timed = {place: match for place, name in enumerate(names) if (match := _TIMED.fullmatch(name))}
    rows = frame.rows(np.isin(frame.texts["metric"].codes, list(timed)))
    for target in rows.present("target") if len(rows) else ():
        yield _costs(rows.rows(rows.texts["target"].of(target)), target, encoders, curricula)


def _costs(rows: Frame, target: str, encoders: Sequence[str], curricula: Sequence[str]) -> Costs:
    column = rows.texts["metric"]
    used = np.unique(column.codes)
    parts = [_TIMED.fullmatch(column.names[code]) for code in used]
    fields = [match.groups() for match in parts if match is not None]
    at = np.searchsorted(used, column.codes)
    measures, buckets = (tuple(sorted({found[place] for found in fields}, key=_bucket_order)) for place in (0, 3))
    precisions = tuple(sorted({found[1] for found in fields}, key=lambda name: (name != "fp32", name)))

    def places(names: Sequence[str], place: int) -> Ints:
        return np.array([names.index(found[place] or "") for found in fields], dtype=np.int64)[at]

    def numbers(place: int) -> Ints:
        return np.array([-1 if found[place] is None else int(found[place]) for found in fields], dtype=np.int64)[at]

    def texts(name: str, order: Sequence[str]) -> Ints:
        own = rows.texts[name]
        known = {text: place for place, text in enumerate(order)}
        return np.array([known.get(text, -1) for text in own.names], dtype=np.int64)[own.codes]

    languages = tuple(sorted(rows.present("language"), key=lambda code: (code != "en", code)))
    return Costs(
        target=target,
        encoders=tuple(encoders),
        curricula=tuple(curricula),
        languages=languages,
        measures=measures,
        precisions=precisions,
        buckets=buckets,
        encoder=texts("encoder", encoders),
        curriculum=texts("curriculum", curricula),
        language=texts("language", languages),
        seed=rows.seed,
        measure=places(measures, 0),
        precision=places(precisions, 1),
        batch=numbers(2),
        bucket=places(buckets, 3),
        layers=numbers(4),
        block=numbers(5),
        value=rows.value,
        n=rows.n,
    )


def _bucket_order(name: str) -> tuple[int, str]:
    first = re.match(r"\d+", name)
    return (int(first[0]) if first else -1), name


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of the models on one target, by encoder, curriculum, seed (and language): means where arms share.

    Attributes:
        flops: (encoder, language, layers) → operations of a sentence.
        accuracy: (encoder, curriculum, seed, layers, language) → percent, of the exits.
        parameters: (encoder, layers) → without embeddings; 0 layers stand for all.
        tokens: (encoder, language) → of a sentence.
        examples: behind a score in one language, at most.
    """

    flops: dict[tuple[str, str, int], float]
    accuracy: dict[tuple[str, str, int, int, str], float]
    parameters: dict[tuple[str, int], float]
    tokens: dict[tuple[str, str], float]
    examples: int


def counted_in(frame: Frame, target: str) -> Counted:
    """The counts of a target's models."""
    flops: dict[tuple[str, str, int], float] = {}
    accuracy: dict[tuple[str, str, int, int, str], float] = {}
    parameters: dict[tuple[str, int], float] = {}
    tokens: dict[tuple[str, str], float] = {}
    examples: list[int] = []
    column = frame.texts["metric"]
    wanted = {
        place: (match[1], int(match[2]))
        for place, name in enumerate(column.names)
        if (match := _BY_DEPTH.fullmatch(name))
    }
    plain = ("tokens_per_sentence", "parameters", SCORE)
    wanted |= {place: (name, 0) for place, name in enumerate(column.names) if name in plain}
    rows = frame.rows(np.isin(column.codes, list(wanted)) & frame.texts["target"].of(target))
    texts = {name: rows.texts[name] for name in ("encoder", "curriculum", "language")}
    for place in range(len(rows)):
        measure, layers = wanted[int(rows.texts["metric"].codes[place])]
        encoder, curriculum, language = (texts[name].names[texts[name].codes[place]] for name in texts)
        value = float(rows.value[place])
        if measure == "accuracy":
            accuracy[encoder, curriculum, int(rows.seed[place]), layers, language] = value
        elif measure == SCORE:
            examples.append(int(rows.n[place]))
        elif measure == "parameters":
            parameters[encoder, layers] = value
        elif language != NO_LANGUAGE and measure == "tokens_per_sentence":
            tokens[encoder, language] = value
        elif measure == "flops_per_sentence":
            flops[encoder, language, layers] = value
    return Counted(flops, accuracy, parameters, tokens, max(examples, default=0))
