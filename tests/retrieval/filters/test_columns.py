"""Masks of some rows are those of all rows at these places."""

import numpy as np
import pytest

from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.language import parse

ITEMS = [
    {"colour": "red", "price": 4, "sizes": ["S"], "sold": True},
    {"colour": "blue", "price": 8.5, "sizes": ["M", "L"]},
    {"price": 9, "sold": False},
    {"colour": "red", "price": 1, "sizes": []},
    {},
]


@pytest.mark.parametrize(
    "where",
    [
        {"colour": "red"},
        {"colour": {"in": ["red", "blue"]}},
        {"not": {"colour": "red"}},
        {"any": [{"price": {">": 5}}, {"sizes": {"overlaps": ["S"]}}]},
        {"price": {">=": 4, "<=": 8.5}, "sold": {"exists": True}},
        {"colour": {"contains": "e"}},
        {"weight": {"exists": False}},
    ],
)
def test_masks_of_rows(where: dict) -> None:
    table = ItemColumns(ITEMS)
    condition = parse({"top": where}, ["top"]).of("top")
    whole = table.mask(condition)
    for rows in ([], [0, 2, 4], [4, 4, 1], list(range(5))):
        np.testing.assert_array_equal(table.mask(condition, np.array(rows, dtype=np.int64)), whole[rows])
