"""Compositions under `max_per`: the ranking is searched on until the caps are met; one that ends before is unproven."""

import itertools

import numpy as np
import pytest

from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.composition import composer
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "bottom", "shoe")


@pytest.fixture
def recommender(tmp_path):
    """One top is so popular that the best 1,188 outfits all hold it."""
    bias = {name: np.zeros(30 + 3 * number) for number, name in enumerate(SLOTS)}
    bias["top"][7] = 100.0
    bundle = random_bundle(tmp_path / "bundle", slots=SLOTS, num_items=30, item_bias=bias)
    build_index(bundle, random_pool(bundle, 50).distinct())
    return Recommender.load(bundle.path)


def greedy(recommender, k, most):
    """The best outfits out of all, each item in at most so many of them."""
    bundle = recommender.bundle
    every = np.array(list(itertools.product(*(range(len(bundle.items[name])) for name in SLOTS))), dtype=np.int32)
    key = bundle.user_keys[bundle.users.row("user-1")]
    order = np.argsort(-exact.scores(bundle, exact.terms(bundle, key, every)), kind="stable")
    used, chosen = {}, []
    for row in every[order]:
        items = list(zip(SLOTS, row.tolist()))
        if all(used.get(item, 0) < most for item in items):
            chosen.append([bundle.items[name].at(np.array([place]))[0] for name, place in items])
            for item in items:
                used[item] = used.get(item, 0) + 1
        if len(chosen) == k:
            return chosen
    return chosen


def test_the_ranking_is_searched_on_until_the_caps_are_met(recommender):
    for k, most in ((4, 1), (3, 2)):
        composed = recommender.compose("user-1", k, max_per={"item": most})
        assert [[hit.items[name] for name in SLOTS] for hit in composed.hits] == greedy(recommender, k, most)
        assert composed.proven
        assert composed.shortfall is None


def test_a_list_that_the_longest_ranking_leaves_short_is_not_proven(recommender, monkeypatch):
    monkeypatch.setattr(composer, "LONGEST_CAPPED", 400)
    composed = recommender.compose("user-1", 4, max_per={"item": 1})
    assert len(composed.hits) == 1
    assert not composed.proven


def test_caps_that_no_list_can_meet_end_with_all_outfits(recommender):
    """Every outfit was looked at: a short list is then proven to be all there is."""
    composed = recommender.compose("user-1", 4, max_per={"item": 1}, include={"top": "top-7", "bottom": "bottom-3"})
    assert len(composed.hits) == 1
    assert composed.proven
