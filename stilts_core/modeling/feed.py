"""From a dataset's flat arrays to the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stilts_core.catalog.models import Head
from stilts_core.data.batches import pad
from stilts_core.data.dataset import Dataset
from stilts_core.modeling.heads import IGNORED

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Items:
    """What a training of one task draws from: examples, or for spans and tags features.

    Attributes:
        index: the examples or features, (N,); for retrieval those that look for something.
        lengths: padded tokens that one of them takes, all choices of an example together, or both sides, (N,).
    """

    dataset: Dataset
    index: Array
    lengths: Array

    @classmethod
    def of(cls, dataset: Dataset, split: str, examples: Array | None = None) -> Items:
        """The items of a split, or of a subset of its examples (indices into the dataset)."""
        if examples is None:
            parts = [np.arange(s.start, s.stop) for s in dataset.select(split)]
            examples = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        ranges = dataset.feature_ranges
        counts = ranges[examples + 1] - ranges[examples]
        features = np.repeat(ranges[examples] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        lengths = dataset.lengths[features]
        if dataset.head is Head.RETRIEVAL:  # a feature is an example
            looking = features[dataset.columns["answer"][features] > 0]
            return cls(dataset, looking, dataset.lengths[looking] + dataset.lengths[answers_of(dataset, looking)])
        if dataset.head is not Head.CHOICE:
            return cls(dataset, features, lengths)
        if not len(examples):
            return cls(dataset, examples, lengths)
        widest = np.maximum.reduceat(lengths, np.concatenate(([0], np.cumsum(counts)[:-1])))
        return cls(dataset, examples, widest * counts)

    def __len__(self) -> int:
        return len(self.index)


def features_of(dataset: Dataset, items: Array) -> Array:
    """The features of items, in order: the items themselves, or for choices those of each example."""
    if dataset.head is not Head.CHOICE:
        return items
    ranges = dataset.feature_ranges
    return np.concatenate([np.arange(ranges[i], ranges[i + 1]) for i in items])


def answers_of(dataset: Dataset, looking: Array) -> Array:
    """The examples that others look for, in a training set of retrieval."""
    return looking + dataset.columns["answer"][looking]


def labelled_units(dataset: Dataset, items: Array) -> int:
    """What the loss of a whole optimiser step is divided by: labelled words for tags, else the items themselves."""
    if dataset.head is not Head.TAGGING:
        return len(items)
    label, offsets = dataset.columns["label"], dataset.offsets
    return int(sum(np.count_nonzero(label[offsets[i] : offsets[i + 1]] != IGNORED) for i in items))


def input_tensors(dataset: Dataset, features: Array, device: torch.device) -> dict[str, Tensor]:
    """``input_ids`` (B, L); ``mask`` (B, L) where there is padding; ``segments`` (B, L) where the tokenizer has any."""
    ids, mask = pad(dataset.ids, dataset.offsets, features, dataset.pad_id)
    batch = {"input_ids": torch.from_numpy(ids)}
    if mask is not None:
        batch["mask"] = torch.from_numpy(mask)
    if (second := dataset.columns.get("second")) is not None:
        begins = _tensor(second[features]).unsqueeze(1)
        batch["segments"] = (torch.arange(ids.shape[1]) >= begins).long()
    return to_device(batch, device)


def training_tensors(dataset: Dataset, items: Array, device: torch.device) -> dict[str, Tensor]:
    """The inputs and the labels that the head's loss takes (`modeling.heads`)."""
    features = features_of(dataset, items)
    batch = input_tensors(dataset, features, torch.device("cpu"))
    columns = dataset.columns
    match dataset.head:
        case Head.CLASSIFICATION:
            batch["label"] = _tensor(columns["label"][dataset.example_of[items]])
        case Head.CHOICE:
            counts = np.diff(dataset.feature_ranges)[items]
            width = int(counts.max())
            row = np.repeat(np.arange(len(items)), counts)
            place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            batch["label"] = _tensor(columns["label"][items])
            batch["slot"] = _tensor(row * width + place)
            batch["choices"] = torch.tensor(width)
        case Head.SPAN:
            batch["start"], batch["end"] = _tensor(columns["start"][items]), _tensor(columns["end"][items])
        case Head.TAGGING:
            label, _ = pad(columns["label"], dataset.offsets, items, IGNORED)
            batch["label"] = torch.from_numpy(label)
        case Head.MLM | Head.RETRIEVAL:
            raise ValueError(f"{dataset.head} has no labels of its own")
    return to_device(batch, device)


def sides_tensors(dataset: Dataset, looking: Array, device: torch.device) -> dict[str, Tensor]:
    """Both sides of retrieval: `input_tensors` of what looks for something, and ``other_…`` of what it looks for."""
    batch = input_tensors(dataset, looking, torch.device("cpu"))
    other = input_tensors(dataset, answers_of(dataset, looking), torch.device("cpu"))
    names = {"input_ids": "other_ids", "mask": "other_mask", "segments": "other_segments"}
    return to_device({**batch, **{names[name]: tensor for name, tensor in other.items()}}, device)


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    if device.type == "cpu":
        return dict(batch)
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))
