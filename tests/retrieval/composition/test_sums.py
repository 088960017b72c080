"""Outfits whose pairs of items add nothing, against brute force and against branch and bound."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.retrieval.composition import branch_and_bound, compose, sums
from fashion_hash.retrieval.composition.problem import CompositionTask, pose
from tests.retrieval.composition.test_compose import FOUR, TWO_PAIRS, TWO_TOPS, all_rows, every_outfit
from tests.retrieval.composition.test_compose import _ranking as ranked_by_brute_force
from tests.worlds.random_bundles import random_bundle

ITEMS = 5


@pytest.mark.parametrize("slots", [("item",), ("item",) * 4, FOUR, TWO_TOPS, TWO_PAIRS, ("top",) * 3 + ("bottom",)])
@pytest.mark.parametrize("biased", [False, True])  # without biases many outfits are equal
def test_sums_of_items_are_ranked_as_by_brute_force(tmp_path: Path, slots: tuple[str, ...], biased: bool) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, num_items=ITEMS, num_bits=8, biased=biased)
    bundle = bundle.view(compatibility_scale=0)
    rng = np.random.default_rng(0)
    for trial in range(4):
        rows = all_rows(bundle)
        for name in bundle.slot_names:
            if trial and rng.random() < 0.6:
                rows[name] = sorted(rng.choice(rows[name], size=rng.integers(3, ITEMS), replace=False).tolist())
        allowed = {name: np.array(own) for name, own in rows.items()}
        outfits, scores = ranked_by_brute_force(bundle, 0, every_outfit(bundle, rows, {}))
        for k in (1, 6, 10_000):
            answer = compose.compose(CompositionTask(bundle, bundle.user_codes[0], allowed=allowed), k)
            assert answer.proven
            np.testing.assert_array_equal(answer.scores, scores[:k])
            np.testing.assert_array_equal(answer.items, outfits[:k])


def test_what_fixed_items_add_is_part_of_the_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two open slots of different groups whose pair counts nothing: all that is left of a set of two tops."""
    bundle = random_bundle(tmp_path / "b", slots=TWO_TOPS, num_items=ITEMS, num_bits=32)
    task = CompositionTask(bundle, bundle.user_codes[0], fixed={"bottom": 2, "shoe": 4}, allowed={"top": np.arange(4)})
    problem = pose(task)
    wanted = branch_and_bound.solve(problem, 20)
    found = sums.solve_sums(problem, 20)
    assert found is not None
    assert not any(problem.scales)
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_array_equal(found.numerators, wanted.numerators)
    monkeypatch.setattr(sums, "MOST", 1)  # so many would be invalid that another search is better
    assert sums.solve_sums(problem, 20) is None
    np.testing.assert_array_equal(compose.solve(problem, 20).items, wanted.items)
