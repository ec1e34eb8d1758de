"""Where a training's optimiser steps come from: endless streams of batches, each decided by the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stilts_core.data.batches import epoch_batches, micro_batches
from stilts_core.data.dataset import Dataset
from stilts_core.modeling.feed import Items, labelled_units, to_device, training_tensors
from stilts_core.modeling.masking import MaskedText, Vocabulary, mask_tokens

Array = npt.NDArray[Any]


class StepBatch(Protocol):
    """The examples of one optimiser step, over all ranks.

    Attributes:
        examples, tokens: in the batch, for rates.
        units: what the summed loss is divided by.
    """

    @property
    def examples(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def units(self) -> int: ...

    def split(self, ranks: int, micro_tokens: int) -> list[list[Array]]:
        """Rows by rank and micro step; every rank has the same number of micro steps."""

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        """One micro-batch."""


class Stream(Protocol):
    """An endless sequence of optimiser batches of one task."""

    @property
    def size(self) -> int:
        """Examples of one epoch."""

    @property
    def batches_per_epoch(self) -> int: ...

    def batch(self, number: int) -> StepBatch:
        """The batch of that number, from 0: epoch ``number // batches_per_epoch`` first."""


@dataclass(frozen=True)
class SupervisedBatch:
    items: Items
    rows: Array
    units: int

    @property
    def examples(self) -> int:
        return len(self.rows)

    @property
    def tokens(self) -> int:
        return int(self.items.lengths[self.rows].sum())

    def split(self, ranks: int, micro_tokens: int) -> list[list[Array]]:
        return micro_batches(self.items.lengths[self.rows], ranks, micro_tokens)

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        return training_tensors(self.items.dataset, self.items.index[self.rows[rows]], device)


