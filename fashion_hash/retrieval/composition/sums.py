"""Outfits whose score is a sum over their items: no pair of open slots counts anything.

So it is where only taste counts, and in the shortlists of an outfit encoder. With the items of every slot in order, an
outfit at the places i, j, ... comes after every outfit at lower places, also among equals. The k best therefore lie
where (i + 1) (j + 1) ... <= k: about k log k outfits for two slots, and slots are joined one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.retrieval.composition.bounds import Problem
from fashion_hash.retrieval.composition.branch_and_bound import Found, greatest
from fashion_hash.retrieval.composition.orders import stands_for_its_set

MOST = 1 << 20  # outfits in the order of their sums, of which too few may be valid


def solve_sums(problem: Problem, k: int) -> Found | None:
    """As branch_and_bound.solve, where pairs of items add nothing.

    Returns:
        None where slots of a type that allow different items make so many outfits invalid, or a set's worse order,
        that other searches are better.
    """
    groups = _groups(problem)
    types = [problem.item_types[group[0]] for group in groups]
    some_invalid, count = len(set(types)) < len(types), k
    while True:
        ranked = _best(problem, groups, count)
        ended, scored = len(ranked.sums) < count, len(ranked.sums)
        if some_invalid:
            ranked = ranked.at(_valid(problem, ranked.places))
        if len(ranked.sums) >= k or ended:
            return Found(ranked.places[:k], ranked.sums[:k] + problem.constant, None, 0, scored)
        if count >= MOST:
            return None
        count *= 4


class _Ranked(NamedTuple):
    """The best ways to fill some slots, in order: of sum, then of row, slot by slot.

    Attributes:
        slots: that are filled, ascending.
        places: (N, len(slots)) int64, in the problem's rows.
        sums: (N,) int64.
    """

    slots: list[int]
    places: np.ndarray
    sums: np.ndarray

    def at(self, where: np.ndarray) -> _Ranked:
        return self._replace(places=self.places[where], sums=self.sums[where])

    def first(self, count: int) -> _Ranked:
        """The first ones, where they are in no order yet."""
        if len(self.sums) > count:
            self = self.at(np.flatnonzero(self.sums >= np.partition(self.sums, -count)[-count]))
        return self.at(np.lexsort((*self.places.T[::-1], -self.sums))[:count])


def _groups(problem: Problem) -> list[list[int]]:
    """Slots that hold sets of the same items, whose order means nothing; every other slot by itself."""
    groups: list[list[int]] = []
    for slot, values in enumerate(problem.values):
        for group in groups:
            if problem.interchangeable.get((group[0], slot), False) and (
                np.array_equal(problem.rows[group[0]], problem.rows[slot])
                and np.array_equal(problem.values[group[0]], values)
            ):
                group.append(slot)
                break
        else:
            groups.append([slot])
    return groups


def _best(problem: Problem, groups: list[list[int]], count: int) -> _Ranked:
    """The best outfits, but that items of a type in different groups may be the same."""
    ranked = _sets(problem, groups[0], count)
    for group in groups[1:]:
        other = _sets(problem, group, count)
        first, second = _pairs(np.arange(1, len(ranked.sums) + 1), len(other.sums), count)
        slots = [*ranked.slots, *group]
        places = np.concatenate([ranked.places[first], other.places[second]], axis=1)
        order = np.argsort(slots)
        joined = _Ranked(sorted(slots), places[:, order], ranked.sums[first] + other.sums[second])
        ranked = joined.first(count)
    return ranked


def _sets(problem: Problem, group: list[int], count: int) -> _Ranked:
    """The best sets of different items for the slots of a group, rows ascending.

    By the steps d from one place to the next: what has no greater step anywhere comes before, so that their product
    is at most the count.
    """
    values = problem.values[group[0]]
    items = greatest(values, count + len(group) - 1)
    last, products = np.full(1, -1), np.ones(1, dtype=np.int64)
    chosen = np.zeros((1, 0), dtype=np.int64)
    for _ in group:
        parent, step = _pairs(products, len(items), count)
        kept = last[parent] + step + 1 < len(items)
        parent, step = parent[kept], step[kept] + 1
        last, products = last[parent] + step, products[parent] * step
        chosen = np.concatenate([chosen[parent], last[:, None]], axis=1)
    places = np.sort(items[chosen], axis=1)
    return _Ranked(group, places, values[places].sum(axis=1)).first(count)


def _pairs(products: np.ndarray, length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All (i, j), j < length, with products[i] * (j + 1) <= count."""
    each = np.minimum(count // products, length)
    first = np.repeat(np.arange(len(products)), each)
    return first, np.arange(len(first)) - np.repeat(np.cumsum(each) - each, each)


def _valid(problem: Problem, places: np.ndarray) -> np.ndarray:
    """(N,) bool: outfits of different items, each set in its best order."""
    rows = np.stack([allowed[places[:, slot]] for slot, allowed in enumerate(problem.rows)], axis=1)
    valid = np.ones(len(places), dtype=bool)
    for a, b in problem.interchangeable:
        valid &= rows[:, a] != rows[:, b]
    different = np.flatnonzero(valid)
    valid[different] = stands_for_its_set(problem, places[different])
    return valid
