"""The most likely numbers of a new user: BPR against random outfits with a normal prior, found by Newton's method.

The difference between the scores of two outfits is linear in the user's numbers, so the training loss, BPR
(Rendle et al., UAI 2009), is convex in them. The prior is a normal distribution with the mean and covariance of the
bundle's users.

Shapes: L liked and disliked outfits, R random ones, U users, D numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import generator

RANDOM = 512
STEPS = 20
SHRINK = 0.1  # shrinks the covariance of the users towards its diagonal, so that few users suffice
SAMPLE = 65_536


class Prior(NamedTuple):
    """The mean, (D,), and inverse covariance, (D, D), of users."""

    mean: np.ndarray
    precision: np.ndarray


class Scored(NamedTuple):
    """Outfits as linear functions of a user's numbers: score = vectors @ user + constant; (R, D) and (R,) float64."""

    vectors: np.ndarray
    constant: np.ndarray


def prior_of(users: np.ndarray) -> Prior:
    """The normal distribution of users, (U, D) float64."""
    mean = users.mean(axis=0) if len(users) else np.zeros(users.shape[1])
    apart = users - mean
    covariance = apart.T @ apart / max(1, len(users))
    diagonal = np.diag(covariance).copy()
    diagonal += 1e-3 * diagonal.mean() + 1e-9
    return Prior(mean, np.linalg.inv((1 - SHRINK) * covariance + SHRINK * np.diag(diagonal)))


def drawn_outfits(bundle: Bundle, seed: int) -> np.ndarray:
    """(R, S) random items in the slots that outfits of the history fill."""
    rng = generator(seed, "fold-in")
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
    return items


def most_likely(told: Scored, signs: np.ndarray, random: Scored, prior: Prior, weight: float) -> np.ndarray:
    """The numbers, (D,) float64, that rank liked outfits above random ones, and disliked ones below.

    Args:
        told: L liked and disliked outfits.
        signs: (L,) +1 and -1.
        random: R outfits to compare them with.
        prior: of the users.
        weight: of an outfit, in pairs.
    """
    vectors, constant = told
    mean, precision = prior
    user = mean.copy()
    for _ in range(STEPS):
        # over all pairs of an outfit and a random one: softplus(-sign * (outfit - random))
        apart = (vectors @ user + constant)[:, None] - (random.vectors @ user + random.constant)  # (L, R)
        wrong = 1 / (1 + np.exp(np.clip(signs[:, None] * apart, -60, 60)))  # slope of each pair
        slope = (signs[:, None] * wrong) * (weight / len(random.vectors))
        gradient = precision @ (user - mean) - (slope.sum(axis=1) @ vectors - slope.sum(axis=0) @ random.vectors)
        curve = wrong * (1 - wrong) * (weight / len(random.vectors))
        cross = vectors.T @ (curve @ random.vectors)
        hessian = precision + (vectors.T * curve.sum(axis=1)) @ vectors
        hessian += (random.vectors.T * curve.sum(axis=0)) @ random.vectors - cross - cross.T
        step = np.linalg.solve(hessian, gradient)
        user = user - step
        if np.abs(step).max() < 1e-6 * (1 + np.abs(user).max()):
            break
    return user
