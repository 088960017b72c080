import numpy as np
import pytest

from fashion_hash.core.codes import hamming, unpack
from fashion_hash.errors import QueryError
from fashion_hash.index.nearest import kth_least
from fashion_hash.retrieval.search.similar_items import similar_items


@pytest.mark.parametrize(("modalities", "size"), [(1, 1), (2, 2), (2, 8), (3, 16), (1, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_like_everything_sorted(modalities: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (300, modalities, size), dtype=np.uint8)
    codes[20:40] = codes[5]  # ties, and items equal to the one asked for
    for row in (5, 30, 299):
        distance = hamming(codes, codes[row]).sum(axis=1)
        ranked = sorted((far, other) for other, far in enumerate(distance.tolist()) if other != row)
        for allowed in (None, rng.random(300) < 0.1, np.zeros(300, dtype=bool)):
            left = [one for one in ranked if allowed is None or allowed[one[1]]]
            for k in (1, 7, 1000):
                rows, shares = similar_items(codes, row, k, allowed)
                assert rows.tolist() == [other for _, other in left[:k]]
                agree = (unpack(codes[rows]) == unpack(codes[row])).mean(axis=(1, 2))
                assert shares == pytest.approx(agree)


@pytest.mark.parametrize(
    ("row", "k", "allowed", "message"),
    [
        (0, 0, None, "k must be at least 1, got 0"),
        (0, True, None, "k must be a whole number, got True"),
        (-1, 1, None, "row must be from 0 to 3, got -1"),
        (4, 1, None, "row must be from 0 to 3, got 4"),
        (0, 1, np.ones(3, dtype=bool), "the filter has 3 rows for 4 items"),
    ],
)
def test_bad_questions(row: int, k: int, allowed: np.ndarray | None, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        similar_items(np.zeros((4, 1, 2), dtype=np.uint8), row, k, allowed)


@pytest.mark.parametrize("most", [1, 3, 256])
def test_the_kth_least_distance_is_that_of_a_sorted_list(most):
    distances = np.random.default_rng(most).integers(0, most, 500).astype(np.int32)
    for k in (1, 7, 499, 500):
        assert kth_least(distances, k) == np.sort(distances)[k - 1]
