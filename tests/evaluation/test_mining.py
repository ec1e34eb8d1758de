"""Margin-based mining against the worked example, and against the definition written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.mining import distinct_rows, mine

X = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
Y = np.array([[2, 1], [0, 3], [1, -1]], np.float32)


def test_the_worked_example():
    found = mine(X, Y, neighbours=2)
    pairs = list(zip(found.source.tolist(), found.target.tolist(), found.scores.tolist(), strict=True))
    assert [pair[:2] for pair in pairs] == [(1, 1), (0, 2), (2, 0)]
    assert [pair[2] for pair in pairs] == pytest.approx([1.268102, 1.225148, 1.084550], abs=1e-6)


def by_definition(x, y, k):
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    cosine = (x.astype(np.float64) @ y.astype(np.float64).T).astype(np.float32)
    near_x = np.argsort(-cosine, axis=1, kind="stable")[:, : min(k, len(y))]
    near_y = np.argsort(-cosine.T, axis=1, kind="stable")[:, : min(k, len(x))]
    mean_x = np.take_along_axis(cosine, near_x, 1).mean(1)
    mean_y = np.take_along_axis(cosine.T, near_y, 1).mean(1)
    ratio = cosine / ((mean_x[:, None] + mean_y) / 2)
    best = [(ratio[i, j], i, j) for i in range(len(x)) for j in [max(near_x[i], key=lambda j: ratio[i, j])]]
    best += [(ratio[i, j], i, j) for j in range(len(y)) for i in [max(near_y[j], key=lambda i: ratio[i, j])]]
    taken, left, right = [], set(), set()
    for score, i, j in sorted(best, key=lambda entry: -entry[0]):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            if score > 0:
                taken.append((i, int(j), float(score)))
    return taken


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.tuples(st.integers(1, 25), st.integers(1, 25)), k=st.integers(1, 6))
def test_mining_is_what_its_definition_says(seed, rows, k):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((count, 5)).astype(np.float32) + 1 for count in rows)
    found = mine(x, y, neighbours=k, engine="numpy", block=7)
    pairs = list(zip(found.source.tolist(), found.target.tolist(), strict=True))
    expected = by_definition(x, y, k)
    assert pairs == [entry[:2] for entry in expected]
    assert found.scores.tolist() == pytest.approx([entry[2] for entry in expected], rel=1e-6)


def test_the_other_margins():
    cosine = mine(X, Y, neighbours=2, margin="absolute")
    assert cosine.scores.tolist() == pytest.approx([1, np.sqrt(0.9), np.sqrt(0.5)], abs=1e-6)
    distance = mine(X, Y, neighbours=2, margin="distance")
    assert (distance.scores > 0).all()
    with pytest.raises(DataError, match="no margin"):
        mine(X, Y, margin="other")


def test_rows_of_zeros_are_no_translations():
    with_zero = np.concatenate((X, np.zeros((1, 2), np.float32)))
    found = mine(with_zero, with_zero, neighbours=2)
    assert 3 not in found.source
    assert 3 not in found.target


def test_of_equal_lines_the_last_stands_in_the_place_of_the_first():
    assert distinct_rows(["a", "b", "a", "c", "b"]).tolist() == [2, 4, 3]
