"""Slots for outfits whose items have categories without names, or none: by colouring the categories, or no slots.

Categories that never meet in an outfit may stand in one slot: a colouring of the graph of categories that meet gives
item types, each with as many slots as an outfit may hold items of one category. Where that would need far more slots
than outfits have items, an outfit is a set: several slots of the one type "item", all of whose pairs are compared.

Shapes: N sets, M items of all sets together, I items, C categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from fashion_hash.core.outfits import MAX_SLOTS
from fashion_hash.data.events import UNTYPED
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.errors import ConfigError

MOST_CATEGORIES = 1000  # beyond them a colouring says nothing
MOST_WITHOUT = 0.01  # the share of items without a category up to which they are a category of their own


@dataclass(frozen=True)
class TypedItems:
    """Item types and slots.

    Attributes:
        types: the names of the item types.
        type_of: (I,) int64 the type of each item, a position in `types`.
        slots: the item type of each slot.
        why: a sentence on how they were found.
    """

    types: list[str]
    type_of: np.ndarray
    slots: tuple[str, ...]
    why: str


def find_types(sets: ItemSets, categories: np.ndarray, slots: Sequence[str] | None = None) -> TypedItems:
    """Item types and slots of sets of items; deterministic.

    Args:
        sets: outfits, or what is looked at as outfits.
        categories: (I,) int64 the category of each item, -1 where it has none.
        slots: slots that were asked for: only ("item", "item", ...), for outfits that are sets.

    Raises:
        ConfigError: slots of other types were asked for.
    """
    largest = int(np.diff(sets.starts).max(initial=1))
    if slots is not None:
        if set(slots) != {UNTYPED} or len(slots) > MAX_SLOTS:
            raise ConfigError(
                f"data.slots: the items have no named types, so the slots are chosen from the data, or are up to "
                f'{MAX_SLOTS} times "{UNTYPED}"; got {list(slots)}'
            )
        return _one_type(len(categories), len(slots), "as data.slots says")
    without = float((categories[sets.items] < 0).mean()) if len(sets.items) else 1.0
    if without > MOST_WITHOUT:
        return _one_type(len(categories), largest, f"{without:.0%} of the items have no category")
    known, numbers = np.unique(categories, return_inverse=True)
    if len(known) > MOST_CATEGORIES:
        return _one_type(len(categories), largest, f"there are {len(known):,} categories")
    colours, repeats = _coloured(sets, numbers, len(known))
    needed = int(repeats.sum())
    if len(repeats) < 2 or needed > min(MAX_SLOTS, largest + max(1, largest // 2)):
        why = f"{len(known)} categories would need {needed} slots for outfits of at most {largest} items"
        return _one_type(len(categories), largest, why)
    types = [f"type{number + 1}" for number in range(len(repeats))]
    by_slot = tuple(name for name, count in zip(types, repeats.tolist()) for _ in range(count))
    return TypedItems(types, colours[numbers], by_slot, f"{len(known)} categories, of which those of a type never meet")


def _one_type(num_items: int, size: int, why: str) -> TypedItems:
    return TypedItems([UNTYPED], np.zeros(num_items, dtype=np.int64), (UNTYPED,) * min(size, MAX_SLOTS), why)


def _coloured(sets: ItemSets, numbers: np.ndarray, num_categories: int) -> tuple[np.ndarray, np.ndarray]:
    """(C,) a colour of each category, and by colour how many items of one category an outfit holds at most.

    Colours are ordered by how many outfits have them.
    """
    keys, counts = np.unique(sets.owners * num_categories + numbers[sets.items], return_counts=True)
    owners, categories = np.divmod(keys, num_categories)
    holds = csr_matrix((np.ones(len(keys), dtype=np.int64), (owners, categories)), (len(sets), num_categories))
    meet = (holds.T @ holds).toarray() > 0
    np.fill_diagonal(meet, False)
    colours = _colouring(meet, np.bincount(categories, minlength=num_categories))
    repeats = np.zeros(colours.max(initial=-1) + 1, dtype=np.int64)
    np.maximum.at(repeats, colours[categories], counts)
    frequency = np.bincount(colours[categories], minlength=len(repeats))
    order = np.argsort(-frequency, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[colours], np.maximum(repeats[order], 1)


def _colouring(meet: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """(C,) colours such that no two categories that meet share one: the most constrained category first.

    DSATUR (Brelaz, CACM 1979): next is the category with the most colours among those it meets, then the one that
    meets most others, then the most frequent, then the lowest number. It takes the colour, of those it may have,
    that most categories have already.
    """
    count = len(meet)
    colours = np.full(count, -1, dtype=np.int64)
    beside = np.zeros((count, count), dtype=bool)  # (category, colour): whether it meets that colour
    degrees = meet.sum(axis=1)
    for _ in range(count):
        order = np.lexsort((np.arange(count), -frequency, -degrees, -beside.sum(axis=1), colours >= 0))
        category = int(order[0])
        used = int(colours.max(initial=-1)) + 1
        free = np.flatnonzero(~beside[category, :used])
        sizes = np.bincount(colours[colours >= 0], minlength=used)
        colours[category] = free[np.argmax(sizes[free])] if free.size else used
        beside[meet[category], colours[category]] = True
    return colours
