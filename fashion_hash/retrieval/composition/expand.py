"""Partial outfits, filled slot by slot, and what their completions reach at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fashion_hash.retrieval.composition import bounds
from fashion_hash.retrieval.composition.bounds import NO_END, Clock, Maxima, Pairs, Problem, Shares
from fashion_hash.retrieval.composition.orders import Leader, needs_orders, stands_for_its_set

CELLS = 1 << 18  # children looked at in one step
CELL = 512  # of one of them, in multiplications (bounds.STEP)


@dataclass
class Front:
    """The items still alive, and what is known of them.

    Attributes:
        alive: by slot, places in the problem's rows, ascending.
        shares, maxima: see bounds.py.
        pairs: their matrices of pairs, once there are few enough items.
        margin: what float32 may hide, see Problem.margin.
        clock: the time that is left.
        leader: an item at which the problem is split, if that is better than to go on.
    """

    problem: Problem
    alive: list[np.ndarray]
    shares: Shares
    maxima: Maxima
    pairs: Pairs | None
    margin: float
    clock: Clock = NO_END
    leader: Leader | None = None

    def compute_pairs(self, memory: int) -> None:
        """Computes the matrices of pairs, if time allows; see Pairs."""
        self.pairs = Pairs(self.problem, self.alive, memory, self.clock)
        self.forget_incomplete_pairs()

    def forget_incomplete_pairs(self) -> None:
        """Gives up matrices for which time did not suffice: there is nothing to expand then."""
        if self.pairs is not None and not self.pairs.complete:
            self.pairs = None

    def bound_items(self) -> bool:
        """Computes the maxima for the present shares; False when time is up: then those before hold.

        Maxima of other shares bound the same outfits as well: shares only move between the edges of an item.
        """
        if self.pairs is not None:
            maxima = self.pairs.maxima(self.shares)
        elif self.problem.partners is None:
            maxima = None  # its matrices were not completed
        else:
            maxima = bounds.list_maxima(self.problem, self.alive, self.shares, self.clock)
        self.maxima = self.maxima if maxima is None else maxima
        return maxima is not None

    @cached_property
    def tests_orders(self) -> bool:
        """Whether complete outfits have to be tested for a better order of their items."""
        return needs_orders(self.problem)

    @property
    def order(self) -> list[int]:
        """The slots in the order of expansion: small ones first, slots that share a type last."""
        types = self.problem.item_types
        return sorted(range(len(types)), key=lambda slot: (types.count(types[slot]), len(self.alive[slot])))

    def edge(self, slot: int, other: int) -> tuple[int | None, int]:
        """The edge of two slots (None if there is none) and the side of the first slot."""
        pair, edges = (min(slot, other), max(slot, other)), self.problem.edges
        return (edges.index(pair) if pair in edges else None), int(slot > other)

    def alike(self, slot: int, other: int, filled: list[int]) -> bool:
        """Whether two slots hold the same items, in the same relation to the filled slots."""
        if self.problem.item_types[slot] != self.problem.item_types[other]:
            return False
        rows, other_rows = (self.problem.rows[place][self.alive[place]] for place in (slot, other))
        if not np.array_equal(rows, other_rows):
            return False
        for filled_slot in filled:
            (edge, side), (twin, twin_side) = self.edge(filled_slot, slot), self.edge(filled_slot, other)
            if edge is None or twin is None:
                if edge is not twin:
                    return False
            elif self.problem.scales[edge] != self.problem.scales[twin] or not (
                np.array_equal(self.shares[edge][side], self.shares[twin][twin_side])
                and np.array_equal(self.shares[edge][1 - side], self.shares[twin][1 - twin_side])
            ):
                return False
        return True

    @property
    def bound(self) -> float:
        """No outfit of alive items exceeds this, in units of one."""
        return sum(bounds.edge_bounds(self.maxima)) + self.margin

    @property
    def work(self) -> int:
        """Pairs of alive items over all edges."""
        return sum(len(self.alive[a]) * len(self.alive[b]) for a, b in self.problem.edges)


class Partial(NamedTuple):
    """Partial outfits: the first d slots of the order are filled.

    Attributes:
        places: (F, d) places among the alive items.
        sums: (F,) float32, the g of all edges between them.
        bounds: (F,) float32, no completion exceeds this (but for the margin).
    """

    places: np.ndarray
    sums: np.ndarray
    bounds: np.ndarray

    def at(self, where: np.ndarray | slice) -> Partial:
        """Some of them."""
        return Partial(*(values[where] for values in self))


def strongest(complete: Partial, k: int, margin: float) -> np.ndarray:
    """Places of those complete outfits that may be among the k best of these."""
    if len(complete.bounds) <= k:
        return complete.places
    cut = np.partition(complete.bounds, len(complete.bounds) - k)[len(complete.bounds) - k]
    places: np.ndarray = complete.places[complete.bounds >= cut - 2 * margin]
    return places


def outfits(front: Front, places: np.ndarray) -> np.ndarray:
    """Complete outfits in the order of expansion as (N, S) places in the problem's rows."""
    items = np.empty(places.shape, dtype=np.int64)
    for column, slot in enumerate(front.order):
        items[:, slot] = front.alive[slot][places[:, column]]
    return items


