"""Compositions that stop early: an honest gap wherever they stop, and no long step before they look at the clock."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.retrieval.composition import bounds as compose_bounds
from fashion_hash.retrieval.composition import branch_and_bound as compose_search
from fashion_hash.retrieval.composition import expand as compose_expand
from fashion_hash.retrieval.composition import two_slots
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
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
from tests.worlds.random_bundles import random_bundle


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
