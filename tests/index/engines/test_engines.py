"""Tests of single engines; test_conformance.py tests what all engines must do."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.errors import BundleError
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines import factored, hamming, plain
from fashion_hash.index.engines.factored import best_rows
from fashion_hash.index.engines.hamming import Hamming
from fashion_hash.index.engines.plain import Scan
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small pools go through every branch: many chunks, blocks and rounds of widening."""
    monkeypatch.setattr(plain, "CHUNK", 90)
    monkeypatch.setattr(factored, "BLOCK", 4)
    monkeypatch.setattr(hamming, "FIRST", 4)
    monkeypatch.setattr(hamming, "GROWTH", 2)


@pytest.mark.parametrize("mean", [1.0, 0.0, -1.0])
def test_the_hamming_bound_holds_at_a_distance_and_beyond(tmp_path: Path, mean: float) -> None:
    weights = np.random.default_rng(3).normal(mean, 0.5, 16)
    bundle = random_bundle(
        tmp_path / "bundle", preference_weights=weights, biased=True, num_modalities=2, compatibility_scale=1
    )
    build_index(bundle, random_pool(bundle, 300))
    pool = Pool.open(bundle)
    engine = Hamming(bundle, pool)
    for code in bundle.user_codes:
        score = exact.scores(bundle, exact.terms(bundle, code, pool.items))
        distance, rows = engine.faiss_search(code, len(pool))
        best_from_here = np.maximum.accumulate(score[rows][::-1])[::-1]
        bounds = [engine.bound(code, nearest) for nearest in distance.tolist()]
        assert (np.array(bounds) >= best_from_here).all()


def test_a_shortlist_is_enough_where_preference_decides(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", variant="T0", compatibility_scale=0, num_bits=64)
    build_index(bundle, random_pool(bundle, 2000, empty=0))
    pool = Pool.open(bundle)
    engine = Hamming(bundle, pool)
    engine.search(bundle.user_codes[0], 3)
    assert engine.shortlist < len(pool)


def test_best_rows_is_top() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 3, 4, 5, 40, 1003):
        for values in (rng.normal(size=size), rng.integers(0, 3, size).astype(float)):
            for k in (1, 2, 10, 2000):
                assert best_rows(values, k).tolist() == exact.top(values, k).tolist()


def test_the_faiss_index_is_a_file_of_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import faiss

    bundle = random_bundle(tmp_path / "bundle", slots=("top", "top", "bottom"), num_modalities=2)
    outfits = random_pool(bundle, 150)
    folder = build_index(bundle, outfits)
    pool = Pool.open(bundle)
    assert "outfits.faiss" in pool.manifest["files"]
    written, made = faiss.read_index_binary(str(folder / "outfits.faiss")), hamming.faiss_index(bundle, pool.items)
    assert isinstance(written, faiss.IndexBinaryFlat)
    assert (faiss.vector_to_array(written.xb) == faiss.vector_to_array(made.xb)).all()
    with monkeypatch.context() as patch:
        patch.delattr(hamming, "faiss_index")  # nothing is built when the file is there
        ranking = Hamming(bundle, pool).search(bundle.user_codes[0], 5)
    assert ranking.rows.tolist() == Scan(bundle, pool).search(bundle.user_codes[0], 5).rows.tolist()
    whole = (folder / "outfits.faiss").read_bytes()
    for other, message in ((whole[:-9], "not a readable faiss index"), (whole[:50], "not a readable"), (b"", "not a")):
        (folder / "outfits.faiss").write_bytes(other)
        with pytest.raises(BundleError, match=message):
            Hamming(bundle, pool)
    faiss.write_index_binary(hamming.faiss_index(bundle, pool.items[:9]), str(folder / "outfits.faiss"))
    with pytest.raises(BundleError, match="has 9 codes of 96 bits, but the pool has 150 outfits of 96 bits"):
        Hamming(bundle, pool)
    monkeypatch.setattr(hamming, "FAISS_UP_TO", 149)
    assert not (build_index(bundle, outfits) / "outfits.faiss").exists()
    assert Hamming(bundle, Pool.open(bundle)).search(bundle.user_codes[0], 5).rows.tolist() == ranking.rows.tolist()
