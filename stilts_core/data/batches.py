"""Which examples go together into a batch, and the batch as arrays: pure functions of lengths.

The batches of an optimiser step depend on the seed and the epoch alone. How one is then spread over ranks and
micro-batches is placement, and changes no data order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.integer]
Index = npt.NDArray[np.int64]
WINDOW = 50  # batches that are sorted by length together: little padding left, and the order still mostly random
RUN_SHARE = 0.25  # of the token budget that a run of equal lengths must fill to stand alone


def epoch_batches(lengths: Lengths, batch_size: int, *, seed: int, epoch: int) -> list[Index]:
    """The optimiser-step batches of one epoch: every example once, lengths within a batch alike.

    Args:
        lengths: tokens of each example, (E,).
        batch_size: examples of a batch, over all ranks; one batch holds what is left over.
        seed: of the training.
        epoch: counted from 0.

    Returns:
        Example indices by batch, decided by the arguments alone.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    batches: list[Index] = []
    for start in range(0, len(order), WINDOW * batch_size):
        window = order[start : start + WINDOW * batch_size]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches.extend(window[at : at + batch_size] for at in range(0, len(window), batch_size))
    return [batches[at] for at in generator.permutation(len(batches))]


def micro_batches(lengths: Lengths, ranks: int, micro_tokens: int) -> list[list[Index]]:
    """Spread one optimiser batch over ranks and micro steps.

    Args:
        lengths: tokens of each example of the batch, (B,).
        ranks: processes of the training.
        micro_tokens: padded tokens of one micro-batch at most; an example that is longer has one of its own.

    Returns:
        Positions in the batch by rank and micro step. Every rank has the same number of micro steps, at least one, of
        which some may be empty where there are fewer examples than places.
    """
    order = _longest_first(lengths)
    # Dealt out back and forth, so that every rank gets its share of the long ones.
    place = np.arange(len(order))
    turn, rank = np.divmod(place, ranks)
    rank = np.where(turn % 2, ranks - 1 - rank, rank)
    shares = [list(_under_budget(lengths, order[rank == r], micro_tokens)) for r in range(ranks)]
    steps = max(1, *(len(share) for share in shares))
    nothing = np.empty(0, dtype=np.int64)
    return [share + [nothing] * (steps - len(share)) for share in shares]


def inference_batches(lengths: Lengths, tokens: int) -> list[Index]:
    """All features in batches under a token budget, longest first, so that running out of memory shows at once.

    A run of features of one length that fills a quarter of the budget is a batch without padding; `pad` returns no
    mask for it.

    Args:
        lengths: tokens of each feature, (F,).
        tokens: padded tokens of one batch at most; a feature that is longer has a batch of its own.
    """
    order = _longest_first(lengths)
    ordered = np.asarray(lengths)[order]
    batches: list[Index] = []
    start = 0
    while start < len(order):
        width = max(1, int(ordered[start]))
        stop = min(start + max(1, tokens // width), len(order))
        run = int(np.searchsorted(-ordered, -width, side="right"))
        if run < stop and (run - start) * width >= RUN_SHARE * tokens:
            stop = run
        batches.append(order[start:stop])
        start = stop
    return batches


def pad(
    ids: npt.NDArray[np.integer], offsets: npt.NDArray[np.integer], features: npt.NDArray[np.integer], pad_id: int
) -> tuple[Index, npt.NDArray[np.bool_] | None]:
    """Features of flat arrays as one rectangle; any column by token can be padded with a value of its own.

    Args:
        ids: values of all features one after another, (T,).
        offsets: (F + 1,).
        features: the features of the batch, (B,).
        pad_id: the value beyond a feature's end.

    Returns:
        The values (B, L), L the length of the longest; and the mask (B, L), True at tokens, or None without padding.
    """
    starts = offsets[features].astype(np.int64)
    counts = offsets[np.asarray(features) + 1].astype(np.int64) - starts
    width = int(counts.max(initial=0))
    columns = np.arange(width)
    if len(counts) == 0 or counts.min() == width:
        return ids[starts[:, None] + columns].astype(np.int64), None
    mask = columns < counts[:, None]
    values = np.full(mask.shape, pad_id, dtype=np.int64)
    values[mask] = ids[(starts[:, None] + columns)[mask]]
    return values, mask


def _longest_first(lengths: Lengths) -> Index:
    return np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")


def _under_budget(lengths: Lengths, order: Index, tokens: int) -> Iterator[Index]:
    """Cut indices that are sorted longest first into batches whose first length times size is within the budget."""
    start = 0
    while start < len(order):
        stop = start + max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start:stop]
        start = stop
