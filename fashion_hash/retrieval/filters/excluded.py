"""Items that are left out by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type, find_item
from fashion_hash.retrieval.checks import check_list, check_mapping


def excluded_items(bundle: Bundle, exclude: Mapping[str, Sequence[str]] | None) -> dict[str, np.ndarray]:
    """By item type, the rows of items given by their ids.

    Raises:
        QueryError: `exclude` is not a mapping of item types to lists of ids.
        UnknownIdError: an unknown item.
    """
    rows = {}
    for item_type, ids in check_mapping("exclude", exclude, '{"top": ["item-1"]}').items():
        check_type(bundle, item_type)
        item_ids = check_list(f"exclude[{item_type!r}]", ids, "item ids")
        rows[item_type] = np.array([find_item(bundle, item_type, item_id) for item_id in item_ids], dtype=np.int64)
    return rows
