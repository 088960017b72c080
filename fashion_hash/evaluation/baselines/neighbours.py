"""Neighbours: users who liked the same, and columns liked by the same users. Cosine with shrinkage.

Shapes: U users, C columns, B users of a block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags, vstack

from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, Integers, ScoreColumns

ROWS_AT_ONCE = 1024


def user_knn(clicks: Clicks, k: int = 100, shrinkage: float = 10.0) -> ScoreColumns:
    """What the k most similar users have, each counting as much as they are similar.

    Similarity: common columns / (sqrt(n_u n_v) + shrinkage); a user is not their own neighbour.

    Args:
        clicks: of the training split.
        k: neighbours of a user.
        shrinkage: draws the similarity of users with few clicks to 0.
    """
    matrix = clicks.matrix
    transposed = matrix.T.tocsr()
    size = np.sqrt(np.asarray(matrix.sum(axis=1)).ravel())

    def score(users: Integers) -> Floats:
        common = (matrix[users] @ transposed).tocsr()
        _shrink(common, size[users], size, shrinkage)
        _clear(common, users)
        return _dense(largest(common, k) @ matrix)

    return score


def item_knn(clicks: Clicks, k: int = 100, shrinkage: float = 10.0) -> ScoreColumns:
    """Columns similar to those that the user has (Sarwar et al., WWW 2001); each keeps its k most similar ones.

    Similarity: common users / (sqrt(n_a n_b) + shrinkage); a column is not its own neighbour.

    Args:
        clicks: of the training split.
        k: neighbours of a column.
        shrinkage: draws the similarity of rare columns to 0.
    """
    matrix = clicks.matrix
    similar = similarities(matrix.T.tocsr(), k, shrinkage)
    return lambda users: _dense(matrix[users] @ similar)


def similarities(rows: csr_matrix, k: int, shrinkage: float) -> csr_matrix:
    """(C, C) the shrunk cosine of each row with its k most similar other rows, for a binary matrix (C, U)."""
    transposed = rows.T.tocsr()
    size = np.sqrt(np.asarray(rows.sum(axis=1)).ravel())
    parts = []
    for start in range(0, rows.shape[0], ROWS_AT_ONCE):
        block = np.arange(start, min(start + ROWS_AT_ONCE, rows.shape[0]))
        common = (rows[block] @ transposed).tocsr()
        _shrink(common, size[block], size, shrinkage)
        _clear(common, block)
        parts.append(largest(common, k))
    return vstack(parts, format="csr")


def largest(matrix: csr_matrix, k: int) -> csr_matrix:
    """A sparse matrix with the k largest entries of each row; among equals those of the first columns."""
    kept = np.ones(matrix.nnz, dtype=bool)
    matrix.sort_indices()
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        order = np.argsort(-matrix.data[start:end], kind="stable")
        kept[start + order[k:]] = False
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return csr_matrix((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape)


def scaled(matrix: csr_matrix, rows: npt.NDArray[np.floating], columns: npt.NDArray[np.floating]) -> csr_matrix:
    """A sparse matrix with each row and each column multiplied by a number, as float32."""
    return (diags(rows) @ matrix @ diags(columns)).tocsr().astype(np.float32)


def _shrink(
    common: csr_matrix, of_rows: npt.NDArray[np.float32], of_columns: npt.NDArray[np.float32], shrinkage: float
) -> None:
    """Divides common counts by the product of the sizes plus the shrinkage, in place."""
    sizes = np.repeat(of_rows, np.diff(common.indptr)) * of_columns[common.indices]
    common.data = (common.data / (sizes + shrinkage)).astype(np.float32)


def _clear(matrix: csr_matrix, own: Integers) -> None:
    """Sets the entry of row r in column own[r] to 0, in place."""
    matrix.data[np.repeat(own, np.diff(matrix.indptr)) == matrix.indices] = 0.0


def _dense(scores: csr_matrix) -> Floats:
    return np.asarray(scores.toarray(), dtype=np.float32)
