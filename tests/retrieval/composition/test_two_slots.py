"""Pairs down two sorted lists, against brute force, on codes as they are learned: skewed, crowded, with biases."""

from itertools import product

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits, type_pairs
from fashion_hash.index import exact
from fashion_hash.index.partners import find_partners
from fashion_hash.retrieval.composition import branch_and_bound, two_slots
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from tests.worlds.random_bundles import random_bundle

SLOTS = ("top", "bottom")
SIZES = {"top": 300, "bottom": 280}
WEIGHTS = {
    "even": lambda rng, bits: rng.uniform(0.57, 0.62, bits),
    "uneven": lambda rng, bits: rng.normal(1, 0.5, bits),
    "mostly zero": lambda rng, bits: np.where(rng.random(bits) < 0.7, 0.0, rng.normal(-1, 1, bits)),
    "zero": lambda rng, bits: np.zeros(bits),
}


def learned_like(path, weights="even", modalities=1, bits=32, **changes):
    """Few styles with few bits flipped, some of them popular; bits that lean to one side; biases with a long tail."""
    rng = np.random.default_rng(len(weights) + modalities + bits)
    styles = np.where(rng.random((6, modalities, bits)) < rng.uniform(0.1, 0.9, bits), 1, -1)
    codes = {}
    for name, size in SIZES.items():
        drawn = styles[np.minimum(rng.geometric(0.4, size) - 1, 5)]
        codes[name] = np.where(rng.random(drawn.shape) < 0.06, -drawn, drawn).astype(np.int8)
    options = {
        "items": {name: tuple(f"{name}-{row}" for row in range(size)) for name, size in SIZES.items()},
        "item_codes": codes,
        "item_bias": {name: rng.exponential(1.0, size) for name, size in SIZES.items()},
        "preference_weights": rng.uniform(1.2, 1.5, bits),
        "compatibility_weights": WEIGHTS[weights](rng, bits),
        "history": Outfits.of(SLOTS, [], []),
        **changes,
    }
    return random_bundle(path, slots=SLOTS, num_modalities=modalities, num_bits=bits, **options)


def lists(bundle, length=3):
    codes = {name: bundle.item_codes[name] for name in bundle.types}
    return find_partners(codes, bundle.compatibility_weights, length=length, types=type_pairs(bundle.slots))


def ranking(bundle, user, rows=None):
    """Every pair, best first, ties in order of rows."""
    rows = {name: np.arange(size) for name, size in SIZES.items()} | (rows or {})
    items = np.array(list(product(np.sort(rows["top"]), np.sort(rows["bottom"]))))
    scores = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], items))
    order = exact.top(scores, len(scores))
    return items[order], scores[order]


@pytest.fixture(params=["as it is", "small steps"])
def steps(request, monkeypatch):
    if request.param == "small steps":
        for name, value in {"SEEDS": 4, "STEP": 300, "BUFFER": 300}.items():
            monkeypatch.setattr(two_slots, name, value)


@pytest.fixture
def only_pairs(monkeypatch):
    """Branch and bound is not asked: what is answered was found by pairs."""

    def not_asked(*arguments):
        raise AssertionError("branch and bound was asked")

    monkeypatch.setattr(branch_and_bound, "solve", not_asked)


@pytest.mark.usefixtures("steps", "only_pairs")
@pytest.mark.parametrize("weights", list(WEIGHTS))
@pytest.mark.parametrize(("modalities", "bits"), [(1, 32), (1, 128), (2, 24)])
def test_equals_brute_force(tmp_path, weights, modalities, bits):
    bundle = learned_like(tmp_path / "b", weights, modalities, bits)
    partners = lists(bundle)
    for user, k in ((0, 1), (1, 40), (2, 700)):
        items, scores = ranking(bundle, user)
        for known in (None, partners):
            answer = compose(CompositionTask(bundle, bundle.user_codes[user], partners=known), k)
            assert answer.proven
            np.testing.assert_array_equal(answer.items, items[:k])
            np.testing.assert_array_equal(answer.scores, scores[:k])


@pytest.mark.usefixtures("steps", "only_pairs")
def test_ties_come_in_order_of_rows(tmp_path):
    """Codes of eight bits and no biases: thousands of pairs score the same."""
    bias = {name: np.zeros(size) for name, size in SIZES.items()}
    ones = np.ones(8)
    bundle = learned_like(tmp_path / "b", bits=8, item_bias=bias, preference_weights=ones, compatibility_weights=ones)
    items, scores = ranking(bundle, 0)
    assert np.count_nonzero(scores == scores[50]) > 100
    for k in (1, 50, 500):
        answer = compose(CompositionTask(bundle, bundle.user_codes[0]), k)
        np.testing.assert_array_equal(answer.items, items[:k])


@pytest.mark.usefixtures("steps", "only_pairs")
def test_filters_and_caps(tmp_path):
    bundle = learned_like(tmp_path / "b", "uneven")
    allowed = {"top": np.arange(0, 300, 3), "bottom": np.arange(100, 280)}
    items, scores = ranking(bundle, 1, allowed)
    for known in (None, lists(bundle)):
        task = CompositionTask(bundle, bundle.user_codes[1], allowed=allowed, partners=known)
        np.testing.assert_array_equal(compose(task, 60).items, items[:60])
        for most in (1, 3):
            uses, taken = {}, []
            for number, outfit in enumerate(items.tolist()):
                keys = list(zip(SLOTS, outfit))
                if len(taken) < 25 and all(uses.get(key, 0) < most for key in keys):
                    taken.append(number)
                    uses.update({key: uses.get(key, 0) + 1 for key in keys})
            answer = compose(task, 25, max_repeats=most)
            assert answer.proven
            np.testing.assert_array_equal(answer.items, items[taken])
            np.testing.assert_array_equal(answer.scores, scores[taken])


@pytest.mark.parametrize("most", [0, 50, 200, 10**6])
def test_a_search_that_stops_early_has_an_honest_gap(tmp_path, monkeypatch, most):
    """Little taste and no lists: the bound by agreeing bits leaves many pairs."""
    for name, value in {"SEEDS": 2, "STEP": 16}.items():
        monkeypatch.setattr(two_slots, name, value)
    bundle = learned_like(tmp_path / "b").view(preference_scale=1)
    items, scores = ranking(bundle, 0)
    answer = compose(CompositionTask(bundle, bundle.user_codes[0]), 20, limits=SearchLimits(partial_outfits=most))
    found = set(map(tuple, answer.items.tolist()))
    left_out = next(score for outfit, score in zip(items.tolist(), scores) if tuple(outfit) not in found)
    assert answer.proven == (most == 10**6)
    if answer.proven:
        np.testing.assert_array_equal(answer.items, items[:20])
    elif len(found) == 20:
        assert left_out <= answer.scores[-1] + answer.gap
    else:
        assert answer.gap == np.inf


def test_few_pairs_are_looked_at(tmp_path):
    """What the bounds are for: a user with a taste needs a small share of the pairs."""
    bundle = learned_like(tmp_path / "b", bits=128)
    answer = compose(CompositionTask(bundle, bundle.user_codes[0], partners=lists(bundle)), 1)
    assert answer.expanded < 0.05 * SIZES["top"] * SIZES["bottom"]
    wide = compose(CompositionTask(bundle, bundle.user_codes[0]), 1)
    assert wide.expanded >= answer.expanded
