"""Composition around anchors: the items that match a request best, each with the outfits that suit it.

    total = FHN score of an outfit + bonus of its anchor

The anchor of an outfit is the first of the anchors that it holds, in the order of the search. So every anchor
is completed by itself, exactly, out of items that are no better anchors, and the best are the best of all. What
an outfit around each anchor can reach at most is known before, from the bounds of composition: anchors that
cannot count are not looked at.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.index.partners import Partners
from fashion_hash.retrieval.composition.bounds import (
    Maxima,
    Pairs,
    Shares,
    balance,
    even_shares,
    item_bounds,
    list_maxima,
)
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition, compose
from fashion_hash.retrieval.composition.problem import pose


class Anchors(NamedTuple):
    """Items to compose around, best first.

    Attributes:
        kinds, rows: type and row of each.
        bonus: (A,) int64, fixed point, added to the score of an outfit around it; never growing.
    """

    kinds: list[str]
    rows: np.ndarray
    bonus: np.ndarray


class AnchorProblem(NamedTuple):
    """What composition is asked, as retrieval.compose.compose is."""

    bundle: Bundle
    user_code: Packed
    names: Sequence[str]
    allowed: Mapping[str, np.ndarray]
    given: Mapping[str, int]
    partners: Partners | None
    deadline: float

    def best(self, count: int, names: Sequence[str], allowed: Mapping[str, np.ndarray], **given: int) -> Composition:
        """Composition of some of the slots, in what time is left."""
        return compose(
            self.bundle,
            self.user_code,
            count,
            names,
            allowed=allowed,
            given={**self.given, **given},
            partners=self.partners,
            budget=SearchLimits(seconds=self.deadline - time.monotonic()),
        )


class AnchoredRanking(NamedTuple):
    """Outfits, best total first, ties in order of rows.

    Attributes:
        items: (K, S) rows of items by slot.
        totals: (K,) float64.
        anchors: (K,) place of each one's anchor.
        bound: no outfit that was left out for want of time has a greater total; -inf when none was.
    """

    items: np.ndarray
    totals: np.ndarray
    anchors: np.ndarray
    bound: float


def total_scores(bundle: Bundle, user_code: Packed, items: np.ndarray, bonus: np.ndarray) -> np.ndarray:
    """FHN scores of outfits, (R, S), and a bonus each, fixed point: one fraction of integers, rounded once."""
    terms = exact.terms(bundle, user_code, items)
    return exact.scores(bundle, replace(terms, bias=terms.bias + bonus * terms.num_items))


def rank(
    question: AnchorProblem, anchors: Anchors, count: int, per_anchor: int, closed: np.ndarray | None = None
) -> AnchoredRanking:
    """The `count` best outfits that hold an anchor, of each anchor its `per_anchor` best at most.

    `closed`: (A,) bool, anchors of which no outfit is wanted any more.
    """
    bundle, per_anchor = question.bundle, min(per_anchor, count)
    best = AnchoredRanking(
        np.zeros((0, len(bundle.slots)), dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64), -np.inf
    )
    bounds = most_around(question, anchors) + anchors.bonus / WEIGHT_ONE
    bounds[slice(0) if closed is None else closed] = -np.inf
    for place in np.argsort(-bounds, kind="stable").tolist():
        if bounds[place] == -np.inf or (len(best.items) == count and bounds[place] < best.totals[-1]):
            break
        if time.monotonic() > question.deadline:
            return best._replace(bound=max(best.bound, float(bounds[place])))
        found, beyond = _around(question, anchors, place, per_anchor)
        totals = total_scores(bundle, question.user_code, found, np.full(len(found), anchors.bonus[place]))
        own = exact.top(totals, per_anchor)  # rows of `found` are in order
        items = np.concatenate([best.items, found[own]])
        totals = np.concatenate([best.totals, totals[own]])
        owners = np.concatenate([best.anchors, np.full(len(own), place)])
        order = np.lexsort((*items.T[::-1], -totals))[:count]
        bound = max(best.bound, min(beyond + anchors.bonus[place] / WEIGHT_ONE, float(bounds[place])))
        best = AnchoredRanking(items[order], totals[order], owners[order], bound)
    return best


def most_around(question: AnchorProblem, anchors: Anchors) -> np.ndarray:
    """What an outfit around each anchor can score at most, without its bonus: (A,) float64; -inf for none at all."""
    bundle, out = question.bundle, np.full(len(anchors.rows), -np.inf)
    problem = pose(bundle, question.user_code, question.names, question.allowed, question.given, question.partners)
    if not len(out) or any(len(rows) == 0 for rows in problem.rows):
        return out
    alive = [np.arange(len(rows)) for rows in problem.rows]
    if len(alive) == 1:
        bounds = [problem.values[0] / WEIGHT_ONE]
        margin = 1e-6 * problem.magnitude
    else:
        pairs = Pairs(problem, alive, NO_LIMIT.memory) if problem.partners is None else None

        def best_partners(shares: Shares) -> Maxima:
            return list_maxima(problem, alive, shares) if pairs is None else pairs.maxima(shares)

        shares = even_shares(problem)
        maxima = best_partners(shares)
        shares = balance(problem, shares, maxima)
        bounds = item_bounds(problem, best_partners(shares))
        margin = problem.margin(shares)
    for slot, rows, bound in zip(problem.slots, problem.rows, bounds):
        mine = np.array([kind == bundle.slots[slot] for kind in anchors.kinds])
        places = np.minimum(np.searchsorted(rows, anchors.rows), len(rows) - 1)
        mine &= rows[places] == anchors.rows
        score = ((bound[places].astype(np.float64) + margin) * WEIGHT_ONE + problem.constant) / problem.denominator
        out = np.where(mine, np.maximum(out, score), out)
    return out


def rank_within_caps(
    question: AnchorProblem, anchors: Anchors, count: int, per_anchor: int, max_repeats: int
) -> AnchoredRanking:
    """As `rank`, but no item, given ones apart, is in more than `max_repeats` of the outfits.

    That is the rank_within_caps down the whole ranking that takes an outfit if it may. Items that are used up are left
    out, and the rest is ranked again.
    """
    bundle, slots = question.bundle, [question.bundle.slot_names.index(name) for name in question.names]
    uses: Counter[tuple[str, int]] = Counter()
    around: Counter[int] = Counter()
    taken: dict[tuple[int, ...], tuple[float, int]] = {}
    bound = -np.inf

    def worn_of(outfit: tuple[int, ...]) -> list[tuple[str, int]]:
        return [(bundle.slots[slot], outfit[slot]) for slot in slots if outfit[slot] != EMPTY]

    while len(taken) < count:
        used_up = {one for one, times in uses.items() if times >= max_repeats}
        left = np.array([(kind, row) not in used_up for kind, row in zip(anchors.kinds, anchors.rows.tolist())])
        places = np.flatnonzero(left)
        some = Anchors([anchors.kinds[place] for place in places], anchors.rows[places], anchors.bonus[places])
        closed = np.array([around[place] >= per_anchor for place in places.tolist()], dtype=bool)
        # those taken that may come again, at the places they had
        again = sum(
            around[place] < per_anchor and not used_up.intersection(worn_of(outfit))
            for outfit, (_, place) in taken.items()
        )
        found = rank(_without(question, used_up), some, again + 2, per_anchor, closed)
        bound, before = max(bound, found.bound), len(taken)
        for outfit, total, place in zip(map(tuple, found.items.tolist()), found.totals.tolist(), places[found.anchors]):
            worn = worn_of(outfit)
            if any(uses[one] >= max_repeats for one in worn):
                break  # what comes instead may be better than the next
            if outfit not in taken and around[place] < per_anchor and len(taken) < count:
                taken[outfit] = total, int(place)
                uses.update(worn)
                around[place] += 1
        if len(taken) == before:
            break
    items = np.array(list(taken), dtype=np.int64).reshape(len(taken), len(bundle.slots))
    totals, owners = (np.array([pair[part] for pair in taken.values()]) for part in (0, 1))
    return AnchoredRanking(items, totals.astype(np.float64), owners.astype(np.int64), bound)


def _around(question: AnchorProblem, anchors: Anchors, place: int, count: int) -> tuple[np.ndarray, float]:
    """The best outfits around an anchor, without better ones, and a bound of the scores of those left out."""
    bundle, kind, row = question.bundle, anchors.kinds[place], int(anchors.rows[place])
    found, beyond = [np.zeros((0, len(bundle.slots)), dtype=np.int64)], -np.inf
    for name in question.names:
        allowed = question.allowed.get(name)
        if bundle.slots[bundle.slot_names.index(name)] != kind or (allowed is not None and row not in allowed):
            continue
        others, rest = [other for other in question.names if other != name], {}
        for other in others:
            own = bundle.slots[bundle.slot_names.index(other)]
            better = anchors.rows[:place][[one == own for one in anchors.kinds[:place]]]
            if other in question.allowed or len(better):
                kept = np.full(len(bundle.items[own]), other not in question.allowed)
                kept[question.allowed.get(other, better)] = True
                kept[better] = False
                rest[other] = np.flatnonzero(kept)
        if others:
            one = question.best(count, others, rest, **{name: row})
            found.append(one.items)
            if not one.proven:
                beyond = max(beyond, float(one.scores[-1]) + one.gap if len(one.items) == count else np.inf)
        else:
            alone = np.full((1, len(bundle.slots)), EMPTY, dtype=np.int64)
            for slot_name, held in {**question.given, name: row}.items():
                alone[0, bundle.slot_names.index(slot_name)] = held
            found.append(alone)
    return np.unique(_in_order(question, np.concatenate(found)), axis=0), beyond


def _without(question: AnchorProblem, used_up: set[tuple[str, int]]) -> AnchorProblem:
    """The question without some items, by type and row."""
    allowed = dict(question.allowed)
    for name in question.names:
        kind = question.bundle.slots[question.bundle.slot_names.index(name)]
        if gone := [row for own, row in used_up if own == kind]:
            every = allowed.get(name, np.arange(len(question.bundle.items[kind])))
            allowed[name] = np.setdiff1d(every, gone)
    return question._replace(allowed=allowed)


def _in_order(question: AnchorProblem, items: np.ndarray) -> np.ndarray:
    """Outfits with the smaller row in the first of two slots of one type, where both ways are allowed.

    As `compose` has it. Where an empty slot repeats an item the ways differ, and stay.
    """
    bundle, allowed, items = question.bundle, question.allowed, items.copy()
    slots = [bundle.slot_names.index(name) for name in bundle.slot_names if name in question.names]
    for a in slots:
        for b in slots:
            kind = bundle.slots[a]
            if b <= a or bundle.slots[b] != kind:
                continue
            others = [slot for slot, other in enumerate(bundle.slots) if other == kind]
            turn = (items[:, a] > items[:, b]) & (items[:, b] != EMPTY)
            if bundle.repeat_empty:
                turn &= (items[:, others] != EMPTY).all(axis=1)
            for slot, other in ((a, b), (b, a)):
                if (name := bundle.slot_names[slot]) in allowed:
                    turn &= np.isin(items[:, other], allowed[name])
            items[np.ix_(turn, [a, b])] = items[np.ix_(turn, [b, a])]
    return items


def check_open(names: Sequence[str]) -> None:
    """Raises QueryError when no slot is open."""
    if not names:
        raise QueryError("nothing is left to choose: leave at least one slot open")
