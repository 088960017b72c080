"""Composition against brute force: every outfit of the product scored by the referee."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items, type_pairs
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.index import exact
from fashion_hash.index.partners import Partners, build_partners, find_partners, open_partners
from fashion_hash.retrieval.composition import branch_and_bound as compose_search
from fashion_hash.retrieval.composition import expand as compose_expand
from fashion_hash.retrieval.composition import two_slots
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition, compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from tests.worlds.random_bundles import random_bundle

TWO, THREE = ("top", "bottom"), ("top", "bottom", "shoe")
TWO_PAIRS = ("top", "bottom", "top", "bottom")
TWO_TOPS, FOUR = ("top", "top", "bottom", "shoe"), ("top", "bottom", "shoe", "bag")


def every_outfit(bundle: Bundle, rows: dict[str, list[int]], fixed: dict[str, int]) -> np.ndarray:
    """All outfits by plain loops, the same items of a type in any order of their slots."""
    choices = [[fixed[name]] if name in fixed else rows.get(name, [EMPTY]) for name in bundle.slot_names]
    return _every_outfit(bundle.slots, tuple(tuple(own) for own in choices)).copy()


@cache
def _every_outfit(slots: tuple[str, ...], choices: tuple[tuple[int, ...], ...]) -> np.ndarray:
    valid = set(product(*choices))
    outfits = []
    for outfit in sorted(valid):
        worn = [(item_type, row) for item_type, row in zip(slots, outfit) if row != EMPTY]
        if len(set(worn)) == len(worn):
            outfits.append(outfit)
    return np.array(outfits, dtype=np.int64).reshape(-1, len(slots))


_RANKINGS: dict[tuple[str, int, bytes], tuple[np.ndarray, np.ndarray]] = {}


def ranking(bundle: Bundle, user: int, outfits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All outfits, best first, ties in order of rows, and their scores; a set of items once, in its best order.

    The same question of the same bundle, asked in other steps or with other partners, is ranked once.
    """
    asked = (bundle.fingerprint, user, outfits.tobytes())
    if asked not in _RANKINGS:
        _RANKINGS[asked] = _ranking(bundle, user, outfits)
    return _RANKINGS[asked]


def _ranking(bundle: Bundle, user: int, outfits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], outfits))
    order = exact.top(scores, len(scores))  # rows of `outfits` are in order already
    outfits, scores = outfits[order], scores[order]
    first = np.sort(np.unique(canonical_items(bundle.slots, outfits), axis=0, return_index=True)[1])
    return outfits[first], scores[first]


def all_rows(bundle: Bundle) -> dict[str, list[int]]:
    return {name: list(range(len(bundle.items[kind]))) for name, kind in zip(bundle.slot_names, bundle.slots)}


def lists(bundle: Bundle, length: int) -> Partners:
    codes = {kind: bundle.item_codes[kind] for kind in bundle.types}
    return find_partners(codes, bundle.compatibility_weights, length=length, types=type_pairs(bundle.slots))


def best(
    bundle: Bundle,
    user_code: np.ndarray,
    k: int,
    slots: Sequence[str] | None = None,
    *,
    max_repeats: int | None = None,
    limits: SearchLimits = NO_LIMIT,
    **task: Any,
) -> Composition:
    """`compose`, the task written out."""
    return compose(CompositionTask(bundle, user_code, slots, **task), k, max_repeats, limits)


def assert_same(answer: Composition, wanted: tuple[np.ndarray, np.ndarray], k: int) -> None:
    assert answer.proven
    assert answer.gap == 0
    np.testing.assert_array_equal(answer.scores, wanted[1][:k])
    np.testing.assert_array_equal(answer.items, wanted[0][:k])


