"""Item ids, slot names and item types as callers write them, turned into rows, or an error that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import DataError, QueryError, UnknownIdError, suggest


def outfit_rows(bundle: Bundle, items_by_slot: Mapping[str, str], name: str = "an outfit") -> np.ndarray:
    """Item rows by slot of an outfit given as item ids by slot name: (S,) int32, EMPTY where there is none.

    Raises:
        QueryError: no items, or a slot that does not exist.
        UnknownIdError: an unknown item.
        DataError: the same item in two slots.
    """
    if not isinstance(items_by_slot, Mapping):
        raise QueryError(f"{name} is a mapping of slot names to item ids, not {items_by_slot!r}")
    rows = np.full(len(bundle.slots), EMPTY, dtype=np.int32)
    for slot_name, item_id in items_by_slot.items():
        if slot_name not in bundle.slot_names:
            raise QueryError(
                f"no slot {slot_name!r}{suggest(str(slot_name), bundle.slot_names)}: "
                f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
            )
        slot = bundle.slot_names.index(slot_name)
        kind = bundle.slots[slot]
        rows[slot] = row = find_item(bundle, kind, item_id)
        if any(bundle.slots[other] == kind and rows[other] == row for other in range(len(rows)) if other != slot):
            raise DataError(f"{name} holds {kind} {item_id!r} twice: leave one of the slots out")
    if not items_by_slot:
        raise QueryError(f"{name} needs an item: give at least one of {', '.join(bundle.slot_names)}")
    return rows


def find_item(bundle: Bundle, kind: str, item_id: str) -> int:
    """The row of an item. Raises UnknownIdError, which says so when it is an item of another type."""
    row = bundle.items[kind].find(item_id)
    if row < 0 and (others := [other for other in bundle.types if item_id in bundle.items[other]]):
        near = suggest(str(item_id), bundle.items[kind].all())
        raise UnknownIdError(f"unknown {kind} {item_id!r}: it is an item of type {others[0]}{near}")
    return bundle.items[kind].row(item_id) if row < 0 else row


def find_item_of_any_type(bundle: Bundle, item_id: str, kind: str | None = None) -> tuple[str, int]:
    """The type and row of an item. Raises UnknownIdError, or QueryError when two types have the id."""
    if kind is not None:
        return kind, find_item(bundle, check_type(bundle, kind), item_id)
    found = [one for one in bundle.types if item_id in bundle.items[one]]
    if len(found) > 1:
        raise QueryError(f"item {item_id!r} is of several types, {', '.join(found)}: name the item_type")
    if not found:
        near = suggest(item_id, (one for kind in bundle.types for one in bundle.items[kind].all()))
        raise UnknownIdError(f"unknown item {item_id!r}{near}")
    return found[0], find_item(bundle, found[0], item_id)


def check_type(bundle: Bundle, kind: str) -> str:
    """Returns an item type. Raises QueryError for one that the bundle does not have."""
    if kind not in bundle.types:
        raise QueryError(f"no item type {kind!r}{suggest(str(kind), bundle.types)}: this bundle has {bundle.types}")
    return kind


def slots_of_types(bundle: Bundle, types: Sequence[str]) -> list[str]:
    """The slots that item types fill: ("top", "top") are "top" and "top_2"; slot names stay as they are."""
    if isinstance(types, str):
        raise QueryError(f"types = {types!r}: a list of item types or slot names")
    names: list[str] = []
    for one in types:
        same = [name for name, kind in zip(bundle.slot_names, bundle.slots) if kind == one]
        free = [name for name in (same or [bundle.slot_names[_slot(bundle, one)]]) if name not in names]
        if not free:
            raise QueryError(
                f"{one!r} is asked for {len(same) + 1} times: outfits of this bundle have {len(same) or 1}"
            )
        names.append(free[0])
    return names


def _slot(bundle: Bundle, name: str) -> int:
    if name not in bundle.slot_names:
        raise QueryError(
            f"no slot {name!r}{suggest(str(name), bundle.slot_names)}: "
            f"outfits of this bundle have the slots {', '.join(bundle.slot_names)}"
        )
    return bundle.slot_names.index(name)


def items_by_slot(bundle: Bundle, items: np.ndarray) -> dict[str, str]:
    """Item ids by slot name, filled slots only."""
    return {
        name: bundle.items[kind].id(row)
        for name, kind, row in zip(bundle.slot_names, bundle.slots, items.tolist())
        if row != EMPTY
    }
