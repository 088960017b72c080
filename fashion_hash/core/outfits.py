"""The one table that everything reads: outfits as rows of typed slots.

Shapes: N outfits, S slots, P pairs of slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from fashion_hash.errors import DataError, counted

EMPTY = -1
MIN_SLOTS, MAX_SLOTS = 1, 8
SETS_REPEAT_NOTHING = (
    "repeat_empty repeats the first item of a type in its empty slots, but the outfits are sets, of which the items "
    "are compared with each other: set model.repeat_empty to false"
)


def check_slots(slots: Sequence[str]) -> tuple[str, ...]:
    """The slots as a tuple.

    Raises DataError unless there are 1 to 8 slots. A single slot makes a catalogue of single items: outfits of one
    item each, without pairs to compare. Several slots of one type make outfits that are sets (`are_sets`).
    """
    slots = tuple(slots)
    if not MIN_SLOTS <= len(slots) <= MAX_SLOTS:
        raise DataError(f"an outfit has {MIN_SLOTS} to {MAX_SLOTS} slots, got {len(slots)}: {list(slots)}")
    if any(not slot or not isinstance(slot, str) for slot in slots):
        raise DataError(f"each slot must be named by its item type, a non-empty text, got {list(slots)}")
    names = slot_names(slots)
    if len(set(names)) < len(names):
        raise DataError(f"two of the slots {list(slots)} would have the same name ({list(names)}): rename an item type")
    return slots


def item_types(slots: Sequence[str]) -> tuple[str, ...]:
    """The distinct item types, in the order of their first slot."""
    return tuple(dict.fromkeys(slots))


def slot_names(slots: Sequence[str]) -> tuple[str, ...]:
    """A distinct name for each slot: the item type, then `type_2`, `type_3` for its repeats.

    >>> slot_names(("top", "top", "bottom"))
    ('top', 'top_2', 'bottom')
    """
    names = []
    for position, slot in enumerate(slots):
        count = slots[: position + 1].count(slot)
        names.append(slot if count == 1 else f"{slot}_{count}")
    return tuple(names)


def are_sets(slots: Sequence[str]) -> bool:
    """Whether outfits are sets of items without types of their own: several slots, all of one type."""
    return len(slots) > 1 and len(set(slots)) == 1


def slot_pairs(slots: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The pairs of slots whose items are compared: (a, b) with a < b and different item types.

    Two tops of one outfit are not compared with each other (FHN, CVPR 2019). Where outfits are sets (`are_sets`),
    there is nothing else to compare: all pairs count.
    """
    every = are_sets(slots)
    pairs = ((a, b) for a in range(len(slots)) for b in range(a + 1, len(slots)))
    return tuple((a, b) for a, b in pairs if every or slots[a] != slots[b])


