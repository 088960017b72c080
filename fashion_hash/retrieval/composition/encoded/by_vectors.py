"""Composition under an outfit encoder: a shortlist by items alone, ranked by the encoder, then improved by swaps.

The score of a whole outfit is no sum over its items, so that nothing proves the best of all outfits. But an
outfit lies near the mean of its items' own vectors, and with typical items in the other slots the nearness of
such a mean is a number an item: composition (compose.py) finds exactly the outfits whose numbers add up to
most, and the encoder ranks them. From the best it goes on by swaps: where an outfit would move if one item
were replaced is foretold for every item, the encoder ranks the most promising, until the best stay the best.
If the shortlist holds every possible outfit the answer is exact, and says so.

Where items may not repeat, some of the best are taken, what they use up is left out, and the search goes on from
what was ranked before and is still allowed.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, fixed_point
from fashion_hash.core.outfits import canonical_items
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.outfit_vectors import encoder_of
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.composition.bounds import Clock
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition, compose
from fashion_hash.retrieval.composition.encoded.ranked import RankedOutfits
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.pool.diversity import Cap, item_keys, take_within_caps

# by recall on the sample (benchmarks/bench_encoder.py); how many are wanted times 4, and 500 at least
SHORTLIST, SHORTLIST_LEAST = 4, 500
SWAP_LEAST, ROUNDS = 30, 5
MOST = 30_000.0  # a bias beyond does not fit its fixed point


def compose_encoded(
    task: CompositionTask, k: int, max_repeats: int | None = None, limits: SearchLimits = NO_LIMIT
) -> Composition:
    """The k outfits that are likely the best over the whole product of the allowed items.

    With max_repeats the items that are used up are dropped and the rest is searched again, until k are taken.

    Args:
        task: the outfits to compose.
        k: at most how many outfits.
        max_repeats: as for `compose`.
        limits: where to stop early.

    Returns:
        Scores are the encoder's. `proven` only where every outfit was encoded; else `gap` is what an outfit
        at no distance, of the most popular items, would score above the last. Fewer than k come where
        beside these there is no outfit, or none that max_repeats allows; or, with a gap of inf, where the
        limits were reached.

    Raises:
        QueryError: as for `compose`.
    """
    started = time.monotonic()
    check_count("k", k)
    if max_repeats is not None:
        check_count("max_repeats", max_repeats)
    search = _Search(task, max(SHORTLIST * k, SHORTLIST_LEAST), limits)
    if max_repeats is None:
        search.shortlist()
        search.improve(k, ROUNDS)
        taken = search.first(k)
        complete = search.complete
    else:
        taken, complete = _take_within_cap(search, k, max_repeats)
    gap = 0.0 if complete else _gap(task.bundle, taken, k, search.cut)
    spent = time.monotonic() - started
    return Composition(*taken, complete, gap, search.expanded, search.ranked.scored, spent)


class _Scored(NamedTuple):
    """Outfits, (N, S) rows of items by slot, and their scores, (N,) float64."""

    items: np.ndarray
    scores: np.ndarray


class _Search:
    """What was ranked of the outfits of a task, and where the search stands.

    Attributes:
        ranked: the outfits that may be taken.
        complete: whether these are all that exist.
        cut: whether the limits cut the search short.
        expanded: see Composition.
    """

    def __init__(self, task: CompositionTask, count: int, limits: SearchLimits) -> None:
        self.task, self._count, self._limits = task, count, limits
        self._by_items = _by_items(task)
        self._clock = Clock(limits.seconds)
        self._places = {task.bundle.slot_names.index(name): name for name in task.open_slots}
        self.ranked = RankedOutfits(task, self._clock)
        self.complete, self.cut, self.expanded = False, False, 0

    def shortlist(self) -> None:
        """Ranks the best outfits by items alone."""
        limits = self._limits._replace(
            seconds=self._clock.left, partial_outfits=self._limits.partial_outfits - self.expanded
        )
        shortlist = compose(replace(self._by_items, allowed=self.task.allowed), self._count, limits=limits)
        self.expanded += shortlist.expanded
        self.ranked.rank(shortlist.items)
        self.cut |= not (shortlist.proven and self.ranked.in_time)
        self.complete = not self.cut and len(shortlist.items) < self._count

    def improve(self, k: int, rounds: int) -> None:
        """Goes on by swaps from the best until the first k stay the same."""
        if self.complete:
            return
        allowed = {slot: self._allowed(slot) for slot in self._places}
        first = self.first(k)
        for _ in range(rounds):
            if not self.ranked.swap(max(k, SWAP_LEAST), allowed):
                break
            before, first = first, self.first(k)
            if np.array_equal(first.items, before.items):
                break
        self.cut |= not self.ranked.in_time

    def first(self, k: int) -> _Scored:
        """The best k."""
        places, scores = self.ranked.first(k)
        return _Scored(self.ranked.items[places], scores)

    def leave_out(self, taken: np.ndarray, most: int) -> None:
        """Leaves out the outfits taken, (N, S), and those of items that `most` of them hold."""
        bundle = self.task.bundle
        uses = {item_type: np.zeros(len(bundle.items[item_type]), dtype=np.int64) for item_type in bundle.types}
        for slot in self._places:
            np.add.at(uses[bundle.slots[slot]], taken[:, slot], 1)
        gone = ~_others(bundle, self.ranked.items, taken)
        allowed = {}
        for slot, name in self._places.items():
            may = uses[bundle.slots[slot]] < most
            gone |= ~may[self.ranked.items[:, slot]]
            rows = self._allowed(slot)
            allowed[name] = rows[may[rows]]
        self.ranked.leave_out(gone)
        self.task = replace(self.task, allowed=allowed)

    def _allowed(self, slot: int) -> np.ndarray:
        """The rows that a slot may hold, ascending."""
        bundle, rows = self.task.bundle, self.task.allowed.get(self._places[slot])
        size = len(bundle.items[bundle.slots[slot]])
        return np.arange(size) if rows is None else np.unique(rows).astype(np.int64)


def _take_within_cap(search: _Search, k: int, most: int) -> tuple[_Scored, bool]:
    """At most k outfits, best first, of which no item is in more than `most`; and whether they are exact."""
    bundle, fixed = search.task.bundle, [search.task.bundle.slot_names.index(name) for name in search.task.fixed]
    taken = _Scored(search.ranked.items, np.empty(0))
    while True:
        search.shortlist()
        complete = search.complete and not len(taken.items)
        search.improve(SWAP_LEAST, ROUNDS)
        # beyond these none was improved by swaps
        new = search.first(len(search.ranked.items) if search.complete or search.cut else SWAP_LEAST)
        items, scores = np.concatenate([taken.items, new.items]), np.concatenate([taken.scores, new.scores])
        keys = item_keys(bundle.slots, items)
        keys[:, fixed] = -1  # every outfit holds these items
        places = take_within_caps([Cap(keys, most)], len(items), k)
        taken = _Scored(items[places], scores[places])
        if len(taken.items) == k or search.complete or search.cut:
            break
        search.leave_out(taken.items, most)
    order = np.lexsort((*taken.items.T[::-1], -taken.scores))  # what a later search found may be better
    return _Scored(taken.items[order], taken.scores[order]), complete


def _gap(bundle: Bundle, taken: _Scored, k: int, cut: bool) -> float:
    """How much better than the last an outfit at no distance, of the most popular items, would be."""
    if not len(taken.items) or (cut and len(taken.items) < k):
        return float("inf")
    most = max(int(np.max(bias, initial=0)) for bias in bundle.item_bias.values()) / WEIGHT_ONE
    return max(0.0, most - float(taken.scores[-1]))


def _others(bundle: Bundle, items: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(N,) bool: outfits that are not among those taken."""
    known = {outfit.tobytes() for outfit in canonical_items(bundle.slots, taken)}
    keys = (outfit.tobytes() for outfit in canonical_items(bundle.slots, items))
    return np.array([key not in known for key in keys], dtype=bool)