@pytest.fixture(params=["large steps", "small steps"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small steps make small worlds pass through partner lists, a poor beam and many chunks."""
    if request.param == "small steps":
        for name, value in {"DENSE": 0, "SEEDS": 3, "BEAM": 2, "SPLIT_FROM": 0, "SPLIT_LEAD": 0}.items():
            monkeypatch.setattr(compose_search, name, value)
        monkeypatch.setattr(compose_expand, "CELLS", 64)
        for name, value in {"SEEDS": 2, "STEP": 8, "MOST_PAIRS": 400}.items():
            monkeypatch.setattr(two_slots, name, value)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    ("slots", "options"),
    [
        (("item",), {"num_bits": 8, "num_items": 40, "biased": True}),
        (("item",) * 2, {"num_bits": 32, "num_items": 40, "biased": True}),  # sets: all pairs count
        (("item",) * 3, {"num_modalities": 2, "num_items": 12}),
        (("item",) * 4, {"num_items": 7, "num_bits": 8}),
        (TWO, {"num_bits": 32, "num_items": 40}),
        (THREE, {"num_modalities": 2, "num_bits": 32, "num_items": 14, "biased": True}),
        (THREE, {"num_modalities": 3, "num_bits": 8, "num_items": 14, "variant": "T0"}),  # many ties
        (THREE, {"preference_scale": 0, "compatibility_scale": 20, "num_items": 12}),
        (THREE, {"preference_scale": 20, "compatibility_scale": 0, "num_items": 12, "biased": True}),
        (TWO_TOPS, {"num_items": 12, "num_bits": 24}),
        (TWO_TOPS, {"num_items": 9, "num_bits": 8, "repeat_empty": True, "variant": "T1"}),
        (("bag", "top", "bag"), {"num_items": 15}),
        (FOUR, {"num_items": 8, "num_modalities": 2}),
        (("top", "hat", "top", "bag", "shoe"), {"num_items": 4, "num_modalities": 2}),
        (TWO_TOPS, {"num_items": 9, "user_form": "floats", "biased": True}),
        (THREE, {"num_items": 12, "user_form": "bytes"}),
        (TWO, {"num_items": 40, "user_form": "floats", "num_modalities": 2}),
    ],
)
def test_equals_brute_force(tmp_path: Path, slots: tuple, options: dict) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, seed=len(str(options)), **options)
    outfits = every_outfit(bundle, all_rows(bundle), {})
    for partners in (None, lists(bundle, 1), lists(bundle, 5)):
        for user, k in ((0, 1), (1, 20), (2, 200)):
            answer = best(bundle, bundle.user_codes[user], k, partners=partners)
            assert_same(answer, ranking(bundle, user, outfits), k)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("kind", ["zero", "negative", "equal"])
def test_odd_weights_and_codes(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(3)
    weights = {
        "zero": np.where(rng.random(16) < 0.8, 0.0, 1.0),
        "negative": rng.normal(-1, 1, 16),
        "equal": np.ones(16),
    }[kind]
    changes: dict = {"preference_weights": weights, "compatibility_weights": weights[::-1]}
    if kind == "equal":  # every outfit scores the same: the answer is the order of rows
        changes["item_codes"] = {name: np.ones((10, 1, 16), dtype=np.int8) for name in THREE}
        changes["items"] = {name: tuple(f"{name}-{i}" for i in range(10)) for name in THREE}
        changes["item_bias"] = {name: np.zeros(10) for name in THREE}
        changes["history"] = Outfits.of(THREE, [], [])
    bundle = random_bundle(tmp_path / "b", seed=4, **changes)
    outfits = every_outfit(bundle, all_rows(bundle), {})
    answer = best(bundle, bundle.user_codes[0], 150, partners=lists(bundle, 5))
    assert_same(answer, ranking(bundle, 0, outfits), 150)


@pytest.mark.parametrize("slots", [THREE, TWO_TOPS])
def test_a_catalogue_of_equal_items_is_no_trap(tmp_path: Path, slots: tuple) -> None:
    """Billions of ties at the top; the first items of each kind of code are enough to know the answer."""
    rng = np.random.default_rng(0)
    kinds = np.where(rng.random((2, 1, 16)) < 0.5, -1, 1)
    first = {name: kinds[rng.integers(0, 2, 2000)] for name in slots}
    changes = {
        "item_codes": first,
        "items": {name: tuple(f"{name}-{i}" for i in range(2000)) for name in slots},
        "item_bias": {name: np.zeros(2000) for name in slots},
        "history": Outfits.of(slots, [], []),
    }
    bundle = random_bundle(tmp_path / "b", slots=slots, **changes)
    outfits = every_outfit(bundle, {name: list(range(16)) for name in bundle.slot_names}, {})
    answer = best(bundle, bundle.user_codes[0], 5, partners=lists(bundle, 5))
    assert_same(answer, ranking(bundle, 0, outfits), 5)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("repeat_empty", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_allowed_given_and_fewer_slots(tmp_path: Path, seed: int, repeat_empty: bool) -> None:
    bundle = random_bundle(
        tmp_path / "b", slots=TWO_TOPS, num_items=14, num_modalities=2, repeat_empty=repeat_empty, biased=True
    )
    rng = np.random.default_rng(seed)
    rows = {name: rng.choice(14, rng.integers(1, 9), replace=False).tolist() for name in bundle.slot_names}
    partners = lists(bundle, 3)
    for slots in (["top", "top_2", "bottom"], ["shoe", "top_2"], ["top", "top_2"], ["top"], ["top", "shoe"]):
        allowed = {name: np.array(rows[name]) for name in slots}
        outfits = every_outfit(bundle, {name: rows[name] for name in slots}, {})
        answer = best(bundle, bundle.user_codes[seed], 30, slots, allowed=allowed, partners=partners)
        assert_same(answer, ranking(bundle, seed, outfits), 30)
    for fixed in ({"top": 2}, {"top_2": 13, "shoe": 0}, {"top": 1, "top_2": 3, "bottom": 5}):
        open_rows = {name: rows[name] for name in bundle.slot_names if name not in fixed}
        allowed = {name: np.array(some) for name, some in open_rows.items()}
        outfits = every_outfit(bundle, open_rows, fixed)
        answer = best(bundle, bundle.user_codes[seed], 30, allowed=allowed, fixed=fixed, partners=partners)
        assert_same(answer, ranking(bundle, seed, outfits), 30)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
@pytest.mark.parametrize("slots", [("top", "top", "top", "bottom"), ("top", "shoe", "top", "top"), TWO_PAIRS])
@pytest.mark.parametrize("repeat_empty", [False, True])
def test_a_set_of_items_comes_once(tmp_path: Path, slots: tuple, seed: int, repeat_empty: bool) -> None:
    """Slots of one type that allow different items, and empty ones that repeat another."""
    options = {"num_items": 5, "num_modalities": 2, "num_bits": 8, "repeat_empty": repeat_empty}
    bundle = random_bundle(tmp_path / "b", slots=slots, seed=seed, biased=seed % 2 == 0, **options)
    names, rng = list(bundle.slot_names), np.random.default_rng(seed)
    rows = {name: sorted(rng.choice(5, rng.integers(2, 6), replace=False).tolist()) for name in names}
    asked: list[list[str]] = [names, names[:-1], names[1:], [name for name in names if name != "top_2"]]
    for open_slots in asked:
        allowed = {name: np.array(rows[name]) for name in open_slots}
        outfits = every_outfit(bundle, {name: rows[name] for name in open_slots}, {})
        for k, partners in ((3, None), (200, lists(bundle, 2))):
            answer = best(bundle, bundle.user_codes[seed % 4], k, open_slots, allowed=allowed, partners=partners)
            assert_same(answer, ranking(bundle, seed % 4, outfits), k)
        once = best(bundle, bundle.user_codes[0], 20, open_slots, allowed=allowed, max_repeats=1)
        ranked, scores = ranking(bundle, 0, outfits)
        taken = walk(bundle, ranked, 20, 1)
        assert_same(once, (ranked[taken], scores[taken]), 20)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    "slots",
    [
        ("top", "top", "bottom"),
        TWO_TOPS,
        ("top", "bottom", "top", "shoe"),
        ("top", "top", "top", "bottom"),
        ("top", "top", "bottom", "bottom"),
    ],
)
def test_too_few_items_for_the_slots_of_a_type(tmp_path: Path, slots: tuple) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=6)
    user, top_slots = bundle.user_codes[0], [name for name in bundle.slot_names if name.startswith("top")]
    for count in range(4):
        allowed = {name: np.arange(count) for name in top_slots}
        outfits = every_outfit(bundle, {**all_rows(bundle), **{name: list(range(count)) for name in top_slots}}, {})
        for k in (3, 50):
            assert_same(best(bundle, user, k, allowed=allowed), ranking(bundle, 0, outfits), k)
        ranked, scores = ranking(bundle, 0, outfits)
        taken = walk(bundle, ranked, 10, 1)
        once = best(bundle, user, 10, allowed=allowed, max_repeats=1)
        assert_same(once, (ranked[taken], scores[taken]), 10)


@pytest.mark.parametrize("slots", [TWO, THREE, TWO_TOPS])
def test_k_beyond_the_product_and_an_empty_slot(tmp_path: Path, slots: tuple) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=5)
    outfits = every_outfit(bundle, all_rows(bundle), {})
    answer = best(bundle, bundle.user_codes[0], 10**6)
    assert_same(answer, ranking(bundle, 0, outfits), 10**6)
    nothing = best(bundle, bundle.user_codes[0], 5, allowed={"bottom": np.zeros(0, dtype=np.int64)})
    assert (len(nothing.items), nothing.scores.shape, nothing.proven) == (0, (0,), True)


def walk(bundle: Bundle, outfits: np.ndarray, k: int, most: int) -> list[int]:
    """The rule of max_repeats, outfit by outfit down the whole ranking."""
    uses: Counter = Counter()
    taken = []
    for number, outfit in enumerate(outfits.tolist()):
        keys = [(item_type, row) for item_type, row in zip(bundle.slots, outfit) if row != EMPTY]
        if len(taken) < k and all(uses[key] < most for key in keys):
            taken.append(number)
            uses.update(keys)
    return taken


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("slots", [TWO, THREE, TWO_TOPS])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_max_repeats_is_the_walk_down_the_ranking(tmp_path: Path, slots: tuple, most: int) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=10, num_bits=8, seed=most)
    outfits, scores = ranking(bundle, 0, every_outfit(bundle, all_rows(bundle), {}))
    for k in (1, 6, 100):
        taken = walk(bundle, outfits, k, most)
        answer = best(bundle, bundle.user_codes[0], k, max_repeats=most, partners=lists(bundle, 4))
        assert_same(answer, (outfits[taken], scores[taken]), k)


@pytest.mark.parametrize("slots", [TWO_TOPS, ("top", "top", "top", "bottom")])
def test_an_item_far_ahead_is_not_counted_twice(
    tmp_path: Path, slots: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds by pairs of slots put the best top into both of its slots, which leaves all bottoms hopeful."""
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=12, num_bits=16, biased=True)
    bundle.item_bias[slots[0]] = bundle.item_bias[slots[0]].copy()
    bundle.item_bias[slots[0]][5] += 40 * 65536
    outfits = every_outfit(bundle, all_rows(bundle), {})
    pairs_left = []
    branch = compose_search.branch

    def counted(front: compose_expand.Front, *arguments: Any) -> Any:
        pairs_left.append(front.work)
        return branch(front, *arguments)

    monkeypatch.setattr(compose_search, "branch", counted)
    for name, value in {"DENSE": 0, "SEEDS": 12}.items():
        monkeypatch.setattr(compose_search, name, value)
    work = {}
    for split_from in (0, np.inf):
        pairs_left.clear()
        monkeypatch.setattr(compose_search, "SPLIT_FROM", split_from)
        for user, k in ((0, 20), (1, 3)):
            answer = best(bundle, bundle.user_codes[user], k, partners=lists(bundle, 12))
            assert_same(answer, _ranking(bundle, user, outfits), k)
        work[split_from] = sum(pairs_left)
    assert work[0] < work[np.inf] / 2


def test_little_memory_changes_nothing(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "b", num_modalities=2)
    outfits = every_outfit(bundle, all_rows(bundle), {})
    answer = best(bundle, bundle.user_codes[0], 50, limits=SearchLimits(memory=0))
    assert_same(answer, ranking(bundle, 0, outfits), 50)


def test_partner_lists_are_the_greatest_and_survive_a_folder(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "b", num_modalities=2, num_items=50)
    with pytest.raises(BundleError, match="no partner lists"):
        open_partners(bundle)
    build_partners(bundle, length=7)
    opened = open_partners(bundle)
    assert set(opened) == {(a, b) for a in THREE for b in THREE if a != b}
    for (a, b), (rows, values) in opened.items():
        outfits = np.full((len(rows) * len(bundle.items[b]), 3), EMPTY)
        outfits[:, THREE.index(a)] = np.repeat(np.arange(len(rows)), len(bundle.items[b]))
        outfits[:, THREE.index(b)] = np.tile(np.arange(len(bundle.items[b])), len(rows))
        c = exact.terms(bundle, bundle.user_codes[0], outfits).compatibility.reshape(len(rows), -1) / 2**16
        np.testing.assert_allclose(values, -np.sort(-c, axis=1)[:, :7], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(np.take_along_axis(c, rows, axis=1), values, rtol=1e-5, atol=1e-4)
    other = random_bundle(tmp_path / "other", num_modalities=2, num_items=50, seed=1)
    (tmp_path / "b/partners").rename(tmp_path / "other/partners")
    with pytest.raises(BundleError, match="belongs to bundle"):
        open_partners(other)
    short = lists(random_bundle(tmp_path / "short", num_items=3), 5)
    with pytest.raises(BundleError, match="hold 3 items of type top, the bundle 50"):
        best(bundle, bundle.user_codes[0], 5, partners=short)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"k": True}, "k must be a whole number, got True"),
        ({"max_repeats": -1}, "max_repeats must be at least 1, got -1"),
        ({"slots": ["top", "shoes"]}, "no slot 'shoes' .nearest: 'shoe'"),
        ({"slots": ["top", "top"]}, "asked for twice"),
        ({"slots": []}, "nothing is left to choose"),
        ({"fixed": {"top": 1, "bottom": 1, "shoe": 1}}, "nothing is left to choose"),
        ({"fixed": {"top": 30}}, "slot 'top': item rows of top go from 0 to 29, got 30 to 30"),
        ({"fixed": {"top": 1}, "slots": ["top", "shoe"]}, "slot 'top' is both given and asked for"),
        ({"fixed": {"top": 1}, "allowed": {"top": np.array([1])}}, "'top' is given an item"),
        ({"slots": ["top"], "allowed": {"shoe": np.array([1])}}, "'shoe' is restricted but not asked for"),
        ({"allowed": {"shoe": np.array([-1])}}, "slot 'shoe': item rows of shoe go from 0"),
        ({"allowed": {"shoe": np.array([1.0])}}, "whole numbers, got float64"),
    ],
)
def test_bad_questions(tmp_path: Path, arguments: dict, message: str) -> None:
    bundle = random_bundle(tmp_path / "b")
    with pytest.raises(QueryError, match=message):
        best(bundle, bundle.user_codes[0], **{"k": 5, **arguments})


def test_the_same_item_given_twice(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "b", slots=TWO_TOPS)
    with pytest.raises(QueryError, match="the same item is given twice"):
        best(bundle, bundle.user_codes[0], 5, fixed={"top": 4, "top_2": 4})
