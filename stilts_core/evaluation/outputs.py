"""What a model's forward passes over a dataset give, by head, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Array, Dataset
from stilts_core.errors import DataError, DivergedError


@dataclass(frozen=True, slots=True)
class ClassificationOutputs:
    """One row an example.

    Attributes:
        logits: (E, L) floats, L labels.
    """

    logits: Array
    head: ClassVar[Head] = Head.CLASSIFICATION


@dataclass(frozen=True, slots=True)
class ChoiceOutputs:
    """One score a feature; the features of an example are its choices.

    Attributes:
        scores: (F,) floats.
    """

    scores: Array
    head: ClassVar[Head] = Head.CHOICE


@dataclass(frozen=True, slots=True)
class SpanOutputs:
    """Two logits a token, the tokens in the dataset's order.

    Attributes:
        start: (T,) floats.
        end: (T,) floats.
    """

    start: Array
    end: Array
    head: ClassVar[Head] = Head.SPAN


@dataclass(frozen=True, slots=True)
class TaggingOutputs:
    """The best label of each token; read at the first token of each word only.

    Attributes:
        label: (T,) integers.
        gold: (T,) floats, log-probability of the gold label; None where it was not kept.
        top: (T,) floats, probability of the best label; None where it was not kept.
    """

    label: Array
    gold: Array | None = None
    top: Array | None = None
    head: ClassVar[Head] = Head.TAGGING


@dataclass(frozen=True, slots=True)
class RetrievalOutputs:
    """A vector an example from every hidden state of the encoder.

    Attributes:
        states: hidden states 0 (the embeddings) to the number of layers, each (E, hidden) float32. They may be
            memory-mapped: one state is read at a time. None for a state that was left out, for want of memory.
    """

    states: Sequence[Array | None]
    head: ClassVar[Head] = Head.RETRIEVAL


Outputs = ClassificationOutputs | ChoiceOutputs | SpanOutputs | TaggingOutputs | RetrievalOutputs


def check_shape(dataset: Dataset, outputs: Outputs) -> None:
    """Raises `DataError` unless the outputs belong to the dataset's head and have its numbers of rows."""
    if outputs.head is not dataset.head:
        raise DataError(f"The outputs are those of a {outputs.head} model, the data are for {dataset.head}.")
    expected = {
        Head.CLASSIFICATION: int(dataset.meta["examples"]),
        Head.RETRIEVAL: int(dataset.meta["examples"]),
        Head.CHOICE: len(dataset.offsets) - 1,
        Head.SPAN: len(dataset.ids),
        Head.TAGGING: len(dataset.ids),
    }[outputs.head]
    for array in _arrays(outputs):
        if len(array) != expected:
            raise DataError(f"The {outputs.head} outputs have {len(array)} rows; the dataset needs {expected}.")


def require_finite(*arrays: Array) -> None:
    """Raises `DivergedError` where a number is NaN or infinite: no prediction can come from it."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise DivergedError(
            "The model's outputs hold NaN or infinite numbers.",
            hint="Its training diverged: lower the learning rate, or train in fp32.",
        )


def _arrays(outputs: Outputs) -> Sequence[Array]:
    if isinstance(outputs, RetrievalOutputs):
        return [state for state in outputs.states if state is not None]
    arrays = [getattr(outputs, field.name) for field in fields(outputs)]
    return [array for array in arrays if array is not None]
