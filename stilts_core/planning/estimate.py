"""Rough cost of a stage from the sizes of its files, and of a plan's time from that.

Work is counted in floating-point operations: 6 for each parameter and token of a training, 2 of an evaluation
(Kaplan et al. 2020, section 2.1), parameters without embeddings. Reading and tokenising are given the operations that
a core could have done meanwhile, so that one rate serves all kinds.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from stilts_core.catalog.models import Hyper
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import DataFile, Plan, Stage, StageKind
from stilts_core.spec.study import Measure, Pretraining

BASE_BODY = 85_000_000
"""Parameters of a base encoder's 12 layers of 768, embeddings left out: taken where nothing is known."""

DEFAULT_RATE = 5e10
"""Operations a second that one core does on small encoders in bf16: about half of what was measured when idle."""

DEFAULT_GPU_RATE = 5e13
"""Operations a second that one GPU does: about a twentieth of the peak of a data-centre GPU of 2022 in bf16."""

STAGE_SECONDS = 1.5
"""What every stage takes beyond its own work: start, check of the inputs, commit."""

_TRAIN, _INFER = 6, 2
_PREPARE_OPERATIONS = 20_000  # a byte: 2.5 MB/s
_TOKENIZER_OPERATIONS = 600_000  # a byte of text, for a unigram vocabulary


@dataclass(frozen=True, slots=True)
class _Density:
    """Bytes of one example in a file of a format, and the tokens that they become."""

    bytes: float
    tokens: float


_DENSITY: Mapping[str, _Density] = {
    "pairs-tsv": _Density(190, 50),
    "mnli-jsonl": _Density(1200, 45),
    "mnli-glue": _Density(900, 45),
    "anli-jsonl": _Density(800, 110),
    "qqp-glue": _Density(150, 35),
    "xnli-tsv": _Density(14_000, 45),  # of the one language that is read, out of 15
    "xnli-jsonl": _Density(18_000, 45),
    "xnli-mt-tsv": _Density(190, 50),
    "pawsx-tsv": _Density(240, 60),
    "squad-json": _Density(350, 180),
    "tydiqa-json": _Density(1000, 180),
    "hellaswag-jsonl": _Density(1200, 380),
    "copa-xml": _Density(300, 60),
    "cosmosqa-csv": _Density(850, 500),
    "cosmosqa-jsonl": _Density(950, 500),
    "commonsenseqa-jsonl": _Density(450, 110),
    "socialiqa-jsonl": _Density(280, 120),
    "tags-tsv": _Density(140, 22),
    "panx-tsv": _Density(110, 14),
    "ccg-tsv": _Density(280, 32),
    "conllu": _Density(900, 22),
    "bucc": _Density(140, 30),
    "lareqa-json": _Density(230, 180),
    "squad-sentences": _Density(350, 220),
    "mewslix-jsonl": _Density(2500, 60),
    "mewslix-pairs": _Density(2500, 110),
    "parallel-lines": _Density(45, 14),
    "text-lines": _Density(120, 32),
    "xcopa-jsonl": _Density(200, 60),
    "table": _Density(150, 40),
    "choices-jsonl": _Density(300, 120),
}
_USUAL = _Density(200, 50)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much data there is, roughly: examples and the tokens of all of them."""

    examples: float
    tokens: float

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.examples + other.examples, self.tokens + other.tokens)

    def limited(self, examples: float | None) -> Amount:
        if examples is None or examples >= self.examples:
            return self
        return Amount(examples, self.tokens * examples / self.examples)


def file_size(format: str | None, examples: int) -> int:  # noqa: A002 (the word of the catalogue)
    """Bytes of a file with so many examples, roughly."""
    return round(_DENSITY.get(format or "", _USUAL).bytes * examples)


def amount(files: Iterable[DataFile], limit: int | None = None) -> Amount:
    """What the files hold; ``limit`` bounds the examples of each."""
    total = Amount(0.0, 0.0)
    for file in files:
        density = _DENSITY.get(file.format, _USUAL)
        examples = file.size * (file.rows[1] - file.rows[0]) / density.bytes
        total += Amount(examples, examples * density.tokens).limited(limit)
    return total


def training_set(files: Iterable[DataFile], limit: int | None = None) -> Amount:
    """What the training files among a stage's files hold; ``limit`` bounds the examples of all of them together."""
    return amount(file for file in files if not file.role.startswith("dev/")).limited(limit)


def body_parameters(encoder: Pretraining | EncoderSource) -> float:
    """Parameters of an encoder without its embeddings."""
    if isinstance(encoder, EncoderSource):
        return encoder.parameters or BASE_BODY
    return transformer_parameters(encoder.layers, encoder.hidden, encoder.intermediate)


def transformer_parameters(layers: int, hidden: int, intermediate: int | None = None, *, gated: bool = False) -> float:
    """The four attention matrices and the two feed-forward ones of each layer, three where these are gated."""
    return layers * (4 * hidden**2 + (3 if gated else 2) * hidden * (intermediate or 4 * hidden))


def prepare_work(files: Iterable[DataFile], *, tokenizer: bool = False) -> float:
    return sum(file.size for file in files) * float(_TOKENIZER_OPERATIONS if tokenizer else _PREPARE_OPERATIONS)


def pretrain_work(settings: Pretraining) -> float:
    """Body on all tokens, and the output layer on the masked ones."""
    output = settings.mlm_probability * settings.vocabulary * settings.hidden
    return _TRAIN * (body_parameters(settings) + output) * settings.batch_tokens * settings.steps


