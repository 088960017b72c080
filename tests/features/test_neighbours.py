"""Nearest items against plain loops, the same by cells, and features out of who wears what."""

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import FeatureError
from fashion_hash.features.cooccurrence import cooccurrence_features, cooccurrence_table
from fashion_hash.features.neighbours import content_features, nearest_items, neighbour_tables
from fashion_hash.features.table import train_items
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from tests.worlds.tiny import tiny_dataset, tiny_values


def test_nearest_items_by_plain_loops():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)).astype(np.float32)
    features[7] = features[3] * 2  # the same direction: nearest to each other
    usable = np.ones(40, dtype=bool)
    usable[[4, 9]] = False
    found = nearest_items(features, usable, 6)
    assert found.dtype == np.int32
    for item in range(40):
        if not usable[item]:
            assert (found[item] == EMPTY).all()
            continue
        near = [
            (
                -float(features[item] @ features[j])
                / float(np.linalg.norm(features[item]) * np.linalg.norm(features[j])),
                j,
            )
            for j in range(40)
            if j != item and usable[j]
        ]
        assert found[item].tolist() == [j for _, j in sorted(near)[:6]]


def test_fewer_than_asked_for_and_none():
    features = np.eye(3, dtype=np.float32)
    found = nearest_items(features, np.array([True, True, False]), 5)
    assert found.tolist() == [[1] + [EMPTY] * 4, [0] + [EMPTY] * 4, [EMPTY] * 5]
    assert (nearest_items(features, np.array([True, False, False]), 2) == EMPTY).all()


def test_cells_find_nearly_the_same():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(20, 8))
    features = (centres[rng.integers(20, size=3000)] + 0.3 * rng.normal(size=(3000, 8))).astype(np.float32)
    usable = rng.random(3000) < 0.9
    exact, cells = (nearest_items(features, usable, 10, one) for one in (True, False))
    rows = np.flatnonzero(usable)
    shared = np.mean([len(set(exact[row]) & set(cells[row])) / 10 for row in rows])
    assert shared > 0.9
    assert (cells[~usable] == EMPTY).all()
    assert not (cells == np.arange(3000)[:, None]).any()
    assert usable[cells[cells != EMPTY]].all()


def test_a_feature_that_is_not_finite():
    features = np.ones((3, 2), dtype=np.float32)
    features[1, 0] = np.nan
    with pytest.raises(FeatureError, match="NaN"):
        nearest_items(features, np.ones(3, dtype=bool), 1)
    nearest_items(features, np.array([True, False, True]), 1)  # of an item nobody asks for


def test_items_of_one_taste_are_near_by_cooccurrence():
    dataset = tiny_dataset(("top", "top", "bottom", "shoe"), users=12, outfits=600)
    near = neighbour_tables(cooccurrence_features(dataset, 0), train_items(dataset), 3)
    for kind, table in near.items():
        same = (table % 2 == np.arange(12)[:, None] % 2).mean()
        assert same > 0.9, kind
    again = cooccurrence_features(dataset, 0)
    assert all((again[kind] == one).all() for kind, one in cooccurrence_features(dataset, 0).items())


def test_the_table_knows_training_items_alone_and_sees_no_other_split(tmp_path):
    from dataclasses import replace

    dataset = tiny_dataset(users=8, items=30, outfits=25)
    table = cooccurrence_table(dataset, 4)
    seen = train_items(dataset)
    for kind in dataset.types:
        assert (table.known[kind] == seen[kind]).all()
        assert table.features[kind].shape == (30, 12)
        assert not seen[kind].all()
    only_train = replace(dataset, splits={"train": dataset.split("train")})
    other = cooccurrence_table(only_train, 4)
    assert all((other.features[kind] == table.features[kind]).all() for kind in dataset.types)
    features, known = content_features(dataset, [table, table])
    assert features["top"].shape == (30, 24)
    assert (known["top"] == seen["top"]).all()


ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}


@pytest.mark.parametrize("encoder", [None, pytest.param(ENCODER, marks=pytest.mark.slow)])
def test_taste_is_learned_from_cooccurrence_alone(tmp_path, encoder):
    values = tiny_values(id=None, cooccurrence={"dim": 4}, encoder=encoder, train={"epochs": 12})
    values["optimiser"]["rates"] |= {"cooccurrence_head": 0.05}
    dataset = tiny_dataset(outfits=300)
    run = fit(make_config(values), dataset, tmp_path / "run")
    assert evaluate(run, "test", dataset)["protocols"]["rank_random"]["relaxed"]["auc"] > 0.75