class Epochs:
    """The batches of the epoch in use, made when it begins."""

    def __init__(self, lengths: Array, batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self.per_epoch = -(-len(lengths) // batch_size)
        self._epoch, self._batches = -1, list[Array]()

    def rows(self, number: int) -> Array:
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            self._batches = epoch_batches(self.lengths, self.batch_size, seed=self.seed, epoch=epoch)
            self._epoch = epoch
        return self._batches[place]


class SupervisedStream:
    """Labelled examples: every epoch a new order, seeded by (seed, epoch)."""

    def __init__(self, items: Items, batch_size: int, seed: int) -> None:
        self.items = items
        self._epochs = Epochs(items.lengths, batch_size, seed)

    @property
    def size(self) -> int:
        return len(self.items)

    @property
    def batches_per_epoch(self) -> int:
        return self._epochs.per_epoch

    def batch(self, number: int) -> StepBatch:
        rows = self._epochs.rows(number)
        return SupervisedBatch(self.items, rows, labelled_units(self.items.dataset, self.items.index[rows]))


@dataclass(frozen=True)
class MaskedBatch:
    text: MaskedText

    @property
    def examples(self) -> int:
        return len(self.text.lengths)

    @property
    def tokens(self) -> int:
        return len(self.text.ids)

    @property
    def units(self) -> int:
        return self.text.units

    def split(self, ranks: int, micro_tokens: int) -> list[list[Array]]:
        return micro_batches(self.text.lengths, ranks, micro_tokens)

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        return self.text.tensors(rows, device)


class MaskedStream:
    """Plain text for masked training: each language's share of an epoch is levelled by ``smoothing``.

    Args:
        batch_size: sequences of a batch.
        smoothing: language l is drawn with probability proportional to n_l ** smoothing (Conneau and Lample 2019,
            section 3.1); 1 keeps the natural shares.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        vocabulary: Vocabulary,
        probability: float,
        seed: int,
        smoothing: float = 0.5,
    ) -> None:
        self.dataset, self.vocabulary, self.probability, self.seed = dataset, vocabulary, probability, seed
        self._batch_size, self._smoothing = batch_size, smoothing

    @cached_property
    def _languages(self) -> list[Array]:
        by_language: dict[str, list[Array]] = {}
        for segment in self.dataset.segments:
            by_language.setdefault(segment.language, []).append(np.arange(segment.start, segment.stop))
        return [np.concatenate(parts) for parts in by_language.values()]

    @property
    def size(self) -> int:
        return int(self.dataset.meta["examples"])

    @property
    def batches_per_epoch(self) -> int:
        return -(-self.size // self._batch_size)

    def batch(self, number: int) -> StepBatch:
        rng = np.random.default_rng([self.seed, number])
        sizes = np.array([len(part) for part in self._languages], dtype=np.float64) ** self._smoothing
        drawn = rng.choice(len(sizes), size=self._batch_size, p=sizes / sizes.sum())
        examples = [self._languages[at][rng.integers(len(self._languages[at]))] for at in drawn]
        ids, offsets = self.dataset.ids, self.dataset.offsets
        sequences = [ids[offsets[i] : offsets[i + 1]] for i in examples]
        return MaskedBatch(mask_tokens(sequences, self.vocabulary, self.probability, rng))


@dataclass(frozen=True)
class PairBatch:
    """Translations: ``left[i]`` and ``right[i]`` say the same."""

    dataset: Dataset
    left: Array
    right: Array
    lengths: Array = field(repr=False)

    @property
    def examples(self) -> int:
        return len(self.left)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def units(self) -> int:
        return len(self.left)

    def split(self, ranks: int, micro_tokens: int) -> list[list[Array]]:  # noqa: ARG002
        """By rank only: the other pairs of a micro-batch are what a pair is told apart from."""
        rows = np.arange(len(self.left))
        return [[rows[rank::ranks]] for rank in range(ranks)]

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        from stilts_core.modeling.feed import input_tensors

        left = input_tensors(self.dataset, self.left[rows], torch.device("cpu"))
        right = input_tensors(self.dataset, self.right[rows], torch.device("cpu"))
        batch = {"input_ids": left["input_ids"], "other_ids": right["input_ids"]}
        batch.update({name: side["mask"] for name, side in (("mask", left), ("other_mask", right)) if "mask" in side})
        return to_device(batch, device)


class ParallelText:
    """Groups of translations, from which pairs of two languages are drawn."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        group = np.asarray(dataset.columns["group"])
        order = np.argsort(group, kind="stable")
        edges = np.flatnonzero(np.diff(group[order])) + 1
        self.groups = [members for members in np.split(order, edges) if len(members) > 1]
        self.language = np.empty(len(group), dtype=np.int32)
        names = sorted({segment.language for segment in dataset.segments})
        for segment in dataset.segments:
            self.language[segment.start : segment.stop] = names.index(segment.language)
        # Rare languages are drawn more often than their groups are, as with plain text.
        counts = np.bincount(self.language, minlength=len(names)).astype(np.float64)
        rarest = np.array([counts[self.language[members]].min() for members in self.groups])
        weights = rarest**-0.5
        self.weights = weights / weights.sum()

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """``count`` pairs of examples, from different groups where there are enough."""
        groups = rng.choice(len(self.groups), size=count, p=self.weights, replace=count > len(self.groups))
        pairs = [rng.choice(self.groups[at], size=2, replace=False) for at in groups]
        left, right = np.array(pairs).T
        return left, right


class TranslationMaskedStream:
    """Translation language modelling: a pair of translations as one masked sequence (Conneau and Lample 2019)."""

    def __init__(
        self, text: ParallelText, *, batch_size: int, vocabulary: Vocabulary, probability: float, seed: int
    ) -> None:
        self.text, self.vocabulary, self.probability, self.seed = text, vocabulary, probability, seed
        self._batch_size = batch_size

    @property
    def size(self) -> int:
        return len(self.text.groups)

    @property
    def batches_per_epoch(self) -> int:
        return -(-self.size // self._batch_size)

    def batch(self, number: int) -> StepBatch:
        rng = np.random.default_rng([self.seed, number])
        left, right = self.text.draw(self._batch_size, rng)
        ids, offsets = self.text.dataset.ids, self.text.dataset.offsets
        # `<s> A </s>` and `<s> B </s>` join as `<s> A </s></s> B </s>`: the second opening token becomes a closing one.
        sequences = []
        for a, b in zip(left, right, strict=True):
            first = ids[offsets[a] : offsets[a + 1]]
            second = ids[offsets[b] : offsets[b + 1]]
            sequences.append(np.concatenate((first, first[-1:], second[1:])))
        return MaskedBatch(mask_tokens(sequences, self.vocabulary, self.probability, rng))


class ContrastiveStream:
    """Pairs of translations, to be told from the other pairs of the batch."""

    def __init__(self, text: ParallelText, *, batch_size: int, seed: int) -> None:
        self.text, self.seed, self._batch_size = text, seed, batch_size

    @property
    def size(self) -> int:
        return len(self.text.groups)

    @property
    def batches_per_epoch(self) -> int:
        return -(-self.size // self._batch_size)

    def batch(self, number: int) -> StepBatch:
        rng = np.random.default_rng([self.seed, number])
        left, right = self.text.draw(self._batch_size, rng)
        dataset = self.text.dataset
        return PairBatch(dataset, left, right, dataset.lengths[left] + dataset.lengths[right])
