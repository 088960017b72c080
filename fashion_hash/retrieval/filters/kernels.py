"""The loops of filters over a pool, compiled by numba: one look-up per item, in tables that fit the cache.

Indices are unsigned, because numba checks signed ones for negative values. Arrays are separate
arguments, because unpacking a tuple at each call costs time; hence the long argument lists.
"""

from __future__ import annotations

import numba
import numpy as np

FIVE, LAST = np.uint32(5), np.uint32(31)


@numba.njit(nogil=True, cache=True)
def keep_allowed(items, slots, words, starts, slot, out):  # type: ignore[no-untyped-def]
    """Sets to 0 the outfits with an item in a slot that is not allowed.

    Args:
        items: (N * S,) int32, outfit by outfit, EMPTY = -1.
        slots: S.
        words: uint32, one bit per item, lowest bit first, so that a hundred thousand items fit the
            first-level cache. The bit before the first item of each type is set, for the empty slot.
        starts: (S,) uint32, the bit of item 0 for each slot.
        slot: the slot.
        out: (N,) uint8, changed in place.
    """
    start, at, step = starts[slot], np.uint64(slot), np.uint64(slots)
    for outfit in range(len(out)):
        bit = np.uint32(start + items[at])
        out[np.uint64(outfit)] &= np.uint8((words[np.uint64(bit >> FIVE)] >> (bit & LAST)) & np.uint32(1))
        at += step


@numba.njit(nogil=True, cache=True)
def keep_allowed_of_three(items, slots, words, starts, a, b, c, out):  # type: ignore[no-untyped-def]
    """Like keep_allowed for the slots a, b and c at once, which is faster than one after another."""
    first, second, third = starts[a], starts[b], starts[c]
    at, of_a, of_b, of_c = np.uint64(0), np.uint64(a), np.uint64(b), np.uint64(c)
    for outfit in range(len(out)):
        x = np.uint32(first + items[at + of_a])
        y = np.uint32(second + items[at + of_b])
        z = np.uint32(third + items[at + of_c])
        both = (words[np.uint64(x >> FIVE)] >> (x & LAST)) & (words[np.uint64(y >> FIVE)] >> (y & LAST))
        all_three = both & (words[np.uint64(z >> FIVE)] >> (z & LAST)) & np.uint32(1)
        out[np.uint64(outfit)] &= np.uint8(all_three)
        at += np.uint64(slots)


@numba.njit(nogil=True, cache=True)
def add_amounts(items, slots, amounts, starts, out):  # type: ignore[no-untyped-def]
    """Adds up amounts over the items of outfits.

    Args:
        items: (N * S,) int32, outfit by outfit, EMPTY = -1.
        slots: S.
        amounts: int64, by item; 0 before the first item of each type, for the empty slot.
        starts: (S,) int64, the place of item 0 in the amounts for each slot.
        out: (N,) int64, written.
    """
    at = np.uint64(0)
    for outfit in range(len(out)):
        total = np.int64(0)
        for slot in range(slots):
            total += amounts[np.uint64(starts[slot] + items[at])]
            at += np.uint64(1)
        out[outfit] = total
