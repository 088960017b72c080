"""Metrics of requests against a plain loop over every order of the tied; baselines against counting by hand."""

import math
from functools import partial
from itertools import permutations

import numpy as np
import pytest

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import QueryError
from fashion_hash.evaluation import requests as measured
from fashion_hash.evaluation.requests import (
    REQUEST_METRICS,
    bm25,
    chance,
    history,
    ndcg_at,
    neighbours,
    popularity,
    recall_at,
    reciprocal_rank,
    request_metrics,
    request_values,
    statement,
)

NAMES = tuple(REQUEST_METRICS)


def loop(scores, item):
    """Each metric by its definition: the mean over all orders in which tied items may stand."""
    sums = dict.fromkeys(NAMES, 0.0)
    tied = [row for row in range(len(scores)) if scores[row] == scores[item]]
    above = sum(score > scores[item] for score in scores)
    orders = list(permutations(tied))
    for order in orders:
        place = above + order.index(item) + 1
        sums["recall@5"] += place <= 5
        sums["recall@10"] += place <= 10
        sums["ndcg@10"] += 1 / math.log2(1 + place) if place <= 10 else 0
        sums["mrr"] += 1 / place
    return {name: value / len(orders) for name, value in sums.items()}


def asked(items, users=None):
    users = np.zeros(len(items)) if users is None else users
    return Requests.of(users, items, [""] * len(items), np.arange(len(items)))


def scorer(scores):
    """Rows of a table by the times of the requests, which number them."""
    return lambda requests: scores[requests.times]


@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_metrics_against_the_loop(levels):
    rng = np.random.default_rng(levels)
    size = 6 if levels == 2 else 14
    scores = rng.integers(levels, size=(40, size)).astype(float)
    for row in scores:  # no more than five tied: 120 orders
        for value in np.unique(row):
            for place in np.flatnonzero(row == value)[5:]:
                row[place] = rng.random() * levels
    scores[0, :3] = -np.inf
    items = rng.integers(size, size=40)
    values = request_values(scorer(scores), asked(items))
    for query in range(40):
        for name, expected in loop(scores[query], items[query]).items():
            assert values[name][query] == pytest.approx(expected, abs=1e-12), (query, name)


def test_means_and_other_cuts():
    metrics = {
        "recall@1": partial(recall_at, k=1),
        "recall@2": partial(recall_at, k=2),
        "ndcg@2": partial(ndcg_at, k=2),
        "mrr": reciprocal_rank,
    }
    values = request_values(scorer(np.array([[3.0, 2, 1], [3, 2, 1]])), asked([0, 2]), metrics)
    assert request_metrics(values) == {
        "recall@1": 0.5,
        "recall@2": 0.5,
        "ndcg@2": 0.5,
        "mrr": (1 + 1 / 3) / 2,
        "queries": 2,
    }


def test_a_constant_scorer_is_chance_exactly():
    metrics = request_metrics(request_values(chance(31), asked(list(range(31)))))
    assert metrics["recall@5"] == pytest.approx(5 / 31)
    assert metrics["recall@10"] == pytest.approx(10 / 31)
    assert metrics["mrr"] == pytest.approx(sum(1 / place for place in range(1, 32)) / 31)


def test_blocks_do_not_change_anything(monkeypatch):
    rng = np.random.default_rng(0)
    scores, items = rng.integers(5, size=(50, 20)).astype(np.float32), rng.integers(20, size=50)
    sizes = []

    def score(requests):
        sizes.append(len(requests))
        return scores[requests.times]

    whole = request_values(score, asked(items))
    monkeypatch.setattr(measured, "_NUMBERS", 140)
    sizes.clear()
    parts = request_values(score, asked(items))
    assert max(sizes) == 7
    assert sum(sizes) == 50
    assert all((whole[name] == parts[name]).all() for name in NAMES)


def test_scores_that_cannot_be():
    with pytest.raises(QueryError, match=r"no requests to measure"):
        request_values(chance(3), asked([]))
    with pytest.raises(QueryError, match=r"the scores of request 1 hold NaN"):
        request_values(scorer(np.array([[1.0, 2.0], [np.nan, 1.0]])), asked([0, 0]))
    with pytest.raises(QueryError, match=r"scores of shape \(1, 2\) for 1 requests, the item in row 2"):
        request_values(chance(2), asked([2]))
    with pytest.raises(QueryError, match=r"scores of shape \(3,\)"):
        request_values(lambda requests: np.zeros(3), asked([0]))


