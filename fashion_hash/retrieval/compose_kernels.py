"""Compiled loops of composition: maxima over partner lists and over blocks of pairs.

They release the lock and start no threads of their own, so that callers may share them among threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# sums may be reordered (the caller allows for rounding); infinities stay what they are
_FAST = {"nnan", "nsz", "reassoc", "contract"}


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


@njit(nogil=True, cache=True, fastmath=_FAST)
def add_product(left, right, out):  # type: ignore[no-untyped-def]
    """out += left @ right, float32: (N, F), (F, C) and (N, C), F a multiple of 4.

    As fast as one thread of OpenBLAS for the few hundred columns that matter here, and it never starts
    or waits for threads, which costs OpenBLAS tens of milliseconds a product on a busy machine.
    """
    panel, features = 512, left.shape[1]
    for start in range(0, right.shape[1], panel):
        stop = min(start + panel, right.shape[1])
        whole = left.shape[0] - left.shape[0] % 4
        for i in range(0, whole, 4):
            o0, o1, o2, o3 = out[i, start:stop], out[i + 1, start:stop], out[i + 2, start:stop], out[i + 3, start:stop]
            for f in range(0, features, 4):
                r0, r1 = right[f, start:stop], right[f + 1, start:stop]
                r2, r3 = right[f + 2, start:stop], right[f + 3, start:stop]
                a0, a1, a2, a3 = left[i, f], left[i, f + 1], left[i, f + 2], left[i, f + 3]
                b0, b1, b2, b3 = left[i + 1, f], left[i + 1, f + 1], left[i + 1, f + 2], left[i + 1, f + 3]
                c0, c1, c2, c3 = left[i + 2, f], left[i + 2, f + 1], left[i + 2, f + 2], left[i + 2, f + 3]
                d0, d1, d2, d3 = left[i + 3, f], left[i + 3, f + 1], left[i + 3, f + 2], left[i + 3, f + 3]
                for j in range(stop - start):
                    x0, x1, x2, x3 = r0[j], r1[j], r2[j], r3[j]
                    o0[j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                    o1[j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                    o2[j] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                    o3[j] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3
        for i in range(whole, left.shape[0]):
            o0 = out[i, start:stop]
            for f in range(0, features, 4):
                r0, r1 = right[f, start:stop], right[f + 1, start:stop]
                r2, r3 = right[f + 2, start:stop], right[f + 3, start:stop]
                a0, a1, a2, a3 = left[i, f], left[i, f + 1], left[i, f + 2], left[i, f + 3]
                for j in range(stop - start):
                    o0[j] += a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j]


@njit(nogil=True, cache=True)
def greatest(block, length, rows, values):  # type: ignore[no-untyped-def]
    """The `length` greatest of every row of a block, descending: their columns and values.

    A histogram finds the cut, so that only little more than `length` values are sorted.
    """
    bins = 2048
    counts = np.zeros(bins, dtype=np.int64)
    places = np.empty(block.shape[1], dtype=np.int32)
    for i in range(block.shape[0]):
        line = block[i]
        low, high = line.min(), line.max()
        if low == high:
            for j in range(length):
                rows[i, j], values[i, j] = j, high
            continue
        step = np.float32(bins - 1) / (high - low)
        counts[:] = 0
        for j in range(line.shape[0]):
            counts[int((line[j] - low) * step)] += 1
        cut, found = bins - 1, counts[bins - 1]
        while found < length:
            cut -= 1
            found += counts[cut]
        found = 0
        for j in range(line.shape[0]):
            if int((line[j] - low) * step) >= cut:
                places[found] = j
                found += 1
        order = np.argsort(-line[places[:found]], kind="mergesort")
        for j in range(length):
            column = places[order[j]]
            rows[i, j], values[i, j] = column, line[column]


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
