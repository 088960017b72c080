"""One set of items is one outfit: which of the ways to place it in the slots stands for it.

Slots of one item type can hold the same items in several orders. The order that stands for the set is the best
one: the greatest numerator, and among equals the smaller row in the first slot. With two slots, or with the
same allowed items in all slots of a type, `expand` leaves out the other orders while it fills slots. What
remains is tested here, when outfits are complete: more than two slots of one type that allow different
items, and slots whose swap changes the score because an empty slot repeats one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import NamedTuple

import numpy as np

from fashion_hash.retrieval.composition.bounds import Problem

CHUNK = 1 << 16


def first_of_many_twins(problem: Problem, alive: Sequence[np.ndarray], k: int) -> list[np.ndarray]:
    """Masks that keep k + S - 1 of the items of a slot that are equal in code and value, the first ones.

    An outfit with a later one comes after k outfits that hold an earlier twin instead: same score, lower
    row. Without this, a catalogue of many equal items has more ties than anyone can look at.
    """
    most, masks = k + len(alive) - 1, []
    for slot, places in enumerate(alive):
        mask = np.ones(len(places), dtype=bool)
        masks.append(mask)
        if len(places) <= most:
            continue
        values = problem.values[slot][places]
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)  # a sign that is found fast
        if counts.max() <= most:
            continue
        often = np.flatnonzero(counts[which] > most)
        codes = problem.codes[slot][places[often]].reshape(len(often), -1)
        group = _groups_of_equals(np.concatenate([codes, values[often, None].view(np.uint8)], axis=1))
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], group[order])
        mask[often[order]] = np.arange(len(order)) - starts < most
    return masks


def _groups_of_equals(keys: np.ndarray) -> np.ndarray:
    """A number for each row of bytes, (N, W), the same for rows that are equal and for no others: (N,)."""
    width = -(-keys.shape[1] // 8) * 8
    words = np.zeros((len(keys), width), dtype=np.uint8)
    words[:, : keys.shape[1]] = keys
    factors = np.random.default_rng(0).integers(1 << 63, size=width // 8, dtype=np.uint64) | np.uint64(1)
    sums = (words.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    first, group = np.unique(sums, return_index=True, return_inverse=True)[1:]
    if (words[first[group]] == words).all():
        return group
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel()  # different rows with one sum


class Leader(NamedTuple):
    """An item that goes before all others of slots that are alike.

    Attributes:
        slots: slots of one type, interchangeable and with the same rows.
        row: of the item.
        lead: by how much its bound exceeds that of every other item.
    """

    slots: list[int]
    row: int
    lead: float


def leader(problem: Problem, alive: Sequence[np.ndarray], item_bounds: Sequence[np.ndarray]) -> Leader | None:
    """The item with the greatest lead, None where no slots are alike. Bounds count it in all slots that are."""
    leaders = []
    for slots in _groups(problem):
        if len(slots) == 1 or len(alive[slots[0]]) < 2 or not _alike(problem, slots):
            continue
        first = item_bounds[slots[0]]
        second, best = np.argpartition(first, len(first) - 2)[-2:]
        row = int(problem.rows[slots[0]][alive[slots[0]][best]])
        leaders.append(Leader(slots, row, float(first[best] - first[second])))
    return max(leaders, key=lambda one: one.lead, default=None)


def _alike(problem: Problem, slots: Sequence[int]) -> bool:
    return all(
        problem.interchangeable[a, b] and np.array_equal(problem.rows[a], problem.rows[b])
        for a in slots
        for b in slots
        if a < b
    )


def split_at(problem: Problem, alive: Sequence[np.ndarray], leader: Leader) -> list[Problem]:
    """Problems that share out the outfits of a problem: with an item in one of its slots, and without it.

    In slots that are alike the rows of an outfit ascend, so that an item in one of them has lower rows before it and
    higher ones behind. The orders of outfits stay.
    """
    places = list(alive)
    together = np.unique(np.concatenate([alive[slot] for slot in leader.slots]))
    rows = problem.rows[leader.slots[0]][together]
    at, before, behind = (together[rows == leader.row], together[rows < leader.row], together[rows > leader.row])
    parts = []
    for held in leader.slots:
        for slot in leader.slots:
            places[slot] = at if slot == held else before if slot < held else behind
        parts.append(narrowed(problem, places))
    for slot in leader.slots:
        places[slot] = np.concatenate([before, behind])
    return [*parts, narrowed(problem, places)]


def narrowed(problem: Problem, places: Sequence[np.ndarray]) -> Problem:
    """A problem of some of the items, by slot their places, ascending."""
    return replace(
        problem,
        rows=tuple(rows[kept] for rows, kept in zip(problem.rows, places)),
        values=tuple(values[kept] for values, kept in zip(problem.values, places)),
        codes=tuple(codes[kept] for codes, kept in zip(problem.codes, places)),
    )


def needs_orders(problem: Problem) -> bool:
    """Whether swapping two slots, one pair after the other, does not find every better order."""
    if not all(problem.interchangeable.values()):
        return True
    return any(
        len(slots) > 2 and not all(np.array_equal(problem.rows[slots[0]], problem.rows[slot]) for slot in slots[1:])
        for slots in _groups(problem)
    )


def stands_for_its_set(problem: Problem, items: np.ndarray) -> np.ndarray:
    """Which outfits are the best of the allowed orders of their items: (N,) bool.

    Args:
        problem: what is composed.
        items: (N, S) places in the problem's rows.
    """
    parts = [_stands(problem, items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
    return np.concatenate([np.zeros(0, dtype=bool), *parts])


def _stands(problem: Problem, items: np.ndarray) -> np.ndarray:
    rows = np.stack([allowed[items[:, slot]] for slot, allowed in enumerate(problem.rows)], axis=1)
    numerators = problem.numerators(items)
    stands = np.ones(len(items), dtype=bool)
    for order in _orders(problem):
        other_rows = rows[:, order]
        places = np.empty_like(items)
        allowed = stands.copy()
        for slot, slot_rows in enumerate(problem.rows):
            places[:, slot] = np.minimum(np.searchsorted(slot_rows, other_rows[:, slot]), len(slot_rows) - 1)
            allowed &= slot_rows[places[:, slot]] == other_rows[:, slot]
        tested = np.flatnonzero(allowed)
        others = problem.numerators(places[tested])
        better = others > numerators[tested]
        better |= (others == numerators[tested]) & _before(other_rows[tested], rows[tested])
        stands[tested[better]] = False
    return stands


def _before(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which outfits, (N, S), come before the others in order of row, slot by slot."""
    before, equal = np.zeros(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
    for row, other in zip(rows.T, others.T):
        before |= equal & (row < other)
        equal &= row == other
    return before


def _groups(problem: Problem) -> list[list[int]]:
    """The slots of each item type."""
    types = problem.item_types
    return [
        [slot for slot, slot_type in enumerate(types) if slot_type == item_type] for item_type in dict.fromkeys(types)
    ]


def _orders(problem: Problem) -> list[list[int]]:
    """Every other way to place the items of an outfit: by slot the slot that its item comes from."""
    slots = range(len(problem.item_types))
    groups = _groups(problem)
    orders = []
    for choice in product(*(permutations(group) for group in groups)):
        source = dict(zip((slot for group in groups for slot in group), (slot for group in choice for slot in group)))
        orders.append([source[slot] for slot in slots])
    return [order for order in orders if order != list(slots)]
