"""What is read from the file of a live catalogue, compared with what a program can have written.

The file may come from anyone, or be damaged. The functions raise ValueError, which names no file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.ids import encode
from fashion_hash.core.outfits import EMPTY
from fashion_hash.live.records.tables import UserState


def read_ids(text: object) -> list[str]:
    """The ids of a log entry, a JSON list."""
    try:
        listed = json.loads(text) if isinstance(text, str) else None
    except RecursionError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ValueError("it holds no list of ids")
    for place, name in enumerate(listed):
        encode("added", name, place)
    return listed


def check_range(rows: np.ndarray | Sequence[int], low: int, high: int) -> None:
    """Rows must be at least `low` and below `high`."""
    if len(rows) and not low <= np.min(rows) <= np.max(rows) < high:
        raise ValueError(f"rows {np.min(rows)} to {np.max(rows)}, expected {low} to {high - 1}")


def check_of_types(rows: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> None:
    """Rows by item type must be rows of known types."""
    for item_type, of_type in rows.items():
        if item_type not in counts:
            raise ValueError(f"items of the unknown type {item_type!r}")
        check_range(of_type, 0, counts[item_type])


def check_items(bundle: Bundle, outfits: np.ndarray) -> None:
    """Outfits, (L, S), must hold existing items, at least one each."""
    for slot, item_type in enumerate(bundle.slots):
        check_range(outfits[:, slot], EMPTY, len(bundle.items[item_type]))
    if len(outfits) and (outfits == EMPTY).all(axis=1).any():
        raise ValueError("an outfit without items")


def check_count(records: np.ndarray, ids: Sequence[str]) -> None:
    """An entry must hold as many records as ids."""
    if len(records) != len(ids):
        raise ValueError(f"{len(records)} records with {len(ids)} ids")


def check_outfits(bundle: Bundle, records: np.ndarray) -> None:
    """Outfits of the log, in the dtype of rows.outfit_record, must hold existing items and be counted."""
    check_items(bundle, records["items"])
    if bundle.own is not None:
        check_range(records["own"], EMPTY, len(bundle.own.items))
    if len(records) and not records["num_items"].all():
        raise ValueError("an outfit of 0 items")


def check_user(bundle: Bundle, state: UserState) -> None:
    """The state of a user must have a code of the bundle, or none, and outfits of existing items."""
    width = bundle.user_keys.dtype.itemsize * bundle.user_keys.shape[1]
    if len(state.code) not in (0, width):
        raise ValueError(f"a code of {len(state.code)} bytes, expected {width}")
    check_items(bundle, np.concatenate([state.liked, state.disliked]))
