"""Training of dual encoders: every text is told from all others of its pool, on whichever rank those are.

The loss of a text needs the vectors of its whole pool, whose texts may be more than one forward pass can hold, and may
be on several ranks. So a step has two passes (Gao et al. 2021, "Scaling deep contrastive learning batch size under
memory limited setup"): the first one gives all vectors, without gradients; from these every rank knows all losses and
their gradients by the vectors; the second one takes these gradients back through the encoder, one micro-batch after
another. So the pool is a matter of the study, and the result is that of one pass over the whole step, which is what is
done where one rank can hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stilts_core.data.batches import micro_batches
from stilts_core.modeling.feed import Items, answers_of, sides_tensors, to_device
from stilts_core.modeling.heads import DualHead
from stilts_core.training.engine import Engine
from stilts_core.training.streams import Epochs, StepBatch

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DualBatch:
    """Texts that look for something, and what they look for.

    Attributes:
        pool: so many rows, one after another, are told apart.
        scale: of the cosines.
        whole: all of it is one forward pass.
        loss: of each row, (N,), once it is known.
        gradient: of the summed loss by the vectors of each row, (N, 2, H), once it is known.
    """

    items: Items
    rows: Array
    pool: int
    scale: float
    whole: bool = False
    loss: Tensor | None = None
    gradient: Tensor | None = None

    @property
    def examples(self) -> int:
        return len(self.rows)

    @property
    def tokens(self) -> int:
        return int(self.items.lengths[self.rows].sum())

    @property
    def units(self) -> int:
        return len(self.rows)

    def split(self, ranks: int, micro_tokens: int) -> list[list[Array]]:
        return micro_batches(self.items.lengths[self.rows], ranks, micro_tokens)

    def tensors(self, rows: Array, device: torch.device) -> dict[str, Tensor]:
        batch = sides_tensors(self.items.dataset, self.items.index[self.rows[rows]], device)
        if self.whole:
            batch |= {"pools": self.pools[rows], "things": self.things[rows], "scale": torch.tensor(self.scale)}
        if self.loss is not None and self.gradient is not None:
            batch |= {"loss": self.loss[rows], "gradient": self.gradient[rows]}
        return to_device(batch, device)

    @property
    def pools(self) -> Tensor:
        """Number of the pool of each row, (N,)."""
        return torch.arange(len(self.rows)) // self.pool

    @property
    def things(self) -> Tensor:
        """What each row looks for, as a number, (N,)."""
        numbers = answers_of(self.items.dataset, self.items.index[self.rows])
        return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.int64))

    def learnt_from(self, vectors: Tensor) -> DualBatch:
        """The batch with losses and gradients, which follow from its vectors (N, 2, H)."""
        pools, things = self.pools.to(vectors.device), self.things.to(vectors.device)
        with torch.enable_grad():
            vectors = vectors.detach().requires_grad_()
            losses = DualHead.losses(vectors[:, 0], vectors[:, 1], pools, things, self.scale)
            (gradient,) = torch.autograd.grad(losses.sum(), vectors)
        return replace(self, loss=losses.detach(), gradient=gradient)


class DualStream:
    """The training set of a dual encoder: every epoch a new order, as `streams.SupervisedStream` has it.

    Args:
        pool: as in `catalog.models.Hyper`.
        scale: as there.
    """

    def __init__(self, items: Items, batch_size: int, seed: int, *, pool: int | None, scale: float) -> None:
        self.items = items
        self._pool, self._scale = pool or batch_size, scale
        self._epochs = Epochs(items.lengths, batch_size, seed)

    @property
    def size(self) -> int:
        return len(self.items)

    @property
    def batches_per_epoch(self) -> int:
        return self._epochs.per_epoch

    def batch(self, number: int) -> StepBatch:
        return DualBatch(self.items, self._epochs.rows(number), self._pool, self._scale)


def told_apart(
    engine: Engine,
    task: int,
    batch: StepBatch,
    shares: Sequence[Array],
    device: torch.device,
    dtype: torch.dtype,
) -> StepBatch:
    """The first pass of a step: a dual encoder's batch with its losses and gradients; any other batch as it is.

    All ranks call it alike. It leaves the random numbers as they were, so that the second pass drops out the same.

    Args:
        shares: this rank's rows by micro step.
        dtype: of the forward passes.
    """
    if not isinstance(batch, DualBatch):
        return batch
    if engine.ranks == 1 and len(shares) == 1:
        return replace(batch, whole=True)
    vectors = torch.zeros(len(batch.rows), 2, engine.width, device=device)
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []):
        for rows in shares:
            # As in the second pass: a rank without rows takes part in the collectives.
            found = engine.outputs(
                task, batch.tensors(rows if len(rows) else np.zeros(1, dtype=np.int64), device), dtype
            )
            vectors[rows] = found[: len(rows)]
    return batch.learnt_from(engine.total(vectors))
