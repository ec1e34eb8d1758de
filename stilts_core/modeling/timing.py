"""Timed forward passes of several models by turns, under every condition.

A time is from token ids in the host's memory to logits there: padding is done before, the transfer to the device is
within. Everything is repeated in blocks; each has an order of its own, of the models and of the conditions, so that a
machine that grows warm or busy does so for all of them. Small models take turns at every condition. Models with the
same sentences are timed on the same batches, pass by pass.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stilts_core.data.dataset import Dataset
from stilts_core.modeling.costs import classify, cut, depth_of, exit_layers
from stilts_core.modeling.encoder import encoder_traits
from stilts_core.modeling.feed import input_tensors, to_device
from stilts_core.modeling.meters import EnergyMeter, MemoryMeter
from stilts_core.modeling.model import TaskModel

Array = npt.NDArray[Any]
EVERY = "all"
"""The bucket of sentences as they come."""

HELD_BYTES = 2 * 2**30
"""Models that fit in here together, in fp32, take turns at every condition; larger ones in every block."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_ORDER, _DRAW = 0, 1  # the two uses of random numbers


class Condition(NamedTuple):
    """What is held fixed while time is taken.

    Attributes:
        tokens: bucket of lengths, ``33-64`` say.
        layers: of the encoder that are run.
    """

    model: int
    precision: str
    batch: int
    tokens: str
    language: str
    layers: int


class Pass(NamedTuple):
    """One timed forward pass; ``real`` of its tokens are not padding."""

    condition: Condition
    block: int
    seconds: float
    real: int


class Block(NamedTuple):
    """One condition in one block: the peak of memory in bytes, and the energy of its timed passes in joules."""

    condition: Condition
    block: int
    memory: float | None
    joules: float | None


class Rows(NamedTuple):
    """What was measured, in its order."""

    passes: Sequence[Pass]
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Design:
    """What is timed; see `planning.params.CostParams`."""

    languages: Sequence[str]
    precisions: Sequence[str]
    batches: Sequence[int]
    lengths: Sequence[int]
    blocks: int
    passes: int
    warmup: int
    exits: tuple[float, ...] = ()

    @property
    def buckets(self) -> dict[str, tuple[int, int | None]]:
        """Name → the fewest and the most tokens; the last one has no end."""
        if not self.lengths:
            return {EVERY: (0, None)}
        found: dict[str, tuple[int, int | None]] = {EVERY: (0, None)}
        for low, high in pairwise((0, *self.lengths)):
            found[f"{low + 1}-{high}"] = (low + 1, high)
        found[f"{self.lengths[-1] + 1}+"] = (self.lengths[-1] + 1, None)
        return found


@dataclass(frozen=True)
class Sentences:
    """The sentences of a dataset by language and bucket; pools without any are left out."""

    dataset: Dataset
    pools: Mapping[tuple[str, str], Array]

    @classmethod
    def of(cls, dataset: Dataset, design: Design) -> Sentences:
        ranges, pools = dataset.feature_ranges, {}
        for code in design.languages:
            parts = [np.arange(ranges[s.start], ranges[s.stop]) for s in dataset.segments if s.language == code]
            features = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
            lengths = dataset.lengths[features]
            for name, (low, high) in design.buckets.items():
                pool = features[(lengths >= low) & (lengths <= (high or np.inf))]
                if len(pool):
                    pools[code, name] = pool
        return cls(dataset, pools)

    def draw(self, language: str, tokens: str, batch: int, block: int, number: int) -> Array:
        """The sentences of a pass, the same for every model; one may come twice where there are fewer than a batch."""
        pool = self.pools[language, tokens]
        place = list(self.pools).index((language, tokens))
        random = np.random.default_rng([_DRAW, place, batch, block, number])
        return np.asarray(random.choice(pool, size=batch, replace=len(pool) < batch))


