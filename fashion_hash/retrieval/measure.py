"""How varied the lists of a recommender are: between the outfits of a list, and over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.evaluation.diversity import catalogue_coverage, intra_list_diversity
from fashion_hash.index.outfit_terms import slot_codes
from fashion_hash.retrieval.recommender import Recommender

MOST_USERS = 500


def measure_lists(
    recommender: Recommender, k: int = 10, users: Sequence[str] | None = None, **options: Any
) -> dict[str, Any]:
    """Diversity of the top k of many users.

    Args:
        recommender: over an untouched bundle.
        k: length of the lists.
        users: who the lists are for; by default the first 500 users.
        options: of `Recommender.recommend`, such as diversity and max_per.

    Returns:
        {"k", "users", "intra_list_diversity": mean Hamming distance between the outfits of a list as a
        share of their bits, "outfit_coverage": share of the pool in at least one list,
        "item_coverage": by item type the share of items in at least one list}.
    """
    bundle, pool = recommender.bundle, recommender.pool
    user_ids = list(users) if users is not None else bundle.users.all()[:MOST_USERS]
    hits = recommender.recommend(user_ids, k, **options)
    rows = np.array([[pool.ids.find(hit) if hit else EMPTY for hit in ids] for ids in hits.ids], dtype=np.int64)
    present = rows != EMPTY
    items = pool.items[np.where(present, rows, 0)]  # (Q, K, S)
    types = np.array(bundle.slots)
    codes = slot_codes(bundle, items.reshape(-1, items.shape[-1])).reshape(*rows.shape, -1)
    shown = {
        item_type: np.concatenate([items[..., slot][present] for slot in np.flatnonzero(types == item_type)])
        for item_type in bundle.types
    }
    return {
        "k": k,
        "users": len(user_ids),
        "intra_list_diversity": float(np.nanmean(intra_list_diversity(codes, present))),
        "outfit_coverage": catalogue_coverage(rows, len(pool)),
        "item_coverage": {
            item_type: catalogue_coverage(shown[item_type], len(bundle.items[item_type])) for item_type in bundle.types
        },
    }
