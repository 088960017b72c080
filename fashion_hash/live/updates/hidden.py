"""Items that are not offered for a time, such as those out of stock: no answer holds them, and their outfits stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.changes import check_by_type, rows_of_ids


def set_hidden(live: LiveCatalogue, item_ids: Mapping[str, Sequence[str]], hidden: bool) -> int:
    """Hides or shows items; see Recommender.hide_items. Returns how many were shown or hidden before."""
    check_by_type(live.bundle, item_ids)
    with live.writing() as (snapshot, store):
        known = {item_type: rows_of_ids(snapshot.bundle.items[item_type], ids) for item_type, ids in item_ids.items()}
        before = store.hidden()
        changed = 0
        for item_type, rows in known.items():
            is_hidden = np.isin(rows, before.get(item_type, ()))
            rows = rows[~is_hidden if hidden else is_hidden]
            if len(rows):
                store.set_hidden(item_type, rows.tolist(), hidden)
                store.append("hide_items" if hidden else "show_items", item_type, "[]", rows.astype("<i8").tobytes())
                changed += len(rows)
    return changed
