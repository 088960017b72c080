"""Fold-in for whichever way a bundle scores outfits: by codes (FHN) or by vectors (outfit encoder)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fashion_hash.bundle.bundle import Bundle, ScoringKind
from fashion_hash.foldin.codes import FoldIn
from fashion_hash.foldin.vectors import FoldInVectors
from fashion_hash.index.scoring import scoring_of


class Fold(Protocol):
    """Fits the user keys of new users of one bundle."""

    def fit(
        self, liked: np.ndarray, disliked: np.ndarray | None = None, *, bundle: Bundle | None = None
    ) -> np.ndarray | None:
        """The key of a user from liked and disliked outfits, or None when there are none; see FoldIn.fit.

        Args:
            liked: (L, S) rows of items by slot, EMPTY where there is none.
            disliked: likewise.
            bundle: the bundle with the items that were added since; by default the one that the fold was made for.
        """
        ...


# by Bundle.scoring
FOLDS: dict[ScoringKind, Callable[[Bundle], Fold]] = {"codes": FoldIn, "vectors": FoldInVectors}


def open_fold(bundle: Bundle) -> Fold:
    """The fold-in that fits a bundle."""
    return FOLDS[bundle.scoring](bundle)


def fold_in_codes(bundle: Bundle, liked: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of new users from the outfits that each likes, as `Recommender.add_user` computes them.

    Args:
        bundle: an open bundle.
        liked: for each of U users (L, S) rows of items by slot, at least one outfit.

    Returns:
        (U, D) float32: -1 / +1, or the vectors of an outfit encoder.
    """
    fold = open_fold(bundle)
    return scoring_of(bundle).real_keys(np.array([fold.fit(outfits) for outfits in liked]))
