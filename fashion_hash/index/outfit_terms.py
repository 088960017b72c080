"""The terms of an outfit's score that do not depend on the user: compatibility, bias and counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, weighted_inner
from fashion_hash.core.outfits import EMPTY, slot_pairs
from fashion_hash.index.exact import outfit_items


class OutfitTerms(NamedTuple):
    """The integers of index/exact.py that do not depend on the user, (N,) each."""

    compatibility: np.ndarray
    bias: np.ndarray
    num_items: np.ndarray
    num_pairs: np.ndarray


def outfit_terms(bundle: Bundle, items: np.ndarray, own: np.ndarray | None = None) -> OutfitTerms:
    """The terms of outfits, (N, S) rows of items; `own`, (N,), are rows of own codes, as for `exact.terms`."""
    counted = outfit_items(bundle, items)
    present = counted != EMPTY
    bias = np.zeros(len(items), dtype=np.int64)
    for slot, item_type in enumerate(bundle.slots):
        filled = present[:, slot]
        bias[filled] += bundle.item_bias[item_type][counted[filled, slot]]
    if own is not None and bundle.own is not None:
        known = own != EMPTY
        bias[known] += present[known].sum(axis=1) * bundle.own.bias[own[known]].astype(np.int64)
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
    """The packed codes of outfits, (N, S, M, D / 8) uint8; zeros for empty slots."""
    codes = np.zeros((*items.shape, len(bundle.modalities), bundle.num_bits // 8), dtype=np.uint8)
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        codes[filled, slot] = bundle.item_codes[item_type][items[filled, slot]]
    return codes


def _compatibility(bundle: Bundle, codes: Packed, present: np.ndarray) -> np.ndarray:
    """I of index/exact.py: z_i * z_j is the code with a bit set where the bits of i and j agree."""
    total = np.zeros(len(codes), dtype=np.int64)
    for a, b in slot_pairs(bundle.slots):
        agree = ~(codes[:, a] ^ codes[:, b])
        both = present[:, a] & present[:, b]
        total += weighted_inner(bundle.compatibility_weights, agree).sum(axis=1) * both
    return total
