"""Outfits for a request: composed around the items that match it best.

    total = score of the outfit + weight * request score of its anchor

The anchor is the item that the request is about: of the items that the outfit adds, the first one in the
search. Every outfit holds one of the best items of the search; see anchors.py. Hard facts decide as in the search:
outfits whose anchors have more of them come first, whatever their totals.

What the request wants beside ("with black boots", "to go with my blue jeans", further items asked for) stands in a slot
of its own: one of the items that fit it best, those with all of it or, where no allowed item has all, those that lack
the least important. If no outfit can hold it, it is left out, and the answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from fashion_hash.core.codes import fixed_point
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, shown
from fashion_hash.retrieval.answers import OutfitHit, OutfitsFor
from fashion_hash.retrieval.checks import (
    MAX_PER_EXAMPLE,
    REQUEST_WEIGHT,
    check_count,
    check_mapping,
    check_skip,
    check_weight,
)
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
from fashion_hash.retrieval.composition.compose import AnchorsHeld, Composition
from fashion_hash.retrieval.composition.composer import CompositionQuery, OutfitOptions, choose_outfits
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.pool.diversity import check_diversity
from fashion_hash.retrieval.scores import hits_of
from fashion_hash.retrieval.search.anchors import (
    AnchoredRanking,
    AnchorProblem,
    Anchors,
    check_open,
    rank,
    rank_within_caps,
)
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.companions import Companion, companions_of
from fashion_hash.retrieval.search.items import best_places, counts_bits_alone, rank_items, relaxed
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import complete

VARIED_PER_ANCHOR = 10  # outfits of an anchor among those that a varied list is chosen of


class OutfitsForOptions(OutfitOptions, total=False):
    """The options of Recommender.outfits_for; AnchorQuery and CompositionQuery hold their defaults and meaning."""

    weight: float
    anchors: int
    per_anchor: int | None
    facts: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class AnchorQuery:
    """How outfits are built around the best items for a request.

    Attributes:
        weight: of the request in an outfit's total.
        anchors: how many of the best items outfits are built around.
        per_anchor: at most this many outfits around one item; None for no limit.
    """

    weight: float = REQUEST_WEIGHT
    anchors: int = 50
    per_anchor: int | None = 2

    def check(self) -> None:
        """Raises QueryError for numbers without meaning."""
        check_weight(self.weight)
        check_count("anchors", self.anchors)
        if self.per_anchor is not None:
            check_count("per_anchor", self.per_anchor)


def read_options(k: int, options: Mapping[str, Any]) -> tuple[CompositionQuery, AnchorQuery]:
    """The options of Recommender.outfits_for as queries."""
    names = {field.name for field in fields(AnchorQuery)}
    around = {name: value for name, value in options.items() if name in names}
    composition = {name: value for name, value in options.items() if name not in names and name != "facts"}
    return CompositionQuery(k, **composition), AnchorQuery(**around)


def outfits_for(moment: Moment, request: SearchQuery, query: CompositionQuery, around: AnchorQuery) -> OutfitsFor:
    """See Recommender.outfits_for."""
    around.check()
    k = check_count("k", query.k) + check_skip(query.skip)
    if query.skip and int(around.anchors) < k:
        raise QueryError(
            f"anchors must be at least skip + k, {k}, so that all pages are built around the same items, "
            f"got {around.anchors}"
        )
    max_per = check_mapping("max_per", query.max_per, MAX_PER_EXAMPLE)
    check_diversity(query.diversity)
    if set(max_per) == {"item"} and not query.diversity:  # exactly, not out of a shortlist
        query = replace(query, max_per=None, max_repeats=check_count("max_per['item']", max_per["item"]))
    if query.max_per or query.diversity:
        per_anchor = VARIED_PER_ANCHOR
    else:
        per_anchor = k if around.per_anchor is None else int(around.per_anchor)
    method = METHODS[moment.bundle.scoring]
    varied = k if query.diversity else None
    composer = AnchoredComposer(moment, request, float(around.weight), max(int(around.anchors), k), per_anchor, varied)
    best, shortfall = choose_outfits(moment, query, composer.best, method.exhaustive)
    assert best.anchors is not None
    said = request.said or Understanding()
    has_all = complete(said, best.anchors.tiers)
    anchored = zip(hits_of(moment, best.items), best.scores, best.anchors.slots, best.anchors.shares, has_all)
    notes = [request.note, relaxed(said, best.anchors.tiers, "outfit") if request.said else "", *composer.notes]
    return OutfitsFor(
        hits=[
            OutfitHit(
                **vars(hit),
                request=float(share),
                total=float(total),
                anchor=moment.bundle.slot_names[slot],
                complete=bool(has),
            )
            for hit, total, slot, share, has in anchored
        ],
        proven=best.proven,
        gap=best.gap,
        personal=moment.user.personal,
        by=request.by,
        note="; ".join(filter(None, notes)),
        known_words=request.known_words,
        unknown_words=request.unknown_words,
        weight=composer.weight,
        shortfall=shortfall,
        understood=said.facts,
        goes_with=said.partner,
        by_bits=counts_bits_alone(request, best.anchors.shares),
    )


@dataclass(frozen=True, eq=False)
class AnchoredComposer:
    """Composition around the best items for a request; `best` stands in the place of `compose`.

    Attributes:
        moment: the catalogue.
        request: what is asked.
        weight: of the request.
        most: how many anchors.
        per_anchor: how many outfits around each.
        varied: of how many outfits a varied list is chosen: none of the tiers below theirs; None for other lists.
        notes: what could not be had beside the item, once `best` was called.
    """

    moment: Moment
    request: SearchQuery
    weight: float
    most: int
    per_anchor: int
    varied: int | None = None
    notes: list[str] = field(default_factory=list)

    def best(self, task: CompositionTask, k: int, max_repeats: int | None, limits: SearchLimits) -> Composition:
        """The k best outfits by total that hold an anchor in an open slot, with their anchors; scores are totals."""
        started = time.monotonic()
        check_open(task.open_slots)
        self.notes.clear()
        companions = companions_of(self.moment, task, self.request, self.notes)
        while True:
            rows = tuple(companion.rows for companion in companions)
            anchors = self._anchors(task, companions)
            problem = AnchorProblem(task, anchors, self.per_anchor, started + limits.seconds, rows)
            ranking = rank(problem, k) if max_repeats is None else rank_within_caps(problem, k, int(max_repeats))
            # what the item itself is to be comes before what comes with it
            if not companions or (len(ranking.items) and anchors.tiers[ranking.anchors[0]] == anchors.tiers[0]):
                break
            self.notes.append(f"no outfit holds {companions.pop().words!r} as well")
        tiers = anchors.tiers[ranking.anchors]
        if self.varied is not None and len(tiers) > self.varied:
            ranking = ranking.first(int((tiers >= tiers[self.varied - 1]).sum()))
            tiers = tiers[: len(ranking.items)]
        least = ranking.totals[-1] if len(ranking.items) == k else -np.inf
        proven = ranking.bound == -np.inf
        return Composition(
            ranking.items,
            ranking.totals,
            proven,
            0.0 if proven else max(0.0, ranking.bound - least),
            seconds=time.monotonic() - started,
            anchors=AnchorsHeld(_slots_of_anchors(task, anchors, ranking), anchors.shares[ranking.anchors], tiers),
        )

    def _anchors(self, task: CompositionTask, companions: Sequence[Companion]) -> Anchors:
        """The best items of the search that may fill an open slot, those apart that are to come with them."""
        bundle = task.bundle
        masks: dict[str, np.ndarray] = {}
        for name in task.open_slots:
            item_type = task.type_of(name)
            mask = masks.setdefault(item_type, np.zeros(len(bundle.items[item_type]), dtype=bool))
            mask[task.allowed.get(name, slice(None))] = True
        apart = {item_type: mask.copy() for item_type, mask in masks.items()}
        for companion in companions:
            for item_type, rows in companion.rows.items():
                apart[item_type][rows] = False
        if any(mask.any() for mask in apart.values()):
            masks = apart
        ranking = rank_items(self.moment, tuple(masks), self.request, self.most, masks)
        ranking = ranking.at(best_places(bundle, ranking.near, ranking.scores, self.most, ranking.tiers))
        bonus = fixed_point(self.weight * ranking.scores).astype(np.int64)
        return Anchors(ranking.near.item_types, ranking.near.rows, ranking.scores, bonus, ranking.tiers)


def _slots_of_anchors(task: CompositionTask, anchors: Anchors, ranking: AnchoredRanking) -> np.ndarray:
    """(K,) the slot in which each outfit holds its anchor."""
    slots = [task.bundle.slot_names.index(name) for name in task.open_slots]
    return np.array(
        [
            next(
                slot
                for slot in slots
                if outfit[slot] == anchors.rows[place] and task.bundle.slots[slot] == anchors.item_types[place]
            )
            for outfit, place in zip(ranking.items, ranking.anchors.tolist())
        ],
        dtype=np.int64,
    )


def anchor_of(moment: Moment, request: SearchQuery, items: np.ndarray, name: str | None = None) -> int:
    """The slot of an outfit, (S,), with the item that comes first in the search, or the named slot.

    Raises:
        QueryError: the named slot does not exist or is empty.
    """
    snapshot = moment.snapshot
    names, slots = snapshot.bundle.slot_names, snapshot.bundle.slots
    filled = [slot for slot, row in enumerate(items.tolist()) if row != EMPTY]
    if name is None:
        masks = {slots[slot]: np.zeros(len(snapshot.bundle.items[slots[slot]]), dtype=bool) for slot in filled}
        for slot in filled:
            masks[slots[slot]][items[slot]] = True
        ranking = rank_items(moment, tuple(masks), request, len(filled), masks)
        places = np.lexsort((np.arange(len(ranking.scores)), -ranking.scores, -ranking.tiers))
        first = ranking.at(places[:1]).near
        return next(slot for slot in filled if slots[slot] == first.item_types[0] and items[slot] == first.rows[0])
    if name not in names or names.index(name) not in filled:
        listed = ", ".join(names[slot] for slot in filled)
        raise QueryError(f"anchor must be a filled slot of this outfit, one of {listed}, got {shown(name)}")
    return names.index(name)
