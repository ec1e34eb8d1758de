"""Exactness against a naive search, and bounded memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stilts_core.errors import DataError, DivergedError
from stilts_core.evaluation.neighbours import nearest, nearest_both
from stilts_core.evaluation.neighbours.products import NumpyProducts, lengths, usual_threads


def naive(queries, keys, k):
    """Every product in float64, rounded to float32; a stable sort keeps the lower row of equals first."""
    scores = (queries.astype(np.float64) @ keys.astype(np.float64).T).astype(np.float32)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, 1)


def same(found, expected):
    rows, scores = expected
    assert found.rows.dtype == np.int64
    assert found.scores.dtype == np.float32
    assert found.rows.tolist() == rows.tolist()
    assert found.scores.tolist() == scores.tolist()


@st.composite
def sides(draw):
    """Two sides full of ties: few different numbers, zero rows and copies of rows among them; products are exact."""
    width = draw(st.integers(1, 6))
    numbers = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 0.5, 1.0, 3.0])
    shapes = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return tuple(draw(arrays.arrays(np.float32, (rows, width), elements=numbers)) for rows in shapes)


ENGINES = ["numpy", pytest.param("torch", marks=pytest.mark.train)]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=150, deadline=None)
@given(pair=sides(), k=st.integers(1, 50), block=st.integers(1, 45), threads=st.integers(1, 3))
def test_both_directions_are_those_of_a_naive_search(engine, pair, k, block, threads):
    left, right = pair
    forward, backward = nearest_both(left, right, k, engine=engine, block=block, threads=threads)
    same(forward, naive(left, right, k))
    same(backward, naive(right, left, k))
    same(nearest(left, right, k, engine=engine, block=block, threads=threads), naive(left, right, k))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 9), tight=st.sampled_from([0.0, 0.9, 0.9999, 1.0]))
def test_crowded_neighbourhoods_are_told_apart(engine, seed, k, tight):
    """Rows that differ by less than what a fast product may be off, as those of a collapsed encoder do."""
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal(24)
    left, right = (
        (tight * centre + (1 - tight) * rng.standard_normal((rows, 24))).astype(np.float32) for rows in (130, 170)
    )
    right[::7] = right[3]
    forward, backward = nearest_both(left, right, k, engine=engine, block=50)
    for found, (own, other) in ((forward, (left, right)), (backward, (right, left))):
        rows, scores = naive(own, other, k)
        # The order in which float64 sums run may move a score by one unit in the last place.
        np.testing.assert_allclose(found.scores, scores, rtol=2e-7, atol=1e-7)
        places = found.rows != rows
        assert np.abs(found.scores - scores)[places].max(initial=0) <= 2e-6


@pytest.mark.train
def test_every_engine_gives_the_same_bits():
    from stilts_core.evaluation.neighbours import torch_products

    rng = np.random.default_rng(7)
    left, right = (rng.standard_normal((rows, 64)).astype(np.float32) - 0.5 for rows in (700, 900))
    expected = nearest_both(left, right, 5, engine="numpy")
    sizes = lengths(left), lengths(right)
    kinds = {
        "torch on any device": torch_products.TorchProducts(left, right, sizes, device="cpu", block=256),
        "torch on a processor": torch_products.ProcessorProducts(left, right, sizes, threads=2, block=256),
    }
    exact = left.astype(np.float64) @ right.astype(np.float64).T
    for name, source in kinds.items():
        product = source.multiply(slice(0, 256), slice(0, 256)).float().numpy()
        error = np.abs(product + source.shift - exact[:256, :256]) - source.margins.relative * np.abs(product)
        assert (error <= source.margins.left[:256, None]).all(), name
        assert (error <= source.margins.right[:256]).all(), name
    for engine in ("torch", "auto"):
        for found, known in zip(nearest_both(left, right, 5, engine=engine), expected, strict=True):
            same(found, (known.rows, known.scores))


def test_what_a_product_may_be_off_is_bounded():
    rng = np.random.default_rng(3)
    left, right = (rng.standard_normal((rows, 768)).astype(np.float32) ** 3 for rows in (60, 80))
    source = NumpyProducts(left, right, (lengths(left), lengths(right)), threads=1, block=None)
    error = np.abs(source.multiply(slice(0, 60), slice(0, 80)) - left.astype(np.float64) @ right.astype(np.float64).T)
    assert (error <= source.margins.left[:, None]).all()
    assert (error <= source.margins.right).all()
    assert source.margins.left.max() < 1e-3 * np.abs(left).max() * np.abs(right).max() * 768


def test_no_query_finds_nothing_and_no_key_is_an_error():
    some, none = np.ones((2, 3), np.float32), np.ones((0, 3), np.float32)
    assert nearest(none, some, 4).rows.shape == (0, 2)
    assert nearest(none, some, 4, engine="torch").scores.shape == (0, 2)
    for left, right in ((some, none), (none, some), (some, np.ones((2, 4), np.float32))):
        with pytest.raises(DataError):
            nearest_both(left, right, 1)
    with pytest.raises(DataError, match="0 neighbours"):
        nearest(some, some, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(value):
    broken = np.ones((3, 2), np.float32)
    broken[1, 1] = value
    with pytest.raises(DivergedError):
        nearest(np.ones((2, 2), np.float32), broken, 1)


def test_products_that_would_overflow_are_refused():
    with pytest.raises(DataError, match="too long"):
        nearest(np.full((2, 2), 1e20, np.float32), np.ones((2, 2), np.float32), 1)


def test_memory_does_not_grow_with_the_number_of_products():
    """40,000 x 40,000 products would take 6.4 GB; equal rows make every one of them a candidate."""
    script = """
        import numpy as np, resource
        from stilts_core.evaluation.neighbours import nearest_both
        side = np.random.default_rng(0).standard_normal((40_000, 8)).astype(np.float32)
        side[::2] = side[0]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        nearest_both(side, side, 4, engine="numpy", threads=1)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 700
    assert resource.getpagesize() > 0
    assert usual_threads() >= 1
