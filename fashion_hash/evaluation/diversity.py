"""How varied lists of hits are: pure functions of packed codes and ids. Shapes: Q lists, K hits, D bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fashion_hash.core.codes import Packed
from fashion_hash.errors import QueryError


def intra_list_diversity(packed: Packed, present: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float64]:
    """Mean Hamming distance between the hits of a list, as a share of the D bits: (Q,) float64.

    Args:
        packed: (Q, K, D / 8) uint8, the codes of the hits (for outfits: the codes of their items, end to end).
        present: (Q, K) bool, False where a list is shorter than K; by default all True.

    Returns:
        Between 0 (all the same) and 1; NaN for a list of fewer than two hits, which has no pair.

    Raises:
        QueryError: shapes or types do not fit.
    """
    packed = np.asarray(packed)
    if packed.ndim != 3 or packed.dtype != np.uint8 or packed.shape[2] < 1:
        raise QueryError(f"packed codes must be (Q, K, D / 8) uint8, got {packed.shape} {packed.dtype}")
    if present is None:
        present = np.ones(packed.shape[:2], dtype=np.bool_)
    if present.shape != packed.shape[:2] or present.dtype != np.bool_:
        raise QueryError(f"present must be (Q, K) = {packed.shape[:2]} bool, got {present.shape} {present.dtype}")
    bits = np.unpackbits(np.where(present[:, :, None], packed, np.uint8(0)), axis=2, bitorder="little")
    ones = bits.sum(axis=1, dtype=np.int64)  # (Q, D)
    hits = present.sum(axis=1, dtype=np.int64)  # (Q,)
    # a bit that c of K hits have set differs in c * (K - c) pairs: no need to visit the pairs
    differing = (ones * (hits[:, None] - ones)).sum(axis=1)
    pairs = hits * (hits - 1) // 2
    diversity = np.full(len(packed), np.nan)
    np.divide(differing, pairs * bits.shape[2], out=diversity, where=pairs > 0)
    return diversity


def catalogue_coverage(hits: npt.NDArray[np.integer], catalogue_size: int) -> float:
    """Share of the catalogue that occurs in at least one list.

    Args:
        hits: integers of any shape, rows of the catalogue; -1 where a list is shorter.
        catalogue_size: number of rows of the catalogue.

    Raises:
        QueryError: the catalogue is empty, or a hit is beyond it.
    """
    if catalogue_size < 1:
        raise QueryError(f"the catalogue must have at least 1 row, got {catalogue_size}")
    hits = np.asarray(hits)
    if hits.size and not (hits.min() >= -1 and hits.max() < catalogue_size):
        raise QueryError(f"hits are rows {hits.min()}..{hits.max()}, the catalogue has 0..{catalogue_size - 1}")
    return len(np.unique(hits[hits >= 0])) / catalogue_size
