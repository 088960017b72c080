"""What every engine of a pool must do: one suite, the same questions, answers known by brute force.

An engine passes when it answers like everything scored and sorted: the same rows, the same scores to
the last bit, ties in order of rows; whatever the slots, modalities and weights, under exclusions,
filters and deletions, alone and in batches. The engines are those of the table in index/engines/open.py that search
codes; a new one is tested here without a further line.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import fixed_point
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.errors import QueryError
from fashion_hash.index import exact, scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines import factored, hamming, open, plain
from fashion_hash.index.engines.contract import NOTHING, Engine
from fashion_hash.index.engines.open import engine_class
from fashion_hash.index.engines.shares import Share, open_share
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.index.pool import Pool
from tests.worlds.local_shares import LocalShares
from tests.worlds.random_bundles import VARIANTS, random_bundle, random_pool

Make = Callable[[Bundle, Pool], Engine]
ENGINES: dict[str, Make] = {name: engine_class(name) for name in open.ENGINES if engine_class(name).scoring == "codes"}
ENGINES["sums of three threads"] = lambda bundle, pool: SumScan(bundle, pool, threads=3)
ENGINES["shares of the scan"] = lambda bundle, pool: LocalShares(bundle, pool, shares=3)
ENGINES["shares of rows"] = lambda bundle, pool: LocalShares(bundle, pool, engines=row_shares(bundle, pool))


def row_shares(bundle: Bundle, pool: Pool) -> list[Engine]:
    """Four shares of a pool without the files of a scan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring.CodeScoring, "fastest_engine", lambda self, pool: "factored")
        return [open_share(bundle, pool, Share(number, 4)) for number in range(4)]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Make:
    return ENGINES[request.param]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small pools go through every branch: many chunks, blocks and rounds of widening."""
    monkeypatch.setattr(plain, "CHUNK", 90)
    monkeypatch.setattr(factored, "BLOCK", 4)
    monkeypatch.setattr(hamming, "FIRST", 4)
    monkeypatch.setattr(hamming, "GROWTH", 2)
    monkeypatch.setattr(scoring, "SCAN_FROM", 0)


World = Callable[..., tuple[Bundle, Pool]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A random bundle with a pool of so many random outfits, or of these; the same one for all engines."""
    known: dict[str, tuple[Bundle, Pool]] = {}

    def make_world(outfits: int | Sequence[Sequence[int]], **options: Any) -> tuple[Bundle, Pool]:
        key = repr((outfits, options))
        if key not in known:
            bundle = random_bundle(tmp_path_factory.mktemp("world") / "bundle", **options)
            known[key] = (
                bundle,
                reopened(bundle, random_pool(bundle, outfits) if isinstance(outfits, int) else outfits),
            )
        return known[key]

    return make_world


def reopened(bundle: Bundle, outfits: Outfits | Sequence[Sequence[int]]) -> Pool:
    """The pool of the bundle built again of these outfits."""
    if not isinstance(outfits, Outfits):
        outfits = Outfits.of(bundle.slots, np.zeros(len(outfits)), outfits)
    build_index(bundle, outfits)
    return Pool.open(bundle)


_SCORES: dict[tuple[str, bytes], list[list[float]]] = {}


def all_scores(bundle: Bundle, pool: Pool) -> list[list[float]]:
    """The exact score of every outfit, for each user; once for all engines."""
    key = (bundle.fingerprint, pool.items.tobytes())
    if key not in _SCORES:
        _SCORES[key] = [
            exact.scores(bundle, exact.terms(bundle, code, pool.items, pool.own)).tolist() for code in bundle.user_codes
        ]
    return _SCORES[key]


def check(
    bundle: Bundle,
    pool: Pool,
    engine: Engine,
    ks: Sequence[int] = (1, 7, 1000),
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | None = None,
) -> None:
    """Alone and together, against everything scored and sorted, not selected."""
    apart = [NOTHING] * len(bundle.users) if excludes is None else excludes
    ranked = []
    for score, exclude in zip(all_scores(bundle, pool), apart):
        out = set(exclude.tolist())
        rows = [row for row in range(len(pool)) if row not in out and (allowed is None or allowed[row])]
        ranked.append(sorted((-score[row], row) for row in rows))
    for k in ks:
        together = engine.search_many(bundle.user_codes, k, excludes, allowed)
        assert len(together) == len(ranked)
        for code, exclude, expected, of_many in zip(bundle.user_codes, apart, ranked, together):
            for ranking in (engine.search(code, k, exclude, allowed), of_many):
                assert (ranking.rows.dtype, ranking.scores.dtype) == (np.int64, np.float64)
                assert list(zip((-ranking.scores).tolist(), ranking.rows.tolist())) == expected[:k]


