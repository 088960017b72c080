"""Matrix factorisation by the library implicit (extra `baselines`): iALS and BPR over ids.

Papers: Collaborative Filtering for Implicit Feedback Datasets, Hu et al., ICDM 2008; BPR: Bayesian Personalized Ranking
from Implicit Feedback, Rendle et al., UAI 2009. One thread and a seed, so that results repeat.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fashion_hash.core.extras import require_extra
from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, ScoreColumns


def ials(
    clicks: Clicks,
    factors: int = 128,
    regularisation: float = 0.1,
    alpha: float = 10.0,
    iterations: int = 15,
    seed: int = 0,
) -> ScoreColumns:
    """Weighted matrix factorisation by alternating least squares.

    Args:
        clicks: of the training split.
        factors: length of the vectors.
        regularisation: weight of their squared length.
        alpha: the confidence of a click; 1 is that of a missing one.
        iterations: of the alternation.
        seed: of the initial vectors.

    Raises:
        MissingExtraError: implicit is not installed.
    """
    require_extra("baselines", "iALS", "implicit")
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors,
        regularization=regularisation,
        alpha=alpha,
        iterations=iterations,
        num_threads=1,
        random_state=seed,
    )
    return _fitted(model, clicks)


def bpr(
    clicks: Clicks,
    factors: int = 64,
    rate: float = 0.05,
    regularisation: float = 0.01,
    iterations: int = 100,
    seed: int = 0,
) -> ScoreColumns:
    """Factorisation by the BPR loss, with a bias of each column.

    Args:
        clicks: of the training split.
        factors: length of the vectors.
        rate: of learning.
        regularisation: weight of the squared lengths.
        iterations: passes over the clicks.
        seed: of the initial vectors and the negatives.

    Raises:
        MissingExtraError: implicit is not installed.
    """
    require_extra("baselines", "BPR over ids", "implicit")
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=factors,
        learning_rate=rate,
        regularization=regularisation,
        iterations=iterations,
        num_threads=1,
        random_state=seed,
    )
    return _fitted(model, clicks)


def _fitted(model: Any, clicks: Clicks) -> ScoreColumns:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises on threads of BLAS, which are set for the whole process
        model.fit(clicks.matrix.copy(), show_progress=False)
    users, columns = np.asarray(model.user_factors), np.asarray(model.item_factors)

    def score(rows: np.ndarray) -> Floats:
        return np.asarray(users[rows] @ columns.T, dtype=np.float32)

    return score
