"""The reference implementation of the FHN score of outfits, on binary codes and in integers.

For an outfit of n real items and P pairs of items of different types, with codes z of D bits in M modalities, the
numbers u of a user, from -1 to +1 (core/codes.py: UserForm), and fixed-point bit weights w (FHN, CVPR 2019):

    U = sum over modalities, items and bits of  z_i * round(w_u * u)  (an integer)
    I = sum over modalities, pairs and bits of  w_i * z_i * z_j       (an integer)
    B = sum over items of the item bias                               (an integer)
    score = (preference_scale * U / (n M D) + compatibility_scale * I / (P M D) + B / n) / 2^16

An outfit with a code z_o and a bias b_o of its own (fashion_hash.bundle.own) adds preference_scale * O / D + b_o to the
bracket, with O = sum over bits of z_o * round(w_o * u). Over the same denominators that is n M O more in U, and n b_o
in B.

The score is computed as one fraction of integers and rounded once, so that equal scores are equal
floats in every engine, whatever the order of its sums. Hits are sorted best first, ties by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, unpack, user_numbers
from fashion_hash.core.outfits import EMPTY, Outfits, slot_pairs
from fashion_hash.errors import BundleError


@dataclass(frozen=True)
class Terms:
    """The integers that make up the scores of outfits, (N,) int64 each; see the module docstring.

    Attributes:
        preference: U, with what own codes add.
        compatibility: I.
        bias: B, with what own codes add.
        num_items: n, at least 1.
        num_pairs: P; 0 for an outfit with a single type, whose compatibility is 0.
    """

    preference: np.ndarray
    compatibility: np.ndarray
    bias: np.ndarray
    num_items: np.ndarray
    num_pairs: np.ndarray


def outfit_items(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The item rows that the model counts, (N, S): with empty slots filled if the bundle has repeat_empty."""
    table = Outfits.of(bundle.slots, np.zeros(len(items)), items)
    return table.with_empty_filled().items if bundle.repeat_empty else table.items


def query(bundle: Bundle, user_key: np.ndarray) -> np.ndarray:
    """What each bit of an item's code adds to the preference of a user: round(w_u * u), the only thing asked of a user.

    With u of -1 and +1 these are the bit weights with the signs of the user; they are never larger than the weights.

    Args:
        bundle: that scores by codes.
        user_key: (..., K) as Bundle.user_keys.

    Returns:
        (..., D) int64, fixed point.

    Raises:
        BundleError: a number of the user is not from -1 to +1.
    """
    return _weighted(bundle, user_key, bundle.preference_weights)


def own_query(bundle: Bundle, user_key: np.ndarray) -> np.ndarray:
    """`query` of the own codes of outfits: round(w_o * u), (..., D) int64, fixed point; for a bundle that has them."""
    assert bundle.own is not None
    return _weighted(bundle, user_key, bundle.own.weights)


def _weighted(bundle: Bundle, user_key: np.ndarray, weights: np.ndarray) -> np.ndarray:
    numbers = user_numbers(bundle.user_form, user_key)
    if not (np.abs(numbers) <= 1).all():  # NaN neither
        raise BundleError(
            f"{bundle.path}: the code of a user has a number that is not from -1 to +1: export the bundle again"
        )
    # one product, rounded once, of the same floats everywhere
    return np.asarray(np.rint(numbers.astype(np.float64) * weights), dtype=np.int64)


def terms(bundle: Bundle, user_key: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> Terms:
    """The terms of outfits for one user.

    Args:
        bundle: codes, bit weights and biases.
        user_key: a row of Bundle.user_keys.
        items: (N, S) rows of items by slot, EMPTY for an empty slot.
        own: (N,) rows of the own codes of the outfits, EMPTY for none; None for none at all.
    """
    items = outfit_items(bundle, items)
    present = items != EMPTY
    user = query(bundle, user_key)
    pair_weights = bundle.compatibility_weights.astype(np.int64)
    codes, bias = [], np.zeros(len(items), dtype=np.int64)
    for slot, item_type in enumerate(bundle.slots):
        filled = present[:, slot]
        code = np.zeros((len(items), len(bundle.modalities), bundle.num_bits), dtype=np.int64)
        code[filled] = unpack(bundle.item_codes[item_type][items[filled, slot]])
        codes.append(code)
        bias[filled] += bundle.item_bias[item_type][items[filled, slot]]
    preference = sum((code @ user).sum(axis=1) for code in codes)
    compatibility = np.zeros(len(items), dtype=np.int64)
    num_pairs = np.zeros(len(items), dtype=np.int64)
    for a, b in slot_pairs(bundle.slots):
        compatibility += ((codes[a] * codes[b]) @ pair_weights).sum(axis=1)
        num_pairs += present[:, a] & present[:, b]
    num_items, preference = present.sum(axis=1), np.asarray(preference)
    if own is not None and bundle.own is not None:
        of_own, own_bias = own_terms(bundle, user_key, own)
        preference = preference + len(bundle.modalities) * num_items * of_own
        bias += num_items * own_bias
    return Terms(preference, compatibility, bias, num_items, num_pairs)


def own_terms(bundle: Bundle, user_key: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What outfits have by codes of their own: O and b_o of the module docstring, (N,) int64 each.

    Args:
        bundle: with own codes.
        user_key: a row of Bundle.user_keys.
        own: (N,) rows of own codes, EMPTY for none.
    """
    assert bundle.own is not None
    known, preference, bias = own != EMPTY, np.zeros(len(own), dtype=np.int64), np.zeros(len(own), dtype=np.int64)
    preference[known] = unpack(bundle.own.codes[own[known]]).astype(np.int64) @ own_query(bundle, user_key)
    bias[known] = bundle.own.bias[own[known]]
    return preference, bias


def scores(bundle: Bundle, terms: Terms) -> np.ndarray:
    """The score of each outfit, float64 (N,): one fraction of integers, rounded once."""
    bits = len(bundle.modalities) * bundle.num_bits
    pairs = np.maximum(terms.num_pairs, 1)
    numerator = (
        bundle.preference_scale * terms.preference * pairs
        + bundle.compatibility_scale * terms.compatibility * terms.num_items
        + bits * terms.bias * pairs
    )
    return np.asarray(numerator / (WEIGHT_ONE * bits * terms.num_items * pairs))


def preference_part(bundle: Bundle, terms: Terms) -> np.ndarray:
    """The preference term of the score, float64 (N,)."""
    bits = len(bundle.modalities) * bundle.num_bits
    return np.asarray(bundle.preference_scale * terms.preference / (WEIGHT_ONE * bits * terms.num_items))


def compatibility_part(bundle: Bundle, terms: Terms) -> np.ndarray:
    """The compatibility term of the score, float64 (N,)."""
    bits = len(bundle.modalities) * bundle.num_bits
    return np.asarray(
        bundle.compatibility_scale * terms.compatibility / (WEIGHT_ONE * bits * np.maximum(terms.num_pairs, 1))
    )


def bias_part(terms: Terms) -> np.ndarray:
    """The item-bias term of the score, float64 (N,)."""
    return np.asarray(terms.bias / (WEIGHT_ONE * terms.num_items))


def top(score: np.ndarray, k: int) -> np.ndarray:
    """The rows of the k best scores (or of all, if fewer), best first, ties in order of row."""
    k = min(k, len(score))
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    cut = np.partition(score, len(score) - k)[len(score) - k]
    rows = np.flatnonzero(score >= cut)
    return rows[np.lexsort((rows, -score[rows]))][:k]