WORLDS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("item",), {"num_modalities": 2}),
    (("item",), {"num_bits": 64, "biased": True}),
    (("top", "bottom"), {"num_bits": 64}),
    (("top", "bottom"), {"num_bits": 8, "biased": True}),
    (("top", "bottom", "shoe"), {"num_modalities": 2, "num_bits": 128}),
    (("top", "bottom", "shoe"), {"preference_scale": 20, "compatibility_scale": 0}),
    (("top", "bottom", "shoe"), {"preference_scale": 0, "compatibility_scale": 20}),
    (("top", "top", "bottom", "shoe"), {"num_modalities": 3, "biased": True}),
    (("top", "top", "bottom", "shoe"), {"repeat_empty": True}),
    (("top", "bottom", "shoe", "bag", "hat"), {"num_bits": 24}),
    (("item",) * 5, {"num_modalities": 2, "biased": True}),
    (("top", "bottom", "shoe"), {"num_modalities": 2, "num_bits": 64, "own": 150}),
    (("top", "top", "bottom"), {"repeat_empty": True, "biased": True, "own": 60}),
    (("item",) * 4, {"num_bits": 40, "own": 500}),
    (("top", "bottom", "shoe"), {"num_modalities": 2, "user_form": "floats", "biased": True}),
    (("top", "top", "bottom", "shoe"), {"user_form": "bytes", "repeat_empty": True}),
    (("top", "bottom"), {"num_bits": 64, "user_form": "floats", "biased": True}),
    (("item",) * 3, {"num_bits": 24, "user_form": "bytes"}),
    (("top", "top", "bottom"), {"num_modalities": 2, "user_form": "bytes", "biased": True, "own": 150}),
    (("top", "bottom", "shoe"), {"user_form": "floats", "own": 100}),
]


@pytest.mark.parametrize(
    ("variant", "slots", "options"),
    [
        pytest.param(variant, slots, options, marks=() if number % len(VARIANTS) == place else pytest.mark.slow)
        for number, (slots, options) in enumerate(WORLDS)
        for place, variant in enumerate(VARIANTS)
    ],
)
def test_equal_to_brute_force(world: World, make: Make, variant: str, slots: tuple[str, ...], options: dict) -> None:
    bundle, pool = world(201, slots=slots, variant=variant, num_users=3, **options)
    if not make(bundle, pool).knows_own and bundle.own is not None:
        pytest.skip("refuses own codes: test_an_engine_without_own_codes_refuses_them")
    check(bundle, pool, make(bundle, pool))


def test_weights_of_any_size_and_sign(world: World, make: Make) -> None:
    weights = np.array([300.0, -200.0] + [0.01] * 14)
    bundle, pool = world(300, preference_weights=weights, compatibility_weights=-weights)
    check(bundle, pool, make(bundle, pool), ks=(1, 9))
    bundle, pool = world(100, preference_weights=np.zeros(16))
    check(bundle, pool, make(bundle, pool), ks=(1, 9))


def test_own_codes_with_exclusions_and_filters(world: World, make: Make) -> None:
    bundle, pool = world(300, num_users=4, num_bits=24, own=150)
    engine = make(bundle, pool)
    if not engine.knows_own:
        pytest.skip("refuses own codes: test_an_engine_without_own_codes_refuses_them")
    assert 50 < (pool.own != EMPTY).sum() < 250
    rng = np.random.default_rng(0)
    apart = [rng.permutation(300)[: rng.integers(0, 90)] for _ in range(4)]
    check(bundle, pool, engine, excludes=apart, allowed=rng.random(300) < 0.6)
    for scales in ((0, 10), (31, 4)):
        view = bundle.view(preference_scale=scales[0], compatibility_scale=scales[1])
        score = exact.scores(view, exact.terms(view, view.user_codes[1], pool.items, pool.own))
        best = exact.top(score, 9)
        for other in (engine.over(view), make(view, pool)):
            ranking = other.search(view.user_codes[1], 9)
            assert (ranking.rows.tolist(), ranking.scores.tolist()) == (best.tolist(), score[best].tolist())


def test_an_engine_without_own_codes_refuses_them(world: World) -> None:
    bundle, pool = world(201, num_users=3, own=60)
    assert not (pool.path / "outfits.faiss").exists()
    with pytest.raises(QueryError, match="engine 'hamming' does not add up the own codes of outfits"):
        open.open_engine("hamming", bundle, pool)
    assert open.open_engine("auto", bundle, pool).knows_own


