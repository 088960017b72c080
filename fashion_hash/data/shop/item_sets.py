"""Sets of items: outfits before it is known which slots there are, the choice of slots, and the fit into them.

Shapes: N sets, M items of all sets together, S slots, T item types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fashion_hash.core.outfits import EMPTY, MAX_SLOTS, check_slots
from fashion_hash.errors import counted

RARE_SHARE, RARE_COUNT = 0.005, 3  # a type in fewer sets gets no slot
_MOST_TYPES, _ROWS_FOR_TYPES = 60, 2000
_APART = 0.75  # of the sets, in how many the items must differ in their types
REPEATED_SHARE = 0.1  # of the sets with a type, how many must hold it twice for a second slot


@dataclass(frozen=True)
class ItemSets:
    """N sets of items of any size.

    Attributes:
        items: (M,) int32 numbers of items, set by set; those that matter most stand first in their set.
        starts: (N + 1,) int64: set i holds items[starts[i] : starts[i + 1]].
    """

    items: np.ndarray
    starts: np.ndarray

    @classmethod
    def of_pairs(cls, owners: np.ndarray, items: np.ndarray, count: int) -> ItemSets:
        """From (M,) the set and the item of each pair, in any order; a pair that occurs twice counts once."""
        order = np.argsort(owners, kind="stable")
        owners, items = owners[order].astype(np.int64), items[order].astype(np.int32)
        _, first = np.unique(owners * (items.max(initial=0) + np.int64(1)) + items, return_index=True)
        first = np.sort(first)
        owners, items = owners[first], items[first]
        return cls(items, np.searchsorted(owners, np.arange(count + 1)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> np.ndarray:
        """(M,) int64, the set of each item."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def type_column(sets: ItemSets, details: Sequence[Mapping[str, object]]) -> str | None:
    """The column that tells the types of items, where no column is called so; None if there is none.

    It holds 2 to 60 words, nearly every item has one, and the items of a set nearly always differ in it; of several
    such columns the one of the fewest words.

    Args:
        sets: outfits, or what was bought together.
        details: what is known of each item.
    """
    sizes = np.diff(sets.starts)
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        return None
    candidates = []
    for name in dict.fromkeys(column for row in details[:_ROWS_FOR_TYPES] for column in row):
        words = [row.get(name) for row in details]
        distinct = {word for word in words if isinstance(word, str)}
        filled = sum(isinstance(word, str) for word in words)
        if not 2 <= len(distinct) <= min(_MOST_TYPES, filled // 2) or filled < 0.9 * len(words):
            continue
        numbers = {word: number for number, word in enumerate(sorted(distinct))}
        codes = np.array([numbers[word] if isinstance(word, str) else len(numbers) for word in words])
        pairs = np.unique(sets.owners * (len(numbers) + 1) + codes[sets.items])
        apart = np.bincount(pairs // (len(numbers) + 1), minlength=len(sets))[several] == sizes[several]
        if apart.mean() >= _APART:
            candidates.append((len(distinct), name))
    return min(candidates)[1] if candidates else None


@dataclass(frozen=True)
class SlotChoice:
    """Slots, and the types without one with the reason.

    Attributes:
        slots: the item type of each slot.
        left_out: by item type, why it has no slot.
    """

    slots: tuple[str, ...]
    left_out: dict[str, str]


def choose_slots(sets: ItemSets, type_of: np.ndarray, types: list[str]) -> SlotChoice:
    """Picks the slots from which types of items occur together.

    A type gets a slot if it is in enough sets and meets other types there, and another one if a tenth of its sets
    hold it twice; the most frequent ones first, up to eight.

    Args:
        sets: outfits, or what was bought or looked at together.
        type_of: the type of each item, a position in `types`.
        types: the names of the item types.
    """
    kinds, size = type_of[sets.items].astype(np.int64), max(1, len(types))
    pairs, counts = np.unique(sets.owners * size + kinds, return_counts=True)
    owners, kinds = pairs // size, pairs % size
    meets = np.bincount(owners, minlength=len(sets))[owners] > 1
    having = np.bincount(kinds, minlength=size)
    meeting = np.bincount(kinds[meets], minlength=size)
    fewest = max(RARE_COUNT, RARE_SHARE * len(sets))
    left_out, ranked = {}, []
    for at in np.argsort(-having, kind="stable").tolist():
        if not having[at]:
            left_out[types[at]] = "in no outfit"
        elif not meeting[at]:
            left_out[types[at]] = f"in {counted(int(having[at]), 'outfit')}, never with another type"
        elif meeting[at] < fewest:
            left_out[types[at]] = f"in {counted(int(having[at]), 'outfit')} only"
        else:
            ranked.append((-int(meeting[at]), 1, at))
            for repeat in range(2, MAX_SLOTS):
                repeated = int((counts[kinds == at] >= repeat).sum())
                if repeated < max(fewest, REPEATED_SHARE * having[at]):
                    break
                ranked.append((-repeated, repeat, at))
    chosen = sorted(ranked)[:MAX_SLOTS]
    for _, repeat, at in sorted(ranked)[MAX_SLOTS:]:
        if repeat == 1:
            left_out[types[at]] = f"in {counted(int(having[at]), 'outfit')}: there are only {MAX_SLOTS} slots"
    position = np.arange(len(sets.items)) - sets.starts[sets.owners]
    total = np.bincount(type_of[sets.items], weights=position, minlength=size)
    order = sorted({at for _, _, at in chosen}, key=lambda at: (-int(meeting[at]), total[at] / having[at]))
    slots = tuple(types[at] for at in order for _, _, other in chosen if other == at)
    return SlotChoice(slots, left_out)


@dataclass(frozen=True)
class Fitted:
    """Sets in slots.

    Attributes:
        items: (N, S) int32 numbers of items, EMPTY where a slot holds none.
        untyped: items whose type has no slot.
        surplus: items beyond the slots of their type.
    """

    items: np.ndarray
    untyped: int
    surplus: int


def fit_slots(sets: ItemSets, type_of: np.ndarray, types: list[str], slots: tuple[str, ...]) -> Fitted:
    """Puts the items of each set into the slots of their types, the first of a set first.

    Args:
        sets: N sets.
        type_of: the type of each item, a position in `types`.
        types: the names of the item types.
        slots: the item type of each slot.
    """
    slots = check_slots(slots)
    places = np.full((len(types), len(slots)), EMPTY, dtype=np.int64)  # of the first, second, ... item of a type
    for at, item_type in enumerate(slots):
        if item_type in types:
            row = places[types.index(item_type)]
            row[int((row != EMPTY).sum())] = at
    owners, kinds = sets.owners, type_of[sets.items].astype(np.int64)
    keys = owners * max(1, len(types)) + kinds
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, int)
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(first, np.diff(np.append(first, len(keys))))
    place = np.where(rank < len(slots), places[kinds, np.minimum(rank, len(slots) - 1)], EMPTY)
    fits = place != EMPTY
    table = np.full((len(sets), len(slots)), EMPTY, dtype=np.int32)
    table[owners[fits], place[fits]] = sets.items[fits]
    has_slot = places[kinds, 0] != EMPTY
    return Fitted(table, int((~has_slot).sum()), int((has_slot & ~fits).sum()))
