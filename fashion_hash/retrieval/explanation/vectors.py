"""Why an outfit has its score under an outfit encoder, which looks at all items together.

An item's part is what the outfit loses without it: the nearness of the outfit less that of the outfit that
lacks the item. These parts do not add up to the score by themselves; the difference is the rest, which
only all items together have. With it they add up exactly.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, inner, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.retrieval.explanation.codes import Explanation, ItemPart, nearest_liked


def explain_encoded(
    bundle: Bundle,
    user_key: np.ndarray,
    items: np.ndarray,
    liked: np.ndarray | None = None,
    *,
    neighbours: int = 3,
    top_bits: int = 0,
) -> Explanation:
    """Takes the score of an outfit apart.

    The score of an outfit of one item belongs to that item alone. Bits are those of the codes: the signs of the
    vectors of the user and of the item alone.

    Args:
        bundle: an open bundle with an outfit encoder.
        user_key: (D,) float32, see Bundle.user_keys.
        items: (S,) rows of items by slot, EMPTY where there is none.
        liked: (L, S) the outfits that the user likes; the nearest are named.
        neighbours: at most how many liked outfits are named.
        top_bits: ignored: under an encoder no bit adds anything by itself.

    Raises:
        QueryError: no item at all.
    """
    items = np.asarray(items, dtype=np.int64)
    filled = np.flatnonzero(items != EMPTY).tolist()
    if not filled:
        raise QueryError(f"an outfit needs an item: give at least one of {', '.join(bundle.slot_names)}")
    outfits = np.tile(items, (1 + len(filled), 1))
    outfits[np.arange(1, len(outfits)), filled] = EMPTY
    near, bias = encoded.parts(bundle, user_key, outfits[: 1 if len(filled) == 1 else None])
    without = near[1:].tolist() or [0.0]
    user_code, [modality] = pack(encoded.asking(bundle, user_key)), bundle.modalities
    parts = []
    for slot, reduced in zip(filled, without):
        item_type, row = bundle.slots[slot], int(items[slot])
        agreeing = (bundle.num_bits + int(inner(bundle.item_codes[item_type][row, 0], user_code))) // 2
        parts.append(
            ItemPart(
                slot=bundle.slot_names[slot],
                item_id=bundle.items[item_type].id(row),
                repeated=False,
                preference={modality: Fraction(float(near[0])) - Fraction(reduced)},
                bias=Fraction(int(bundle.item_bias[item_type][row]), WEIGHT_ONE * len(filled)),
                agreeing={modality: agreeing},
                agreement={modality: agreeing / bundle.num_bits},
                top_bits=(),
            )
        )
    exact = Fraction(float(near[0] + bias[0]))
    rest = exact - sum((part.total for part in parts), Fraction(0))
    known = np.zeros((0, len(items))) if liked is None else liked
    close = nearest_liked(bundle, items, known, neighbours)
    return Explanation(bundle.num_bits, exact, tuple(parts), (), close, rest)