@dataclass
class Timing:
    """Takes the time of models; the rows of both lists are in the order in which they were measured.

    Args:
        load: number of a model → the model, in fp32 on the host.
        sentences: of each model.
        tick: called after each condition with those that are done and all of them, 0 until the first block is done;
            may raise to stop.
        known: the rows of a block that an earlier attempt has measured, None where there are none.
        keep: called with the rows of each block that was measured now.
    """

    design: Design
    load: Callable[[int], TaskModel]
    sentences: Sequence[Sentences]
    device: torch.device
    energy: EnergyMeter
    memory: MemoryMeter
    tick: Callable[[int, int], None] = lambda done, total: None
    known: Callable[[int], Rows | None] = lambda block: None
    keep: Callable[[int, Rows], None] = lambda block, rows: None
    clock: Callable[[], float] = time.perf_counter
    passes: list[Pass] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    _total: int = 0

    def run(self) -> None:
        """Measure everything."""
        design = self.design
        groups = self._groups()
        for block in range(design.blocks):
            rows = self.known(block)
            if rows is None:
                passes, blocks = len(self.passes), len(self.blocks)
                self._block(groups, block)
                self.keep(block, Rows(self.passes[passes:], self.blocks[blocks:]))
            else:
                self.passes += rows.passes
                self.blocks += rows.blocks
            self._total = len(self.blocks) // (block + 1) * design.blocks

    def _block(self, groups: Sequence[tuple[int, ...]], block: int) -> None:
        random = np.random.default_rng([_ORDER, block])
        turns = list(product(groups, self.design.precisions))
        for place in random.permutation(len(turns)):
            group, precision = turns[place]
            self._turn(group, precision, block, random)

    def _groups(self) -> list[tuple[int, ...]]:
        """The models that are in memory together: all of them where they are small, else each alone."""
        numbers = tuple(range(len(self.sentences)))
        return (
            [numbers] if sum(_bytes(self.load(number)) for number in numbers) <= HELD_BYTES else [(n,) for n in numbers]
        )

    def _turn(self, group: Sequence[int], precision: str, block: int, random: np.random.Generator) -> None:
        models = {number: self.load(number) for number in group}
        models = {
            number: model.to(_DTYPES[precision]).to(self.device).eval()
            for number, model in models.items()
            if precision in encoder_traits(model.encoder).precisions  # it overflows in others
        }
        conditions: dict[tuple[int, str, str, bool], list[Condition]] = {}
        for number, model in models.items():
            layers = depth_of(model.encoder)
            depths = (*exit_layers(layers, self.design.exits), layers)
            for (language, tokens), batch, depth in product(self.sentences[number].pools, self.design.batches, depths):
                if depth == layers or tokens == EVERY:
                    # Of one condition the models follow each other at once.
                    same = conditions.setdefault((batch, tokens, language, depth == layers), [])
                    same.append(Condition(number, precision, batch, tokens, language, depth))
        keys = list(conditions)
        with torch.inference_mode():
            for place in random.permutation(len(keys)):
                same = conditions[keys[place]]
                for one in random.permutation(len(same)):
                    model = models[same[one].model]
                    with cut(model.encoder, same[one].layers):
                        self._measure(model, same[one], block, sum(map(_bytes, models.values())) - _bytes(model))
                    self.tick(len(self.blocks), self._total)

    def _measure(self, model: TaskModel, condition: Condition, block: int, besides: int) -> None:
        sentences, host = self.sentences[condition.model], torch.device("cpu")
        batches = []
        for number in range(self.design.passes):
            features = sentences.draw(condition.language, condition.tokens, condition.batch, block, number)
            batches.append(
                (input_tensors(sentences.dataset, features, host), int(sentences.dataset.lengths[features].sum()))
            )
        for warm in range(self.design.warmup):
            self._forward(model, batches[warm % len(batches)][0])
        gc.collect(0)
        gc.disable()  # a collection would be some pass's p99
        try:
            self.memory.reset()
            before = self.energy.joules()
            for batch, real in batches:
                start = self.clock()
                self._forward(model, batch)
                self.passes.append(Pass(condition, block, self.clock() - start, real))
            after = self.energy.joules()
        finally:
            gc.enable()
        joules = None if before is None or after is None else after - before
        peak = self.memory.peak()
        if peak is not None:
            peak -= besides  # of the models that wait
        self.blocks.append(Block(condition, block, peak, joules))

    def _forward(self, model: TaskModel, batch: Mapping[str, Tensor]) -> Tensor:
        return classify(model, to_device(batch, self.device)).float().cpu()  # which waits for the device


def _bytes(model: TaskModel) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())
