"""The scan of a request over many items' codes, compiled (numba)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

BLOCK = 256  # codes whose distances are looked at together


@intrinsic
def _count_ones(_: Any, word: Any) -> Any:
    """How many bits of a 64-bit word are set: one instruction."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@numba.njit(cache=True, nogil=True, forceinline=True)
def _distances(words, query, out):  # type: ignore[no-untyped-def]
    """Hamming distances of codes, (n, W), to one, (W,): int32 (n,)."""
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
    """The items that may be among the k nearest, ties included, and some that are farther.

    Args:
        words: (N, W) uint64, the codes.
        query: (W,) uint64.
        allowed: (N,) bool, or (0,) where all are allowed.
        k: at least 1.
        rows, distances: (N,) int32 each, room for what is found.

    Returns:
        How many were found, in order of rows.
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
