"""Exact top k of a composition problem: drop hopeless items, then branch and bound over the rest.

1. Partner lists bound every item in about a millisecond for 10,000 (bounds.list_maxima).
2. A beam over the most promising items finds k good outfits: their k-th score is the floor.
3. Items whose bound lies below the floor go; shares are balanced, bounds fall, more items go. When
   few are left their pairs are computed, which gives the bounds without the lists' slack.
4. Partial outfits are expanded slot by slot, best bound first, while their bound reaches the floor;
   complete ones are scored in integers and raise the floor.

Bounds look at one pair of slots at a time, so that two tops may both be the best one. Where that item leads all others
by far, outfits with it and without it are searched one after the other (orders.split_at).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.retrieval.composition import bounds
from fashion_hash.retrieval.composition import expand as steps
from fashion_hash.retrieval.composition.bounds import Clock, Pairs, Problem
from fashion_hash.retrieval.composition.expand import Front, Partial, expand, outfits, strongest
from fashion_hash.retrieval.composition.orders import Leader, first_of_many_twins, leader, split_at

SEEDS = 160  # items a slot that the first beam looks at
BEAM = 768  # partial outfits that it keeps
DENSE = 1 << 18  # pairs of items, over all edges, that are cheaper to compute than to bound by lists
MANY = 1 << 22  # pairs of items that make a second beam worth its while
SLOW_LISTS, SLOW_PAIRS = 0.85, 0.7  # a round that leaves more of the pairs than this was the last
ROUNDS = 8
SPLIT_FROM, SPLIT_LEAD = 1 << 20, 0.25  # pairs of items, and the share of what bounds exceed the floor by
MOST_SPLITS = 4  # one in another


class SearchLimits(NamedTuple):
    """Where a search may stop early; it says so then, and how far off it may be.

    Attributes:
        seconds: of wall-clock time, looked at between steps (a step takes some milliseconds).
        partial_outfits: how many partial outfits may be expanded.
        memory: bytes for matrices of pairs; beyond it they are computed as needed: slower, not worse.
    """

    seconds: float = np.inf
    partial_outfits: float = np.inf
    memory: int = 1 << 30


NO_LIMIT = SearchLimits()


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
    """The k best outfits met so far, distinct, in order.

    Attributes:
        problem: what is composed.
        k: how many.
        known: k outfits of other problems have this numerator or a greater one.
    """

    problem: Problem
    k: int
    known: int | None = None
    items: np.ndarray = field(init=False)
    numerators: np.ndarray = field(init=False)
    scored: int = 0

    def __post_init__(self) -> None:
        """Starts with no outfit."""
        self.items = np.zeros((0, len(self.problem.item_types)), dtype=np.int64)
        self.numerators = np.zeros(0, dtype=np.int64)

    @property
    def floor(self) -> float:
        """The numerator that an outfit must reach to count, less the constant, in units of one."""
        least = self.required
        return -np.inf if least is None else (least - self.problem.constant) / WEIGHT_ONE

    @property
    def required(self) -> int | None:
        """The numerator that an outfit must reach to count; None while every outfit does."""
        if len(self.numerators) < self.k:
            return self.known
        return max(int(self.numerators[-1]), self.known or int(self.numerators[-1]))

    @property
    def least(self) -> int:
        """As `floor`, exactly: an int64 below everything while there are fewer than k."""
        return self.last[0]

    @property
    def last(self) -> tuple[int, ...]:
        """What an outfit must come before to count: a numerator, less the constant, and its places."""
        if len(self.numerators) < self.k:
            return (-(1 << 62), *(0 for _ in self.problem.rows))
        return (int(self.numerators[-1]) - self.problem.constant, *self.items[-1].tolist())

    def add(self, items: np.ndarray) -> None:
        """Offers complete outfits, (N, S) places."""
        self.scored += len(items)
        for start in range(0, len(items), steps.CELLS):
            part = items[start : start + steps.CELLS]
            numerators = self.problem.numerators(part)
            if len(part) > 4 * self.k:  # few are put into order; of copies of one outfit all but one may be too many
                cut = np.partition(numerators, -self.k)[-self.k]
                self._merge(part[numerators >= cut], numerators[numerators >= cut])
                if len(self.numerators) == self.k and self.numerators[-1] >= cut:
                    continue
            self._merge(part, numerators)

    def _merge(self, part: np.ndarray, numerators: np.ndarray) -> None:
        merged = np.concatenate([self.items, part])
        numerators = np.concatenate([self.numerators, numerators])
        order = np.lexsort((*merged.T[::-1], -numerators))
        merged, numerators = merged[order], numerators[order]
        new = np.ones(len(merged), dtype=bool)
        new[1:] = (merged[1:] != merged[:-1]).any(axis=1)
        self.items, self.numerators = merged[new][: self.k], numerators[new][: self.k]


def solve(problem: Problem, k: int, limits: SearchLimits = NO_LIMIT) -> Found:
    """The k outfits of greatest numerator, ties in order of row, slot by slot."""
    if any(len(rows) == 0 for rows in problem.rows):
        return Found(np.zeros((0, len(problem.rows)), dtype=np.int64), np.zeros(0, dtype=np.int64), None, 0, 0)
    if len(problem.rows) == 1:
        places = greatest(problem.values[0], k)
        numerators = problem.values[0][places] + problem.constant
        return Found(places[:, None], numerators, None, 0, len(problem.values[0]))
    return _solve(Best(problem, k), limits, Clock(limits.seconds), MOST_SPLITS)


def _solve(best: Best, limits: SearchLimits, clock: Clock, splits: int) -> Found:
    """As `solve`, for at least two slots, where other problems may have told of good outfits."""
    problem = best.problem
    front = narrow(best, limits.memory, clock, splits)
    if front.leader is not None:
        return _solve_split(front, front.leader, best, limits, clock, splits)
    unseen, expanded = branch(front, best, limits, clock)
    if unseen is None or unseen < best.floor:
        return Found(best.items, best.numerators, None, expanded, best.scored)
    bound = unseen * WEIGHT_ONE + problem.constant
    return Found(best.items, best.numerators, bound, expanded, best.scored)


def _solve_split(front: Front, leader: Leader, best: Best, limits: SearchLimits, clock: Clock, splits: int) -> Found:
    """Searches outfits with the leading item and without it, which first."""
    problem, expanded, bounds_left = best.problem, 0, []
    for part in split_at(problem, front.alive, leader):
        if any(len(rows) == 0 for rows in part.rows):
            continue
        left = limits._replace(partial_outfits=limits.partial_outfits - expanded)
        found = _solve(Best(part, best.k, best.required), left, clock, splits - 1)
        items = [
            np.searchsorted(rows, own[places]) for rows, own, places in zip(problem.rows, part.rows, found.items.T)
        ]
        best.add(np.stack(items, axis=1))
        best.scored += found.scored
        expanded += found.expanded
        if found.bound is not None:
            bounds_left.append(found.bound)
    bound = max(bounds_left, default=None)
    if bound is not None and best.required is not None and bound < best.required:
        bound = None
    return Found(best.items, best.numerators, bound, expanded, best.scored)


def greatest(numbers: np.ndarray, k: int) -> np.ndarray:
    """Places of the k greatest numbers, greatest first, ties in order of place."""
    k = min(k, len(numbers))
    blocks = len(numbers) // 256
    # the k-th best maximum of a block bounds the k-th best number from below
    maxima = numbers[: blocks * 256].reshape(blocks, 256).max(axis=1) if blocks >= k else numbers
    cut = np.partition(maxima, len(maxima) - k)[len(maxima) - k]
    places = np.flatnonzero(numbers >= cut)
    return places[np.argsort(-numbers[places], kind="stable")][:k]


def narrow(best: Best, memory: int, clock: Clock, splits: int = 0) -> Front:
    """Drops items that no outfit of the top k can hold, until few are left or no more fall.

    With splits left, it ends where an item leads that others cannot follow.
    """
    problem = best.problem
    shares = bounds.even_shares(problem)
    alive = [np.arange(len(rows)) for rows in problem.rows]
    # what bounds there are when time is up at once
    front = Front(problem, alive, shares, bounds.plain_maxima(problem, shares), None, problem.margin(shares), clock)
    for number in count():
        if front.pairs is None and (problem.partners is None or front.work <= DENSE):
            front.compute_pairs(memory)
        in_time = front.bound_items()
        item_bounds = bounds.item_bounds(problem, front.maxima)
        if number == 0 or (number == 1 and in_time and front.work > MANY):  # better bounds make a higher floor
            best.add(beam(most_promising(front, item_bounds, memory), best.k))
        before = front.work
        drop(front, [(bound >= best.floor - front.margin) & (bound > -np.inf) for bound in item_bounds])
        if number == 0 and in_time:
            drop(front, first_of_many_twins(problem, front.alive, best.k))
        if not in_time or front.work == 0 or (splits and _leads(front, best, before)):
            break
        if front.pairs is None and (front.work > before * SLOW_LISTS or number == ROUNDS):
            features = problem.codes[0].shape[1] * len(problem.weights)
            if (
                clock.left < front.work * features / bounds.SPEED
            ):  # what time there is goes into the best partial outfits
                front.compute_pairs(0)
                break
            front.compute_pairs(memory)
        elif front.pairs is not None and (
            front.work > before * SLOW_PAIRS or front.work < DENSE // 32 or number == 2 * ROUNDS
        ):
            break
        front.shares = bounds.balance(problem, front.shares, front.maxima)
        front.margin = problem.margin(front.shares)
    return front


def _leads(front: Front, best: Best, work_before: int) -> bool:
    """Whether many items are left and one of them leads by so much that a split pays; it is kept in `front.leader`."""
    if front.work > max(SPLIT_FROM, work_before * SLOW_PAIRS):
        first = leader(front.problem, front.alive, bounds.item_bounds(front.problem, front.maxima))
        if first is not None and first.lead >= SPLIT_LEAD * (front.bound - best.floor):
            front.leader = first
    return front.leader is not None


def drop(front: Front, masks: list[np.ndarray]) -> None:
    """Keeps the items with a True mask, by slot."""
    if all(mask.all() for mask in masks):
        return
    edges = front.problem.edges
    front.alive = [places[mask] for places, mask in zip(front.alive, masks)]
    front.shares = bounds.keep(front.shares, edges, masks)
    front.maxima = bounds.keep(front.maxima, edges, masks)
    if front.pairs is not None:
        front.pairs.keep(front.alive, masks)
        front.forget_incomplete_pairs()


def most_promising(front: Front, item_bounds: list[np.ndarray], memory: int) -> Front:
    """A small front of the items of greatest bound."""
    masks = []
    for bound in item_bounds:
        mask = np.zeros(len(bound), dtype=bool)
        mask[np.argpartition(-bound, min(SEEDS, len(bound)) - 1)[:SEEDS]] = True
        masks.append(mask)
    alive = [places[mask] for places, mask in zip(front.alive, masks)]
    shares = bounds.keep(front.shares, front.problem.edges, masks)
    pairs = Pairs(front.problem, alive, memory)  # so few that they are always computed
    return Front(front.problem, alive, shares, pairs.maxima(shares) or [], pairs, front.margin)


def beam(front: Front, k: int, width: int = BEAM) -> np.ndarray:
    """Good outfits, not surely the best: the `width` best partial outfits of each length by bound."""
    width = max(width, 2 * k)
    first = np.arange(len(front.alive[front.order[0]]))[:, None]
    state = Partial(first, np.zeros(len(first), dtype=np.float32), np.zeros(len(first), dtype=np.float32))
    for _ in front.order[1:]:
        children = list(expand(front, state, -np.inf))
        state = Partial(*(np.concatenate(parts) for parts in zip(*children)))
        if not len(state.bounds):  # no outfit of these items differs in all slots of a type
            return np.zeros((0, len(front.order)), dtype=np.int64)
        state = state.at(np.argpartition(-state.bounds, min(width, len(state.bounds)) - 1)[:width])
    return outfits(front, strongest(state, k, front.margin))


def _next(queue: list[tuple[float, int, Partial]], full: bool) -> Partial:
    """Takes the partial outfits of best bound; when memory is full the longest, which leave the queue soonest."""
    if not full:
        return heapq.heappop(queue)[2]
    longest = max(range(len(queue)), key=lambda place: queue[place][2].places.shape[1])
    partial = queue.pop(longest)[2]
    heapq.heapify(queue)
    return partial


def _grow(front: Front, partial: Partial, best: Best, push: Callable[[Partial], None]) -> None:
    for child in expand(front, partial, best.floor - front.margin):
        if child.places.shape[1] < len(front.alive):
            push(child)
        else:
            best.add(outfits(front, strongest(child, best.k, front.margin)))


def branch(front: Front, best: Best, limits: SearchLimits, clock: Clock) -> tuple[float | None, int]:
    """Expands partial outfits, best bound first, while their bound reaches the floor.

    Returns:
        A bound of what was left out (in units of one, None when nothing was) and the number expanded.
    """
    if front.work == 0:
        return None, 0
    if front.pairs is None:
        return front.bound, 0
    first = front.order[0]
    item_bounds = bounds.item_bounds(front.problem, front.maxima)[first]
    by_bound = np.argsort(-item_bounds)
    zeros = np.zeros(len(by_bound), dtype=np.float32)
    queue: list[tuple[float, int, Partial]] = []
    number, expanded = count(), 0

    def push(partial: Partial) -> None:
        order = np.argsort(-partial.bounds, kind="stable")
        size = max(1, steps.CELLS // max(len(places) for places in front.alive))
        for start in range(0, len(order), size):
            part = partial.at(order[start : start + size])
            # ties between chunks: the longer first, so that complete outfits come early
            heapq.heappush(queue, (-float(part.bounds[0]), -next(number), part))

    push(Partial(by_bound[:, None], zeros, item_bounds[by_bound]))
    while queue:
        top = -queue[0][0] + front.margin
        if top < best.floor:
            return None, expanded
        if expanded >= limits.partial_outfits or not clock.allows(0):
            return top, expanded
        partial = _next(queue, len(queue) * steps.CELLS >= limits.memory)
        partial = partial.at(partial.bounds >= best.floor - front.margin)
        expanded += len(partial.places)
        _grow(front, partial, best, push)
        if not clock.allows(0):  # some children may be missing
            return top, expanded
    return None, expanded
