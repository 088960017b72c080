"""The loop over added outfits, compiled (numba)."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def multiply(sums: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """out[row] = sums[row] @ query: (A, D) int8 or int16, (D,) int32, (A,) int32."""
    for row in range(len(sums)):
        total = np.int32(0)
        for bit in range(len(query)):
            total += np.int32(sums[row, bit]) * query[bit]
        out[row] = total
