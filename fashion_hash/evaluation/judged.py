"""How well the first items of an answer satisfy what a request says, where every satisfying item is known.

    values = judged_values(score, judged)             # judged: data/requests/judged.py
    judged_metrics(values, judged.kinds)["all"]       # {"adherence@2": ..., "satisfied_ndcg@10": ..., "queries": 800}

Tied items count as the mean over the orders in which they may stand, as in `evaluation.requests`.

Shapes: Q requests, B requests of a block, C items in the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_hash.data.requests.judged import JudgedRequests, row_mask
from fashion_hash.errors import QueryError
from fashion_hash.evaluation.requests import REQUEST_METRICS, Floats, Metrics, Score, checked_scores, places_in

BLOCK = 256
"""How many requests are scored at once."""

ALL = "all"
"""The name under which `judged_metrics` gives the metrics of all kinds of requests together."""

Fits = npt.NDArray[np.bool_]


def expected_gains(scores: npt.NDArray[Any], fits: Fits, k: int) -> Floats:
    """The chance that a fitting item stands at each of the first k places: (B, k).

    Args:
        scores: (B, C), higher is better.
        fits: (B, C).
        k: at most C.
    """
    best = -np.partition(-scores, k - 1, axis=1)[:, :k]
    best = -np.sort(-best, axis=1)
    gains = np.empty(best.shape)
    for place in range(k):
        same = scores == best[:, place, None]
        gains[:, place] = (same & fits).sum(axis=1) / same.sum(axis=1)
    return gains


def adherence_at(scores: npt.NDArray[Any], fits: Fits, k: int) -> Floats:
    """The share of the first k items that have every hard fact of a request: (B,); NaN where fewer than k have.

    Args:
        scores: (B, C), higher is better.
        fits: (B, C), which items have every hard fact.
        k: how many items are looked at.
    """
    if k > scores.shape[1]:
        return np.full(len(scores), np.nan)
    return np.where(fits.sum(axis=1) >= k, expected_gains(scores, fits, k).mean(axis=1), np.nan)


def satisfied_ndcg_at(scores: npt.NDArray[Any], fits: Fits, k: int) -> Floats:
    """NDCG of the first k items, with gain 1 for each that satisfies all of a request: (B,); NaN where none does.

    The discount is 1 / log2(1 + place); an order with all satisfying items first has 1.

    Args:
        scores: (B, C), higher is better.
        fits: (B, C), which items satisfy all of a request.
        k: how many items are looked at.
    """
    k = min(k, scores.shape[1])
    discounts = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[np.nan], np.cumsum(discounts)])[np.minimum(fits.sum(axis=1), k)]
    return np.asarray(expected_gains(scores, fits, k) @ discounts / ideal)


HARD_METRICS: Mapping[str, Callable[[npt.NDArray[Any], Fits], Floats]] = {
    "adherence@2": partial(adherence_at, k=2),
    "adherence@10": partial(adherence_at, k=10),
}
SATISFIED_METRICS: Mapping[str, Callable[[npt.NDArray[Any], Fits], Floats]] = {
    "satisfied_ndcg@10": partial(satisfied_ndcg_at, k=10)
}
TAKEN_METRICS: Metrics = {name: REQUEST_METRICS[name] for name in ("recall@10", "mrr")}
JUDGED_METRICS = (*HARD_METRICS, *SATISFIED_METRICS, *TAKEN_METRICS)
"""Every metric of judged requests, by name; the last ones are of the item that was taken."""


def judged_values(score: Score, judged: JudgedRequests) -> dict[str, Floats]:
    """Each metric in `JUDGED_METRICS` of each request.

    Args:
        score: the scorer; scores may be of any real type, higher is better.
        judged: the requests with all items that satisfy them.

    Returns:
        (Q,) float64 for each metric, NaN where it is not defined: adherence@k with fewer than k satisfying items.

    Raises:
        QueryError: no requests, scores of another shape, or NaN among them.
    """
    if not len(judged):
        raise QueryError("no judged requests to measure")
    values: dict[str, list[Floats]] = {name: [] for name in JUDGED_METRICS}
    for start in range(0, len(judged), BLOCK):
        part = judged[slice(start, start + BLOCK)]
        scores = checked_scores(score, part.requests, start)
        for metrics, rows in ((HARD_METRICS, part.hard), (SATISFIED_METRICS, part.satisfying)):
            fits = row_mask(rows, scores.shape[1])
            for name, metric in metrics.items():
                values[name].append(metric(scores, fits))
        places = places_in(scores, part.requests.items)
        for name, of_places in TAKEN_METRICS.items():
            values[name].append(of_places(places))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def judged_metrics(values: Mapping[str, Floats], kinds: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """The mean of each metric, over all requests and by their kind.

    Args:
        values: what `judged_values` returned.
        kinds: (Q,) the kind of each request.

    Returns:
        {"all": {metric: mean, "queries": number}, kind: {...}}; a metric that is defined for no request is None.
    """
    of_each: npt.NDArray[Any] = np.array(kinds)
    groups = {ALL: np.ones(len(kinds), dtype=bool), **{kind: of_each == kind for kind in dict.fromkeys(kinds)}}
    return {
        name: {**{metric: _mean(of[rows]) for metric, of in values.items()}, "queries": int(rows.sum())}
        for name, rows in groups.items()
    }


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
