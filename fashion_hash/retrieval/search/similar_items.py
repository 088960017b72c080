"""Items that resemble an item: nearest by plain Hamming distance over the codes of all modalities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import Packed
from fashion_hash.core.ids import IdTable
from fashion_hash.errors import QueryError, counted
from fashion_hash.index.nearest import distances_to
from fashion_hash.retrieval.checks import check_count


class Similar(NamedTuple):
    """Rows of items and the share of bits in which their codes agree, nearest first, ties by id.

    (K',) int64 and float64.
    """

    rows: np.ndarray
    shares: np.ndarray


def similar_items(
    codes: Packed, row: int, k: int, allowed: np.ndarray | None = None, ids: IdTable | None = None
) -> Similar:
    """The k items of a type with the codes nearest to an item's code, without the item itself. Exact.

    Args:
        codes: (N, M, D / 8) uint8, the codes of all items of the type.
        row: the item.
        k: at most how many.
        allowed: (N,) bool, the items that may come back; by default all.
        ids: of the items, for ties; without them ties come in order of row.

    Raises:
        QueryError: k is below 1, the row does not exist, or the filter has another length.
    """
    check_count("k", k)
    count = len(codes)
    if not 0 <= row < count:
        raise QueryError(f"row must be from 0 to {count - 1}, got {row}")
    if allowed is not None and len(allowed) != count:
        raise QueryError(f"the filter has {counted(len(allowed), 'row')} for {counted(count, 'item')}")
    distances = distances_to(codes.reshape(count, -1), codes[row].reshape(-1))
    kept = np.ones(count, dtype=bool) if allowed is None else allowed.copy()
    kept[row] = False
    if kept.sum() > k:  # what is farther than the k-th cannot come back
        kept &= distances <= np.partition(distances[kept], k - 1)[k - 1]
    rows = np.flatnonzero(kept)
    if ids is None:
        rows = rows[np.argsort(distances[rows], kind="stable")][:k]
    else:
        ranked = sorted(zip(distances[rows].tolist(), ids.at(rows), rows.tolist()))
        rows = np.array([ranked_row for _, _, ranked_row in ranked[:k]], dtype=np.int64)
    return Similar(rows, 1 - distances[rows] / (8 * codes[row].size))
