"""Diversity of lists against plain loops, and that asking for variety gives more of it."""

import itertools

import numpy as np
import pytest

from fashion_hash.core.codes import unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.measure import measure_lists
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.fixture
def recommender(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", slots=("top", "top", "shoe"), num_items=15)
    build_index(bundle, random_pool(bundle, 200))
    return Recommender.load(bundle.path)


def test_lists_are_measured_as_by_hand(recommender):
    bundle, pool = recommender.bundle, recommender.pool
    found = measure_lists(recommender, 5)
    apart, outfits, tops = [], set(), set()
    for user in bundle.users.all():
        rows = [pool.ids.row(one) for one in recommender.recommend(user, 5).ids]
        outfits |= set(rows)
        codes = []
        for row in rows:
            items = pool.items[row]
            tops |= {int(item) for item in items[:2] if item != EMPTY}
            parts = [
                unpack(bundle.item_codes[kind][item]).ravel() > 0 if item != EMPTY else np.zeros(0, dtype=bool)
                for kind, item in zip(bundle.slots, items)
            ]
            width = len(bundle.modalities) * bundle.num_bits
            codes.append(np.concatenate([part if len(part) else np.zeros(width, dtype=bool) for part in parts]))
        apart.append(np.mean([np.mean(a != b) for a, b in itertools.combinations(codes, 2)]))
    assert found["intra_list_diversity"] == pytest.approx(np.mean(apart))
    assert found["outfit_coverage"] == len(outfits) / len(pool)
    assert found["item_coverage"]["top"] == len(tops) / 15


def test_variety_that_is_asked_for_is_seen(recommender):
    plain, varied = measure_lists(recommender, 5), measure_lists(recommender, 5, diversity=0.7)
    assert varied["intra_list_diversity"] > plain["intra_list_diversity"]
