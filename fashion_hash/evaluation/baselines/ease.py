"""EASE: a linear model of columns by columns in closed form.

Paper: Embarrassingly Shallow Autoencoders for Sparse Data, Steck, WWW 2019. With G = X'X + lambda I and P = G^-1 it is
B = I - P / diag(P), and the scores are X B.

Where users are fewer than columns the same numbers come from a matrix of users by users: by the identity of Woodbury
X P = (X X' + lambda I)^-1 X and diag(P)_j = (1 - x_j' (X X' + lambda I)^-1 x_j) / lambda. So the smaller side decides
whether it fits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky
from scipy.linalg.lapack import dpotri
from scipy.sparse import csr_matrix

from fashion_hash.errors import QueryError
from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, Integers, ScoreColumns

LARGEST = 20_000
"""The most rows of the dense matrix that is inverted. Memory grows with their square, time with their cube."""

COLUMNS_AT_ONCE = 4096


def ease(clicks: Clicks, regularisation: float = 100.0) -> ScoreColumns:
    """EASE fitted to a click matrix.

    Args:
        clicks: of the training split.
        regularisation: lambda; larger for larger data.

    Raises:
        QueryError: both users and columns are more than `LARGEST`.
    """
    matrix = clicks.matrix
    if min(matrix.shape) > LARGEST:
        raise QueryError(
            f"EASE inverts a dense matrix of users or of columns, and both are more than {LARGEST:,} here "
            f"({matrix.shape[0]:,} users, {matrix.shape[1]:,} columns): leave it out; "
            "iALS has no such limit"
        )
    return (
        _by_columns(matrix, regularisation) if matrix.shape[1] <= matrix.shape[0] else _by_users(matrix, regularisation)
    )


def _by_columns(matrix: csr_matrix, regularisation: float) -> ScoreColumns:
    inverse = _inverse((matrix.T @ matrix).astype(np.float64).toarray(order="F"), regularisation)
    diagonal = np.diag(inverse).copy()
    weights = np.empty(inverse.shape, dtype=np.float32)
    for start in range(0, len(weights), COLUMNS_AT_ONCE):
        rows = slice(start, start + COLUMNS_AT_ONCE)
        weights[rows] = -inverse[rows] / diagonal
    np.fill_diagonal(weights, 0.0)
    return lambda users: np.asarray(matrix[users] @ weights, dtype=np.float32)


def _by_users(matrix: csr_matrix, regularisation: float) -> ScoreColumns:
    inverse = _inverse((matrix @ matrix.T).astype(np.float64).toarray(order="F"), regularisation)
    columns = matrix.tocsc().astype(np.float64)
    diagonal = np.empty(matrix.shape[1])
    for start in range(0, matrix.shape[1], COLUMNS_AT_ONCE):
        part = columns[:, start : start + COLUMNS_AT_ONCE]
        # x_j' M x_j needs only the rows of the users who have column j
        diagonal[start : start + part.shape[1]] = np.asarray(part.multiply(inverse @ part).sum(axis=0)).ravel()
    diagonal = (1.0 - diagonal) / regularisation
    rows = matrix.astype(np.float64)

    def score(users: Integers) -> Floats:
        own = matrix[users].toarray()
        return np.asarray(own - (inverse[users] @ rows) / diagonal, dtype=np.float32)

    return score


def _inverse(gram: npt.NDArray[np.float64], regularisation: float) -> npt.NDArray[np.float64]:
    """The inverse of gram + regularisation I, symmetric and positive definite; overwrites `gram` (Fortran order)."""
    gram[np.diag_indices_from(gram)] += regularisation
    lower = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse, failed = dpotri(lower, lower=1, overwrite_c=1)
    if failed:
        raise QueryError(f"EASE: the matrix cannot be inverted with regularisation {regularisation}: make it larger")
    for start in range(0, len(inverse), COLUMNS_AT_ONCE):  # the lower half is mirrored in place
        end = start + COLUMNS_AT_ONCE
        inverse[:start, start:end] = inverse[start:end, :start].T
        block = np.tril(inverse[start:end, start:end])
        inverse[start:end, start:end] = block + np.tril(block, -1).T
    return np.asarray(inverse)
