"""The loops of filters over a pool, compiled by numba: a look-up an item, of outfits still in only.

Places are unsigned where they index: numba would otherwise ask of each whether it counts from the end.
"""

from __future__ import annotations

import numba
import numpy as np

PIECE = 4096


@numba.njit(nogil=True, cache=True)
def find_allowed(items, slots, table, starts, order, out):  # type: ignore[no-untyped-def]
    """Sets to 1 the outfits of which all items are allowed.

    Args:
        items: (N * S,) int32, outfit by outfit, EMPTY = -1.
        slots: S.
        table: uint8, whether an item is allowed; 1 at the place before the first of each type.
        starts: (S,) int64, where row 0 of a slot's type lies in the table.
        order: the slots to look at, int64; best those first that leave few.
        out: (N,) uint8, zeros, changed.
    """
    left = np.empty(PIECE, dtype=np.uint32)
    for first in range(0, len(out), PIECE):
        count = np.int64(min(PIECE, len(out) - first))
        for one in range(count):
            left[one] = one
        for slot in order:
            start, base, kept = starts[slot], first * slots + slot, np.int64(0)
            for one in range(count):
                outfit = left[np.uint64(one)]
                item = items[np.uint64(base + np.int64(outfit) * slots)]
                # written always, counted if allowed: no branch to guess wrong
                left[np.uint64(kept)] = outfit
                kept += np.int64(table[np.uint64(start + item)])
            count = kept
        for one in range(count):
            out[np.uint64(first + left[np.uint64(one)])] = 1


@numba.njit(nogil=True, cache=True)
def keep_within(items, slots, amounts, starts, low, high, out):  # type: ignore[no-untyped-def]
    """Sets to 0 the outfits whose sum of amounts lies below low or above high.

    Args:
        amounts: int64, by item; 0 at the place before the first of each type. Others: find_allowed.
    """
    for outfit in range(len(out)):
        if out[outfit]:
            total = np.int64(0)
            for slot in range(slots):
                item = items[np.uint64(outfit * slots + slot)]
                total += amounts[np.uint64(starts[slot] + item)]
            out[outfit] = np.uint8((total >= low) & (total <= high))