@pytest.fixture
def shop():
    descriptions = ("Striped cotton shirt", "Cotton trousers, striped", "Wool coat for the winter", "")
    train = Requests.of([0, 0, 1, -1], [2, 2, 0, 2], ["a", "b", "c", "d"])
    test = Requests.of([0, 1, -1], [2, 0, 3], ["a winter coat", "striped SHIRT", "zzz the"])
    users, items = Vocabulary(["u", "v"], "user"), Vocabulary(["a", "b", "c", "d"], "item")
    return RequestData("shop", users, {"item": items}, {"train": train, "test": test}, {"item": descriptions})


def test_popularity(shop):
    scores = popularity(shop)(shop.split("test"))
    assert scores.tolist() == [[1, 0, 3, 0]] * 3
    values = request_values(popularity(shop), shop.split("test"))
    assert values["mrr"].tolist() == pytest.approx([1, 1 / 2, (1 / 3 + 1 / 4) / 2])


def test_history_then_popularity(shop):
    scores = history(shop)(shop.split("test"))
    assert np.argsort(-scores[0], kind="stable").tolist() == [2, 0, 1, 3]
    assert np.argsort(-scores[1], kind="stable").tolist() == [0, 2, 1, 3]
    assert np.argsort(-scores[2], kind="stable").tolist() == [2, 0, 1, 3]  # nobody: popularity
    assert scores[0, 2] == pytest.approx(2 + 3 / 4)


def test_neighbours_against_a_loop():
    rng = np.random.default_rng(1)
    users, items = rng.integers(-1, 8, size=60), rng.integers(6, size=60)
    train = Requests.of(users, items, [""] * 60)
    test = Requests.of(np.arange(-1, 8), np.zeros(9), [""] * 9)
    data = RequestData(
        "made",
        Vocabulary(range(9), "user"),
        {"item": Vocabulary(range(6), "item")},
        {"train": train, "test": test},
        {"item": ("",) * 6},
    )
    took = {item: {u for u, i in zip(users.tolist(), items.tolist()) if i == item and u >= 0} for item in range(6)}
    scores = neighbours(data)(test)
    for row, user in enumerate(range(-1, 8)):
        for item in range(6):
            own = [other for other in range(6) if user in took[other] and other != item]
            near = [len(took[item] & took[o]) / math.sqrt(max(len(took[item]), 1) * len(took[o])) for o in own]
            assert scores[row, item] == pytest.approx(sum(near)), (user, item)


def test_bm25_against_the_formula(shop):
    """Lucene's variant, k1 = 1.5, b = 0.75; lengths without stop words."""
    corpus = [["striped", "cotton", "shirt"], ["cotton", "trousers", "striped"], ["wool", "coat", "winter"], []]
    mean = sum(map(len, corpus)) / len(corpus)

    def score(words, document):
        total = 0.0
        for word in words:
            holding = sum(word in one for one in corpus)
            idf = math.log(1 + (len(corpus) - holding + 0.5) / (holding + 0.5))
            count = document.count(word)
            total += idf * count / (count + 1.5 * (0.25 + 0.75 * len(document) / mean))
        return total

    scores = bm25(shop)(shop.split("test"))
    for row, words in enumerate((["winter", "coat"], ["striped", "shirt"], ["zzz"])):
        assert scores[row] == pytest.approx([score(words, document) for document in corpus], abs=1e-6)
    assert request_values(bm25(shop), shop.split("test"))["recall@5"].tolist() == [1, 1, 1]


def test_bm25_without_any_words(shop):
    from dataclasses import replace

    silent = replace(shop, descriptions={"item": ("", "", "the", "")})
    assert not bm25(silent)(shop.split("test")).any()


def test_statement(shop):
    said = statement(shop)
    assert said.startswith("shop: 3 test requests of 2 users (0 by users unknown in training, 0 without words)")
    assert "ranked among all 4 items" in said
