"""Compiled loops of composition: maxima over partner lists and over blocks of pairs.

They release the lock and start no threads of their own, so that callers may share them among threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fashion_hash.index.kernels import _FAST


@njit(nogil=True, cache=True)
def list_maxima(items, rows, values, scale, shares, most, out):  # type: ignore[no-untyped-def]
    """out[i] = an upper bound of max over partners j of scale * c(items[i], j) + shares[j].

    Args:
        items: (A,) rows whose lists are read.
        rows, values: (N, L) partners and their c, descending; all partners where L covers them.
        scale: from 0 on.
        shares: (N_other,) float32, -inf where a partner is out.
        most: the greatest of `shares`.
        out: (A,) float32; exact unless the list ends before the bound of the rest falls below.
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
            best = max(best, c + shares[rows[x, j]])
        if not ended:
            best = max(best, scale * values[x, length - 1] + most)
        out[i] = best


@njit(nogil=True, cache=True, fastmath=_FAST)
def block_maxima(block, row_shares, column_shares, row_maxima, column_maxima):  # type: ignore[no-untyped-def]
    """Row maxima of block + column_shares and running column maxima of block + row_shares.

    block is (A, B) float32; row_maxima (A,) is overwritten, column_maxima (B,) is raised.
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
    """out[i] += the sum of what the tables say of the bytes of item i, a look-up a byte.

    Args:
        words: (N, W) uint64, eight bytes each, the first the least significant.
        tables: (W * 8 * 256,) int64.
        out: (N,) int64.
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
