"""Flips bits of items one by one, each only if that lowers the loss: `fashion_hash.training.starts.discrete`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def flip_bits(items, users, gram, aims, goals, starts, wearers, sweeps):  # type: ignore[no-untyped-def]
    """Lowers bit by bit, for each item with code b and wearers W, sum over W of (goal - q_u.b)^2 + b' gram b - 2 aim.b.

    Args:
        items: (N, D) float64 codes of -1 and +1, overwritten.
        users: (U, D) float64, the numbers q.
        gram: (D, D) float64.
        aims: (N, D) float64.
        goals: (E,) float64, what wearers should say of what they wear, item by item.
        starts: (N + 1,) where the wearers of each item begin.
        wearers: rows of users.
        sweeps: how often to go through the bits of an item, at most; it ends where nothing flips.

    Returns:
        How many bits flipped.
    """
    width, flipped = items.shape[1], 0
    pull = np.empty(width)
    for row in range(len(items)):
        first, last = starts[row], starts[row + 1]
        code = items[row]
        for bit in range(width):
            pull[bit] = np.dot(gram[bit], code)
        said = np.empty(last - first)
        for place in range(first, last):
            said[place - first] = np.dot(users[wearers[place]], code)
        for _ in range(sweeps):
            before = flipped
            for bit in range(width):
                wish = aims[row, bit] + gram[bit, bit] * code[bit] - pull[bit]
                for place in range(first, last):
                    number = users[wearers[place], bit]
                    wish += number * (goals[place] - (said[place - first] - number * code[bit]))
                if wish * code[bit] < 0.0:
                    change = -2.0 * code[bit]
                    code[bit] += change
                    flipped += 1
                    for other in range(width):
                        pull[other] += change * gram[bit, other]
                    for place in range(first, last):
                        said[place - first] += change * users[wearers[place], bit]
            if flipped == before:
                break
    return flipped
