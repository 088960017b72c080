"""Fold-in for bundles whose users are more than bits (core/codes.py: UserForm): the numbers of a new user.

With items in bits the score of an outfit is linear in the numbers of a user, so that the most likely ones are found as
for an outfit encoder (newton.py), rounded as the bundle keeps its users. Nothing is lost to signs, which is
where fold-in to bits has to search (codes.py).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import user_keys, user_numbers
from fashion_hash.foldin.codes import MOST_TOLD, checked_outfits, outfit_vectors
from fashion_hash.foldin.newton import SAMPLE, Prior, Scored, drawn_outfits, most_likely, prior_of

# The weight of an outfit, in pairs. Chosen from 1, 2, 5, 20 and 60 on the validation rows of 300 held-out users of
# IQON3000, in bytes: .755 of the pairs are right with one liked outfit and .787 with five, as in bits (.756, .789).
WEIGHT = 20.0


class FoldInNumbers:
    """Numbers of new users for one bundle; the counterpart of FoldIn.

    Args:
        bundle: an open bundle.
        seed: the seed of the random outfits for comparison.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle = bundle
        self._seed = seed

    def fit(
        self,
        liked: np.ndarray,
        disliked: np.ndarray | None = None,
        *,
        bundle: Bundle | None = None,
        weight: float = WEIGHT,
    ) -> np.ndarray | None:
        """The key of a user, as Bundle.user_keys, who likes some outfits and dislikes others.

        Args:
            liked: (L, S) rows of items by slot, EMPTY for an empty slot.
            disliked: the same for disliked outfits.
            bundle: the bundle with items added since; by default that of the constructor.
            weight: of an outfit against the prior, in pairs.

        Returns None without any outfit. Raises QueryError like FoldIn.by_sum.
        """
        bundle = bundle or self._bundle
        told, signs = checked_outfits(bundle, liked, disliked)
        if not len(told):
            return None
        if len(told) > MOST_TOLD:
            kept = np.linspace(0, len(told) - 1, MOST_TOLD).astype(np.int64)
            told, signs = told[kept], signs[kept]
        scored = Scored(*outfit_vectors(bundle, told))
        numbers = most_likely(scored, signs, self._random, self._prior, weight)
        return np.asarray(user_keys(bundle.user_form, numbers))

    @cached_property
    def _prior(self) -> Prior:
        keys = self._bundle.known_user_keys
        users = user_numbers(self._bundle.user_form, np.asarray(keys[:: 1 + len(keys) // SAMPLE]))
        return prior_of(users.reshape(-1, self._bundle.num_bits).astype(np.float64))

    @cached_property
    def _random(self) -> Scored:
        return Scored(*outfit_vectors(self._bundle, drawn_outfits(self._bundle, self._seed)))