def train_work(sets: Iterable[Amount], hyper: Hyper, batch_sizes: Iterable[int], mix_cap: int, body: float) -> float:
    """A training on one set, or on a mix of capped ones."""
    total, steps = Amount(0.0, 0.0), 0.0
    for part, batch_size in zip(sets, batch_sizes, strict=True):
        part = part.limited(mix_cap)
        total += part
        steps += part.examples * hyper.epochs / batch_size
    share = min(1.0, hyper.max_steps / steps) if hyper.max_steps and steps else 1.0
    return _TRAIN * body * total.tokens * hyper.epochs * share


def evaluate_work(data: Amount, body: float) -> float:
    return _INFER * body * data.tokens


def measure_work(measure: Measure, languages: int, bodies: Iterable[float]) -> float:
    """The forward passes of a measurement, in sentences of the usual length."""
    passes = measure.blocks * (measure.passes + measure.warmup) * len(measure.precisions)
    conditions = languages * (len(measure.lengths) + 2 + len(measure.exits))
    return _INFER * passes * conditions * sum(measure.batches) * _USUAL.tokens * sum(bodies)


def exits_work(examples: int, evaluation: float, body: float) -> float:
    """One pass over the training examples and one over the evaluation's (its work, given)."""
    return _INFER * body * examples * _USUAL.tokens + evaluation


@dataclass(frozen=True, slots=True)
class Estimate:
    """The time of what is not done yet.

    Attributes:
        slot_seconds: of all stages, one slot after another.
        critical_seconds: of the longest chain: no number of slots goes below it.
        wall_seconds: on the given slots.
        by_kind: seconds of the stages of each kind.
        measured: the kinds whose rate comes from committed stages; the others go by an assumed one.
    """

    slots: int
    slot_seconds: float
    critical_seconds: float
    wall_seconds: float
    by_kind: Mapping[StageKind, float]
    measured: frozenset[StageKind]


def measured_rates(finished: Iterable[tuple[Stage, float]]) -> dict[StageKind, float]:
    """Operations a second by kind, the median over stages and the seconds that they took."""
    rates: dict[StageKind, list[float]] = defaultdict(list)
    for stage, seconds in finished:
        if stage.work > 0 and seconds > 0:
            rates[stage.kind].append(stage.work / max(seconds - STAGE_SECONDS, 0.1 * seconds))
    return {kind: median(values) for kind, values in rates.items()}


def estimate(
    plan: Plan,
    *,
    slots: int = 1,
    done: Collection[str] = frozenset(),
    rates: Mapping[StageKind, float] | None = None,
    assumed: Mapping[StageKind, float] | None = None,
    widths: Mapping[StageKind, int] | None = None,
) -> Estimate:
    """When the rest of a plan would be done if the longest chains are started first.

    Args:
        plan: parents before children.
        slots: what runs at a time.
        done: fingerprints that are committed.
        rates: operations a second by kind, as from `measured_rates`.
        assumed: operations a second of one slot by kind, where they are not measured; default: `DEFAULT_RATE`.
        widths: slots that a stage of a kind takes, 1 unless given; an assumed rate grows with them.
    """
    rates, assumed, widths = rates or {}, assumed or {}, widths or {}
    open_stages = [stage for stage in plan.stages if stage.fingerprint not in done]
    seconds: dict[str, float] = {}
    children: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, int] = {}
    by_kind: dict[StageKind, float] = defaultdict(float)
    for stage in open_stages:
        width = min(widths.get(stage.kind, 1), slots)
        rate = rates.get(stage.kind, assumed.get(stage.kind, DEFAULT_RATE) * width)
        seconds[stage.fingerprint] = stage.work / rate + STAGE_SECONDS
        by_kind[stage.kind] += seconds[stage.fingerprint]
        parents = {parent for parent in stage.parents.values() if parent not in done}
        waiting[stage.fingerprint] = len(parents)
        for parent in parents:
            children[parent].append(stage.fingerprint)
    tail: dict[str, float] = {}
    for stage in reversed(open_stages):
        after = max((tail[child] for child in children[stage.fingerprint]), default=0.0)
        tail[stage.fingerprint] = seconds[stage.fingerprint] + after
    return Estimate(
        slots=slots,
        slot_seconds=sum(seconds[stage.fingerprint] * min(widths.get(stage.kind, 1), slots) for stage in open_stages),
        critical_seconds=max(tail.values(), default=0.0),
        wall_seconds=_schedule(open_stages, seconds, tail, children, waiting, slots, widths),
        by_kind=dict(by_kind),
        measured=frozenset(rates),
    )


def _schedule(
    stages: list[Stage],
    seconds: Mapping[str, float],
    tail: Mapping[str, float],
    children: Mapping[str, list[str]],
    waiting: dict[str, int],
    slots: int,
    widths: Mapping[StageKind, int],
) -> float:
    """The end of a list schedule: whenever slots are free, what has the longest chain behind it starts."""
    width = {stage.fingerprint: min(widths.get(stage.kind, 1), slots) for stage in stages}
    ready = [(-tail[name], name) for name, parents in waiting.items() if not parents]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now, free = 0.0, slots
    while ready or running:
        while ready and width[ready[0][1]] <= free:
            _, name = heapq.heappop(ready)
            free -= width[name]
            heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        free += width[name]
        for child in children.get(name, ()):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (-tail[child], child))
    return now
