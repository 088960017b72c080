"""How each class of networks scores everything at once."""

from __future__ import annotations

import numpy as np

from fashion_hash.models.fhn import FHN
from fashion_hash.training.ranking.code_scores import CodeScores
from fashion_hash.training.ranking.vector_scores import VectorScores
from fashion_hash.training.runs.scoring import ModelScorer

FullScores = CodeScores | VectorScores


def full_scores(scorer: ModelScorer, trained: np.ndarray | None = None) -> FullScores:
    """The scores of all outfits and items by a trained model, as `scorer` scores them one by one.

    Args:
        scorer: of a trained model.
        trained: (U,) bool, see `scoring.trained_users`; the other users are answered as anonymous ones. None: all.
    """
    by_codes = type(scorer.model).score is FHN.score  # a derived class may have further terms
    return CodeScores(scorer, trained) if by_codes else VectorScores(scorer, trained)
