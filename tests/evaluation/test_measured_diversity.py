from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from fashion_hash.core.codes import hamming, pack
from fashion_hash.errors import QueryError
from fashion_hash.evaluation.diversity import catalogue_coverage, intra_list_diversity


def test_intra_list_diversity_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(1)
    packed = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    present = rng.random((4, 6)) < 0.7
    present[3] = [True] + [False] * 5
    got = intra_list_diversity(packed, present)
    for q in range(3):
        pairs = list(itertools.combinations(np.flatnonzero(present[q]), 2))
        expected = np.mean([hamming(packed[q, a], packed[q, b]) / 24 for a, b in pairs])
        assert got[q] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(got[3])


def test_equal_codes_have_no_diversity_and_opposite_ones_have_all() -> None:
    code = np.random.default_rng(2).choice([-1, 1], size=64)
    assert intra_list_diversity(pack(np.stack([code, code, code]))[None]).tolist() == [0.0]
    assert intra_list_diversity(pack(np.stack([code, -code]))[None]).tolist() == [1.0]


def test_coverage_counts_distinct_items_and_passes_over_missing_ones() -> None:
    assert catalogue_coverage(np.array([[0, 1, -1], [1, 3, 3]]), 10) == pytest.approx(0.3)
    assert catalogue_coverage(np.zeros((0, 5), dtype=int), 10) == 0.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: intra_list_diversity(np.zeros((3, 2), dtype=np.uint8)), r"\(Q, K, D / 8\) uint8"),
        (lambda: intra_list_diversity(np.zeros((1, 3, 0), np.uint8)), r"\(1, 3, 0\) uint8"),
        (lambda: intra_list_diversity(np.zeros((1, 3, 2), np.uint8), np.ones((1, 2), bool)), "present"),
        (lambda: catalogue_coverage(np.array([0, 10]), 10), r"0\.\.10, the catalogue has 0\.\.9"),
        (lambda: catalogue_coverage(np.array([-2]), 10), r"-2\.\.-2"),
        (lambda: catalogue_coverage(np.array([0]), 0), "at least 1 row, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], says: str) -> None:
    with pytest.raises(QueryError, match=says):
        call()
