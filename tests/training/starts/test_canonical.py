"""Codes of content that say what is worn together: those of canonical correlation, computed pair by pair."""

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.training.starts.canonical import RIDGE, worn_together

ITEMS, FEATURES = 30, 5


@pytest.fixture
def drawn():
    """Outfits of tops and bottoms of three groups that go together, some without a bottom; features; seen items."""
    rng = np.random.default_rng(0)
    tops = rng.integers(ITEMS - 2, size=200)
    bottoms = (tops + 3 * rng.integers(10, size=200)) % (ITEMS - 3)
    rows = np.stack([tops, np.where(rng.random(200) < 0.1, EMPTY, bottoms)], axis=1)
    groups = np.eye(3)[np.arange(ITEMS) % 3]
    features = {
        name: np.concatenate([groups + rng.normal(size=groups.shape), rng.normal(size=(ITEMS, 2))], axis=1)
        for name in ("top", "bottom")
    }
    outfits = Outfits.of(("top", "bottom"), np.zeros(200, int), rows)
    seen = {name: np.isin(np.arange(ITEMS), rows[:, slot]) for slot, name in enumerate(features)}
    return outfits, features, seen


def half_inverse(pairs):
    """The matrix that takes differences from the mean to variance 1, and the differences."""
    away = pairs - pairs.mean(axis=0)
    covariance = away.T @ away / len(away)
    values, vectors = np.linalg.eigh(covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(FEATURES))
    return vectors @ np.diag(values**-0.5) @ vectors.T, away


def cosines(a, b):
    a, b = (of / np.linalg.norm(of, axis=1, keepdims=True) for of in (a, b))
    return a @ b.T


def test_they_are_canonical_directions(drawn):
    outfits, features, seen = drawn
    both = outfits.items[(outfits.items != EMPTY).all(axis=1)]
    left, x = half_inverse(features["top"][both[:, 0]])
    right, y = half_inverse(features["bottom"][both[:, 1]])
    u, values, v = np.linalg.svd(left @ (x.T @ y / len(x)) @ right)
    tops = (features["top"] - features["top"][both[:, 0]].mean(axis=0)) @ left @ u * values
    bottoms = (features["bottom"] - features["bottom"][both[:, 1]].mean(axis=0)) @ right @ v.T * values
    found = worn_together(outfits, features, seen, 8, seed=0)
    expected = cosines(tops[seen["top"]], bottoms[seen["bottom"]])
    np.testing.assert_allclose(cosines(found["top"], found["bottom"]), expected, atol=1e-9)


def test_bits_agree_where_items_are_worn_together(drawn):
    outfits, features, seen = drawn
    found = worn_together(outfits, features, seen, 8, seed=0)
    tops, bottoms = (np.where(found[name] >= 0, 1, -1) for name in ("top", "bottom"))
    agree = tops @ bottoms.T / 8
    same = (np.flatnonzero(seen["top"])[:, None] - np.flatnonzero(seen["bottom"])) % 3 == 0
    assert agree[same].mean() > agree[~same].mean() + 0.2


def test_sets_of_one_type_and_types_that_never_meet():
    rng = np.random.default_rng(0)
    sets = Outfits.of(("top", "top"), np.zeros(50, int), rng.integers(ITEMS, size=(50, 2)))
    features, seen = {"top": rng.normal(size=(ITEMS, 3))}, {"top": np.ones(ITEMS, bool)}
    assert worn_together(sets, features, seen, 4, seed=0)["top"].shape == (ITEMS, 4)
    lonely = Outfits.of(("top", "bottom"), np.zeros(5, int), [[0, EMPTY]] * 5)
    features["bottom"] = features["top"]
    seen = {"top": np.arange(ITEMS) == 0, "bottom": np.zeros(ITEMS, bool)}
    assert [len(of) for of in worn_together(lonely, features, seen, 4, seed=0).values()] == [1, 0]
