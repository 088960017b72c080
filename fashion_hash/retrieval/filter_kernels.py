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
        order: the slots to look at, int64, one or more; best those first that leave few.
        out: (N,) uint8, zeros, changed.
    """
    left = np.empty(PIECE, dtype=np.uint32)
    step = np.uint64(slots)
    start, second = starts[order[0]], starts[order[min(1, len(order) - 1)]]
    for first in range(0, len(out), PIECE):
        count = np.int64(min(PIECE, len(out) - first))
        # two slots at once, then one by one of what they leave: fewer misses than one, less work than all
        at = np.uint64(first * slots + order[0])
        beside = np.uint64(first * slots + order[min(1, len(order) - 1)])
        kept = np.uint64(0)
        for one in range(count):
            # written always, counted if allowed: no branch to guess wrong
            left[kept] = one
            kept += np.uint64(table[np.uint64(start + items[at])] & table[np.uint64(second + items[beside])])
            at += step
            beside += step
        for slot in order[2:]:
            begin, base, count, kept = starts[slot], first * slots + slot, np.int64(kept), np.uint64(0)
            for one in range(count):
                outfit = left[np.uint64(one)]
                left[kept] = outfit
                kept += np.uint64(table[np.uint64(begin + items[np.uint64(base + np.int64(outfit) * slots)])])
        for one in range(np.int64(kept)):
            out[np.uint64(first + left[np.uint64(one)])] = 1


@numba.njit(nogil=True, cache=True)
def add_amounts(items, slots, amounts, starts, out):  # type: ignore[no-untyped-def]
    """Adds up amounts over the items of outfits.

    Args:
        amounts: int64, by item; 0 at the place before the first of each type. Others: find_allowed.
        out: (N,) int64, written.
    """
    at = np.uint64(0)
    for outfit in range(len(out)):
        total = np.int64(0)
        for slot in range(slots):
            total += amounts[np.uint64(starts[slot] + items[at])]
            at += np.uint64(1)
        out[outfit] = total
