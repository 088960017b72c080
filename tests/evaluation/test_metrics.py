"""Metrics against scikit-learn, against loops that re-derive each definition, and against brute force."""

from __future__ import annotations

import itertools
import math
import statistics
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from fashion_hash.errors import FashionHashError, QueryError
from fashion_hash.evaluation.metrics import (
    auc,
    fitb_accuracy,
    ndcg_at,
    ndcg_fhn,
    pair_accuracy,
    ranked_lists,
    ranking_metrics,
    recall_at,
    reciprocal_rank,
)


def by_hand(relevant: tuple[bool, ...], k: int) -> dict[str, float]:
    """Every metric of one list that is already in its order: the definitions, in plain loops."""
    ideal = sorted(relevant, reverse=True)
    positives = sum(relevant)
    right = sum(a and not b for i, a in enumerate(relevant) for b in relevant[i + 1 :])

    def dcg(gains: tuple[bool, ...] | list[bool], m: int, discount: Callable[[int], float]) -> float:
        return sum((2**gain - 1) / discount(rank) for rank, gain in enumerate(gains[:m], start=1))

    def ndcg(m: int, discount: Callable[[int], float]) -> float:
        return dcg(relevant, m, discount) / dcg(ideal, m, discount)

    return {
        "auc": right / (positives * (len(relevant) - positives)),
        "ndcg": statistics.fmean(ndcg(m, lambda rank: math.log2(max(rank, 2))) for m in range(1, len(relevant) + 1)),
        "ndcg_at": ndcg(k, lambda rank: math.log2(rank + 1)),
        "recall_at": sum(relevant[:k]) / positives,
        "mrr": 1 / (relevant.index(True) + 1),
    }


def brute_force(scores: list[int], relevant: list[bool], k: int) -> dict[str, float]:
    """The mean over every order of the candidates that respects the scores."""
    orders = [
        by_hand(tuple(relevant[row] for row in order), k)
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    return {name: statistics.fmean(one[name] for one in orders) for name in orders[0]}


def computed(scores: Any, relevant: Any, groups: Any, k: int) -> dict[str, np.ndarray]:
    lists = ranked_lists(scores, relevant, groups)
    return {
        "auc": auc(lists),
        "ndcg": ndcg_fhn(lists),
        "ndcg_at": ndcg_at(lists, k),
        "recall_at": recall_at(lists, k),
        "mrr": reciprocal_rank(lists),
    }


@pytest.mark.parametrize("levels", [1, 2, 3, 100])
def test_ties_are_the_mean_over_all_orders(levels: int) -> None:
    rng = np.random.default_rng(levels)
    groups, scores, relevant, expected = [], [], [], []
    for user in range(12):
        size = int(rng.integers(2, 7))
        truth = [bool(one) for one in rng.permutation(size) < rng.integers(1, size)]
        value = rng.integers(0, levels, size).tolist()
        groups += [user] * size
        scores += value
        relevant += truth
        expected.append(brute_force(value, truth, k=3))
    shuffled = rng.permutation(len(groups))  # rows may come in any order
    got = computed(np.array(scores)[shuffled], np.array(relevant)[shuffled], np.array(groups)[shuffled], k=3)
    for name, values in got.items():
        np.testing.assert_allclose(values, [one[name] for one in expected], rtol=1e-12, err_msg=name)


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(0, 40, 3000)
    relevant = rng.random(3000) < 0.2
    scores = np.round(rng.normal(size=3000) + relevant, 1)  # rounding makes ties
    lists = ranked_lists(scores, relevant, users)
    assert lists.tied.max() > 5
    assert len(lists) == 40
    for user, area, gain in zip(lists.groups, auc(lists), ndcg_at(lists, 10)):
        mine = users == user
        assert area == pytest.approx(roc_auc_score(relevant[mine], scores[mine]), rel=1e-12)
        assert gain == pytest.approx(ndcg_score([relevant[mine]], [scores[mine]], k=10), rel=1e-12)


def test_lists_without_ties_match_the_definitions_exactly() -> None:
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(5), 60)
    relevant, scores = rng.random(300) < 0.1, rng.permutation(300)
    got = computed(scores, relevant, users, k=10)
    for user in range(5):
        mine = np.flatnonzero(users == user)
        ordered = tuple(relevant[mine[np.argsort(-scores[mine])]].tolist())
        for name, value in by_hand(ordered, 10).items():
            assert got[name][user] == pytest.approx(value, rel=1e-12), name


def test_a_constant_scorer_gets_what_a_random_one_gets() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(3000), 22)
    relevant = np.tile(np.arange(22) < 2, 3000)
    constant = ranking_metrics(np.zeros(len(users)), relevant, users)
    random = ranking_metrics(rng.random(len(users)), relevant, users)
    assert constant["auc"] == pytest.approx(0.5, rel=1e-12)
    for name in ("auc", "ndcg", "ndcg_at_10", "recall_at_10", "mrr"):
        assert constant[name] == pytest.approx(random[name], abs=0.015), name


def test_long_ties_keep_their_precision() -> None:
    """E[1 / first of 1 positive among n] is the harmonic number over n, however long the tie."""
    n = 20_000
    lists = ranked_lists(np.zeros(n), np.arange(n) == 5, np.zeros(n, dtype=int))
    assert reciprocal_rank(lists)[0] == pytest.approx(np.sum(1 / np.arange(1, n + 1)) / n, rel=1e-9)