def test_a_world_whose_answer_is_known(world: World, make: Make) -> None:
    """Item n has n bits of the user's: the best outfits are those of the greatest rows."""
    codes = {item_type: np.full((9, 1, 8), -1, dtype=np.int8) for item_type in ("top", "shoe")}
    for item_type in codes:
        for row in range(9):
            codes[item_type][row, 0, :row] = 1
    bundle, pool = world(
        [[a, b] for a in range(9) for b in range(9)],
        slots=("top", "shoe"),
        num_bits=8,
        num_users=1,
        items={item_type: tuple(f"{item_type}-{row}" for row in range(9)) for item_type in codes},
        item_codes=codes,
        item_bias={item_type: np.zeros(9) for item_type in codes},
        user_codes=np.ones((1, 8), dtype=np.int8),
        preference_weights=np.ones(8),
        compatibility_scale=0,
        history=Outfits.of(("top", "shoe"), [], np.zeros((0, 2))),
    )
    rows, scores = make(bundle, pool).search(bundle.user_codes[0], 4)
    assert pool.items[rows].tolist() == [[8, 8], [7, 8], [8, 7], [6, 8]]
    assert scores.tolist() == [10.0, 8.75, 8.75, 7.5]


@pytest.mark.parametrize("variant", ["T0", "T3"])
def test_ties_come_in_order_of_rows(world: World, make: Make, variant: str) -> None:
    # 8 bits and ten items: a handful of different scores for 400 outfits, or the same outfits again
    bundle, pool = world(400, slots=("top", "bottom"), num_bits=8, variant=variant, num_items=10)
    score = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[0], pool.items))
    assert len(np.unique(score)) < 150
    check(bundle, pool, make(bundle, pool), ks=(1, 7, 150, 1000))


def test_nothing_but_ties(world: World, make: Make) -> None:
    bundle, pool = world(300, preference_scale=0, compatibility_scale=0)
    check(bundle, pool, make(bundle, pool), ks=(1, 64, 65, 300))
    check(bundle, pool, make(bundle, pool), ks=(9,), allowed=np.arange(300) % 7 == 3)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 128])
def test_more_asked_for_than_there_are(world: World, make: Make, count: int) -> None:
    bundle, pool = world(count)
    check(bundle, pool, make(bundle, pool), ks=(1, count - 1 or 1, count, count + 1, 10**6))


def test_outfits_that_are_liked_already_stay_out(world: World, make: Make) -> None:
    bundle, pool = world(150, num_users=4)
    liked = [pool.liked(user) for user in range(4)]
    assert any(len(rows) for rows in liked)
    check(bundle, pool, make(bundle, pool), excludes=liked)
    check(bundle, pool, make(bundle, pool), excludes=[np.arange(150)[::-1], NOTHING, np.array([149]), np.arange(148)])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 1.0])
def test_filters_come_before_the_top_k(world: World, make: Make, share: float) -> None:
    bundle, pool = world(700, num_users=4, num_bits=8)
    rng = np.random.default_rng(0)
    allowed = rng.random(700) < share
    apart = [rng.permutation(700)[: rng.integers(0, 300)] for _ in range(4)]
    engine = make(bundle, pool)
    check(bundle, pool, engine, allowed=allowed)
    check(bundle, pool, engine, excludes=apart, allowed=allowed)
    # best and worst alone: a filter must reach where no shortlist does
    score = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[0], pool.items))
    for row in (int(score.argmax()), int(score.argmin())):
        only = np.arange(700) == row
        assert engine.search(bundle.user_codes[0], 5, allowed=only).rows.tolist() == [row]
        assert engine.search(bundle.user_codes[0], 5, np.array([row]), only).rows.tolist() == []


def test_a_deleted_outfit_is_as_if_it_had_never_been(tmp_path: Path, make: Make) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    pool = reopened(bundle, random_pool(bundle, 200))
    alive = np.ones(200, dtype=bool)
    engine = make(bundle, pool)
    for code in bundle.user_codes:  # the best first, so that every deletion matters
        alive[engine.search(code, 7, allowed=alive).rows] = False
    before = [engine.search(code, 9, allowed=alive) for code in bundle.user_codes]
    items = np.asarray(pool.items)
    without = reopened(bundle, Outfits.of(bundle.slots, np.zeros(alive.sum()), items[alive]))
    again = make(bundle, without)
    for code, ranking in zip(bundle.user_codes, before):
        other = again.search(code, 9)
        assert ranking.scores.tolist() == other.scores.tolist()
        assert items[ranking.rows].tolist() == without.items[other.rows].tolist()


