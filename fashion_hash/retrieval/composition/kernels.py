"""Compiled loops of composition: maxima over partner lists and over blocks of pairs.

They release the global interpreter lock and start no threads, so callers may run them on several threads.
Flat arrays are the cheapest arguments for numba; hence the long argument lists.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fashion_hash.index.kernels import _FAST


@njit(nogil=True, cache=True)
def list_maxima(items, rows, values, scale, shares, most, out, alike):  # type: ignore[no-untyped-def]
    """Writes to out[i] an upper bound of the maximum over partners j of scale * c(items[i], j) + shares[j].

    Args:
        items: (A,) the rows of the items.
        rows: (N, L) the partners of every item.
        values: (N, L) their c, descending.
        scale: at least 0.
        shares: (N_other,) float32, -inf for excluded partners.
        most: the maximum of `shares`.
        out: (A,) float32, written; exact unless the list ends before the bound on the remaining partners is lower.
        alike: whether partners are of the items' own type: then no item is its own partner.
    """
    length = rows.shape[1]
    for i in range(items.shape[0]):
        x = items[i]
        best = np.float32(-np.inf)
        ended = length == shares.shape[0]
        for j in range(length):
            c = scale * values[x, j]
            if c + most <= best:
                ended = True
                break
            if alike and rows[x, j] == x:
                continue
            best = max(best, c + shares[rows[x, j]])
        if not ended:
            best = max(best, scale * values[x, length - 1] + most)
        out[i] = best


@njit(nogil=True, cache=True, fastmath=_FAST)
def block_maxima(block, row_shares, column_shares, row_maxima, column_maxima):  # type: ignore[no-untyped-def]
    """Computes the row maxima of block + column_shares and updates the column maxima of block + row_shares.

    block is (A, B) float32; row_maxima (A,) is overwritten, column_maxima (B,) keeps greater values.
    """
    for i in range(block.shape[0]):
        share = row_shares[i]
        best = np.float32(-np.inf)
        for j in range(block.shape[1]):
            value = block[i, j]
            best = max(best, value + column_shares[j])
            column_maxima[j] = max(column_maxima[j], value + share)
        row_maxima[i] = best


@njit(nogil=True, cache=True)
def add_table_sums(words, tables, out):  # type: ignore[no-untyped-def]
    """Adds to out[i] the sum of the table entries of the bytes of item i.

    Args:
        words: (N, W) uint64, eight bytes each, the least significant first.
        tables: (W * 8 * 256,) int64, 256 entries per byte.
        out: (N,) int64, changed in place.
    """
    low = np.uint64(255)  # unsigned indices spare the check for negative ones
    for i in range(words.shape[0]):
        first, second, start = 0, 0, np.uint64(0)
        for number in range(words.shape[1]):
            word = words[i, number]
            first += tables[start + (word & low)]
            second += tables[start + np.uint64(256) + ((word >> np.uint64(8)) & low)]
            first += tables[start + np.uint64(512) + ((word >> np.uint64(16)) & low)]
            second += tables[start + np.uint64(768) + ((word >> np.uint64(24)) & low)]
            first += tables[start + np.uint64(1024) + ((word >> np.uint64(32)) & low)]
            second += tables[start + np.uint64(1280) + ((word >> np.uint64(40)) & low)]
            first += tables[start + np.uint64(1536) + ((word >> np.uint64(48)) & low)]
            second += tables[start + np.uint64(1792) + (word >> np.uint64(56))]
            start += np.uint64(2048)
        out[i] += first + second
