"""Columns of the catalogue as features."""

import json

import numpy as np
import pytest

from fashion_hash.encoders.attributes import AttributeVectors
from fashion_hash.errors import DataError, FeatureError

TYPES = {"price": "number", "since": "date", "new": "boolean", "colour": "text", "sizes": "texts", "item_id": "number"}
ITEMS = [
    {"item_id": "10", "price": 10, "since": "2026-01-01", "new": True, "colour": "red", "sizes": ["S", "M"]},
    {"item_id": "20", "price": 20, "since": "2026-01-03", "new": False, "colour": "red", "sizes": ["M"]},
    {"item_id": "30", "price": 40, "since": "2026-01-11", "new": True, "colour": "blue", "sizes": ["L", "S"]},
    {"item_id": "x40", "colour": "blue"},
    {"item_id": "50", "price": 40, "colour": "green", "title": "one green thing"},
]


def column(encoder, name, items):
    start = 0
    for one in encoder.columns:
        if one.name == name:
            return encoder.encode(items)[0][:, start : start + one.width]
        start += one.width
    raise AssertionError(name)


def test_numbers_have_a_value_a_logarithm_and_a_place_between_quantiles():
    encoder = AttributeVectors.fit(ITEMS, TYPES, quantiles=3)
    prices = np.array([10, 20, 40, 40])
    found = column(encoder, "price", [{"price": "25,00"}, {"price": 10}, {"price": 0}, {"price": 9e9}, {}])
    assert encoder.columns[0].knots == (10, 30, 40)
    logs = np.log1p(prices)
    values = [(25 - prices.mean()) / prices.std(), (np.log1p(25) - logs.mean()) / logs.std(), 0.25, 0.75, 0]
    np.testing.assert_allclose(found[0], values, rtol=1e-6)
    assert found[1, 2:].tolist() == found[2, 2:].tolist() == [1, 0, 0]  # below the lowest quantile is at it
    assert found[3].tolist() == [5, 5, 0, 0, 1]  # far away is not farther
    assert not found[4].any()
    without = AttributeVectors.fit(ITEMS, {"price": "number"}, quantiles=0)
    np.testing.assert_array_equal(without.encode(ITEMS)[0], column(encoder, "price", ITEMS)[:, :2])


def test_dates_are_days_and_ids_are_numbers():
    encoder = AttributeVectors.fit(ITEMS, TYPES, quantiles=3)
    [half] = column(encoder, "since", [{"since": "2026-01-02T12:00:00Z"}])
    assert half[2:].tolist() == [0.25, 0.75, 0]
    assert column(encoder, "item_id", [{"item_id": "10"}, {"item_id": "x40"}])[:, 2:].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_texts_are_the_frequent_values():
    encoder = AttributeVectors.fit(ITEMS, TYPES)
    values = {one.name: one.values for one in encoder.columns if one.values}
    assert values == {"new": ("true",), "colour": ("blue", "red"), "sizes": ("M", "S")}
    assert column(encoder, "sizes", [{"sizes": "S|M"}, {"sizes": ["XL"]}]).tolist() == [[1, 1], [0, 0]]
    assert column(encoder, "colour", [{"colour": "green"}, {"colour": "red"}]).tolist() == [[0, 0], [0, 1]]
    few = AttributeVectors.fit(ITEMS, {"colour": "text"}, categories=1)
    assert few.columns[0].values == ("blue",)


def test_an_item_is_known_by_any_column():
    encoder = AttributeVectors.fit(ITEMS, {"price": "number", "colour": "text"})
    assert encoder.encode([{"price": 3}, {"colour": "pink"}, {"sizes": ["S"]}, {}])[1].tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_saved_and_read_again(tmp_path):
    encoder = AttributeVectors.fit(ITEMS, TYPES, quantiles=3)
    encoder.save(tmp_path / "attributes")
    again = AttributeVectors.load(tmp_path / "attributes")
    assert again == encoder
    np.testing.assert_array_equal(again.encode(ITEMS)[0], encoder.encode(ITEMS)[0])


@pytest.mark.parametrize("change", [{"knots": [2, 1]}, {"scales": [0, 0, 0, 1]}, {"type": "numbers"}, {"name": 3}])
def test_a_broken_file_is_refused(tmp_path, change):
    AttributeVectors.fit(ITEMS, TYPES, quantiles=3).save(tmp_path / "attributes")
    path = tmp_path / "attributes/attributes.json"
    manifest = json.loads(path.read_text())
    manifest["columns"][0] |= change
    path.write_text(json.dumps(manifest))
    with pytest.raises(FeatureError, match="export the bundle again"):
        AttributeVectors.load(tmp_path / "attributes")


def test_what_cannot_be_used():
    same = [{"price": 3, "colour": "red"}, {"price": 3, "colour": "blue"}]
    with pytest.raises(FeatureError, match=r"none of the columns .price., .colour. tells training items apart"):
        AttributeVectors.fit(same, {"price": "number", "colour": "text"})
    with pytest.raises(DataError, match=r"column .price. holds numbers"):
        AttributeVectors.fit(ITEMS, {"price": "number"}).encode([{"price": "dear"}])
