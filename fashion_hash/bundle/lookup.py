"""Turns item ids, slot names and item types into rows, with helpful errors for unknown ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import DataError, QueryError, UnknownIdError, shown, suggest


def outfit_rows(bundle: Bundle, items_by_slot: Mapping[str, str], name: str = "an outfit") -> np.ndarray:
    """The item rows of an outfit.

    Args:
        bundle: an open bundle.
        items_by_slot: item ids by slot name.
        name: what messages call the outfit.

    Returns:
        (S,) int32 rows by slot, EMPTY for an empty slot.

    Raises:
        QueryError: no items, or an unknown slot.
        UnknownIdError: an unknown item.
        DataError: the same item in two slots.
    """
    if not isinstance(items_by_slot, Mapping):
        raise QueryError(f"{name} must be a mapping of slot names to item ids, got {shown(items_by_slot)}")
    rows = np.full(len(bundle.slots), EMPTY, dtype=np.int32)
    for slot_name, item_id in items_by_slot.items():
        if slot_name not in bundle.slot_names:
            raise QueryError(
                f"no slot {slot_name!r}{suggest(str(slot_name), bundle.slot_names)}: "
                f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
            )
        slot = bundle.slot_names.index(slot_name)
        item_type = bundle.slots[slot]
        rows[slot] = row = find_item(bundle, item_type, item_id)
        if any(bundle.slots[other] == item_type and rows[other] == row for other in range(len(rows)) if other != slot):
            raise DataError(f"{name} has {item_type} {item_id!r} in two slots: leave one of them out")
    if not items_by_slot:
        raise QueryError(f"{name} has no items: give an item for at least one of {', '.join(bundle.slot_names)}")
    return rows


def with_our_names(bundle: Bundle, item: Mapping[str, Any], columns: Collection[str]) -> Mapping[str, Any]:
    """An item whose columns have the names of the catalogue, where a caller used those of the shop's tables.

    Args:
        bundle: an open bundle.
        item: its columns by name.
        columns: names that stand for themselves: the columns of the catalogue, and what is no column of it.

    Raises:
        DataError: the item has the same column under both names.
    """
    if not isinstance(item, Mapping) or bundle.shop_names.keys().isdisjoint(item):
        return item
    renamed: dict[str, Any] = {}
    for name, value in item.items():
        ours = name if name in columns else bundle.shop_names.get(name, name)
        if ours in renamed or (ours != name and ours in item):
            raise DataError(f"item {shown(item.get('item_id'))}: {name!r} is the column {ours!r}: give it once")
        renamed[ours] = value
    return renamed


def find_item(bundle: Bundle, item_type: str, item_id: str) -> int:
    """The row of an item. Raises UnknownIdError, whose message tells when the item has another type."""
    row = bundle.items[item_type].find(item_id)
    if row < 0 and (others := [other for other in bundle.types if item_id in bundle.items[other]]):
        near = suggest(str(item_id), bundle.items[item_type].all())
        raise UnknownIdError(f"unknown {item_type} {item_id!r}: this item has type {others[0]}{near}")
    return bundle.items[item_type].row(item_id) if row < 0 else row


def find_item_of_any_type(bundle: Bundle, item_id: str, item_type: str | None = None) -> tuple[str, int]:
    """The type and row of an item. Raises UnknownIdError, or QueryError when two types have the id."""
    if item_type is not None:
        return item_type, find_item(bundle, check_type(bundle, item_type), item_id)
    types = [name for name in bundle.types if item_id in bundle.items[name]]
    if len(types) > 1:
        raise QueryError(f"several item types have the id {item_id!r}: give item_type, one of {', '.join(types)}")
    if not types:
        near = suggest(item_id, (known_id for name in bundle.types for known_id in bundle.items[name].all()))
        raise UnknownIdError(f"unknown item {item_id!r}{near}")
    return types[0], find_item(bundle, types[0], item_id)


def check_type(bundle: Bundle, item_type: str) -> str:
    """Returns an item type unchanged. Raises QueryError when the bundle does not have it."""
    if item_type not in bundle.types:
        raise QueryError(
            f"no item type {item_type!r}{suggest(str(item_type), bundle.types)}: "
            f"the item types are {', '.join(bundle.types)}"
        )
    return item_type


def slots_of_types(bundle: Bundle, types: Sequence[str]) -> list[str]:
    """The slots that item types fill: ("top", "top") gives "top" and "top_2"; slot names are kept."""
    if isinstance(types, str):
        raise QueryError(f"types must be a list of item types or slot names, got the text {types!r}")
    names: list[str] = []
    for requested in types:
        same = [name for name, item_type in zip(bundle.slot_names, bundle.slots) if item_type == requested]
        free = [name for name in (same or [bundle.slot_names[slot_of(bundle, requested)]]) if name not in names]
        if not free:
            raise QueryError(
                f"types has {requested!r} {len(same) + 1} times, but outfits of this bundle have {len(same) or 1} "
                "slots for it"
            )
        names.append(free[0])
    return names


def slot_of(bundle: Bundle, name: str) -> int:
    """The place of a slot. Raises QueryError for a name that the bundle does not have."""
    if name not in bundle.slot_names:
        raise QueryError(
            f"no slot {name!r}{suggest(str(name), bundle.slot_names)}: "
            f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
        )
    return bundle.slot_names.index(name)


def items_by_slot(bundle: Bundle, items: np.ndarray) -> dict[str, str]:
    """The items of an outfit, (S,) rows, as item ids by slot name; without the empty slots."""
    return {
        name: bundle.items[item_type].id(row)
        for name, item_type, row in zip(bundle.slot_names, bundle.slots, items.tolist())
        if row != EMPTY
    }