def expand(front: Front, partial: Partial, floor: float) -> Iterator[Partial]:
    """All children of partial outfits (one more slot filled) with a bound that reaches the floor, until time is up."""
    widest = max(len(places) for places in front.alive)
    step = max(1, CELLS // widest)
    for start in range(0, len(partial.places), step):
        if not front.clock.allows(CELL * step * widest):
            return
        yield _expand(front, partial.at(slice(start, start + step)), floor)


def _expand(front: Front, partial: Partial, floor: float) -> Partial:
    places, order = partial.places, front.order
    depth = places.shape[1]
    filled, slot, later = order[:depth], order[depth], order[depth + 1 :]
    reached = _reach(front, filled, places, slot)
    sums = reached + partial.sums[:, None]
    limits = sums
    if later:
        # edges of the later slots with the filled ones, with the slot filled now, among themselves
        open_part = np.zeros(len(places), dtype=np.float32)
        ahead = np.zeros(len(front.alive[slot]), dtype=np.float32)
        for target in later:
            if depth == 1:
                edge, side = front.edge(filled[0], target)
                open_part += 0 if edge is None else front.maxima[edge][side][places[:, 0]]
            elif front.alike(slot, target, filled):
                open_part += reached.max(axis=1)
            else:
                open_part += _reach(front, filled, places, target).max(axis=1)
            edge, side = front.edge(slot, target)
            ahead += 0 if edge is None else front.maxima[edge][side]
        tops = bounds.edge_bounds(front.maxima)
        inside = (top for top, edge in zip(tops, front.problem.edges) if set(edge) <= set(later))
        limits = sums + open_part[:, None] + (ahead + np.float32(sum(inside)))
    hopeful = limits >= floor
    for column, other in enumerate(filled):
        if front.problem.item_types[other] == front.problem.item_types[slot]:
            hopeful &= _allowed_together(front, other, places[:, column], slot)
    flat = np.flatnonzero(hopeful)  # several times faster than nonzero
    parent, child = np.divmod(flat, hopeful.shape[1])
    longer = np.concatenate([places[parent], child[:, None]], axis=1)
    children = Partial(longer, sums.ravel()[flat], limits.ravel()[flat])
    if later or not front.tests_orders:
        return children
    return children.at(stands_for_its_set(front.problem, outfits(front, longer)))


def _reach(front: Front, filled: list[int], places: np.ndarray, target: int) -> np.ndarray:
    """The g of all edges from the filled slots to each item of another slot, (F, n) float32."""
    assert front.pairs is not None
    total = np.zeros((len(places), len(front.alive[target])), dtype=np.float32)
    for column, other in enumerate(filled):
        edge, side = front.edge(other, target)
        if edge is not None:
            total += front.pairs.rows(edge, side, places[:, column])
            total += front.shares[edge][side][places[:, column], None]
            total += front.shares[edge][1 - side]
    return total


def _allowed_together(front: Front, filled: int, places: np.ndarray, slot: int) -> np.ndarray:
    """(F, n): items of one type in two slots differ, and of two ways to place them one counts."""
    rows = front.problem.rows
    filled_rows, new_rows = rows[filled][front.alive[filled][places]], rows[slot][front.alive[slot]]
    different: np.ndarray = filled_rows[:, None] != new_rows
    if not front.problem.interchangeable.get((min(filled, slot), max(filled, slot)), False):
        return different
    swapped = filled_rows[:, None] > new_rows if filled < slot else filled_rows[:, None] < new_rows
    different &= ~(swapped & np.isin(filled_rows, rows[slot])[:, None] & np.isin(new_rows, rows[filled]))
    return different
