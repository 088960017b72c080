"""What counts beside the bits of a request: rounded vectors, and the folder that keeps it."""

import json
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.errors import BundleError
from fashion_hash.inference import request_sum
from fashion_hash.inference.request_sum import RequestSum, SumWeights, cosines, read_sum, rounded, write_sum

WEIGHTS = SumWeights(words=0.5, taste=0.25, encoder=2.0, popular=0.125, half=4.0)


def unit(rows: int, floats: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, floats))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("floats", [8, 256, 1040, 1041])
def test_cosines_are_exact_whichever_items_are_asked_for(floats: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items, request = rounded(unit(50, floats)), rounded(unit(1, floats, 1))[0]
    plain = (items.astype(np.int64) @ request.astype(np.int64)) / 127**2
    np.testing.assert_array_equal(cosines(items, request), plain)
    monkeypatch.setattr(request_sum, "AT_ONCE", 7)
    rows = np.array([3, 4, 11, 49] * 5)
    np.testing.assert_array_equal(cosines(items, request, rows), plain[rows])


def test_the_greatest_products_do_not_lose_a_unit() -> None:
    for floats in (1040, 1041, 4096):
        full = np.full((2, floats), 127, dtype=np.int8)
        full[1, 0] = 126
        assert (cosines(full, full[0]) * 127**2).round().tolist() == [127 * 127 * floats, 127 * 127 * floats - 127]


def test_rounding_changes_little() -> None:
    items, request = unit(500, 256), unit(1, 256, 1)[0]
    error = cosines(rounded(items), rounded(request[None])[0]) - items @ request
    assert np.abs(error).mean() < 0.004
    assert rounded(np.zeros((1, 4))).tolist() == [[0, 0, 0, 0]]


def test_how_much_is_known_of_a_user() -> None:
    assert SumWeights(half=0).known(np.array([0, 1, 9])).tolist() == [0, 1, 1]
    assert SumWeights(half=3).known(np.array([0, 1, 3, 9])).tolist() == [0, 0.25, 0.5, 0.75]


def contents(weights: SumWeights = WEIGHTS) -> RequestSum:
    return RequestSum(
        weights,
        {"top": rounded(unit(3, 8)), "a/b": rounded(unit(2, 8))},
        {"top": np.array([0, 1, 2.5], np.float32), "a/b": np.zeros(2, np.float32)},
    )


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_sum(tmp_path / "sum", contents())
    kept = read_sum(tmp_path / "sum", {"top": 3, "a/b": 2}, 8)
    assert kept is not None
    assert kept.weights == WEIGHTS
    for item_type in ("top", "a/b"):
        np.testing.assert_array_equal(kept.vectors[item_type], contents().vectors[item_type])
        np.testing.assert_array_equal(kept.popular[item_type], contents().popular[item_type])
    assert read_sum(tmp_path / "missing", {}, 8) is None


def test_vectors_that_do_not_count_are_not_kept(tmp_path: Path) -> None:
    write_sum(tmp_path / "sum", contents(SumWeights(words=1.0)))
    kept = read_sum(tmp_path / "sum", {"top": 3, "a/b": 2}, 8)
    assert kept is not None
    assert kept.vectors["top"].shape == (3, 0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"words": 1}, "must hold the weights words, taste, encoder, popular, half"),
        ({**vars(WEIGHTS), "taste": -1}, "the weight taste must be a number of at least 0, got -1"),
        ({**vars(WEIGHTS), "taste": True}, "the weight taste must be a number"),
        ({**vars(WEIGHTS), "half": "2"}, "the weight half must be a number"),
        ({**vars(WEIGHTS), "half": float("nan")}, "the weight half must be a number"),
        ({**vars(WEIGHTS), "encoder": float("inf")}, "the weight encoder must be a number"),
        ([], "must hold the weights"),
    ],
)
def test_weights_that_make_no_sense_are_refused(tmp_path: Path, weights: object, message: str) -> None:
    write_sum(tmp_path / "sum", contents())
    manifest = json.loads((tmp_path / "sum" / "sum.json").read_text())
    (tmp_path / "sum" / "sum.json").write_text(json.dumps({**manifest, "weights": weights}))
    with pytest.raises(BundleError, match=message):
        read_sum(tmp_path / "sum", {"top": 3, "a/b": 2}, 8)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    def reading(sizes: dict[str, int], floats: int) -> None:
        with pytest.raises(BundleError, match=r"expected|finite|sum\.json is missing|not a readable array"):
            read_sum(tmp_path / "sum", sizes, floats)

    write_sum(tmp_path / "sum", contents())
    reading({"top": 4, "a/b": 2}, 8)
    reading({"top": 3, "a/b": 2}, 9)
    np.save(tmp_path / "sum" / "top.popular.npy", np.array([0, np.nan, 1], np.float32))
    reading({"top": 3, "a/b": 2}, 8)
    (tmp_path / "sum" / "top.popular.npy").unlink()
    reading({"top": 3, "a/b": 2}, 8)
    (tmp_path / "sum" / "sum.json").unlink()
    reading({"top": 3, "a/b": 2}, 8)
