"""Compositions that stop early: an honest gap wherever they stop, and no long step before they look at the clock."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.index.build import build_index
from fashion_hash.retrieval.answers import Composed
from fashion_hash.retrieval.composition import bounds as compose_bounds
from fashion_hash.retrieval.composition import branch_and_bound as compose_search
from fashion_hash.retrieval.composition import expand as compose_expand
from fashion_hash.retrieval.composition import two_slots
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
from fashion_hash.retrieval.recommender import Recommender
from tests.retrieval.composition.test_compose import (
    FOUR,
    THREE,
    TWO,
    TWO_TOPS,
    all_rows,
    assert_same,
    best,
    every_outfit,
    lists,
    ranking,
)
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.mark.parametrize("limit", [0, 1, 10, 30, 1000])
def test_a_budget_stops_early_with_an_honest_gap(tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEEDS", "BEAM"):
        monkeypatch.setattr(compose_search, name, 2)
    monkeypatch.setattr(compose_expand, "CELLS", 32)
    bundle = random_bundle(tmp_path / "b", slots=FOUR, num_items=8, num_bits=32)
    outfits, scores = ranking(bundle, 0, every_outfit(bundle, all_rows(bundle), {}))
    answer = best(bundle, bundle.user_codes[0], 10, limits=SearchLimits(partial_outfits=limit))
    found = {tuple(outfit) for outfit in answer.items.tolist()}
    left_out = next(score for outfit, score in zip(outfits.tolist(), scores) if tuple(outfit) not in found)
    if answer.proven:
        np.testing.assert_array_equal(answer.scores, scores[:10])
    else:
        least = answer.scores[-1] if len(found) == 10 else -np.inf
        assert left_out <= least + answer.gap
        assert answer.gap > 0 or left_out <= least
    assert answer.proven == (limit == 1000)
    late = best(bundle, bundle.user_codes[0], 10, limits=SearchLimits(seconds=0))
    assert not late.proven
    assert late.gap >= scores[0] - late.scores[0]


class Looks:
    """Looks at the clock, of a search that is told to stop at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: float = np.inf) -> None:
        self.steps: list[float] = []

        def allows(clock: compose_bounds.Clock, step: float) -> bool:
            if clock is compose_bounds.NO_END:
                return True
            self.steps.append(step)
            return len(self.steps) <= stop_at

        monkeypatch.setattr(compose_bounds.Clock, "allows", allows)


