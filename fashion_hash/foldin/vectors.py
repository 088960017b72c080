"""Fold-in under an outfit encoder: the vector of a user the model was not trained on; nothing else moves.

The difference of two outfits' scores is linear in the user's vector, so that the loss of the training, BPR
(Rendle et al., UAI 2009) against random outfits, is convex in it. The users of the bundle say where users
lie and how they spread: with that normal distribution as prior the answer is the vector that is most likely,
found by Newton's method. Shapes: L told outfits, R random ones, D num_bits.
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
SHRINK = 0.1  # of the users' covariance towards its diagonal, so that few users suffice
# How many pairs' worth of evidence an outfit is: of 1, 5, 20 and 100, by the test AUC of users of the sample
# from one and from five liked outfits, floats and bits; more is a little better for floats, worse for bits.
WEIGHT = 20.0
SAMPLE = 65_536


class FoldInVectors:
    """Vectors of new users for one bundle with an outfit encoder; offers what FoldIn does.

    Args:
        bundle: an open bundle.
        seed: of the random outfits that told ones are held against.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle = bundle
        self._seed = seed

    def fit(
        self, liked: np.ndarray, disliked: np.ndarray | None = None, *, bundle: Bundle | None = None
    ) -> np.ndarray | None:
        """The vector that ranks liked outfits above random ones, and disliked ones below: (D,) float32.

        Args:
            liked: (L, S) rows of items by slot, EMPTY where there is none.
            disliked: likewise.
            bundle: the bundle with the items that were added since; by default the one given at first.

        Returns None when nothing is told. Raises QueryError as FoldIn.by_sum.
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
            # of all pairs of a told and a random outfit: softplus(-sign * (told - random))
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
        """Mean, (D,), and inverse covariance, (D, D), of the users of the bundle."""
        users = np.asarray(self._bundle.user_keys[:: 1 + len(self._bundle.user_keys) // SAMPLE], dtype=np.float64)
        mean = users.mean(axis=0) if len(users) else np.zeros(self._bundle.num_bits)
        apart = users - mean
        covariance = apart.T @ apart / max(1, len(users))
        diagonal = np.diag(covariance).copy()
        diagonal += 1e-3 * diagonal.mean() + 1e-9
        return mean, np.linalg.inv((1 - SHRINK) * covariance + SHRINK * np.diag(diagonal))

    @cached_property
    def _random(self) -> tuple[np.ndarray, np.ndarray]:
        """Outfits of any items, in the slots that liked outfits fill; see _scored."""
        bundle, rng = self._bundle, generator(self._seed, "fold-in")
        history = bundle.history.items
        if len(history):
            pattern = history[rng.integers(0, len(history), RANDOM)] != EMPTY
        else:
            pattern = np.ones((RANDOM, len(bundle.slots)), dtype=bool)
        items = np.full(pattern.shape, EMPTY, dtype=np.int64)
        for slot, kind in enumerate(bundle.slots):
            rows = rng.integers(0, max(1, len(bundle.items[kind])), RANDOM)
            items[:, slot] = np.where(pattern[:, slot] & (len(bundle.items[kind]) > 0), rows, EMPTY)
        return _scored(bundle, items)


def _scored(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of outfits (R, S): (R, D) and (R,) float64 with score = vectors @ user + constant, but for the user's length."""
    encoder = encoder_of(bundle)
    vectors = real_vectors(bundle, outfit_vectors(bundle, items)).astype(np.float64)
    bias = np.zeros(len(items))
    for slot, kind in enumerate(bundle.slots):
        here = items[:, slot] != EMPTY
        bias[here] += bundle.item_bias[kind][items[here, slot]] / WEIGHT_ONE
    bias /= np.maximum((items != EMPTY).sum(axis=1), 1)
    return 2 * encoder.factor * vectors, bias - encoder.factor * (vectors**2).sum(axis=1)