def _by_items(task: CompositionTask) -> CompositionTask:
    """The task in which an outfit's score is the mean of a number an item, written as the items' biases."""
    bundle = task.bundle
    encoder, user = encoder_of(bundle), encoded.asking(bundle, task.user_key)
    names = [*task.open_slots, *task.fixed]
    item_types = [task.type_of(name) for name in names if name in bundle.slot_names]
    vectors = {item_type: items[:, encoder.width :] for item_type, items in bundle.encoded_items.items()}
    typical = {
        item_type: vectors[item_type].mean(axis=0, dtype=np.float64)
        for item_type in item_types
        if len(vectors[item_type])
    }
    together = sum((typical.get(item_type, 0.0) for item_type in item_types), np.zeros(bundle.num_bits))
    item_bias = {}
    for item_type, item_vectors in vectors.items():
        query = 2.0 * user
        length = 0.0
        if encoder.output == "float" and encoder.distance == "euclidean":
            # |mean|^2 = sum over items of o.o / n^2 and of o.o' / n^2 with typical o' in the other slots
            query = query - 2.0 * (together - typical.get(item_type, 0.0)) / len(item_types)
            length = np.einsum("nd,nd->n", item_vectors, item_vectors, dtype=np.float64) / len(item_types)
        value = bundle.item_bias[item_type] / WEIGHT_ONE + encoder.factor * (
            item_vectors @ query.astype(np.float32) - length
        )
        item_bias[item_type] = fixed_point(np.clip(value, -MOST, MOST))
    alone = bundle.view(preference_scale=0, compatibility_scale=0, item_bias=item_bias)
    return replace(task, bundle=alone, user_key=np.zeros(bundle.num_bits // 8, dtype=np.uint8), partners=None)