def test_perfect_and_worst_lists() -> None:
    relevant, users = np.array([True, True, False, False]), np.zeros(4, dtype=int)
    best = ranking_metrics([4.0, 3.0, 2.0, 1.0], relevant, users)
    assert {best[name] for name in ("auc", "ndcg", "ndcg_at_10", "recall_at_10", "mrr")} == {1.0}
    worst = ranking_metrics([-np.inf, 2.0, 3.0, np.inf], relevant, users, k=2)
    assert (worst["auc"], worst["recall_at_2"], worst["mrr"]) == (0.0, 0.0, pytest.approx(1 / 3))


def test_users_with_nothing_to_compare_are_left_out_and_counted() -> None:
    users = np.array([9, 9, 4, 4, 4, 7, 2])
    relevant = np.array([True, False, True, True, False, True, False])
    lists = ranked_lists([0, 1, 5, 4, 4, 3, 2], relevant, users)
    assert lists.groups.tolist() == [4, 9]
    assert lists.left_out == 2
    metrics = ranking_metrics([0, 1, 5, 4, 4, 3, 2], relevant, users)
    assert (metrics["users"], metrics["users_left_out"]) == (2, 2)
    assert metrics["auc"] == pytest.approx((0.75 + 0) / 2)
    assert metrics["auc_rows"] == pytest.approx((0.75 * 2 + 0) / 3)  # user 4 has two positives, user 9 one


@pytest.mark.parametrize(("area", "expected"), [(0.50, 0.28), (0.80, 0.655), (0.87, 0.78), (0.90, 0.835), (0.93, 0.88)])
def test_auc_and_fhn_ndcg_go_together_as_known_at_ten_to_one(area: float, expected: float) -> None:
    """Normal scores a given AUC apart, 37 positives a user as in Polyvore-630's test split."""
    rng = np.random.default_rng(4)
    positives, people = 37, 600
    apart = math.sqrt(2) * statistics.NormalDist().inv_cdf(area)
    relevant = np.tile(np.arange(11 * positives) < positives, people)
    users = np.repeat(np.arange(people), 11 * positives)
    metrics = ranking_metrics(rng.normal(size=len(users)) + apart * relevant, relevant, users)
    assert metrics["auc"] == pytest.approx(area, abs=0.005)
    assert metrics["ndcg"] == pytest.approx(expected, abs=0.015)


def test_work_does_not_grow_line_by_line_with_users() -> None:
    """Vectorised: as many Python lines run for 20,000 users x 11 candidates as for 20."""

    def lines(people: int) -> int:
        scores = np.random.default_rng(5).integers(0, 50, people * 11).astype(float)
        relevant = np.tile(np.arange(11) == 0, people)
        users = np.repeat(np.arange(people), 11)
        count = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            ranking_metrics(scores, relevant, users)
        finally:
            sys.settrace(before)
        return count

    assert lines(20_000) <= lines(20) + 5


def test_fitb_gives_a_tie_its_share() -> None:
    assert fitb_accuracy([[3, 1, 1, 1]]) == 1.0
    assert fitb_accuracy([[1, 3, 1, 1]]) == 0.0
    assert fitb_accuracy([[2, 2, 1, 2]]) == pytest.approx(1 / 3)
    assert fitb_accuracy([[0, 0, 0, 0], [0, 1, 1, 1]]) == pytest.approx(0.125)


def test_pairs_give_a_tie_half() -> None:
    assert pair_accuracy([2.0, 1.0, 1.0, 0.0], [1.0, 1.0, 2.0, -1.0]) == pytest.approx((1 + 0.5 + 0 + 1) / 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: ranked_lists([0.0, np.nan], np.array([True, False]), [1, 1]),
            r"1 of 2 scores are NaN.*row 1",
        ),
        (lambda: ranked_lists([0.0], np.array([True, False]), [1, 1]), r"shape \(2,\), one for each row; got \(1,\)"),
        (lambda: ranked_lists([0.0, 1.0], np.array([1, -1]), [1, 1]), "boolean, got int64"),
        (lambda: ranked_lists([0.0, 1.0], np.array([True, False]), [1]), "of the same length"),
        (lambda: ranking_metrics([0.0, 1.0], np.array([True, True]), [1, 1]), r"no user \(of 1\)"),
        (lambda: ranking_metrics([], np.zeros(0, dtype=bool), []), r"no user \(of 0\)"),
        (lambda: ranking_metrics([1, 0], np.array([True, False]), [1, 1], k=0), "k must be at least 1, got 0"),
        (lambda: fitb_accuracy([[1.0], [2.0]]), r"C >= 2, got \(2, 1\)"),
        (lambda: fitb_accuracy([[1.0, np.nan]]), "NaN"),
        (lambda: pair_accuracy([1.0], [1.0, 2.0]), r"shape \(1,\), one for each row; got \(2,\)"),
        (lambda: pair_accuracy([], []), "the split is empty"),
        (lambda: pair_accuracy([np.nan], [1.0]), "NaN"),
    ],
)
def test_what_has_no_meaning_is_refused(call: Callable[[], object], says: str) -> None:
    with pytest.raises(QueryError, match=says) as raised:
        call()
    assert isinstance(raised.value, FashionHashError)
    assert isinstance(raised.value, ValueError)