def type_pairs(slots: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The ordered pairs of item types whose items are compared in some outfit; (type, type) where outfits are sets."""
    if are_sets(slots):
        return ((slots[0], slots[0]),)
    return tuple(permutations(item_types(slots), 2))


def fill_empty(slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """A copy of items (..., S) whose empty slots repeat the first item of their type in the outfit."""
    items = items.copy()
    for position, slot in enumerate(slots):
        for other in range(position):
            if slots[other] == slot:
                items[..., position] = np.where(items[..., position] == EMPTY, items[..., other], items[..., position])
    return items


def canonical_items(slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """A copy of items (N, S) that is equal for outfits that are the same, and different for others.

    The items of one type may stand in any order: (top a, top b) is the same outfit as (top b, top a), and a single
    top is the same outfit in either slot. It is for comparing only: what is shown keeps its slots.
    """
    items = items.copy()
    for item_type in item_types(slots):
        same = [position for position, slot in enumerate(slots) if slot == item_type]
        if len(same) > 1:
            items[:, same] = np.sort(items[:, same], axis=1)
    return items


@dataclass(frozen=True)
class Outfits:
    """A table of outfits and the users they belong to.

    Attributes:
        slots: the item type of each slot, length S; a type may occur twice.
        users: (N,) int32, rows of the user vocabulary.
        items: (N, S) int32, rows of the vocabulary of each slot's item type; EMPTY (-1) where
            the slot holds nothing.

    Example:
        >>> outfits = Outfits.of(("top", "top", "bottom"), users=[0, 0], items=[[3, 8, 1], [3, EMPTY, 2]])
        >>> len(outfits), outfits.mask.sum(axis=1).tolist()
        (2, [3, 2])
    """

    slots: tuple[str, ...]
    users: np.ndarray
    items: np.ndarray

    def __post_init__(self) -> None:
        if self.items.ndim != 2 or self.items.shape[1] != len(self.slots):
            raise DataError(f"items of shape {self.items.shape} do not fit {len(self.slots)} slots")
        if self.users.shape != self.items.shape[:1]:
            raise DataError(
                f"{counted(self.users.shape[0], 'user')} for {counted(self.items.shape[0], 'outfit')}: give one "
                "user per outfit"
            )

    @classmethod
    def of(cls, slots: Sequence[str], users: object, items: object) -> Outfits:
        """A table from anything array-like, copied to int32; the slots are checked (`check_slots`)."""
        slots = check_slots(slots)
        rows = np.asarray(items, dtype=np.int32).reshape(-1, len(slots))
        return cls(slots, np.asarray(users, dtype=np.int32).reshape(-1), rows)

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: slice | np.ndarray) -> Outfits:
        return replace(self, users=self.users[rows], items=self.items[rows])

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return zip(self.users.tolist(), self.items)

    @property
    def mask(self) -> np.ndarray:
        """(N, S) bool: True where the slot holds an item."""
        return np.asarray(self.items != EMPTY)

    def with_empty_filled(self) -> Outfits:
        """Empty slots repeat the first item of their type in the outfit, as the FHN release does.

        A missing second top becomes the first top again, so that it counts twice.
        """
        return replace(self, items=fill_empty(self.slots, self.items))

    def distinct(self) -> Outfits:
        """The distinct outfits, regardless of the user, ordered by their items; all users become 0.

        Of several that are the same (`canonical_items`) the first stays, with its slots as they are.
        """
        first = np.unique(canonical_items(self.slots, self.items), axis=0, return_index=True)[1]
        items = self.items[first]
        items = items[np.lexsort(items.T[::-1])]
        return Outfits(self.slots, np.zeros(len(items), dtype=np.int32), items)


def rows_of_same(slots: Sequence[str], table: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The first row of a table, (M, S), that is the same outfit (`canonical_items`), for each of `items`, (N, S).

    Returns:
        (N,) int64, EMPTY (-1) where there is none.
    """
    both = canonical_items(slots, np.concatenate([table, items]))
    order = np.lexsort(both.T)  # stable: rows of the table come before those of `items` that are the same
    new = np.ones(len(both), dtype=bool)
    new[1:] = (both[order[1:]] != both[order[:-1]]).any(axis=1)
    first = order[np.flatnonzero(new)][np.cumsum(new) - 1]  # of each sorted row, the first that is the same
    rows = np.empty(len(both), dtype=np.int64)
    rows[order] = np.where(first < len(table), first, EMPTY)
    return rows[len(table) :]


def canonical_columns(outfits: Outfits) -> np.ndarray:
    """(S + 1, N) int64: users and items + 1, equal for the same outfit of the same user (`canonical_items`)."""
    items = canonical_items(outfits.slots, outfits.items).T.astype(np.int64) + 1
    return np.concatenate([outfits.users[None], items]).astype(np.int64)


def concatenate(tables: Sequence[Outfits]) -> Outfits:
    """Several tables of the same slots, one below the other."""
    slots = tables[0].slots
    if any(table.slots != slots for table in tables):
        raise DataError(f"the tables have different slots: {sorted({table.slots for table in tables})}")
    return Outfits(
        slots,
        np.concatenate([table.users for table in tables]),
        np.concatenate([table.items for table in tables]),
    )
