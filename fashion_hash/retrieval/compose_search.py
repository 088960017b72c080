"""Exact top k of a composition problem: drop hopeless items, then branch and bound over the rest.

1. Partner lists bound every item in about a millisecond for 10,000 (compose_bounds.list_maxima).
2. A beam over the most promising items finds k good outfits: their k-th score is the floor.
3. Items whose bound lies below the floor go; shares are balanced, bounds fall, more items go. When
   few are left their pairs are computed, which gives the bounds without the lists' slack.
4. Partial outfits are expanded slot by slot, best bound first, while their bound reaches the floor;
   complete ones are scored in integers and raise the floor.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import numpy as np

from fashion_hash.codes import WEIGHT_ONE
from fashion_hash.retrieval import compose_bounds as bounds
from fashion_hash.retrieval.compose_bounds import Maxima, Pairs, Problem, Shares

SEEDS = 160  # items a slot that the first beam looks at
BEAM = 768  # partial outfits that it keeps
DENSE = 1 << 18  # pairs of items, over all edges, that are cheaper to compute than to bound by lists
SLOW_LISTS, SLOW_PAIRS = 0.85, 0.7  # a round that leaves more of the pairs than this was the last
CELLS = 1 << 20  # children looked at in one step
ROUNDS = 8


class Budget(NamedTuple):
    """Where a search may stop early; it says so then, and how far off it may be.

    Attributes:
        seconds: of wall-clock time, looked at between steps (a step takes some tens of milliseconds).
        partial_outfits: how many partial outfits may be expanded.
        memory: bytes for matrices of pairs; beyond it they are computed as needed: slower, not worse.
    """

    seconds: float = np.inf
    partial_outfits: float = np.inf
    memory: int = 1 << 30


NO_LIMIT = Budget()


class Found(NamedTuple):
    """The best outfits of a problem.

    Attributes:
        items: (K, S) places in the problem's rows, best first, ties in order of row, slot by slot.
        numerators: (K,) int64.
        bound: no outfit that was left out has a greater numerator; None when none that could count
            was left out, so that the answer is exact.
        expanded: partial outfits expanded.
        scored: outfits scored exactly.
    """

    items: np.ndarray
    numerators: np.ndarray
    bound: float | None
    expanded: int
    scored: int


@dataclass
class Best:
    """The k best outfits met so far, distinct, in order."""

    problem: Problem
    k: int
    items: np.ndarray = field(init=False)
    numerators: np.ndarray = field(init=False)
    scored: int = 0

    def __post_init__(self) -> None:
        self.items = np.zeros((0, len(self.problem.kinds)), dtype=np.int64)
        self.numerators = np.zeros(0, dtype=np.int64)

    @property
    def floor(self) -> float:
        """The numerator that an outfit must reach to count, less the constant, in units of one."""
        if len(self.numerators) < self.k:
            return -np.inf
        return (int(self.numerators[-1]) - self.problem.constant) / WEIGHT_ONE

    def add(self, items: np.ndarray) -> None:
        """Offers complete outfits, (N, S) places."""
        self.scored += len(items)
        for start in range(0, len(items), CELLS):
            part = items[start : start + CELLS]
            merged = np.concatenate([self.items, part])
            numerators = np.concatenate([self.numerators, self.problem.numerators(part)])
            order = np.lexsort((*merged.T[::-1], -numerators))
            merged, numerators = merged[order], numerators[order]
            new = np.ones(len(merged), dtype=bool)
            new[1:] = (merged[1:] != merged[:-1]).any(axis=1)
            self.items, self.numerators = merged[new][: self.k], numerators[new][: self.k]


@dataclass
class Front:
    """The items still alive, and what is known of them.

    Attributes:
        alive: by slot, places in the problem's rows, ascending.
        shares, maxima: see compose_bounds.
        pairs: their matrices of pairs, once there are few enough items.
        margin: what float32 may hide, see Problem.margin.
    """

    problem: Problem
    alive: list[np.ndarray]
    shares: Shares
    maxima: Maxima
    pairs: Pairs | None
    margin: float

    @property
    def order(self) -> list[int]:
        """The slots in the order of expansion: small ones first, slots that share a type last."""
        kinds = self.problem.kinds
        return sorted(range(len(kinds)), key=lambda slot: (kinds.count(kinds[slot]), len(self.alive[slot])))

    @property
    def bound(self) -> float:
        """No outfit of alive items exceeds this, in units of one."""
        return sum(bounds.edge_bounds(self.maxima)) + self.margin

    @property
    def work(self) -> int:
        """Pairs of alive items over all edges."""
        return sum(len(self.alive[a]) * len(self.alive[b]) for a, b in self.problem.edges)


def search(problem: Problem, k: int, budget: Budget = NO_LIMIT) -> Found:
    """The k outfits of greatest numerator, ties in order of row, slot by slot."""
    deadline = time.monotonic() + budget.seconds
    best = Best(problem, k)
    if any(len(rows) == 0 for rows in problem.rows):
        return Found(best.items, best.numerators, None, 0, 0)
    if len(problem.rows) == 1:
        places = greatest(problem.values[0], k)
        numerators = problem.values[0][places] + problem.constant
        return Found(places[:, None], numerators, None, 0, len(problem.values[0]))
    front = narrow(problem, best, budget.memory, deadline)
    unseen, expanded = branch(front, best, budget.partial_outfits, deadline)
    if unseen is None or unseen < best.floor:
        return Found(best.items, best.numerators, None, expanded, best.scored)
    bound = unseen * WEIGHT_ONE + problem.constant
    return Found(best.items, best.numerators, bound, expanded, best.scored)


def greatest(numbers: np.ndarray, k: int) -> np.ndarray:
    """Places of the k greatest numbers, greatest first, ties in order of place."""
    k = min(k, len(numbers))
    blocks = len(numbers) // 256
    # the k-th best maximum of a block bounds the k-th best number from below
    some = numbers[: blocks * 256].reshape(blocks, 256).max(axis=1) if blocks >= k else numbers
    cut = np.partition(some, len(some) - k)[len(some) - k]
    places = np.flatnonzero(numbers >= cut)
    return places[np.argsort(-numbers[places], kind="stable")][:k]


def narrow(problem: Problem, best: Best, memory: int, deadline: float) -> Front:
    """Drops items that no outfit of the top k can hold, until few are left or no more fall."""
    shares = bounds.even_shares(problem)
    alive = [np.arange(len(rows)) for rows in problem.rows]
    front = Front(problem, alive, shares, [], None, problem.margin(shares))
    for number in count():
        if front.pairs is None and (problem.partners is None or front.work <= DENSE or number == ROUNDS):
            front.pairs = Pairs(problem, front.alive, memory)
        if front.pairs is None:
            front.maxima = bounds.list_maxima(problem, front.alive, front.shares)
        else:
            front.maxima = front.pairs.maxima(front.shares)
        item_bounds = bounds.item_bounds(problem, front.maxima)
        if number == 0:
            best.add(beam(most_promising(front, item_bounds, memory), best.k))
        before = front.work
        drop(front, item_bounds, best.floor)
        if front.work == 0:
            break
        late = time.monotonic() > deadline or number >= 2 * ROUNDS
        if front.pairs is None and (late or front.work > before * SLOW_LISTS):
            front.pairs = Pairs(problem, front.alive, memory)
        elif front.pairs is not None and (late or front.work > before * SLOW_PAIRS or front.work < DENSE // 32):
            break
        front.shares = bounds.balance(problem, front.shares, front.maxima)
        front.margin = problem.margin(front.shares)
    return front


def drop(front: Front, item_bounds: list[np.ndarray], floor: float) -> None:
    """Drops the items whose bound lies below the floor."""
    masks = [bound >= floor - front.margin for bound in item_bounds]
    edges = front.problem.edges
    front.alive = [places[mask] for places, mask in zip(front.alive, masks)]
    front.shares = bounds.keep(front.shares, edges, masks)
    front.maxima = bounds.keep(front.maxima, edges, masks)
    if front.pairs is not None:
        front.pairs.keep(masks)


def most_promising(front: Front, item_bounds: list[np.ndarray], memory: int) -> Front:
    """A small front of the items of greatest bound."""
    masks = []
    for bound in item_bounds:
        mask = np.zeros(len(bound), dtype=bool)
        mask[np.argpartition(-bound, min(SEEDS, len(bound)) - 1)[:SEEDS]] = True
        masks.append(mask)
    alive = [places[mask] for places, mask in zip(front.alive, masks)]
    shares = bounds.keep(front.shares, front.problem.edges, masks)
    pairs = Pairs(front.problem, alive, memory)
    return Front(front.problem, alive, shares, pairs.maxima(shares), pairs, front.margin)


def beam(front: Front, k: int, width: int = BEAM) -> np.ndarray:
    """Good outfits, not surely the best: the `width` best partial outfits of each length by bound."""
    width = max(width, 2 * k)
    first = np.arange(len(front.alive[front.order[0]]))[:, None]
    states = [Partial(first, np.zeros(len(first), dtype=np.float32), np.zeros(len(first), dtype=np.float32))]
    for _ in front.order[1:]:
        children = [child for state in states for child in expand(front, state, -np.inf)]
        joined = Partial(*(np.concatenate(parts) for parts in zip(*children)))
        cut = np.argpartition(-joined.bounds, min(width, len(joined.bounds)) - 1)[:width]
        states = [Partial(*(part[cut] for part in joined))] if len(cut) else []
    if not states:
        return np.zeros((0, len(front.order)), dtype=np.int64)
    return outfits(front, strongest(states[0], k, front.margin))


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


def branch(front: Front, best: Best, most: float, deadline: float) -> tuple[float | None, int]:
    """Expands partial outfits, best bound first, while their bound reaches the floor.

    Returns:
        A bound of what was left out (in units of one, None when nothing was) and the number expanded.
    """
    if min(len(places) for places in front.alive) == 0:
        return None, 0
    first = front.order[0]
    item_bounds = bounds.item_bounds(front.problem, front.maxima)[first]
    by_bound = np.argsort(-item_bounds)
    zeros = np.zeros(len(by_bound), dtype=np.float32)
    queue: list[tuple[float, int, Partial]] = []
    number, expanded = count(), 0

    def push(partial: Partial) -> None:
        order = np.argsort(-partial.bounds, kind="stable")
        size = max(1, CELLS // max(len(places) for places in front.alive))
        for start in range(0, len(order), size):
            part = Partial(*(values[order[start : start + size]] for values in partial))
            # ties between chunks: the longer first, so that complete outfits come early
            heapq.heappush(queue, (-float(part.bounds[0]), -next(number), part))

    push(Partial(by_bound[:, None], zeros, item_bounds[by_bound]))
    while queue:
        top = -queue[0][0] + front.margin
        if top < best.floor:
            return None, expanded
        if expanded >= most or time.monotonic() > deadline:
            return top, expanded
        partial = heapq.heappop(queue)[2]
        hopeful = partial.bounds >= best.floor - front.margin
        partial = Partial(*(values[hopeful] for values in partial))
        expanded += len(partial.places)
        for child in expand(front, partial, best.floor - front.margin):
            if child.places.shape[1] < len(front.alive):
                push(child)
            else:
                best.add(outfits(front, strongest(child, best.k, front.margin)))
    return None, expanded


def strongest(complete: Partial, k: int, margin: float) -> np.ndarray:
    """Places of those complete outfits that may be among the k best of these."""
    if len(complete.bounds) <= k:
        return complete.places
    cut = np.partition(complete.bounds, len(complete.bounds) - k)[len(complete.bounds) - k]
    return complete.places[complete.bounds >= cut - 2 * margin]


def outfits(front: Front, places: np.ndarray) -> np.ndarray:
    """Complete outfits in the order of expansion as (N, S) places in the problem's rows."""
    items = np.empty(places.shape, dtype=np.int64)
    for column, slot in enumerate(front.order):
        items[:, slot] = front.alive[slot][places[:, column]]
    return items


