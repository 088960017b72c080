"""Composition around anchors: the items that match a request best, each with the outfits that suit it.

    total = score of an outfit + bonus of its anchor

Outfits come in tiers, those of the hard facts that their anchors have, and within a tier by total. The anchor of an
outfit is the first of the anchors that it holds, in the order of the search. So every anchor is completed by itself,
exactly, out of items that are no better anchors, and the best are the best of all. What an outfit around each anchor
can reach at most is known before, from the bounds of composition: anchors that cannot count are not looked at.

What a request wants beside its item ("with black boots") are companions: rows of items, of which an outfit must hold
one in a slot of its own. Every way to place them is composed.

With an outfit encoder the outfits around an anchor are those that composition/encoded/by_vectors.py finds, and
nothing is proven unless these are all that exist.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.index.scoring import scoring_of
from fashion_hash.retrieval.composition.bounds import (
    Maxima,
    Pairs,
    Problem,
    Shares,
    balance,
    even_shares,
    item_bounds,
)
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition
from fashion_hash.retrieval.composition.problem import CompositionTask, pose
from fashion_hash.retrieval.methods import METHODS


class Anchors(NamedTuple):
    """Items to compose around, best first.

    Attributes:
        item_types, rows: type and row of each.
        shares: (A,) float64, their request scores.
        bonus: (A,) int64, fixed point, added to the score of an outfit around it; never growing within a tier.
        tiers: (A,) int64, of the hard facts that each has; never growing.
    """

    item_types: list[str]
    rows: np.ndarray
    shares: np.ndarray
    bonus: np.ndarray
    tiers: np.ndarray

    def at(self, places: np.ndarray) -> Anchors:
        """The anchors at some places."""
        types = [self.item_types[place] for place in places.tolist()]
        return Anchors(types, self.rows[places], self.shares[places], self.bonus[places], self.tiers[places])


class AnchorProblem(NamedTuple):
    """Outfits to be composed around anchors.

    Attributes:
        task: the outfits, without an anchor.
        anchors: best first.
        per_anchor: at most this many outfits around an anchor.
        deadline: when to stop, as time.monotonic counts.
        companions: for each, by item type the rows of which every outfit must hold one.
    """

    task: CompositionTask
    anchors: Anchors
    per_anchor: int
    deadline: float
    companions: tuple[Mapping[str, np.ndarray], ...] = ()

    def with_anchor(
        self, place: int, slot_name: str, allowed: Mapping[str, np.ndarray], count: int
    ) -> Iterator[Composition]:
        """The `count` best outfits with an anchor in a slot, for each way to place the companions.

        Args:
            place: of the anchor.
            slot_name: its slot.
            allowed: rows of the other slots.
            count: how many.
        """
        others = [name for name in self.task.open_slots if name != slot_name]
        fixed = {**self.task.fixed, slot_name: int(self.anchors.rows[place])}
        if not others and not self.companions:
            items = np.full((1, len(self.task.bundle.slots)), EMPTY, dtype=np.int64)
            for name, row in fixed.items():
                items[0, self.task.bundle.slot_names.index(name)] = row
            yield Composition(items, np.zeros(1), True, 0.0)
            return
        compose_best = METHODS[self.task.bundle.scoring].compose
        for slots in permutations(others, len(self.companions)):
            held = self._placed(slots, allowed)
            if held is not None:
                task = replace(self.task, slots=others, allowed={**allowed, **held}, fixed=fixed)
                yield compose_best(task, count, None, SearchLimits(seconds=max(0.0, self.deadline - time.monotonic())))

    def _placed(self, slots: Sequence[str], allowed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """By slot the rows of the companion that stands in it; None where a slot has none."""
        held = {}
        for name, companion in zip(slots, self.companions):
            rows = companion.get(self.task.type_of(name), np.zeros(0, dtype=np.int64))
            held[name] = np.intersect1d(rows, allowed[name]) if name in allowed else rows
            if not len(held[name]):
                return None
        return held


class AnchoredRanking(NamedTuple):
    """Outfits, best total first, ties in order of rows.

    Attributes:
        items: (K, S) rows of items by slot.
        totals: (K,) float64.
        anchors: (K,) place of the anchor of each outfit.
        bound: no outfit that was left out for want of time has a greater total; -inf when none was.
    """

    items: np.ndarray
    totals: np.ndarray
    anchors: np.ndarray
    bound: float

    def first(self, count: int) -> AnchoredRanking:
        """The first `count` outfits."""
        return self._replace(items=self.items[:count], totals=self.totals[:count], anchors=self.anchors[:count])


def total_scores(bundle: Bundle, user_key: Packed, items: np.ndarray, bonus: np.ndarray) -> np.ndarray:
    """Scores of outfits, (R, S), and a bonus each, fixed point; of FHN one fraction of integers, rounded once."""
    scoring = scoring_of(bundle)
    if not scoring.adds_up:
        return np.asarray(scoring.parts(user_key, items).score + bonus / WEIGHT_ONE)
    terms = exact.terms(bundle, user_key, items)
    return exact.scores(bundle, replace(terms, bias=terms.bias + bonus * terms.num_items))


def rank(problem: AnchorProblem, count: int, closed: np.ndarray | None = None) -> AnchoredRanking:
    """The `count` best outfits that hold an anchor, of each anchor its `per_anchor` best at most.

    Those around anchors of a greater tier come first.

    Args:
        problem: what is composed.
        count: how many outfits.
        closed: (A,) bool, anchors that may get no more outfits.
    """
    anchors = problem.anchors
    best = AnchoredRanking(
        np.zeros((0, len(problem.task.bundle.slots)), dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), -np.inf
    )
    bounds = most_around(problem) + anchors.bonus / WEIGHT_ONE
    bounds[slice(0) if closed is None else closed] = -np.inf
    for tier in np.unique(anchors.tiers)[::-1]:
        left = count - len(best.items)
        if not left or time.monotonic() > problem.deadline:
            return best._replace(bound=best.bound if not left else max(best.bound, float(bounds.max())))
        ranking = _rank_of_tier(problem, left, np.where(anchors.tiers == tier, bounds, -np.inf))
        best = AnchoredRanking(
            np.concatenate([best.items, ranking.items]),
            np.concatenate([best.totals, ranking.totals]),
            np.concatenate([best.anchors, ranking.anchors]),
            max(best.bound, ranking.bound),
        )
    return best


def _rank_of_tier(problem: AnchorProblem, count: int, bounds: np.ndarray) -> AnchoredRanking:
    """The best outfits by total; `bounds`, (A,), are what those around each anchor can reach, -inf for none."""
    bundle, anchors, per_anchor = problem.task.bundle, problem.anchors, min(problem.per_anchor, count)
    best = AnchoredRanking(
        np.zeros((0, len(bundle.slots)), dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), -np.inf
    )
    for place in np.argsort(-bounds, kind="stable").tolist():
        if bounds[place] == -np.inf or (len(best.items) == count and bounds[place] < best.totals[-1]):
            break
        if time.monotonic() > problem.deadline:
            return best._replace(bound=max(best.bound, float(bounds[place])))
        outfits, beyond = _around(problem, place, per_anchor)
        totals = total_scores(bundle, problem.task.user_key, outfits, np.full(len(outfits), anchors.bonus[place]))
        ranking = exact.top(totals, len(totals))  # `outfits` are in order of rows
        # a set of items occurs once, in the best of its orders
        sets = np.unique(canonical_items(bundle.slots, outfits[ranking]), axis=0, return_index=True)[1]
        first = ranking[np.sort(sets)][:per_anchor]
        items = np.concatenate([best.items, outfits[first]])
        totals = np.concatenate([best.totals, totals[first]])
        owners = np.concatenate([best.anchors, np.full(len(first), place)])
        order = np.lexsort((*items.T[::-1], -totals))[:count]
        bound = max(best.bound, min(beyond + anchors.bonus[place] / WEIGHT_ONE, float(bounds[place])))
        best = AnchoredRanking(items[order], totals[order], owners[order], bound)
    return best


def most_around(problem: AnchorProblem) -> np.ndarray:
    """What an outfit around each anchor can score at most, without its bonus: (A,) float64; -inf where none exists."""
    anchors, bundle = problem.anchors, problem.task.bundle
    if not scoring_of(bundle).adds_up:  # an outfit at no distance, of the most popular items
        greatest = max(int(np.max(bias, initial=0)) for bias in bundle.item_bias.values()) / WEIGHT_ONE
        return np.full(len(anchors.rows), greatest)
    most = np.full(len(anchors.rows), -np.inf)
    integers = pose(problem.task)
    if not len(most) or any(len(rows) == 0 for rows in integers.rows):
        return most
    bounds, margin = _item_bounds(integers)
    for slot, rows, bound in zip(integers.slots, integers.rows, bounds):
        mask = np.array([item_type == bundle.slots[slot] for item_type in anchors.item_types])
        places = np.minimum(np.searchsorted(rows, anchors.rows), len(rows) - 1)
        mask &= rows[places] == anchors.rows
        score = ((bound[places].astype(np.float64) + margin) * WEIGHT_ONE + integers.constant) / integers.denominator
        most = np.where(mask, np.maximum(most, score), most)
    return most


def _item_bounds(integers: Problem) -> tuple[list[np.ndarray], float]:
    """By slot what an outfit with each allowed item can reach, in units of one, and what rounding may hide."""
    alive = [np.arange(len(rows)) for rows in integers.rows]
    if len(alive) == 1:
        return [integers.values[0] / WEIGHT_ONE], 1e-6 * integers.magnitude
    pairs = Pairs(integers, alive, NO_LIMIT.memory) if integers.partners is None else None

    def best_partners(shares: Shares) -> Maxima:
        maxima = _first_maxima(integers, shares) if pairs is None else pairs.maxima(shares)
        assert maxima is not None  # no clock was given
        return maxima

    shares = even_shares(integers)
    shares = balance(integers, shares, best_partners(shares))
    return item_bounds(integers, best_partners(shares)), integers.margin(shares)


def _first_maxima(problem: Problem, shares: Shares) -> Maxima:
    """For every edge what g of each item can be at most, by the c of its best partner.

    Whole lists of partners would give closer bounds, but take longer than the outfits around the few anchors more.
    """
    assert problem.partners is not None
    result: Maxima = []
    for edge, scale, pair in zip(problem.edges, problem.scales, shares):
        sides = []
        for side, (slot, other) in enumerate((edge, edge[::-1])):
            most = pair[side] + np.float32(pair[1 - side].max(initial=-np.inf))
            if scale:  # else nothing is listed
                values = problem.partners[problem.item_types[slot], problem.item_types[other]][1]
                most += np.float32(scale) * values[problem.rows[slot], :1].max(axis=1, initial=-np.inf)
            sides.append(most)
        result.append(sides)
    return result


def rank_within_caps(problem: AnchorProblem, count: int, max_repeats: int) -> AnchoredRanking:
    """As `rank`, but no item, other than the fixed ones, is in more than `max_repeats` of the outfits.

    The walk goes down the whole ranking and takes every outfit that is still allowed. Items that are used up
    are left out, and what remains is ranked again.
    """
    anchors, taken = problem.anchors, _Taken(problem, max_repeats)
    bound = -np.inf
    while len(taken.outfits) < count:
        used_up = taken.used_up()
        left = [pair not in used_up for pair in zip(anchors.item_types, anchors.rows.tolist())]
        places = np.flatnonzero(left)
        open_problem = _without(problem, used_up)._replace(anchors=anchors.at(places))
        ranking = rank(open_problem, taken.returning(used_up) + 2, taken.closed()[places])
        bound = max(bound, ranking.bound)
        if not taken.add(ranking._replace(anchors=places[ranking.anchors]), count):
            break
    items = np.array(list(taken.outfits), dtype=np.int64).reshape(len(taken.outfits), len(problem.task.bundle.slots))
    totals = np.array([total for total, _ in taken.outfits.values()], dtype=np.float64)
    owners = np.array([place for _, place in taken.outfits.values()], dtype=np.int64)
    return AnchoredRanking(items, totals, owners, bound)


class _Taken:
    """Outfits taken so far, and how often they hold each item and each anchor."""

    def __init__(self, problem: AnchorProblem, max_repeats: int) -> None:
        self.outfits: dict[tuple[int, ...], tuple[float, int]] = {}  # by items: total, place of the anchor
        self._max_repeats = max_repeats
        self._per_anchor = problem.per_anchor
        self._item_types = problem.task.bundle.slots
        self._slots = [problem.task.bundle.slot_names.index(name) for name in problem.task.open_slots]
        self._uses: Counter[tuple[str, int]] = Counter()
        self._around = np.zeros(len(problem.anchors.rows), dtype=np.int64)

    def used_up(self) -> set[tuple[str, int]]:
        """Items, by type and row, that no further outfit may hold."""
        return {item for item, times in self._uses.items() if times >= self._max_repeats}

    def closed(self) -> np.ndarray:
        """(A,) bool, anchors that may get no more outfits."""
        full: np.ndarray = self._around >= self._per_anchor
        return full

    def returning(self, used_up: set[tuple[str, int]]) -> int:
        """How many of the outfits will be found again when `used_up` items are left out."""
        return sum(
            self._around[place] < self._per_anchor and not used_up.intersection(self._items_of(outfit))
            for outfit, (_, place) in self.outfits.items()
        )

    def add(self, ranking: AnchoredRanking, count: int) -> bool:
        """Takes what may be taken of the next best outfits, until there are `count`; False when nothing was."""
        before = len(self.outfits)
        rows = map(tuple, ranking.items.tolist())
        for outfit, total, place in zip(rows, ranking.totals.tolist(), ranking.anchors.tolist()):
            items = self._items_of(outfit)
            if any(self._uses[item] >= self._max_repeats for item in items):
                break  # what comes instead may be better than the next
            if outfit not in self.outfits and self._around[place] < self._per_anchor and len(self.outfits) < count:
                self.outfits[outfit] = total, place
                self._uses.update(items)
                self._around[place] += 1
        return len(self.outfits) > before

    def _items_of(self, outfit: tuple[int, ...]) -> list[tuple[str, int]]:
        return [(self._item_types[slot], outfit[slot]) for slot in self._slots if outfit[slot] != EMPTY]


def _around(problem: AnchorProblem, place: int, count: int) -> tuple[np.ndarray, float]:
    """The best outfits around an anchor, without better ones, and a bound of the scores of those left out."""
    task, anchors = problem.task, problem.anchors
    item_type, row = anchors.item_types[place], int(anchors.rows[place])
    outfits, beyond = [np.zeros((0, len(task.bundle.slots)), dtype=np.int64)], -np.inf
    for name in task.open_slots:
        allowed = task.allowed.get(name)
        if task.type_of(name) != item_type or (allowed is not None and row not in allowed):
            continue
        for composition in problem.with_anchor(place, name, _allowed_beside(problem, place, name), count):
            outfits.append(composition.items)
            if not composition.proven:
                full = len(composition.items) == count
                beyond = max(beyond, float(composition.scores[-1]) + composition.gap if full else np.inf)
    return np.unique(np.concatenate(outfits), axis=0), beyond


def _allowed_beside(problem: AnchorProblem, place: int, slot_name: str) -> dict[str, np.ndarray]:
    """By slot the items that may stand beside an anchor: no better anchors."""
    task, anchors = problem.task, problem.anchors
    beside = {}
    for other in task.open_slots:
        item_type = task.type_of(other)
        better = anchors.rows[:place][[better_type == item_type for better_type in anchors.item_types[:place]]]
        if other != slot_name and (other in task.allowed or len(better)):
            mask = np.full(len(task.bundle.items[item_type]), other not in task.allowed)
            mask[task.allowed.get(other, better)] = True
            mask[better] = False
            beside[other] = np.flatnonzero(mask)
    return beside


def _without(problem: AnchorProblem, used_up: set[tuple[str, int]]) -> AnchorProblem:
    """The problem without the items that are used up, by type and row."""
    task = problem.task
    allowed = dict(task.allowed)
    for name in task.open_slots:
        item_type = task.type_of(name)
        if gone := [row for used_type, row in used_up if used_type == item_type]:
            rows = allowed.get(name, np.arange(len(task.bundle.items[item_type])))
            allowed[name] = np.setdiff1d(rows, gone)
    return problem._replace(task=replace(task, allowed=allowed))


def check_open(names: Sequence[str]) -> None:
    """Raises QueryError when no slot is open."""
    if not names:
        raise QueryError("nothing is left to choose: leave at least one slot open")
