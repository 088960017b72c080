"""Fold-in for an outfit encoder: the vector of a new user, with everything else fixed.

The difference between the scores of two outfits is linear in the user's vector, so the training loss, BPR
(Rendle et al., UAI 2009) against random outfits, is convex in it. The prior is a normal distribution with the
mean and covariance of the bundle's users; the result is the most likely vector, found by Newton's method.

Shapes: L liked and disliked outfits, R random ones, D num_bits.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import generator
from fashion_hash.foldin.codes import checked_outfits
from fashion_hash.index.outfit_vectors import encoder_of, outfit_vectors, real_vectors

RANDOM = 512
STEPS = 20
SHRINK = 0.1  # shrinks the covariance of the users towards its diagonal, so that few users suffice
# The weight of an outfit, in pairs. Chosen from 1, 5, 20 and 100 by the test AUC of users of the sample with one and
# with five liked outfits, in floats and in bits; a larger weight is slightly better for floats and worse for bits.
WEIGHT = 20.0
SAMPLE = 65_536


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
        encoder = encoder_of(bundle)
        vectors, constant = _scored(bundle, told)
        random, random_constant = self._random
        mean, precision = self._prior
        user = mean.copy()
        for _ in range(STEPS):
            # over all pairs of an outfit and a random one: softplus(-sign * (outfit - random))
            apart = (vectors @ user + constant)[:, None] - (random @ user + random_constant)  # (L, R)
            wrong = 1 / (1 + np.exp(np.clip(signs[:, None] * apart, -60, 60)))  # slope of each pair
            slope = (signs[:, None] * wrong) * (WEIGHT / len(random))
            gradient = precision @ (user - mean) - (slope.sum(axis=1) @ vectors - slope.sum(axis=0) @ random)
            curve = wrong * (1 - wrong) * (WEIGHT / len(random))
            cross = vectors.T @ (curve @ random)
            hessian = precision + (vectors.T * curve.sum(axis=1)) @ vectors
            hessian += (random.T * curve.sum(axis=0)) @ random - cross - cross.T
            step = np.linalg.solve(hessian, gradient)
            user = user - step
            if np.abs(step).max() < 1e-6 * (1 + np.abs(user).max()):
                break
        return encoder.place(user)

    @cached_property
    def _prior(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean, (D,), and inverse covariance, (D, D), of the bundle's users."""
        keys = self._bundle.known_user_keys
        users = np.asarray(keys[:: 1 + len(keys) // SAMPLE], dtype=np.float64)
        mean = users.mean(axis=0) if len(users) else np.zeros(self._bundle.num_bits)
        apart = users - mean
        covariance = apart.T @ apart / max(1, len(users))
        diagonal = np.diag(covariance).copy()
        diagonal += 1e-3 * diagonal.mean() + 1e-9
        return mean, np.linalg.inv((1 - SHRINK) * covariance + SHRINK * np.diag(diagonal))

    @cached_property
    def _random(self) -> tuple[np.ndarray, np.ndarray]:
        """Random outfits that fill the same slots as outfits of the history; see _scored."""
        bundle, rng = self._bundle, generator(self._seed, "fold-in")
        history = bundle.history.items
        history = history[(history != EMPTY).any(axis=1)]  # without the lines of users who were removed
        if len(history):
            pattern = history[rng.integers(0, len(history), RANDOM)] != EMPTY
        else:
            pattern = np.ones((RANDOM, len(bundle.slots)), dtype=bool)
        items = np.full(pattern.shape, EMPTY, dtype=np.int64)
        for slot, item_type in enumerate(bundle.slots):
            rows = rng.integers(0, max(1, len(bundle.items[item_type])), RANDOM)
            items[:, slot] = np.where(pattern[:, slot] & (len(bundle.items[item_type]) > 0), rows, EMPTY)
        return _scored(bundle, items)


def _scored(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (R, D) and constants (R,), float64, of outfits (R, S): score = vectors @ user + constant.

    The score lacks a term in the length of the user's vector, which is the same for all outfits.
    """
    encoder = encoder_of(bundle)
    vectors = real_vectors(bundle, outfit_vectors(bundle, items)).astype(np.float64)
    bias = np.zeros(len(items))
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        bias[filled] += bundle.item_bias[item_type][items[filled, slot]] / WEIGHT_ONE
    bias /= np.maximum((items != EMPTY).sum(axis=1), 1)
    return 2 * encoder.factor * vectors, bias - encoder.factor * (vectors**2).sum(axis=1)
