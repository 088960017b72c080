"""Fold-in for an outfit encoder: the most likely vector of a new user, with everything else fixed; see newton.py.

Shapes: L liked and disliked outfits, R random ones, D num_bits.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY
from fashion_hash.foldin.codes import checked_outfits
from fashion_hash.foldin.newton import SAMPLE, Prior, Scored, drawn_outfits, most_likely, prior_of
from fashion_hash.index.outfit_vectors import encoder_of, outfit_vectors, real_vectors

# The weight of an outfit, in pairs. Chosen from 1, 5, 20 and 100 by the test AUC of users of the sample with one and
# with five liked outfits, in floats and in bits; a larger weight is slightly better for floats and worse for bits.
WEIGHT = 20.0


class FoldInVectors:
    """Vectors of new users for one bundle with an outfit encoder; the counterpart of FoldIn.

    Args:
        bundle: an open bundle.
        seed: the seed of the random outfits for comparison.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle = bundle
        self._seed = seed

    def fit(
        self, liked: np.ndarray, disliked: np.ndarray | None = None, *, bundle: Bundle | None = None
    ) -> np.ndarray | None:
        """The vector that ranks liked outfits above random ones, and disliked ones below: (D,) float32.

        Args:
            liked: (L, S) rows of items by slot, EMPTY for an empty slot.
            disliked: the same for disliked outfits.
            bundle: the bundle with items added since; by default that of the constructor.

        Returns None without any outfit. Raises QueryError like FoldIn.by_sum.
        """
        bundle = bundle or self._bundle
        told, signs = checked_outfits(bundle, liked, disliked)
        if not len(told):
            return None
        user = most_likely(_scored(bundle, told), signs, self._random, self._prior, WEIGHT)
        return encoder_of(bundle).place(user)

    @cached_property
    def _prior(self) -> Prior:
        """The normal distribution of the bundle's users."""
        keys = self._bundle.known_user_keys
        users = np.asarray(keys[:: 1 + len(keys) // SAMPLE], dtype=np.float64)
        return prior_of(users.reshape(-1, self._bundle.num_bits))

    @cached_property
    def _random(self) -> Scored:
        """Random outfits that fill the same slots as outfits of the history."""
        return _scored(self._bundle, drawn_outfits(self._bundle, self._seed))


def _scored(bundle: Bundle, items: np.ndarray) -> Scored:
    """Outfits, (R, S) rows of items, as linear functions of the user's vector.

    The score lacks a term in the length of the user's vector, which is the same for all outfits.
    """
    encoder = encoder_of(bundle)
    vectors = real_vectors(bundle, outfit_vectors(bundle, items)).astype(np.float64)
    bias = np.zeros(len(items))
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        bias[filled] += bundle.item_bias[item_type][items[filled, slot]] / WEIGHT_ONE
    bias /= np.maximum((items != EMPTY).sum(axis=1), 1)
    return Scored(2 * encoder.factor * vectors, bias - encoder.factor * (vectors**2).sum(axis=1))
