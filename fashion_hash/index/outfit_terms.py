"""What is known of an outfit before any user asks: its items' codes, compatibility and bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, weighted_inner
from fashion_hash.core.outfits import EMPTY, slot_pairs
from fashion_hash.index.exact import outfit_items


class OutfitTerms(NamedTuple):
    """What is known of outfits before any user asks: the integers of index/exact.py, (N,) each."""

    compatibility: np.ndarray
    bias: np.ndarray
    num_items: np.ndarray
    num_pairs: np.ndarray


def outfit_terms(bundle: Bundle, items: np.ndarray) -> OutfitTerms:
    """The terms of outfits, (N, S) rows of items."""
    counted = outfit_items(bundle, items)
    present = counted != EMPTY
    bias = np.zeros(len(items), dtype=np.int64)
    for slot, kind in enumerate(bundle.slots):
        here = present[:, slot]
        bias[here] += bundle.item_bias[kind][counted[here, slot]]
    pairs = np.zeros(len(items), dtype=np.uint8)
    for a, b in slot_pairs(bundle.slots):
        pairs += present[:, a] & present[:, b]
    return OutfitTerms(
        _compatibility(bundle, slot_codes(bundle, counted), present),
        bias,
        present.sum(axis=1).astype(np.uint8),
        pairs,
    )


def slot_codes(bundle: Bundle, items: np.ndarray) -> Packed:
    """The packed codes of outfits, (N, S, M, D / 8) uint8; zero bytes where a slot is empty."""
    codes = np.zeros((*items.shape, len(bundle.modalities), bundle.num_bits // 8), dtype=np.uint8)
    for slot, kind in enumerate(bundle.slots):
        here = items[:, slot] != EMPTY
        codes[here, slot] = bundle.item_codes[kind][items[here, slot]]
    return codes


def _compatibility(bundle: Bundle, codes: Packed, present: np.ndarray) -> np.ndarray:
    """I of index/exact.py: z_i * z_j is the code whose bits are set where those of i and j agree."""
    total = np.zeros(len(codes), dtype=np.int64)
    for a, b in slot_pairs(bundle.slots):
        agree = ~(codes[:, a] ^ codes[:, b])
        both = present[:, a] & present[:, b]
        total += weighted_inner(bundle.compatibility_weights, agree).sum(axis=1) * both
    return total