def test_a_batch_is_its_users_one_by_one(world: World, make: Make) -> None:
    bundle, pool = world(150, num_users=70, num_modalities=2)
    check(bundle, pool, make(bundle, pool), ks=(10,), excludes=[pool.liked(user) for user in range(70)])
    engine = make(bundle, pool)
    assert engine.search_many(bundle.user_codes[:0], 5) == []
    twice = engine.search_many(bundle.user_codes[[3, 3]], 5)
    assert twice[0].rows.tolist() == twice[1].rows.tolist() == engine.search(bundle.user_codes[3], 5).rows.tolist()


def test_an_empty_pool(world: World, make: Make) -> None:
    bundle, pool = world(0)
    engine = make(bundle, pool)
    check(bundle, pool, engine, ks=(1, 5))
    check(bundle, pool, engine, ks=(5,), allowed=np.zeros(0, dtype=bool))


def test_nothing_is_left(world: World, make: Make) -> None:
    bundle, pool = world(6)
    engine = make(bundle, pool)
    check(bundle, pool, engine, ks=(5,), excludes=[np.arange(6)] * len(bundle.users))
    check(bundle, pool, engine, ks=(5,), allowed=np.zeros(6, dtype=bool))


@pytest.mark.parametrize("repeat_empty", [False, True])
def test_an_item_type_that_no_outfit_has(tmp_path: Path, make: Make, repeat_empty: bool) -> None:
    slots = ("top", "top", "bottom", "shoe")
    bundle = random_bundle(tmp_path / "bundle", slots=slots, num_modalities=2, repeat_empty=repeat_empty, biased=True)
    items = np.array(random_pool(bundle, 120, empty=0).items)
    items[:, 3] = EMPTY  # no shoes at all
    items[::2, 1] = EMPTY  # every other one has a single top
    pool = reopened(bundle, items.tolist())
    check(bundle, pool, make(bundle, pool))
    items[:, 2] = EMPTY  # tops alone: no pair, so no compatibility
    pool = reopened(bundle, items.tolist())
    assert not np.asarray(pool.num_pairs).any()
    check(bundle, pool, make(bundle, pool))


def test_a_type_without_items(world: World, make: Make) -> None:
    empty = {
        "items": {"top": ("a", "b"), "bottom": ("c",), "shoe": ()},
        "item_codes": {
            item_type: np.ones((size, 1, 16)) for item_type, size in (("top", 2), ("bottom", 1), ("shoe", 0))
        },
        "item_bias": {item_type: np.zeros(size) for item_type, size in (("top", 2), ("bottom", 1), ("shoe", 0))},
        "history": Outfits.of(("top", "bottom", "shoe"), [], np.zeros((0, 3))),
        "details": {},
    }
    bundle, pool = world([[0, 0, EMPTY], [1, 0, EMPTY], [1, EMPTY, EMPTY]], **empty)
    check(bundle, pool, make(bundle, pool))


def test_outfits_of_all_lengths_side_by_side(tmp_path: Path, make: Make) -> None:
    slots = ("top", "bottom", "shoe", "bag")
    bundle = random_bundle(tmp_path / "bundle", slots=slots, num_bits=8, biased=True)
    pool = reopened(bundle, random_pool(bundle, 500, empty=0.5))
    assert len(np.unique(pool.num_items)) == 4
    check(bundle, pool, make(bundle, pool), allowed=np.random.default_rng(1).random(500) < 0.3)


def test_questions_leave_no_trace(world: World, make: Make) -> None:
    bundle, pool = world(90)
    engine, code = make(bundle, pool), bundle.user_codes[0]
    first = engine.search(code, 5)
    exclude, allowed = first.rows[:2].copy(), np.ones(90, dtype=bool)
    exclude.flags.writeable = allowed.flags.writeable = False
    engine.search(code, 5, exclude, allowed)
    engine.search_many(bundle.user_codes, 80, [exclude] * len(bundle.users), allowed)
    again = engine.search(code, 5)
    assert (again.rows.tolist(), again.scores.tolist()) == (first.rows.tolist(), first.scores.tolist())


def test_many_threads_may_ask_at_once(world: World, make: Make) -> None:
    bundle, pool = world(300, num_users=12)
    engine = make(bundle, pool)
    alone = [engine.search(code, 7).rows.tolist() for code in bundle.user_codes]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            ranking = list(threads.map(lambda code: engine.search(code, 7).rows.tolist(), bundle.user_codes))
            assert ranking == alone


def test_scores_are_the_referees_to_the_last_bit(world: World, make: Make) -> None:
    """Fractions that no float has: thirds and fifths of odd weights."""
    weights = fixed_point(np.linspace(0.1, 1.7, 24)) / 2**16
    slots = ("top", "top", "bottom", "shoe", "bag")
    bundle, pool = world(250, slots=slots, num_bits=24, num_modalities=3, preference_weights=weights)
    check(bundle, pool, make(bundle, pool), ks=(250,))
