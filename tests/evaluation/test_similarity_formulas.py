"""The formulas of similarity against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from stilts_core.evaluation.similarity import (
    cosine,
    effective_rank,
    fisher_cosine,
    largest_inner_product,
    linear_cka,
    logme,
)


@pytest.mark.parametrize(("n", "width"), [(30, 4), (12, 20)])
def test_logme_is_the_largest_evidence_that_any_precisions_give(n: int, width: int) -> None:
    random = np.random.default_rng([n, width])
    features = random.normal(size=(n, width))
    labels = (features[:, 0] + random.normal(0, 0.5, n) > 0).astype(np.int64)

    def largest(y: np.ndarray) -> float:
        def negative(log: np.ndarray) -> float:
            alpha, beta = np.exp(log)
            covariance = np.eye(n) / beta + features @ features.T / alpha  # w integrated out
            return -float(multivariate_normal(np.zeros(n), covariance).logpdf(y)) / n

        return -min(float(minimize(negative, start, method="Nelder-Mead").fun) for start in ([0.0, 0.0], [3.0, 1.0]))

    expected = np.mean([largest((labels == k).astype(float)) for k in (0, 1)])
    assert logme(features, labels) == pytest.approx(expected, abs=2e-3)


def test_logme_ranks_features_by_what_they_tell_of_the_labels() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 200)
    noise = random.normal(size=(200, 8))
    telling = noise + 2 * np.eye(3, 8)[labels]
    assert logme(telling, labels) > logme(noise, labels) + 0.2
    turned = telling @ np.linalg.qr(random.normal(size=(8, 8)))[0]
    assert logme(turned, labels) == pytest.approx(logme(telling, labels))
    with pytest.raises(ValueError, match="two classes"):
        logme(noise, np.zeros(200, dtype=np.int64))


def test_cosines() -> None:
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(2**-0.5)
    assert cosine(np.zeros(2), np.ones(2)) == 0.0
    # a parameter of large values decides no more than another: cosines 1 and 0
    one, other = np.array([900.0, 900.0, 1.0, 0.0]), np.array([5.0, 5.0, 0.0, 1.0])
    assert fisher_cosine(one, other, [2, 2]) == pytest.approx(0.5)


def test_the_largest_inner_product_is_taken_for_each_token_of_the_target() -> None:
    source = np.array([[1.0, 0.0], [0.0, 2.0]])
    target = np.array([[3.0, 1.0], [0.0, 1.0], [-1.0, -1.0]])
    assert largest_inner_product(source, target) == pytest.approx((3 + 2 - 1) / 3)


def test_the_effective_rank_counts_directions() -> None:
    random = np.random.default_rng(5)
    turned = np.linalg.qr(random.normal(size=(9, 9)))[0]
    plane = random.normal(size=(400, 2)) @ turned[:2]
    assert effective_rank(plane) == pytest.approx(2, abs=0.02)
    assert effective_rank(random.normal(size=(4000, 9))) == pytest.approx(9, abs=0.02)
    assert effective_rank(np.ones((4, 3))) == 1.0


def test_cka_is_one_for_what_is_turned_and_scaled_and_small_for_what_is_unrelated() -> None:
    random = np.random.default_rng(6)
    states = random.normal(size=(500, 6))
    turned = 3 * states @ np.linalg.qr(random.normal(size=(6, 6)))[0] + 1
    assert linear_cka(states, turned) == pytest.approx(1)
    assert linear_cka(states, random.normal(size=(500, 6))) < 0.05
