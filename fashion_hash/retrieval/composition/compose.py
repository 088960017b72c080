"""Composition: the best outfits that a catalogue can form for a user, exactly.

All outfits of one composition fill the same slots, so that the denominators of index/exact.py are
the same for all: the ranking is that of one integer, the numerator, which is a sum over items and
pairs of items. branch_and_bound.py finds its top k over the whole product of the allowed items.

Ties come in order of item row, slot by slot in the bundle's order. Items of one type in two slots
(two tops) differ, and a set of items occurs once, in the best of the allowed orders: see orders.py.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.index import exact
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.composition import two_slots
from fashion_hash.retrieval.composition.bounds import Problem
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, Found, SearchLimits
from fashion_hash.retrieval.composition.orders import narrowed
from fashion_hash.retrieval.composition.problem import CompositionTask, pose
from fashion_hash.retrieval.composition.sums import solve_sums


class AnchorsHeld(NamedTuple):
    """The anchor of each outfit that is composed for a request, see search/outfits.py.

    Attributes:
        slots: (K,) int64, the slot that holds the anchor.
        shares: (K,) float64, the request score of the anchor.
        tiers: (K,) int64, of the anchor, by its hard facts; 0 for all where no facts are read.
    """

    slots: np.ndarray
    shares: np.ndarray
    tiers: np.ndarray


class Composition(NamedTuple):
    """The best outfits of a composition.

    Attributes:
        items: (K, S) int64, rows of items by slot of the bundle, EMPTY where a slot takes no part.
        scores: (K,) float64, those of index/exact.py to the last bit; best first. For a request the totals.
        proven: True when this is the exact answer.
        gap: 0 when proven; otherwise no outfit that was left out scores more than this above the
            last one here (inf while fewer than k were found).
        expanded: partial outfits looked into.
        scored: outfits scored exactly.
        seconds: wall-clock time taken.
        anchors: of outfits for a request; None for others.
    """

    items: np.ndarray
    scores: np.ndarray
    proven: bool
    gap: float
    expanded: int = 0
    scored: int = 0
    seconds: float = 0.0
    anchors: AnchorsHeld | None = None

    def at(self, places: np.ndarray) -> Composition:
        """The outfits at some places."""
        anchors = self.anchors and AnchorsHeld(*(part[places] for part in self.anchors))
        return self._replace(items=self.items[places], scores=self.scores[places], anchors=anchors)


# ranks the outfits of a task: `compose`, or what stands in its place
Compose = Callable[[CompositionTask, int, int | None, SearchLimits], Composition]


def compose(
    task: CompositionTask, k: int, max_repeats: int | None = None, limits: SearchLimits = NO_LIMIT
) -> Composition:
    """The k best outfits over the whole product of the allowed items.

    Args:
        task: the outfits to compose.
        k: at most how many outfits; fewer come back where fewer exist.
        max_repeats: walk down the ranking and take an outfit unless one of its items (given ones
            apart) is in this many outfits taken already, until k are taken.
        limits: where to stop early.

    Raises:
        QueryError: k or max_repeats below 1, or a task without meaning: see `pose`.
        BundleError: partner lists of other items.
    """
    started = time.monotonic()
    check_count("k", k)
    if max_repeats is not None:
        check_count("max_repeats", max_repeats)
    bundle, problem = task.bundle, pose(task)
    if max_repeats is None:
        solutions = solve(problem, int(k), limits)
    else:
        solutions = solve_without_repeats(problem, int(k), int(max_repeats), limits)
    items = np.full((len(solutions.items), len(bundle.slots)), EMPTY, dtype=np.int64)
    for name, row in task.fixed.items():
        items[:, bundle.slot_names.index(name)] = row
    for column, slot in enumerate(problem.slots):
        items[:, slot] = problem.rows[column][solutions.items[:, column]]
    gap = 0.0
    if solutions.bound is not None:
        least = int(solutions.numerators[-1]) if len(solutions.items) == k else -np.inf
        gap = max(0.0, (solutions.bound - least) / problem.denominator)
    return Composition(
        items,
        exact.scores(bundle, exact.terms(bundle, task.user_key, items)),
        solutions.bound is None,
        gap,
        solutions.expanded,
        solutions.scored,
        time.monotonic() - started,
    )


def solve(problem: Problem, k: int, limits: SearchLimits = NO_LIMIT) -> Found:
    """The k outfits of greatest numerator, ties in order of row, slot by slot."""
    found = None
    if not any(problem.scales) and all(len(rows) for rows in problem.rows):
        found = solve_sums(problem, k)
    return found or two_slots.solve(problem, k, limits)


def solve_without_repeats(problem: Problem, k: int, max_repeats: int, limits: SearchLimits = NO_LIMIT) -> Found:
    """As `solve`, but no item occurs in more than `max_repeats` of the outfits.

    This is the walk down the exact ranking that skips every outfit with an item that is used up. Used
    up items are dropped and the rest is searched again, so that the walk is never longer than needed.
    """
    started = time.monotonic()
    uses: Counter[tuple[str, int]] = Counter()
    taken: dict[tuple[int, ...], int] = {}  # rows of an outfit: its numerator
    left, bound, expanded, scored = problem, None, 0, 0
    while len(taken) < k:
        # outfits already taken come back at the same places unless their items are used up
        again = sum(all(uses[key] < max_repeats for key in _keys(problem, rows)) for rows in taken)
        count = again + max(k, 2 * (k - len(taken)))
        spent = time.monotonic() - started
        remaining = limits._replace(seconds=limits.seconds - spent, partial_outfits=limits.partial_outfits - expanded)
        solutions = solve(left, count, remaining)
        expanded, scored = expanded + solutions.expanded, scored + solutions.scored
        rows = np.stack([left.rows[s][solutions.items[:, s]] for s in range(len(left.rows))], axis=1)
        for outfit, numerator in zip(map(tuple, rows.tolist()), solutions.numerators.tolist()):
            keys = _keys(problem, outfit)
            if len(taken) < k and outfit not in taken and all(uses[key] < max_repeats for key in keys):
                taken[outfit] = numerator
                uses.update(keys)
        if solutions.bound is not None:
            bound = solutions.bound
            break
        if len(solutions.items) < count:
            break
        left = _without(left, {key for key, times in uses.items() if times >= max_repeats})
    items = np.array(list(taken), dtype=np.int64).reshape(len(taken), len(problem.rows))
    for slot, allowed in enumerate(problem.rows):
        items[:, slot] = np.searchsorted(allowed, items[:, slot])
    numerators = np.array(list(taken.values()), dtype=np.int64)
    return Found(items, numerators, bound, expanded, scored)


def _keys(problem: Problem, outfit: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(problem.item_types, outfit))


def _without(problem: Problem, used_up: set[tuple[str, int]]) -> Problem:
    """The problem without the items that are used up, by type and row."""
    masks = [
        ~np.isin(rows, [row for used_type, row in used_up if used_type == item_type])
        for item_type, rows in zip(problem.item_types, problem.rows)
    ]
    return narrowed(problem, masks)
