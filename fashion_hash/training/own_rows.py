"""Which outfits have codes of their own, and where: the distinct outfits of the training split (section `outfit`).

An outfit is its items here, as everywhere (`canonical_items`): two of the same items share a code.
Shapes: N outfits, K distinct ones of the training split, S slots.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import Outfits, canonical_items, rows_of_same


class OwnRows(NamedTuple):
    """The distinct outfits of the training split.

    Attributes:
        slots: the item type of each slot.
        items: (K, S) rows of items, EMPTY where a slot is empty.
        counts: (K,) how many training outfits are the same.
        of_positives: (N,) the row of each training outfit.
    """

    slots: tuple[str, ...]
    items: np.ndarray
    counts: np.ndarray
    of_positives: np.ndarray

    @classmethod
    def of(cls, positives: Outfits) -> OwnRows:
        """Those of the outfits of a training split."""
        canonical = canonical_items(positives.slots, positives.items)
        first, number, counts = np.unique(
            canonical, axis=0, return_index=True, return_inverse=True, return_counts=True
        )[1:]
        return cls(positives.slots, positives.items[first], counts, number.reshape(-1))

    def rows_of(self, items: np.ndarray) -> np.ndarray:
        """The row of each outfit, (N, S) rows of items: (N,) int64, EMPTY for one that training did not see."""
        return rows_of_same(self.slots, self.items, items)
