from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.data.batches import epoch_batches, inference_batches, micro_batches, pad

lengths_lists = st.lists(st.integers(1, 300), max_size=200)


@given(lengths_lists, st.integers(1, 40), st.integers(0, 2**31 - 1), st.integers(0, 5))
def test_an_epoch_has_every_example_once(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    batches = epoch_batches(np.array(lengths, dtype=np.int64), size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(len(lengths)))
    assert sorted(len(batch) for batch in batches)[1:] == [size] * (len(batches) - 1)
    assert all(len(batch) > 0 for batch in batches)


def test_epochs_and_seeds_give_different_orders_and_equal_ones_the_same() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 500)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(epoch_batches(lengths, 8, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_batches_hold_lengths_that_are_alike_and_come_in_random_order() -> None:
    lengths = np.random.default_rng(0).integers(5, 300, 4000)
    batches = epoch_batches(lengths, 16, seed=0, epoch=0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.1 * lengths.sum()
    widths = np.array([lengths[batch].max() for batch in batches])
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


@given(lengths_lists, st.integers(1, 8), st.integers(1, 600))
def test_micro_batches_partition_the_batch_under_the_budget(lengths: list[int], ranks: int, budget: int) -> None:
    values = np.array(lengths, dtype=np.int64)
    shares = micro_batches(values, ranks, budget)
    assert len(shares) == ranks
    assert len({len(share) for share in shares}) == 1
    assert len(shares[0]) >= 1
    assert sorted(int(i) for share in shares for micro in share for i in micro) == list(range(len(lengths)))
    for share in shares:
        for micro in share:
            assert len(micro) <= 1 or len(micro) * values[micro].max() <= budget


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200), st.integers(1, 8))
def test_ranks_get_the_same_work_to_within_one_example(lengths: list[int], ranks: int) -> None:
    values = np.array(lengths)
    work = [sum(int(values[micro].sum()) for micro in share) for share in micro_batches(values, ranks, 1000)]
    assert max(work) - min(work) <= max(lengths)


def test_the_order_of_the_data_does_not_know_the_ranks() -> None:
    lengths = np.random.default_rng(3).integers(5, 128, 300)
    batch = epoch_batches(lengths, 32, seed=5, epoch=0)[0]
    for ranks in (1, 2, 8):
        shares = micro_batches(lengths[batch], ranks, 512)
        seen = batch[np.concatenate([micro for share in shares for micro in share])]
        assert sorted(seen.tolist()) == sorted(batch.tolist())


@given(lengths_lists, st.integers(1, 2000))
def test_inference_sees_every_feature_once_under_the_budget(lengths: list[int], tokens: int) -> None:
    values = np.array(lengths, dtype=np.int64)
    batches = inference_batches(values, tokens)
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(len(lengths)))
    widths = [int(values[batch].max()) for batch in batches]
    assert widths == sorted(widths, reverse=True)
    for batch, width in zip(batches, widths, strict=True):
        assert len(batch) == 1 or len(batch) * width <= tokens


def test_long_runs_of_one_length_are_not_padded() -> None:
    lengths = np.array([20] * 500 + [19] * 500 + [7] * 3 + [6] * 2)
    batches = inference_batches(lengths, 1000)
    padded = [batch for batch in batches if len(set(lengths[batch])) > 1]
    assert len(padded) == 1  # the few short ones together
    assert len(batches) == 10 + 10 + 1


@given(st.lists(st.lists(st.integers(0, 60000), max_size=12), min_size=1, max_size=20), st.data())
def test_pad_is_the_rows_with_padding(rows: list[list[int]], data: st.DataObject) -> None:
    ids = np.array([value for row in rows for value in row], dtype=np.uint16)
    offsets = np.cumsum([0, *map(len, rows)])
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    values, mask = pad(ids, offsets, np.array(chosen, dtype=np.int64), 1)
    width = max((len(rows[i]) for i in chosen), default=0)
    assert values.dtype == np.int64
    assert values.tolist() == [rows[i] + [1] * (width - len(rows[i])) for i in chosen]
    if mask is None:
        assert all(len(rows[i]) == width for i in chosen)
    else:
        assert mask.tolist() == [[place < len(rows[i]) for place in range(width)] for i in chosen]
        assert not mask.all()


@pytest.mark.parametrize("seed", range(3))
def test_pad_takes_columns_with_a_value_of_their_own(seed: int) -> None:
    generator = np.random.default_rng(seed)
    offsets = np.cumsum([0, *generator.integers(1, 9, 6)])
    label = generator.integers(-1, 5, offsets[-1]).astype(np.int16)
    values, mask = pad(label, offsets, np.arange(6), -1)
    assert mask is not None
    assert (values[~mask] == -1).all()
    assert (values[mask] == label).all()
