"""Which fold-in fits a new user: the one for codes (FHN) or the one for vectors (outfit encoder)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.foldin.codes import FoldIn
from fashion_hash.foldin.vectors import FoldInVectors

# what fits the code of someone new
Fold = FoldIn | FoldInVectors


def fold_in_codes(bundle: Bundle, liked: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of new people, from the outfits that each likes: as `Recommender.add_user` gives them.

    Args:
        bundle: an open bundle.
        liked: for each of H people (L, S) rows of items by slot, one outfit at least.

    Returns:
        (H, D) float32: -1 / +1, or the vectors where an outfit encoder scores.
    """
    if bundle.encoder is not None:
        fold = FoldInVectors(bundle)
        return np.array([fold.fit(own) for own in liked], dtype=np.float32)
    packed = FoldIn(bundle)
    return unpack(np.array([packed.fit(own) for own in liked])).astype(np.float32)