@pytest.mark.parametrize("partners", [None, 3])
@pytest.mark.parametrize("slots", [TWO_TOPS, THREE, TWO, ("item",) * 3])
def test_wherever_time_ends_the_gap_is_honest(
    tmp_path: Path, slots: tuple[str, ...], partners: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DENSE": 0, "SEEDS": 2, "BEAM": 2, "SPLIT_FROM": 0, "SPLIT_LEAD": 0}.items():
        monkeypatch.setattr(compose_search, name, value)
    for module, name, value in (
        (compose_bounds, "BLOCK", 3),
        (compose_expand, "CELLS", 16),
        (two_slots, "SEEDS", 2),
        (two_slots, "STEP", 8),
    ):
        monkeypatch.setattr(module, name, value)
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=8, num_bits=32, biased=True)
    outfits, scores = ranking(bundle, 0, every_outfit(bundle, all_rows(bundle), {}))
    given = None if partners is None else lists(bundle, partners)
    looks, found = Looks(monkeypatch), 0
    assert_same(best(bundle, bundle.user_codes[0], 5, partners=given), (outfits, scores), 5)
    needed = len(looks.steps)
    assert needed > 3
    for stop_at in range(0, needed, 1 + needed // 40):
        Looks(monkeypatch, stop_at)
        answer = best(bundle, bundle.user_codes[0], 5, partners=given)
        held = {tuple(outfit) for outfit in answer.items.tolist()}
        found += len(held)
        left_out = next(score for outfit, score in zip(outfits.tolist(), scores) if tuple(outfit) not in held)
        if len(held) == 5:
            assert left_out <= answer.scores[-1] + answer.gap
            assert not answer.proven or left_out <= answer.scores[-1]
        else:
            assert answer.gap == np.inf
    assert found


def test_no_step_is_long_however_many_items_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work counted where the clock is looked at: a hundred times the pairs are more steps, no longer ones."""
    monkeypatch.setattr(compose_bounds, "STEP", 1 << 20)
    monkeypatch.setattr(compose_expand, "CELLS", 1 << 11)
    monkeypatch.setattr(two_slots, "STEP", 1 << 15)
    counts = []
    for size in (40, 400):
        bundle = random_bundle(tmp_path / str(size), slots=THREE, num_items=size, num_bits=128, num_users=1)
        looks = Looks(monkeypatch)
        assert best(bundle, bundle.user_codes[0], 5).proven
        assert max(looks.steps) <= 1 << 20
        assert sum(looks.steps) > 3 * size**2 * 128  # the matrices of all pairs were computed under the clock
        counts.append(len(looks.steps))
    assert counts[1] > 4 * counts[0]


def test_no_slot_is_unpacked_and_no_matrix_is_computed_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is handed to numpy and to kernels between two looks at the clock, measured by its cells."""
    monkeypatch.setattr(compose_bounds, "STEP", 1 << 20)
    monkeypatch.setattr(compose_expand, "CELLS", (1 << 20) // compose_expand.CELL)
    for name in ("SEEDS", "BEAM"):
        monkeypatch.setattr(compose_search, name, 2)
    unpack, multiply, cells, products = compose_bounds.relaxed, compose_bounds.product, [0], [0]

    def relaxed(codes: np.ndarray) -> np.ndarray:
        unpacked = unpack(codes)
        cells.append(unpacked.size)
        return unpacked

    def product(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        products.append(rows.size * columns.shape[1])
        return multiply(rows, columns)

    monkeypatch.setattr(compose_bounds, "relaxed", relaxed)
    monkeypatch.setattr(compose_bounds, "product", product)
    bundle = random_bundle(tmp_path / "b", slots=TWO_TOPS, num_items=200, num_bits=128, num_users=1)
    for memory in (1 << 30, 0):
        assert best(bundle, bundle.user_codes[0], 5, limits=SearchLimits(memory=memory)).proven
    assert max(cells) * compose_bounds.UNPACKED <= compose_bounds.STEP
    assert sum(cells) > 3 * 200 * 128
    assert max(products) <= compose_bounds.STEP
    assert sum(products) > 3 * 200**2 * 128


class Ticks:
    """A clock that goes on by a millisecond whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1e-3
        return self.now


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("slots", [THREE, TWO_TOPS])
def test_every_user_of_a_batch_has_the_seconds_and_all_searches_of_one_share_them(
    tmp_path: Path, slots: tuple[str, ...], most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=60, num_bits=128, num_users=3)
    build_index(bundle, random_pool(bundle, 5))
    recommender = Recommender.load(bundle.path)
    for module, name, value in ((compose_bounds, "BLOCK", 2), (compose_expand, "CELLS", 64)):
        monkeypatch.setattr(module, name, value)
    ticks, allows = Ticks(), compose_bounds.Clock.allows
    monkeypatch.setattr(compose_bounds, "time", ticks)
    without_end = compose_bounds.NO_END
    monkeypatch.setattr(compose_bounds.Clock, "allows", lambda clock, step: clock is without_end or allows(clock, step))
    users = ["user-0", "user-1", "user-2"]

    def spent(ask: Callable[[], list[Composed]]) -> float:
        began = ticks.now
        for composed in ask():
            assert not composed.proven
            assert composed.gap > 0
        return ticks.now - began

    seconds = 0.2
    alone = spent(lambda: [recommender.compose("user-0", 10, seconds=seconds, max_repeats=most)])
    assert seconds <= alone < 1.1 * seconds + 0.02
    whole = spent(lambda: recommender.compose_many(users, 10, seconds=seconds, max_repeats=most))
    assert 3 * seconds <= whole < 3 * (1.1 * seconds + 0.02)
    monkeypatch.setattr(two_slots, "STEP", 8)
    parts = spent(lambda: [recommender.complete("user-0", {"top": "top-1"}, 10, seconds=0.02, max_repeats=most)])
    assert parts < 1.1 * 0.02 + 0.02
