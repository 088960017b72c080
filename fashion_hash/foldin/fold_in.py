"""Fold-in for both ways in which bundles score outfits: by codes (FHN), in bits or numbers, and by vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fashion_hash.bundle.bundle import Bundle, ScoringKind
from fashion_hash.foldin.codes import FoldIn
from fashion_hash.foldin.numbers import FoldInNumbers
from fashion_hash.foldin.vectors import FoldInVectors
from fashion_hash.index.scoring import scoring_of


class Fold(Protocol):
    """Computes the user keys of new users for one bundle."""

    def fit(
        self, liked: np.ndarray, disliked: np.ndarray | None = None, *, bundle: Bundle | None = None
    ) -> np.ndarray | None:
        """The key of a user from liked and disliked outfits, or None without outfits; see FoldIn.fit.

        Args:
            liked: (L, S) rows of items by slot, EMPTY for an empty slot.
            disliked: the same for disliked outfits.
            bundle: the bundle with items added since; by default the one that the fold-in was made for.
        """
        ...


def _by_codes(bundle: Bundle) -> Fold:
    return FoldIn(bundle) if bundle.user_form == "bits" else FoldInNumbers(bundle)


# by Bundle.scoring
FOLDS: dict[ScoringKind, Callable[[Bundle], Fold]] = {"codes": _by_codes, "vectors": FoldInVectors}


def open_fold(bundle: Bundle) -> Fold:
    """The fold-in for a bundle, chosen by its scoring."""
    return FOLDS[bundle.scoring](bundle)


def fold_in_codes(bundle: Bundle, liked: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of new users from their liked outfits, computed like in `Recommender.add_user`.

    Args:
        bundle: an open bundle.
        liked: for each of U users at least one outfit, as rows of items by slot, (L, S).

    Returns:
        (U, D) float32: -1 / +1, numbers from -1 to +1, or the vectors of an outfit encoder.
    """
    fold = open_fold(bundle)
    return scoring_of(bundle).real_keys(np.array([fold.fit(outfits) for outfits in liked]))
