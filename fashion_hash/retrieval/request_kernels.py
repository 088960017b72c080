"""The scan of a request over many items' codes, compiled (numba)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic


@intrinsic
def _count_ones(_: Any, word: Any) -> Any:
    """How many bits of a 64-bit word are set: one instruction."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


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
    width = words.shape[1]
    counts = np.zeros(64 * width + 2, dtype=np.int64)  # of the distances found that are at most `cut`
    cut, within, found = 64 * width, 0, 0
    for row in range(len(words)):
        distance = 0
        for word in range(width):
            distance += _count_ones(words[row, word] ^ query[word])  # type: ignore[call-arg]
        if distance > cut or (len(allowed) and not allowed[row]):
            continue
        rows[found] = row
        distances[found] = distance
        found += 1
        counts[distance] += 1
        within += 1
        while within - counts[cut] >= k:  # k are nearer than the cut: what lies at it is not among them
            within -= counts[cut]
            cut -= 1
    return found
