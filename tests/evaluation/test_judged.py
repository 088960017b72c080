"""Adherence and satisfied NDCG against a plain loop over every order of the tied."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest

from fashion_hash.data.requests.judged import JudgedRequests, row_mask
from fashion_hash.data.requests.table import NOBODY, Requests
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.judged import (
    JUDGED_METRICS,
    adherence_at,
    judged_metrics,
    judged_values,
    satisfied_ndcg_at,
)


def orders(scores):
    """Every order of the items, best first, in which tied items may stand."""
    return [
        order for order in permutations(range(len(scores))) if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]


def plain_adherence(scores, fits, k):
    if sum(fits) < k:
        return math.nan
    shares = [sum(bool(fits[row]) for row in order[:k]) / k for order in orders(scores)]
    return sum(shares) / len(shares)


def plain_ndcg(scores, fits, k):
    ideal = sum(1 / math.log2(1 + place) for place in range(1, min(k, sum(fits)) + 1))
    if not ideal:
        return math.nan
    values = [
        sum(bool(fits[row]) / math.log2(1 + place) for place, row in enumerate(order[:k], 1)) / ideal
        for order in orders(scores)
    ]
    return sum(values) / len(values)


@pytest.mark.parametrize("levels", [1, 2, 3, 100])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_metrics_against_every_order(levels, k):
    rng = np.random.default_rng(10 * levels + k)
    scores = rng.integers(levels, size=(12, 6)).astype(float)
    scores[0, 0] = -np.inf
    fits = rng.random((12, 6)) < 0.4
    fits[1] = False
    adherence, ndcg = adherence_at(scores, fits, k), satisfied_ndcg_at(scores, fits, k)
    for row in range(12):
        held = fits[row].tolist()
        assert adherence[row] == pytest.approx(plain_adherence(scores[row], held, k), nan_ok=True)
        assert ndcg[row] == pytest.approx(plain_ndcg(scores[row], held, k), nan_ok=True)


def test_a_catalogue_shorter_than_k():
    scores, fits = np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])
    assert np.isnan(adherence_at(scores, fits, 10)).all()
    best = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert satisfied_ndcg_at(scores, fits, 10) == pytest.approx([best])


def judged():
    requests = Requests.of([0, 1, NOBODY], [0, 2, 1], ["red skirt", "heels under 50", "red skirts"])
    return JudgedRequests(
        requests,
        ("short", "price", "short"),
        tuple(map(np.array, ([0, 1], [2, 3], [0, 1]))),
        tuple(map(np.array, ([0], [2, 3], [0, 1]))),
    )


def test_means_by_kind_leave_out_what_is_not_defined():
    scores = np.array([[4, 3, 2, 1], [1, 4, 3, 2], [4, 3, 2, 1]], dtype=float)
    values = judged_values(lambda asked: scores[: len(asked)], judged())
    assert set(values) == set(JUDGED_METRICS)
    metrics = judged_metrics(values, judged().kinds)
    assert list(metrics) == ["all", "short", "price"]
    assert metrics["short"]["adherence@2"] == 1
    assert metrics["price"]["adherence@2"] == 0.5
    assert metrics["all"]["adherence@2"] == pytest.approx(2.5 / 3)
    assert metrics["all"]["adherence@10"] is None  # fewer than ten items
    assert metrics["price"]["mrr"] == 0.5
    assert [metrics[name]["queries"] for name in metrics] == [3, 2, 1]


def test_rows_of_judged_requests():
    short = judged()[np.array([0, 2])]
    assert short.kinds == ("short", "short")
    assert short.requests.texts == ("red skirt", "red skirts")
    assert row_mask(short.satisfying, 4).tolist() == [[True, False, False, False], [True, True, False, False]]
    assert set(judged().anonymous().requests.users.tolist()) == {NOBODY}


def test_wrong_input_is_refused():
    whole = judged()
    with pytest.raises(DataError, match=r"different lengths: \[2, 3\]"):
        JudgedRequests(whole.requests, whole.kinds, whole.hard, whole.satisfying[:2])
    with pytest.raises(QueryError, match="no judged requests"):
        judged_values(lambda asked: np.zeros((0, 4)), whole[:0])
    with pytest.raises(QueryError, match=r"scores of shape \(3, 2\)"):
        judged_values(lambda asked: np.zeros((3, 2)), whole)
    with pytest.raises(QueryError, match="request 1 hold NaN"):
        judged_values(lambda asked: np.array([[0, 0, 0, 0], [0, np.nan, 0, 0], [0, 0, 0, 0]]), whole)
