"""A filter tested item by item within the scan answers as its mask of the whole pool does."""

import numpy as np
import pytest

from fashion_hash.index import scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.filters import apply as filters
from fashion_hash.retrieval.filters.apply import Filter, allowed_outfits, item_test
from fashion_hash.retrieval.filters.language import parse
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = [("top", "bottom"), ("top", "top", "bottom", "shoe")]


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_test_of_items_is_its_mask(tmp_path, monkeypatch, slots, share):
    monkeypatch.setattr(scoring, "SCAN_FROM", 0)
    monkeypatch.setattr(filters, "TEST_FROM", 0.0)
    bundle = random_bundle(tmp_path / "bundle", slots=slots, num_items=40)
    build_index(bundle, random_pool(bundle, 900))
    pool = Pool.open(bundle)
    engine = SumScan(bundle, pool)
    rng = np.random.default_rng(0)
    for narrowed in (bundle.types, bundle.types[:1], bundle.types[1:]):
        masks = {kind: rng.random(len(bundle.items[kind])) < share for kind in narrowed}
        chosen = Filter(parse({}, bundle.types), masks, ())
        test, mask = item_test(chosen, bundle.slots), allowed_outfits(chosen, bundle.slots, pool.items)
        assert test is not None
        for k in (1, 10, 900):
            excludes = [rng.choice(900, 30, replace=False) for _ in bundle.user_codes]
            by_test = engine.search_many(bundle.user_codes, k, excludes, test)
            by_mask = engine.search_many(bundle.user_codes, k, excludes, mask)
            for one, other in zip(by_test, by_mask):
                assert one.rows.tolist() == other.rows.tolist()
                assert one.scores.tolist() == other.scores.tolist()


def test_rare_outfits_and_totals_are_left_to_masks():
    masks = {"top": np.arange(1000) < 3}
    assert item_test(Filter(parse({}, ("top", "bottom")), masks, ()), ("top", "bottom")) is None
    none = {"top": np.zeros(0, dtype=bool)}
    assert item_test(Filter(parse({}, ("top", "bottom")), none, ()), ("top", "bottom")) is None
