"""The tokenised examples of one file, and several of them as the arrays of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stilts_core.data.dataset import Array


@dataclass(frozen=True, slots=True)
class Part:
    """The arrays of `data.dataset.Dataset`, counted from 0 within the file.

    Attributes:
        examples: what scoring needs of each.
        counts: what happened on the way, by name: truncated texts, features beyond the first …
    """

    ids: Array
    offsets: Array
    example_of: Array
    columns: Mapping[str, Array]
    examples: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int] = field(default_factory=dict)


def join(parts: Sequence[Part]) -> Part:
    """Several files as one; the columns by feature or token follow each other, counts add up."""
    tokens = np.cumsum([0, *(len(part.ids) for part in parts)])
    examples = np.cumsum([0, *(len(part.examples) for part in parts)])
    names = list(parts[0].columns)
    counts: dict[str, int] = {}
    for part in parts:
        for name, count in part.counts.items():
            counts[name] = counts.get(name, 0) + count
    return Part(
        ids=np.concatenate([part.ids for part in parts]),
        offsets=np.concatenate(
            [part.offsets[:-1] + start for part, start in zip(parts, tokens, strict=False)] + [tokens[-1:]]
        ),
        example_of=np.concatenate([part.example_of + start for part, start in zip(parts, examples, strict=False)]),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        examples=[example for part in parts for example in part.examples],
        counts=counts,
    )
