"""How alike two tasks are, and how well a model's features suit a task: formulas on plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

ROUNDS = 50
"""Steps of LogME's fixed point at most; it takes two to ten."""


def cosine(x: Array, y: Array) -> float:
    """Cosine of two vectors, (H,) each; 0 where one of them is 0.

    Of two mean embeddings it is the similarity of TextEmb (Vu et al. 2020, section 3.2): the mean over the examples of
    the mean over the tokens of the last hidden states.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size else 0.0


def fisher_cosine(x: Array, y: Array, sizes: Sequence[int]) -> float:
    """Cosine of the diagonals of two Fisher information matrices, parameter by parameter, and the mean of these.

    TaskEmb (Vu et al. 2020, section 3.2) compares the diagonals component by component. They are meaned over the
    weights of a unit before, as in Task2Vec (Achille et al. 2019, section 2.2), so that they are small.

    Args:
        x, y: diagonals, (P,).
        sizes: entries of each parameter, which add up to P.
    """
    ends = np.cumsum(sizes)[:-1]
    return float(np.mean([cosine(a, b) for a, b in zip(np.split(x, ends), np.split(y, ends), strict=True)]))


def largest_inner_product(source: Array, target: Array) -> float:
    """Mean over the target's tokens of the largest inner product with any token of the source.

    The token-wise maximum of Lin et al. (2024), there between the tokens of tuned prompts, here between last hidden
    states of sampled tokens: (T, H) and (U, H).
    """
    products = np.asarray(target, dtype=np.float64) @ np.asarray(source, dtype=np.float64).T
    return float(products.max(axis=1).mean())


def logme(features: Array, labels: Array) -> float:
    """Logarithm of the maximum evidence of a linear model of the labels, by example (You et al. 2021, algorithm 1).

    For each class, whether an example is of it is the outcome y of a Bayesian linear regression on the features F with
    prior precision α and noise precision β; both are found by the fixed point γ = Σ s² / (s² + α/β), α = γ / m'm,
    β = (n - γ) / |Fm - y|², with singular values s and posterior mean m. The evidence is

        n/2 log β + D/2 log α - n/2 log 2π - β/2 |Fm - y|² - α/2 m'm - 1/2 log |A|,   A = α + β F'F

    divided by n and meaned over the classes.

    Args:
        features: (N, D).
        labels: (N,) integers; a class without examples does not count.

    Raises:
        ValueError: all examples are of one class.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError("LogME needs examples of two classes")
    features = np.asarray(features, dtype=np.float64)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    squares = np.where(s > s.max() * 1e-9, s**2, 0.0)  # directions that are rounding alone
    return float(np.mean([_evidence(u, squares, features.shape[1], (labels == k).astype(np.float64)) for k in classes]))


def _evidence(u: Floats, squares: Floats, width: int, y: Floats) -> float:
    n = len(y)
    projected = u.T @ y
    outside = max(float(y @ y - projected @ projected), 0.0)  # what no linear model of the features can reach
    alpha = beta = 1.0
    for _ in range(ROUNDS):
        ratio = alpha / beta
        gamma = float((squares / (squares + ratio)).sum())
        weights = float((squares * projected**2 / (squares + ratio) ** 2).sum())
        residual = outside + float((ratio**2 * projected**2 / (squares + ratio) ** 2).sum())
        alpha = gamma / max(weights, 1e-12)
        beta = (n - gamma) / max(residual, 1e-12)
        if abs(alpha / beta - ratio) <= 1e-3 * ratio:
            break
    ratio = alpha / beta
    weights = float((squares * projected**2 / (squares + ratio) ** 2).sum())
    residual = outside + float((ratio**2 * projected**2 / (squares + ratio) ** 2).sum())
    determinant = float(np.log(alpha + beta * squares).sum()) + (width - len(squares)) * np.log(alpha)
    evidence = n * np.log(beta) + width * np.log(alpha) - n * np.log(2 * np.pi)
    return float(evidence - beta * residual - alpha * weights - determinant) / (2 * n)


def effective_rank(features: Array) -> float:
    """Exponential of the entropy of the singular values (Roy and Vetterli 2007); a label-free probe as RankMe is.

    Garrido et al. (2023) found that representations of a higher effective rank of a target's inputs serve it better.

    Args:
        features: (N, D), centred here.
    """
    values = np.linalg.svd(np.asarray(features, dtype=np.float64) - features.mean(axis=0), compute_uv=False)
    total = float(values.sum())
    if not total:
        return 1.0
    share = values[values > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))


def linear_cka(x: Array, y: Array) -> float:
    """Linear centred kernel alignment of two representations of the same examples (Kornblith et al. 2019, equation 4).

    |Y'X|² / (|X'X| |Y'Y|) in Frobenius norms: 1 where one is the other turned and scaled. Here it says, without labels,
    how much of the encoder's view of a target's inputs an intermediate training has kept.

    Args:
        x, y: (N, D) and (N, E).
    """
    x = np.asarray(x, dtype=np.float64) - x.mean(axis=0)
    y = np.asarray(y, dtype=np.float64) - y.mean(axis=0)
    size = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return float(np.linalg.norm(y.T @ x) ** 2) / size if size else 0.0
