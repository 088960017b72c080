"""Every engine answers like brute force over the pool, to the last bit, ties by row."""

from pathlib import Path

import numpy as np
import pytest
from random_bundles import VARIANTS, random_bundle, random_pool

from fashion_hash.bundle import Bundle
from fashion_hash.index import engine, exact, factored, hamming
from fashion_hash.index.engine import Engine, Scan
from fashion_hash.index.factored import Factored, best_rows
from fashion_hash.index.hamming import Hamming
from fashion_hash.index.pool import Pool, build_index

ENGINES = (Factored, Hamming, Scan)


def check(bundle: Bundle, pool: Pool, one: Engine, ks: tuple[int, ...] = (1, 7, 1000)) -> None:
    """Against everything sorted, not selected: (-score, row) of all that may come back."""
    for user in range(len(bundle.users)):
        code, liked = bundle.user_codes[user], pool.liked(user)
        score = exact.scores(bundle, exact.terms(bundle, code, pool.items))
        ranked = sorted((-value, row) for row, value in enumerate(score.tolist()))
        unknown = [(value, row) for value, row in ranked if row not in set(liked.tolist())]
        for k in ks:
            for exclude, expected in ((np.zeros(0, dtype=np.int64), ranked), (liked, unknown)):
                rows, scores = one.search(code, k, exclude)
                assert list(zip((-scores).tolist(), rows.tolist())) == expected[:k]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small pools go through every branch: many chunks, blocks and rounds of widening."""
    monkeypatch.setattr(engine, "CHUNK", 90)
    monkeypatch.setattr(factored, "BLOCK", 4)
    monkeypatch.setattr(hamming, "FIRST", 4)
    monkeypatch.setattr(hamming, "GROWTH", 2)


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("slots", "options"),
    [
        (("top", "bottom"), {"num_bits": 64}),
        (("top", "bottom"), {"num_bits": 8, "biased": True}),
        (("top", "bottom", "shoe"), {"num_modalities": 2}),
        (("top", "top", "bottom", "shoe"), {"num_modalities": 3, "biased": True}),
        (("top", "top", "bottom", "shoe"), {"repeat_empty": True}),
        (("top", "bottom", "shoe"), {"preference_scale": 20, "compatibility_scale": 0}),
        (("top", "bottom", "shoe"), {"preference_scale": 0, "compatibility_scale": 20}),
    ],
)
def test_equal_to_brute_force(
    tmp_path: Path, make: type[Engine], variant: str, slots: tuple[str, ...], options: dict
) -> None:
    bundle = random_bundle(tmp_path / "bundle", slots=slots, variant=variant, num_users=3, **options)
    build_index(bundle, random_pool(bundle, 201))
    pool = Pool.open(bundle)
    check(bundle, pool, make(bundle, pool))


@pytest.mark.parametrize("make", ENGINES)
def test_ties_come_in_order_of_rows(tmp_path: Path, make: type[Engine]) -> None:
    # 8 bits, unit weights and ten items: a handful of different scores for 400 outfits
    bundle = random_bundle(tmp_path / "bundle", slots=("top", "bottom"), num_bits=8, variant="T0", num_items=10)
    build_index(bundle, random_pool(bundle, 400))
    pool = Pool.open(bundle)
    score = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[0], pool.items))
    assert len(np.unique(score)) < 60
    check(bundle, pool, make(bundle, pool))


@pytest.mark.parametrize("make", ENGINES)
def test_nothing_to_answer(tmp_path: Path, make: type[Engine]) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 0))
    rows, scores = make(bundle, Pool.open(bundle)).search(bundle.user_codes[0], 5)
    assert (rows.shape, scores.shape) == ((0,), (0,))
    build_index(bundle, random_pool(bundle, 6))
    rows, _ = make(bundle, Pool.open(bundle)).search(bundle.user_codes[0], 5, np.arange(6))
    assert rows.shape == (0,)


def test_one_weight_of_many_is_not_lost(tmp_path: Path) -> None:
    """Negative and huge weights: the Hamming bound must not assume them to be near one."""
    weights = np.array([300.0, -200.0] + [0.01] * 14)
    bundle = random_bundle(tmp_path / "bundle", preference_weights=weights)
    build_index(bundle, random_pool(bundle, 500))
    pool = Pool.open(bundle)
    for make in ENGINES:
        check(bundle, pool, make(bundle, pool), ks=(1, 9))


@pytest.mark.parametrize("mean", [1.0, 0.0, -1.0])
def test_the_hamming_bound_holds_at_a_distance_and_beyond(tmp_path: Path, mean: float) -> None:
    weights = np.random.default_rng(3).normal(mean, 0.5, 16)
    bundle = random_bundle(
        tmp_path / "bundle", preference_weights=weights, biased=True, num_modalities=2, compatibility_scale=1
    )
    build_index(bundle, random_pool(bundle, 300))
    pool = Pool.open(bundle)
    one = Hamming(bundle, pool)
    for code in bundle.user_codes:
        score = exact.scores(bundle, exact.terms(bundle, code, pool.items))
        distance, rows = one.faiss_search(code, len(pool))
        best_from_here = np.maximum.accumulate(score[rows][::-1])[::-1]
        bounds = [one.bound(code, nearest) for nearest in distance.tolist()]
        assert (np.array(bounds) >= best_from_here).all()


def test_a_shortlist_is_enough_where_preference_decides(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", variant="T0", compatibility_scale=0, num_bits=64)
    build_index(bundle, random_pool(bundle, 2000, empty=0))
    pool = Pool.open(bundle)
    one = Hamming(bundle, pool)
    one.search(bundle.user_codes[0], 3)
    assert one.shortlist < len(pool)


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_only_what_is_allowed_comes_back(tmp_path: Path, make: type[Engine], share: float) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_bits=8)
    build_index(bundle, random_pool(bundle, 150))
    pool = Pool.open(bundle)
    one = make(bundle, pool)
    allowed = np.random.default_rng(0).random(150) < share
    apart = [pool.liked(user) for user in range(len(bundle.users))]
    together = one.search_many(bundle.user_codes, 9, apart, allowed)
    for user, code in enumerate(bundle.user_codes):
        score = exact.scores(bundle, exact.terms(bundle, code, pool.items))
        rows = np.setdiff1d(np.flatnonzero(allowed), apart[user])
        expected = rows[exact.top(score[rows], 9)].tolist()
        assert one.search(code, 9, apart[user], allowed).rows.tolist() == expected
        assert together[user].rows.tolist() == expected
    assert len(one.search_many(bundle.user_codes[:2], 3)) == 2


def test_best_rows_is_top() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 3, 4, 5, 40, 1003):
        for values in (rng.normal(size=size), rng.integers(0, 3, size).astype(float)):
            for k in (1, 2, 10, 2000):
                assert best_rows(values, k).tolist() == exact.top(values, k).tolist()
