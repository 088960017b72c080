"""The compiled loops of fold-in. They release the global interpreter lock, so that other threads answer meanwhile."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def add_codes(signs, present, pairs, weights, out):  # type: ignore[no-untyped-def]
    """Adds up what the score of outfits is made of, in integers; see index/exact.py.

    Args:
        signs: (N, S, M, D) int8 of -1 / +1, the codes of the items.
        present: (N, S) bool, which of them count.
        pairs: (P, 2) int64, the slots whose items are compared.
        weights: (D,) int64, the bit weights of the compatibility.
        out: zeros that are added to: the sum of the codes over items and modalities, (N, D) int32; the compatibility,
            (N,) int64; and the number of pairs, (N,) int64.
    """
    total, compatibility, num_pairs = out
    for outfit in range(len(signs)):
        for slot in range(signs.shape[1]):
            if present[outfit, slot]:
                for modality in range(signs.shape[2]):
                    for bit in range(signs.shape[3]):
                        total[outfit, bit] += signs[outfit, slot, modality, bit]
        for pair in range(len(pairs)):
            first, second = pairs[pair, 0], pairs[pair, 1]
            if present[outfit, first] and present[outfit, second]:
                num_pairs[outfit] += 1
                for modality in range(signs.shape[2]):
                    for bit in range(signs.shape[3]):
                        agree = signs[outfit, first, modality, bit] * signs[outfit, second, modality, bit]
                        compatibility[outfit] += weights[bit] * agree


@njit(nogil=True, cache=True)
def descend(columns, margins, code, pull, share, losses):  # type: ignore[no-untyped-def]
    """Flips bits, one at a time and in order, while that lowers the loss; see codes.descend.

    The loss is convex in the margins, so that its tangent bounds from below what it is after a flip: most bits are
    passed over by a sum of products, and only for the others it is computed.

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
    moved, slopes, stale = np.empty_like(margins), np.empty_like(margins), True
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
            if stale:
                for pair in range(len(margins)):
                    slopes[pair] = share[pair] / (1.0 + np.exp(margins[pair]))
                stale = False
            rise = pull[bit]
            for pair in range(len(margins)):
                rise += slopes[pair] * columns[bit, pair]
            if step * rise > 1e-9 * (1 + abs(loss)):  # far beyond rounding errors
                continue
            then = 0.0
            for pair in range(len(margins)):
                margin = margins[pair] - step * columns[bit, pair]
                moved[pair] = margin
                then += share[pair] * (max(-margin, 0.0) + np.log1p(np.exp(-abs(margin))))
            # by more than rounding errors, or two codes of equal loss could alternate
            if then + step * pull[bit] < loss - 1e-12 * (1 + abs(loss)):
                pulled -= step * pull[bit]
                code[bit], loss, flipped, stale = -code[bit], then, True, True
                margins[:] = moved
        if not flipped:
            return sweep
        losses[sweep] = loss - pulled
    return len(losses)
