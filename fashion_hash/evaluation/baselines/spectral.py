"""GF-CF: recommendation as filtering a graph signal.

Paper: How Powerful is Graph Convolution for Recommendation?, Shen et al., CIKM 2021. With R' the click matrix divided
by the square roots of the degrees of users and columns, the scores of a user with clicks r are

    r (R'^T R' + alpha D^-1/2 V V^T D^1/2)

where V are the first right singular vectors of R' and D the degrees of the columns: a linear filter plus an ideal
low-pass filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from fashion_hash.core.seeds import generator
from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, Integers
from fashion_hash.evaluation.baselines.neighbours import scaled

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GraphFilter:
    """The scores of GF-CF, one by one or as the (U, C) matrix that they are, which is never made whole.

    Attributes:
        matrix: (U, C) 1 where a user has a column.
        normed: (U, C) that, divided by the square roots of the degrees of users and columns.
        before: (C, K) what the low-pass filter takes clicks to.
        behind: (C, K) what takes that to scores; K is 0 without the low-pass filter.
    """

    matrix: csr_matrix
    normed: csr_matrix
    before: Floats
    behind: Floats

    @cached_property
    def _transposed(self) -> csr_matrix:
        return self.normed.T.tocsr()

    def __call__(self, users: Integers) -> Floats:
        """(B, C) the scores of users (B,)."""
        clicked = self.matrix[users]
        scores = np.asarray((clicked @ self._transposed @ self.normed).toarray(), dtype=np.float32)
        if self.behind.shape[1]:
            scores += (clicked @ self.before) @ self.behind.T
        return scores

    def times(self, columns: Numbers) -> Numbers:
        """(U, D) the scores times a matrix (C, D)."""
        linear = self.matrix @ (self._transposed @ (self.normed @ columns))
        return np.asarray(linear + self.matrix @ (self.before @ (self.behind.T @ columns)), dtype=np.float64)

    def back(self, users: Numbers) -> Numbers:
        """(C, D) the transposed scores times a matrix (U, D)."""
        clicked = self.matrix.T @ users
        linear = self._transposed @ (self.normed @ clicked)
        return np.asarray(linear + self.behind @ (self.before.T @ clicked), dtype=np.float64)


def gf_cf(clicks: Clicks, factors: int = 256, alpha: float = 0.3, seed: int = 0) -> GraphFilter:
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
    rank = min(factors, min(matrix.shape) - 1)
    before = behind = np.empty((matrix.shape[1], 0), dtype=np.float32)
    if alpha and rank > 0:
        start = generator(seed, "gf-cf").standard_normal(min(matrix.shape))
        vectors = svds(normed.astype(np.float64), k=rank, v0=start)[2].T  # (C, K)
        before = (vectors * _inverse(of_columns)[:, None]).astype(np.float32)
        behind = (alpha * vectors * of_columns[:, None]).astype(np.float32)
    return GraphFilter(matrix, normed, before, behind)


def _inverse(roots: Floats) -> Floats:
    """1 / x, and 0 for 0."""
    return np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
