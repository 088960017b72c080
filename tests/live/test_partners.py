"""Partner lists that were brought up to date are those of a new search for all items."""

from itertools import permutations

import numpy as np
import pytest

from fashion_hash.index.partners import find_partners
from fashion_hash.live import partners as partners_module
from fashion_hash.live.partners import extended, revised


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 300, "b": 200, "c": 150}, {"a": 340, "b": 201, "c": 150}),
        ({"a": 20, "b": 0, "c": 127}, {"a": 21, "b": 3, "c": 140}),
        ({"a": 1, "b": 129, "c": 128}, {"a": 200, "b": 129, "c": 129}),
    ],
)
def test_extended_lists_are_new_lists(
    before: dict[str, int], after: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partners_module, "BLOCK", 64)
    rng = np.random.default_rng(0)
    codes = {item_type: rng.integers(0, 256, (size, 2, 4), dtype=np.uint8) for item_type, size in after.items()}
    weights = rng.integers(-(2**17), 2**17, 32).astype(np.int32)
    old = find_partners({item_type: codes[item_type][:size] for item_type, size in before.items()}, weights)
    longer, expected = extended(old, before, codes, weights), find_partners(codes, weights)
    for pair in permutations(codes, 2):
        rows, values = longer[pair]
        assert rows.shape == values.shape == expected[pair][0].shape
        np.testing.assert_allclose(values, expected[pair][1], rtol=1e-4, atol=1e-3)
        assert all(len(set(row)) == len(row) for row in rows.tolist())
        everything = find_partners(codes, weights, length=1000)[pair]
        for row in range(len(rows)):
            known = dict(zip(everything[0][row].tolist(), everything[1][row].tolist()))
            np.testing.assert_allclose(
                values[row], [known[partner] for partner in rows[row].tolist()], rtol=1e-4, atol=1e-3
            )


def test_lists_of_sets_are_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partners_module, "BLOCK", 64)
    rng = np.random.default_rng(1)
    codes = {"item": rng.integers(0, 256, (340, 2, 4), dtype=np.uint8)}
    weights = rng.integers(-(2**17), 2**17, 32).astype(np.int32)
    pair = ("item", "item")
    before = codes["item"][:300].copy()
    before[7] = ~before[7]  # an item that has another code since
    old = find_partners({"item": before}, weights, types=[pair])
    known = {"item": codes["item"][:300]}
    lists = extended(revised(old, known, {"item": np.array([7])}, weights), {"item": 300}, codes, weights)
    expected = find_partners(codes, weights, types=[pair])
    assert lists.keys() == expected.keys() == {pair}
    np.testing.assert_allclose(lists[pair][1], expected[pair][1], rtol=1e-4, atol=1e-3)
