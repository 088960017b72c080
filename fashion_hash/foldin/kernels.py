"""The compiled loop of fold-in. It releases the global interpreter lock, so that other threads answer meanwhile."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def descend(columns, margins, code, pull, share, losses):  # type: ignore[no-untyped-def]
    """Flips bits, one at a time and in order, while that lowers the loss; see codes.descend.

    Args:
        columns: (D, P) float64, the preference of each pair by bit.
        margins: (P,) float64, preference @ code + constant; changed in place.
        code: (D,) float64 of -1 / +1; changed in place.
        pull: (D,) float64.
        share: (P,) float64, the weight of each pair.
        losses: (sweeps + 1,) float64; the loss before and after each sweep is written to it.

    Returns:
        How many losses were written.
    """
    moved = np.empty_like(margins)
    loss = 0.0
    for pair in range(len(margins)):
        loss += share[pair] * (max(-margins[pair], 0.0) + np.log1p(np.exp(-abs(margins[pair]))))
    pulled = 0.0
    for bit in range(len(code)):
        pulled += pull[bit] * code[bit]
    losses[0] = loss - pulled
    for sweep in range(1, len(losses)):
        flipped = False
        for bit in range(len(code)):
            step = 2 * code[bit]
            then = 0.0
            for pair in range(len(margins)):
                margin = margins[pair] - step * columns[bit, pair]
                moved[pair] = margin
                then += share[pair] * (max(-margin, 0.0) + np.log1p(np.exp(-abs(margin))))
            # by more than rounding errors, or two codes of equal loss could alternate
            if then + step * pull[bit] < loss - 1e-12 * (1 + abs(loss)):
                pulled -= step * pull[bit]
                code[bit], loss, flipped = -code[bit], then, True
                margins[:] = moved
        if not flipped:
            return sweep
        losses[sweep] = loss - pulled
    return len(losses)
