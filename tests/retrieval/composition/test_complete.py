"""Completion against brute force: every candidate scored by the referee."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from tests.worlds.random_bundles import random_bundle

TWO_TOPS = ("top", "top", "bottom", "shoe")


def ranking(bundle: Bundle, user: int, fixed: dict[str, int], rows: dict[str, range]) -> tuple[np.ndarray, np.ndarray]:
    """Every way to fill the open slots, best first, ties in order of rows; no item twice."""
    choices = [[fixed[name]] if name in fixed else rows.get(name, [EMPTY]) for name in bundle.slot_names]
    outfits = [
        outfit
        for outfit in product(*choices)
        if len(worn := [one for one in zip(bundle.slots, outfit) if one[1] != EMPTY]) == len(set(worn))
    ]
    items = np.array(outfits)
    scores = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], items))
    order = exact.top(scores, len(scores))
    return items[order], scores[order]


@pytest.mark.parametrize(
    ("slots", "options"),
    [
        (("top", "bottom"), {"num_bits": 8, "num_items": 300}),  # many ties, and no whole words of codes
        (("top", "bottom", "shoe"), {"num_modalities": 3, "num_bits": 24, "biased": True, "num_items": 600}),
        (("top", "bottom", "shoe"), {"compatibility_scale": 0, "preference_scale": 20}),
        (TWO_TOPS, {"num_modalities": 2, "num_bits": 128}),
        (("item",) * 4, {"num_modalities": 2, "biased": True}),
        (TWO_TOPS, {"num_modalities": 2, "repeat_empty": True, "biased": True}),
    ],
)
@pytest.mark.parametrize("user", [0, 1])
def test_one_open_slot(tmp_path: Path, slots: tuple, options: dict, user: int) -> None:
    bundle = random_bundle(tmp_path / "b", slots=slots, seed=user, **options)
    names = bundle.slot_names
    for name in names:
        fixed = {other: 3 + number for number, other in enumerate(names) if other != name}
        rows = {name: range(len(bundle.items[bundle.slots[names.index(name)]]))}
        items, scores = ranking(bundle, user, fixed, rows)
        for k in (1, 10, 10**6):
            answer = compose(CompositionTask(bundle, bundle.user_codes[user], fixed=fixed), k)
            assert answer.proven
            np.testing.assert_array_equal(answer.scores, scores[:k])
            np.testing.assert_array_equal(answer.items, items[:k])


@pytest.mark.parametrize("repeat_empty", [False, True])
def test_some_slots_stay_empty_and_some_items_are_allowed(tmp_path: Path, repeat_empty: bool) -> None:
    bundle = random_bundle(tmp_path / "b", slots=TWO_TOPS, num_modalities=2, repeat_empty=repeat_empty)
    user = bundle.user_codes[2]
    for fixed, slot in (({"top": 3}, "shoe"), ({"shoe": 0}, "top_2"), ({"shoe": 0}, "top"), ({"top_2": 1}, "top")):
        items, scores = ranking(bundle, 2, fixed, {slot: range(5, 12)})
        answer = compose(CompositionTask(bundle, user, [slot], {slot: np.arange(11, 4, -1)}, fixed), 6)
        np.testing.assert_array_equal(answer.items, items[:6])
        np.testing.assert_array_equal(answer.scores, scores[:6])
    items, scores = ranking(bundle, 2, {"top": 3}, {"bottom": range(33), "shoe": range(36)})
    task = CompositionTask(bundle, user, ["shoe", "bottom"], fixed={"top": 3})
    answer = compose(task, 40)
    np.testing.assert_array_equal(answer.items, items[:40])
    np.testing.assert_array_equal(answer.scores, scores[:40])
    once = compose(task, 40, max_repeats=1)
    assert len(once.items) == 33  # all bottoms: the given top does not count
    assert len(set(once.items[:, 2].tolist())) == 33


def test_the_item_at_hand_is_not_offered_again(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "b", slots=TWO_TOPS, num_items=6)
    answer = compose(CompositionTask(bundle, bundle.user_codes[0], ["top_2"], fixed={"top": 2}), 100)
    assert sorted(answer.items[:, 1].tolist()) == [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("fixed", "open_slots", "message"),
    [
        ({"top": 1}, ["top"], "slot 'top' is both given and asked for"),
        ({"tops": 1}, None, "no slot 'tops' .nearest: 'top'"),
        ({"top": 1}, [], "nothing is left to choose"),
        ({"top": 1, "bottom": 1, "shoe": 1}, None, "nothing is left to choose"),
        ({"top": 99}, None, "item rows of top go from 0 to 29, got 99 to 99"),
        ({"top": "top-1"}, None, "item rows must be whole numbers, got <U5: "),
    ],
)
def test_bad_questions(tmp_path: Path, fixed: dict, open_slots: list[str] | None, message: str) -> None:
    bundle = random_bundle(tmp_path / "b")
    with pytest.raises(QueryError, match=message):
        compose(CompositionTask(bundle, bundle.user_codes[0], open_slots, fixed=fixed), 5)
