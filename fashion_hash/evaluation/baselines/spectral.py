"""GF-CF: recommendation as filtering a graph signal.

Paper: How Powerful is Graph Convolution for Recommendation?, Shen et al., CIKM 2021. With R' the click matrix divided
by the square roots of the degrees of users and columns, the scores of a user with clicks r are

    r (R'^T R' + alpha D^-1/2 V V^T D^1/2)

where V are the first right singular vectors of R' and D the degrees of the columns: a linear filter plus an ideal
low-pass filter.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import svds

from fashion_hash.core.seeds import generator
from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, Integers, ScoreColumns
from fashion_hash.evaluation.baselines.neighbours import scaled


def gf_cf(clicks: Clicks, factors: int = 256, alpha: float = 0.3, seed: int = 0) -> ScoreColumns:
    """GF-CF fitted to a click matrix.

    Args:
        clicks: of the training split.
        factors: singular vectors of the low-pass filter; fewer where the matrix is smaller.
        alpha: weight of the low-pass filter; 0 leaves the linear filter alone.
        seed: of the vector that the decomposition starts from.
    """
    matrix = clicks.matrix
    of_users, of_columns = (np.sqrt(np.asarray(matrix.sum(axis=axis)).ravel()) for axis in (1, 0))
    normed = scaled(matrix, _inverse(of_users), _inverse(of_columns))
    transposed = normed.T.tocsr()
    rank = min(factors, min(matrix.shape) - 1)
    if alpha and rank > 0:
        start = generator(seed, "gf-cf").standard_normal(min(matrix.shape))
        vectors = svds(normed.astype(np.float64), k=rank, v0=start)[2].T  # (C, K)
        before = (vectors * _inverse(of_columns)[:, None]).astype(np.float32)
        behind = (alpha * vectors * of_columns[:, None]).astype(np.float32)

    def score(users: Integers) -> Floats:
        clicked = matrix[users]
        scores = np.asarray((clicked @ transposed @ normed).toarray(), dtype=np.float32)
        if alpha and rank > 0:
            scores += (clicked @ before) @ behind.T
        return scores

    return score


def _inverse(roots: Floats) -> Floats:
    """1 / x, and 0 for 0."""
    return np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
