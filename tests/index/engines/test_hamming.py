"""The bound that lets the Hamming engine stop early holds for every outfit that it has not looked at."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.codes import binarise, pack, user_numbers
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.hamming import Hamming
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.mark.parametrize("scale", [0, 1, 10])
@pytest.mark.parametrize(
    "options",
    [
        {"num_modalities": 3, "num_bits": 16},
        {"num_modalities": 1, "num_bits": 32, "variant": "T1"},
        {"num_modalities": 2, "num_bits": 8, "slots": ("top", "top", "bottom", "shoe")},
        {"num_modalities": 2, "slots": ("top", "top", "bottom"), "repeat_empty": True},
        {"num_modalities": 2, "num_bits": 8, "user_form": "floats"},
        {"num_modalities": 1, "num_bits": 16, "user_form": "bytes"},
    ],
)
def test_no_outfit_at_a_distance_or_farther_exceeds_the_bound(tmp_path: Path, scale: int, options: dict) -> None:
    """Small scales let the item bias decide, large ones the codes."""
    bundle = random_bundle(tmp_path / "b", biased=True, preference_scale=scale, compatibility_scale=scale, **options)
    build_index(bundle, random_pool(bundle, 300))
    pool = Pool.open(bundle)
    engine = Hamming(bundle, pool)
    for user in bundle.user_codes:
        signs = pack(binarise(user_numbers(bundle.user_form, user)))
        distances, rows = engine.faiss_search(signs, len(pool))
        assert (np.diff(distances) >= 0).all()
        scores = exact.scores(bundle, exact.terms(bundle, user, pool.items[rows]))
        left = np.maximum.accumulate(scores[::-1])[::-1]  # the best from each place on
        bounds = np.array([engine.bound(user, int(distance)) for distance in distances])
        assert (left <= bounds).all()
        assert (np.diff(bounds) <= 0).all()
    # tight where nothing but the bias counts: the bound at distance 0 is the best score
    if scale == 0:
        assert engine.bound(user, 0) == scores.max()
