import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.retrieval import accuracy, english_order, nearest, normalised

FOREIGN = np.array([(1, 0), (0, 1), (5, 5)], dtype=np.float32)
ENGLISH = np.array([(2, 1.9), (0, 9), (3, 0.1)], dtype=np.float32)


def test_worked_example():
    assert nearest(ENGLISH, FOREIGN).tolist() == [2, 1, 0]


def test_inputs_are_left_alone_and_zero_vectors_stay():
    vectors = np.array([[3, 4], [0, 0]], dtype=np.float32)
    assert normalised(vectors).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
    assert vectors.tolist() == [[3, 4], [0, 0]]


def test_the_first_of_equal_neighbours_is_found():
    assert nearest(np.ones((1, 2)), np.ones((3, 2))).tolist() == [0]


def test_english_order_is_by_code_point_stripped_and_stable():
    assert english_order(["b", " a", "B", "a ", "é"]) == [2, 1, 3, 0, 4]


def test_accuracy():
    assert accuracy(np.array([0, 1, 0])) == 2 / 3 * 100
    with pytest.raises(DataError):
        accuracy(np.zeros(0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_one_of_the_nearest_is_found(seed, queries, rows):
    rng = np.random.default_rng(seed)
    # Small whole numbers make many exact ties.
    one, other = rng.integers(-2, 3, (queries, 3)), rng.integers(-2, 3, (rows, 3))
    found = nearest(one, other)
    distance = np.square(normalised(one)[:, None] - normalised(other)).sum(axis=2)
    assert np.allclose(distance[np.arange(queries), found], distance.min(axis=1), atol=1e-6)


def test_a_row_of_zeros_is_nearer_than_a_cosine_below_one_half():
    index = np.array([(1, 0), (0, 0), (0, 1)], dtype=np.float32)
    assert nearest(np.array([(-1, -0.1), (1, 0.1), (0, 0)], dtype=np.float32), index).tolist() == [1, 0, 1]


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_lengths_of_vectors_do_not_matter(seed, factor):
    rng = np.random.default_rng(seed)
    one = rng.standard_normal((6, 4))
    scales = rng.uniform(0.5, 2, (6, 1)) * factor
    assert nearest(one * scales, one).tolist() == list(range(6))