def expand(front: Front, partial: Partial, floor: float) -> Iterator[Partial]:
    """All children of partial outfits (one more slot filled) whose bound reaches the floor."""
    step = max(1, CELLS // max(len(places) for places in front.alive))
    for start in range(0, len(partial.places), step):
        yield _expand(front, Partial(*(values[start : start + step] for values in partial)), floor)


def _expand(front: Front, partial: Partial, floor: float) -> Partial:
    order, (places, sums, _) = front.order, partial
    depth = places.shape[1]
    filled, slot, later = order[:depth], order[depth], order[depth + 1 :]
    edges = {pair: edge for edge, pair in enumerate(front.problem.edges)}

    def edge_side(one: int, other: int) -> tuple[int | None, int]:
        """The edge of two slots, and on which side of it the first is."""
        return edges.get((min(one, other), max(one, other))), int(one > other)

    def reach(target: int) -> np.ndarray | np.float32:
        """The g of all edges from the filled slots to each item of a slot, (F, n)."""
        total: np.ndarray | None = None
        for column, other in enumerate(filled):
            edge, side = edge_side(other, target)
            if edge is not None:
                own, theirs = front.shares[edge][side], front.shares[edge][1 - side]
                block = front.pairs.rows(edge, side, places[:, column]) + theirs  # type: ignore[union-attr]
                block += own[places[:, column], None]
                total = block if total is None else np.add(total, block, out=total)
        return np.float32(0) if total is None else total

    value = np.zeros((len(places), len(front.alive[slot])), dtype=np.float32) + sums[:, None] + reach(slot)
    rest = np.zeros(len(places), dtype=np.float32)  # the later slots' edges with the filled ones
    ahead = np.zeros(len(front.alive[slot]), dtype=np.float32)  # and with the slot filled now
    beyond = np.float32(0)  # and among themselves
    tops = bounds.edge_bounds(front.maxima)
    for position, target in enumerate(later):
        if depth == 1:
            edge, side = edge_side(filled[0], target)
            rest += front.maxima[edge][side][places[:, 0]] if edge is not None else np.float32(0)
        else:
            found = reach(target)
            rest += found.max(axis=1) if isinstance(found, np.ndarray) and found.ndim else found
        edge, side = edge_side(slot, target)
        if edge is not None:
            ahead += front.maxima[edge][side]
        for other in later[position + 1 :]:
            edge, _ = edge_side(target, other)
            beyond += np.float32(tops[edge]) if edge is not None else np.float32(0)
    limit = value + rest[:, None] + (ahead + beyond) if later else value
    hopeful = limit >= floor
    for column, other in enumerate(filled):
        if front.problem.kinds[other] == front.problem.kinds[slot]:
            hopeful &= _allowed_together(front, other, places[:, column], slot)
    parent, child = np.nonzero(hopeful)
    return Partial(np.concatenate([places[parent], child[:, None]], axis=1), value[parent, child], limit[parent, child])


def _allowed_together(front: Front, filled: int, places: np.ndarray, slot: int) -> np.ndarray:
    """(F, n): items of one type in two slots differ, and of two ways to place them one counts."""
    rows = front.problem.rows
    ours, theirs = rows[filled][front.alive[filled][places]], rows[slot][front.alive[slot]]
    different = ours[:, None] != theirs
    if not front.problem.interchangeable.get((min(filled, slot), max(filled, slot)), False):
        return different
    swapped = ours[:, None] > theirs if filled < slot else ours[:, None] < theirs
    return different & ~(swapped & np.isin(ours, rows[slot])[:, None] & np.isin(theirs, rows[filled]))
