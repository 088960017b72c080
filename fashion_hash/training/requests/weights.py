"""The weights with which terms are added up to the score of an item, fitted on the validation requests.

A request gives every item of the catalogue a value for each term: bits, words, BM25 and so on. The weights are those of
a conditional logit (McFadden, 1974): with the sum as logit, the items that were taken get the greatest likelihood. A
normal prior holds them to equal parts of every term, as strongly as SURE requests would, so that a handful of requests
moves them little and hundreds decide. No weight falls below a least one, 0 for most.

Shapes: R requests, K candidates of a request, T terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

SURE = 8.0
"""How strongly the prior holds, in requests that say the same with full weight."""
ALONE = 50.0
"""How often a term outweighs every other term when it is to decide alone."""


class Terms(NamedTuple):
    """What is known of the terms before anything is fitted; each (T,).

    Attributes:
        names: of the terms.
        part: their parts in the prior, in units of their spread among the items.
        spread: their standard deviations among items where the requests do not show any.
        least: the least part that each may get.
    """

    names: tuple[str, ...]
    part: np.ndarray
    spread: np.ndarray
    least: np.ndarray


class Weighing(NamedTuple):
    """Fitted weights.

    Attributes:
        weights: (T,), in units of the terms.
        spread: (T,), the standard deviations of the terms.
        loss: what was minimised; of two weighings of the same requests the smaller is the better one.
    """

    weights: np.ndarray
    spread: np.ndarray
    loss: float


def spread_of(terms: Terms, candidates: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(T,) the mean standard deviation of each term among the candidates of a request.

    Requests in which all candidates are equal say nothing, such as those without a soft fact.

    Args:
        terms: what is known before.
        candidates: (R, K, T).
        present: (R, K) bool, False for padding.
    """
    count = np.maximum(present.sum(axis=1), 1)[:, None]
    mean = (candidates * present[:, :, None]).sum(axis=1) / count
    deviation = np.sqrt((((candidates - mean[:, None]) * present[:, :, None]) ** 2).sum(axis=1) / count)
    told = deviation > 1e-6
    spread = np.where(told, deviation, 0).sum(axis=0) / np.maximum(told.sum(axis=0), 1)
    return np.where(told.any(axis=0), spread, terms.spread)


def fit(terms: Terms, candidates: np.ndarray, present: np.ndarray, sure: float = SURE) -> Weighing:
    """The weights of the terms.

    Args:
        terms: what is known before.
        candidates: (R, K, T) float, the values of each term; the first of each request is the item that was taken.
        present: (R, K) bool, False for padding.
        sure: how strongly the prior holds.
    """
    spread = spread_of(terms, candidates, present)
    scaled = candidates / spread
    blocked = np.where(present, 0.0, -np.inf)

    def loss(parts: np.ndarray) -> tuple[float, np.ndarray]:
        logits = scaled @ parts + blocked
        top = logits.max(axis=1, keepdims=True)
        chances = np.exp(logits - top)
        total = chances.sum(axis=1, keepdims=True)
        missed = float((np.log(total[:, 0]) + top[:, 0] - logits[:, 0]).sum())
        expected = ((chances / total)[:, :, None] * scaled).sum(axis=1)
        away = parts - terms.part
        return missed + sure / 2 * float(away @ away), (expected - scaled[:, 0]).sum(axis=0) + sure * away

    bounds = [(float(least), None) for least in terms.least]
    found = minimize(loss, terms.part, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
    return Weighing(np.asarray(found.x) / spread, spread, float(found.fun))


def alone(term: int, spread: np.ndarray) -> np.ndarray:
    """(T,) weights with which a term decides, and the others order what it leaves level.

    Args:
        term: its place.
        spread: (T,) of all terms.
    """
    weights = 1 / spread
    weights[term] *= ALONE
    return np.asarray(weights)


def choose(values: Sequence[np.ndarray]) -> int:
    """The place of the best of several rankings: the first, unless another is better beyond chance.

    Another ranking is taken instead of the first when its mean is greater by more than the standard error of the
    difference; with few requests by more, because they may agree by chance.

    Args:
        values: for each ranking the value of each request, (R,).
    """
    count = len(values[0])
    gains = np.array([float((other - values[0]).mean()) for other in values])
    deviations = np.array([float((other - values[0]).std()) for other in values])
    errors = (deviations + 1 / np.sqrt(count)) / np.sqrt(max(count - 1, 1))
    sure = gains > errors
    return int(np.where(sure, gains, 0.0).argmax()) if sure.any() else 0
