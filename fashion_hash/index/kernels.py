"""Compiled kernels shared by several indexes: products, greatest values, nearest codes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import njit, types
from numba.extending import intrinsic

# sums may be reordered, since callers allow for rounding; infinities must stay valid
_FAST = {"nnan", "nsz", "reassoc", "contract"}


@njit(nogil=True, cache=True, fastmath=_FAST)
def add_product(left, right, out):  # type: ignore[no-untyped-def]
    """Computes out += left @ right in float32: (N, F), (F, C) and (N, C), F a multiple of 4.

    It is as fast as one thread of OpenBLAS for the few hundred columns used here. It never starts or waits for
    threads, which costs OpenBLAS tens of milliseconds per product on a busy machine.
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
    """Writes the `length` greatest values of every row of a block, descending, and their columns.

    A histogram finds the cut, so that few more than `length` values are sorted.
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


BLOCK = 256  # codes whose distances are computed together


@intrinsic
def _count_ones(_: Any, word: Any) -> Any:
    """The number of set bits of a 64-bit word, by a single instruction."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@numba.njit(cache=True, nogil=True, forceinline=True)
def _distances(words, query, out):  # type: ignore[no-untyped-def]
    """Hamming distances of codes, (n, W), to a code, (W,): int32 (n,)."""
    if words.shape[1] == 2:  # 128 bits: without an inner loop it becomes vector instructions
        first, second = query[0], query[1]
        for row in range(len(words)):
            out[row] = _count_ones(words[row, 0] ^ first) + _count_ones(words[row, 1] ^ second)  # type: ignore
        return
    for row in range(len(words)):
        distance = np.int64(0)
        for word in range(words.shape[1]):
            distance += _count_ones(words[row, word] ^ query[word])  # type: ignore
        out[row] = distance


@numba.njit(cache=True, nogil=True)
def scan(words, query, allowed, k, rows, distances):  # type: ignore[no-untyped-def]
    """Finds the k nearest codes, ties included, and some that are farther.

    Args:
        words: (N, W) uint64, the codes.
        query: (W,) uint64.
        allowed: (N,) bool, or (0,) to allow all.
        k: at least 1.
        rows: (N,) int32, written: the rows found, ascending.
        distances: (N,) int32, written: their distances.

    Returns:
        The number of codes found.
    """
    width, block = words.shape[1], np.empty(BLOCK, dtype=np.int32)
    counts = np.zeros(64 * width + 1, dtype=np.int64)  # of the distances found that are at most `cut`
    cut, within, found = 64 * width, 0, 0
    for start in range(0, len(words), BLOCK):
        size = min(BLOCK, len(words) - start)
        _distances(words[start : start + size], query, block)
        if block[:size].min() > cut:
            continue
        for place in range(size):
            distance = block[place]
            if distance > cut or (len(allowed) and not allowed[start + place]):
                continue
            rows[found] = start + place
            distances[found] = distance
            found += 1
            counts[distance] += 1
            within += 1
            while within - counts[cut] >= k:  # k are nearer than the cut: what lies at it is not among them
                within -= counts[cut]
                cut -= 1
    return found


@numba.njit(cache=True, nogil=True)
def multiply(sums: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """Computes out[row] = sums[row] @ query: (A, D) int8 or int16, (D,) int32, (A,) int32."""
    for row in range(len(sums)):
        total = np.int32(0)
        for bit in range(len(query)):
            total += np.int32(sums[row, bit]) * query[bit]
        out[row] = total
