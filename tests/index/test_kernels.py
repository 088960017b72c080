"""Products and greatest values by compiled kernels equal what numpy says."""

import numpy as np
import pytest

from fashion_hash.index.kernels import greatest, write_product


@pytest.mark.parametrize(
    ("rows", "features", "columns"), [(1, 8, 1), (5, 8, 65), (7, 16, 63), (64, 128, 300), (3, 24, 64)]
)
def test_products_are_written(rows: int, features: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    whole, ours = rng.integers(-50, 50, (features, 2 * columns)), rng.integers(-50, 50, (rows, features))
    theirs = whole.astype(np.float32)[:, columns // 2 : columns // 2 + columns]  # rows that are not next to each other
    out = rng.integers(-50, 50, (rows, columns)).astype(np.float32)
    expected = ours @ theirs
    write_product(ours.astype(np.float32), theirs, out)
    assert np.array_equal(out, expected)  # whole numbers: no rounding


@pytest.mark.parametrize("kind", ["spread", "below zero", "ties", "one value", "ascending", "periods"])
@pytest.mark.parametrize(("columns", "length"), [(10, 10), (1000, 128), (9000, 128), (600, 1), (5000, 3)])
def test_greatest_are_in_order_of_value_and_column(columns: int, length: int, kind: str) -> None:
    values = np.random.default_rng(1).normal(size=(6, columns)).astype(np.float32)
    if kind == "below zero":
        values -= 9
    elif kind == "ties":
        values = np.rint(3 * values) * np.float32(-1)  # zeros of both signs
    elif kind == "one value":
        values[:] = -2
    elif kind == "ascending":
        values.sort(axis=1)
    elif kind == "periods":  # a sample at even distances sees nothing but the greatest, or none of them
        values[:, ::16] += np.array([9, -9, 9, -9, 9, -9], dtype=np.float32)[:, None]
    places, found = np.empty((6, length), dtype=np.int32), np.empty((6, length), dtype=np.float32)
    greatest(values, length, places, found)
    expected = np.argsort(-values, axis=1, kind="stable")[:, :length]
    assert np.array_equal(places, expected)
    assert np.array_equal(found, np.take_along_axis(values, expected, axis=1))
