"""Composition: the best outfits that a catalogue can form for a user, exactly.

All outfits of one composition fill the same slots, so that the denominators of index/exact.py are
the same for all: the ranking is that of one integer, the numerator, which is a sum over items and
pairs of items. branch_and_bound.py finds its top k over the whole product of the allowed items.

Ties come in order of item row, slot by slot in the bundle's order. Items of one type in two slots
(two tops) differ, and a set of items occurs once: with the smaller row in the first of the slots,
where both ways are allowed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.index.partners import Partners
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.composition.bounds import Problem
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, Found, SearchLimits, search
from fashion_hash.retrieval.composition.problem import pose


class Composition(NamedTuple):
    """The best outfits of a composition.

    Attributes:
        items: (K, S) int64, rows of items by slot of the bundle, EMPTY where a slot takes no part.
        scores: (K,) float64, those of index/exact.py to the last bit; best first.
        proven: True when this is the exact answer.
        gap: 0 when proven; otherwise no outfit that was left out scores more than this above the
            last one here (inf while fewer than k were found).
        expanded: partial outfits looked into.
        scored: outfits scored exactly.
        seconds: wall-clock time taken.
    """

    items: np.ndarray
    scores: np.ndarray
    proven: bool
    gap: float
    expanded: int
    scored: int
    seconds: float


def compose(
    bundle: Bundle,
    user_code: Packed,
    k: int,
    slots: Sequence[str] | None = None,
    *,
    allowed: Mapping[str, np.ndarray] | None = None,
    given: Mapping[str, int] | None = None,
    max_repeats: int | None = None,
    partners: Partners | None = None,
    budget: SearchLimits = NO_LIMIT,
) -> Composition:
    """The k best outfits over the whole product of the allowed items.

    Args:
        bundle: an open bundle.
        user_code: (D / 8,) uint8, packed.
        k: at most how many outfits; fewer come back where fewer exist.
        slots: names of the slots to fill ("top", "top_2", ...); by default all that are not given.
        allowed: by slot name the item rows that may be used, in any order; all where it says nothing.
        given: by slot name the row of an item that every outfit holds.
        max_repeats: walk down the ranking and take an outfit unless one of its items (given ones
            apart) is in this many outfits taken already, until k are taken.
        partners: partner lists of the bundle; without them large catalogues take longer.
        budget: where to stop early.

    Raises:
        QueryError: k or max_repeats below 1, no such slot or none left open, a slot both given and
            asked for or restricted, a row that the bundle does not hold, or the same item given twice.
    """
    started = time.monotonic()
    check_count("k", k)
    if max_repeats is not None:
        check_count("max_repeats", max_repeats)
    given = given or {}
    names = [name for name in bundle.slot_names if name not in given] if slots is None else list(slots)
    problem = pose(bundle, user_code, names, allowed or {}, given, partners)
    if max_repeats is None:
        found = search(problem, int(k), budget)
    else:
        found = search_without_repeats(problem, int(k), int(max_repeats), budget)
    items = np.full((len(found.items), len(bundle.slots)), EMPTY, dtype=np.int64)
    for name, row in given.items():
        items[:, bundle.slot_names.index(name)] = row
    for column, slot in enumerate(problem.slots):
        items[:, slot] = problem.rows[column][found.items[:, column]]
    gap = 0.0
    if found.bound is not None:
        least = int(found.numerators[-1]) if len(found.items) == k else -np.inf
        gap = max(0.0, (found.bound - least) / problem.denominator)
    return Composition(
        items,
        exact.scores(bundle, exact.terms(bundle, user_code, items)),
        found.bound is None,
        gap,
        found.expanded,
        found.scored,
        time.monotonic() - started,
    )


def search_without_repeats(problem: Problem, k: int, max_repeats: int, budget: SearchLimits = NO_LIMIT) -> Found:
    """As `search`, but no item occurs in more than `max_repeats` of the outfits.

    This is the walk down the exact ranking that skips every outfit with an item that is used up. Used
    up items are dropped and the rest is searched again, so that the walk is never longer than needed.
    """
    started = time.monotonic()
    uses: Counter[tuple[str, int]] = Counter()
    taken: dict[tuple[int, ...], int] = {}  # rows of an outfit: its numerator
    left, bound, expanded, scored = problem, None, 0, 0
    while len(taken) < k:
        # outfits taken already whose items are not used up will come back, at the places they had
        again = sum(all(uses[key] < max_repeats for key in _keys(problem, rows)) for rows in taken)
        wanted = again + max(k, 2 * (k - len(taken)))
        spent = time.monotonic() - started
        limits = budget._replace(seconds=budget.seconds - spent, partial_outfits=budget.partial_outfits - expanded)
        found = search(left, wanted, limits)
        expanded, scored = expanded + found.expanded, scored + found.scored
        rows = np.stack([left.rows[s][found.items[:, s]] for s in range(len(left.rows))], axis=1)
        for outfit, numerator in zip(map(tuple, rows.tolist()), found.numerators.tolist()):
            keys = _keys(problem, outfit)
            if len(taken) < k and outfit not in taken and all(uses[key] < max_repeats for key in keys):
                taken[outfit] = numerator
                uses.update(keys)
        if found.bound is not None:
            bound = found.bound
            break
        if len(found.items) < wanted:
            break
        left = _without(left, {key for key, times in uses.items() if times >= max_repeats})
    items = np.array(list(taken), dtype=np.int64).reshape(len(taken), len(problem.rows))
    for slot, allowed in enumerate(problem.rows):
        items[:, slot] = np.searchsorted(allowed, items[:, slot])
    numerators = np.array(list(taken.values()), dtype=np.int64)
    return Found(items, numerators, bound, expanded, scored)


def _keys(problem: Problem, outfit: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(problem.kinds, outfit))


def _without(problem: Problem, used_up: set[tuple[str, int]]) -> Problem:
    """The problem without some items, by type and row."""
    masks = [
        ~np.isin(rows, [row for own, row in used_up if own == kind]) for kind, rows in zip(problem.kinds, problem.rows)
    ]
    return replace(
        problem,
        rows=tuple(rows[mask] for rows, mask in zip(problem.rows, masks)),
        values=tuple(values[mask] for values, mask in zip(problem.values, masks)),
        codes=tuple(codes[mask] for codes, mask in zip(problem.codes, masks)),
    )


def complete(
    bundle: Bundle,
    user_code: Packed,
    given: Mapping[str, int],
    k: int,
    open_slots: Sequence[str] | None = None,
    *,
    allowed: Mapping[str, np.ndarray] | None = None,
    max_repeats: int | None = None,
    partners: Partners | None = None,
    budget: SearchLimits = NO_LIMIT,
) -> Composition:
    """The k best outfits that hold the given items, exactly.

    Args:
        bundle: an open bundle.
        user_code: (D / 8,) uint8, packed.
        given: by slot name the row of an item, at least one.
        k: at most how many outfits; fewer come back where fewer exist.
        open_slots: names of the slots to fill; by default all others of the bundle.
        allowed, max_repeats, partners, budget: as for `compose`; lists and budget matter only where
            several slots are open.

    Raises:
        QueryError: nothing is given, nothing is open, a slot both given and open, and as `compose`.
    """
    if not given:
        raise QueryError("nothing is given: name at least one item, or ask for whole outfits with compose")
    return compose(
        bundle,
        user_code,
        k,
        open_slots,
        allowed=allowed,
        given=given,
        max_repeats=max_repeats,
        partners=partners,
        budget=budget,
    )
