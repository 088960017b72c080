"""Feature tables: aligned with the vocabularies, filled in, normalised on training items alone."""

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.errors import FeatureError
from fashion_hash.features.table import make_table, reduced, train_items, usable_outfits

SLOTS = ("top", "top", "bag", "hat")


@pytest.fixture
def dataset():
    """Five tops, of which 0 to 2 are in train, three bags (0, 1 in train) and two hats (none in train)."""
    train = Outfits.of(SLOTS, [0, 0, 1], [[0, 1, 0, -1], [2, -1, 1, -1], [0, -1, 0, -1]])
    test = Outfits.of(SLOTS, [1], [[3, 4, 2, 1]])
    items = {
        "top": Vocabulary("abcde", "top"),
        "bag": Vocabulary("xyz", "bag"),
        "hat": Vocabulary("mn", "hat"),
    }
    return Dataset("toy", SLOTS, Vocabulary("uv"), items, {"train": Split(train), "test": Split(test)})


@pytest.fixture
def raw():
    draw = np.random.default_rng(0)
    return {kind: draw.normal(3, 2, (n, 4)).astype(np.float32) for kind, n in (("top", 5), ("bag", 3), ("hat", 2))}


@pytest.fixture
def known():
    return {
        "top": np.array([1, 0, 1, 1, 0], bool),
        "bag": np.array([1, 1, 0], bool),
        "hat": np.array([0, 1], bool),
    }


def copies(arrays):
    return {kind: one.copy() for kind, one in arrays.items()}


def test_train_items(dataset):
    assert {kind: seen.tolist() for kind, seen in train_items(dataset).items()} == {
        "top": [True, True, True, False, False],
        "bag": [True, True, False],
        "hat": [False, False],
    }


def test_unknown_items_have_the_mean_of_their_types_known_training_items(dataset, raw, known):
    table = make_table(dataset, "image", copies(raw), known)
    mean = raw["top"][[0, 2]].mean(0)
    np.testing.assert_allclose(table.features["top"][[1, 4]], [mean, mean], rtol=1e-6)
    np.testing.assert_array_equal(table.features["top"][[0, 2, 3]], raw["top"][[0, 2, 3]])
    assert table.imputed == {"top": 2, "bag": 1, "hat": 1}
    assert table.dim == 4
    assert all(one.dtype == np.float32 for one in table.features.values())


def test_a_type_never_seen_in_training_has_the_mean_of_the_others(dataset, raw, known):
    table = make_table(dataset, "image", copies(raw), known)
    means = [raw["top"][[0, 2]].mean(0), raw["bag"][[0, 1]].mean(0)]
    np.testing.assert_allclose(table.features["hat"][0], np.mean(means, axis=0), rtol=1e-6)


def test_standardised_on_known_training_items(dataset, raw, known):
    for kind in raw:
        raw[kind][:, 2] = 7  # never changes
        raw[kind][~known[kind]] = np.nan
    table = make_table(dataset, "image", copies(raw), known, "standard")
    train = np.concatenate([table.features["top"][[0, 2]], table.features["bag"][[0, 1]]])
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(0), [1, 1, 0, 1], atol=1e-5)
    assert table.normaliser.scale[2] == 1
    assert all(np.isfinite(one).all() for one in table.features.values())
    for kind, row in (("top", 3), ("hat", 1)):  # test items go through the same numbers
        np.testing.assert_allclose(table.prepare(kind, raw[kind][row]), table.features[kind][row], rtol=1e-6)
    np.testing.assert_array_equal(table.prepare("top", None), table.features["top"][1])


def test_unit_length(dataset, raw, known):
    raw["top"][0] = 0
    table = make_table(dataset, "text", copies(raw), known, "l2")
    np.testing.assert_allclose(np.linalg.norm(table.features["bag"][:2], axis=1), 1, rtol=1e-6)
    assert not table.features["top"][0].any()


def test_nothing_known_stops(dataset, raw):
    nothing = {kind: np.zeros(len(one), bool) for kind, one in raw.items()}
    with pytest.raises(FeatureError, match=r"no training item of toy \(of 5\) has a known image"):
        make_table(dataset, "image", raw, nothing)
    nothing["top"][3] = True  # an item of test does not help
    with pytest.raises(FeatureError, match="no training item"):
        make_table(dataset, "image", raw, nothing)


def test_numbers_that_are_none_are_named(dataset, raw, known):
    raw["bag"][1, 2] = np.inf
    with pytest.raises(FeatureError, match="the text feature of bag 'y' holds NaN or infinity"):
        make_table(dataset, "text", raw, known)


def test_usable_outfits(dataset, known):
    outfits = Outfits.of(SLOTS, [0] * 4, [[0, -1, 0, -1], [0, 1, 0, -1], [3, 2, -1, 1], [0, -1, 2, 1]])
    assert usable_outfits(outfits, [known]).tolist() == [True, False, True, False]
    words = {"top": np.array([0, 1, 0, 0, 0], bool), "bag": np.zeros(3, bool), "hat": np.zeros(2, bool)}
    assert usable_outfits(outfits, [known, words]).tolist() == [True, True, True, False]
    assert usable_outfits(dataset.split("train").positives, [known, train_items(dataset)]).all()
    with pytest.raises(FeatureError, match=r"each of the outfits \(4\)"):
        usable_outfits(outfits, [{kind: ~one & False for kind, one in known.items()}])


@pytest.mark.parametrize("dim", [4, 9])  # fewer and more numbers than the four known training items
def test_components_are_the_directions_in_which_training_items_differ_most(dataset, known, dim):
    draw = np.random.default_rng(0)
    raw = {kind: draw.normal(3, 2, (n, dim)).astype(np.float32) for kind, n in (("top", 5), ("bag", 3), ("hat", 2))}
    table = make_table(dataset, "image", raw, known, "standard")
    assert reduced(table, dataset, None) is table
    two, most = reduced(table, dataset, 2), reduced(table, dataset, 100)
    points = np.concatenate([table.features["top"][[0, 2]], table.features["bag"][[0, 1]]]).astype(np.float64)
    _, values, directions = np.linalg.svd(points)
    along = np.abs(np.sum(two.components * directions[:2].T, axis=0))
    np.testing.assert_allclose(along, 1, atol=1e-5)
    np.testing.assert_allclose(most.components.T @ most.components, np.eye(most.dim), atol=1e-5)
    assert (two.dim, most.dim) == (2, min(4, dim, int((values > 1e-5 * values[0]).sum())))
    for kind, features in table.features.items():
        np.testing.assert_allclose(two.features[kind], features @ two.components, atol=1e-5)
    np.testing.assert_allclose(two.unknown["hat"], two.features["hat"][0], atol=1e-5)
    np.testing.assert_allclose(two.prepare("top", raw["top"][3]), two.features["top"][3], atol=1e-5)
    # a head on all components is a head on the features of training items
    inner = np.concatenate([most.features["top"][[0, 2]], most.features["bag"][[0, 1]]])
    np.testing.assert_allclose(inner @ inner.T, points @ points.T, atol=1e-4)
    digests = {one.digest_of_features(dataset.types) for one in (table, two, most)}
    assert len(digests) == 1
