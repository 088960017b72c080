"""Outfits for a request: composed around the items that match it best.

    total = FHN score of the outfit + weight * request score of its anchor

The anchor is the item that the request is about: of the items that the outfit adds, the first one in the
search. Every outfit holds one of the best items of the search; see anchors.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, fixed_point, hamming
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index.scoring import scoring_of
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
from fashion_hash.retrieval.search.items import best_places, near_items, shares

VARIED_PER_ANCHOR = 10  # outfits of an anchor among those that a varied list is chosen of


class OutfitsForOptions(OutfitOptions, total=False):
    """The options of Recommender.outfits_for; AnchorQuery and CompositionQuery hold their defaults and meaning."""

    weight: float
    anchors: int
    per_anchor: int | None


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
    composition = {name: value for name, value in options.items() if name not in names}
    return CompositionQuery(k, **composition), AnchorQuery(**around)


def outfits_for(moment: Moment, request: SearchQuery, query: CompositionQuery, around: AnchorQuery) -> OutfitsFor:
    """See Recommender.outfits_for."""
    check_fhn(moment.bundle)
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
    composer = AnchoredComposer(moment, request.code, float(around.weight), max(int(around.anchors), k), per_anchor)
    best, shortfall = choose_outfits(moment, query, composer.best)
    assert best.anchors is not None
    anchored = zip(hits_of(moment, best.items), best.scores, best.anchors.slots, best.anchors.shares)
    return OutfitsFor(
        hits=[
            OutfitHit(**vars(hit), request=float(share), total=float(total), anchor=moment.bundle.slot_names[slot])
            for hit, total, slot, share in anchored
        ],
        proven=best.proven,
        gap=best.gap,
        personal=moment.user.personal,
        by=request.by,
        note=request.note,
        known_words=request.known_words,
        unknown_words=request.unknown_words,
        weight=composer.weight,
        shortfall=shortfall,
    )


@dataclass(frozen=True, eq=False)
class AnchoredComposer:
    """Composition around the best items for a request; `best` stands in the place of `compose`.

    Attributes:
        moment: the catalogue.
        code: (D / 8,) uint8, packed, of the request.
        weight: of the request.
        most: how many anchors.
        per_anchor: how many outfits around each.
    """

    moment: Moment
    code: Packed
    weight: float
    most: int
    per_anchor: int

    def best(self, task: CompositionTask, k: int, max_repeats: int | None, limits: SearchLimits) -> Composition:
        """The k best outfits by total that hold an anchor in an open slot, with their anchors; scores are totals."""
        started = time.monotonic()
        check_open(task.open_slots)
        anchors = self._anchors(task)
        problem = AnchorProblem(task, anchors, self.per_anchor, started + limits.seconds)
        ranking = rank(problem, k) if max_repeats is None else rank_within_caps(problem, k, int(max_repeats))
        least = ranking.totals[-1] if len(ranking.items) == k else -np.inf
        proven = ranking.bound == -np.inf
        return Composition(
            ranking.items,
            ranking.totals,
            proven,
            0.0 if proven else max(0.0, ranking.bound - least),
            seconds=time.monotonic() - started,
            anchors=AnchorsHeld(_slots_of_anchors(task, anchors, ranking), anchors.shares[ranking.anchors]),
        )

    def _anchors(self, task: CompositionTask) -> Anchors:
        """The best items of the search that may fill an open slot."""
        bundle = task.bundle
        masks: dict[str, np.ndarray] = {}
        for name in task.open_slots:
            item_type = task.type_of(name)
            mask = masks.setdefault(item_type, np.zeros(len(bundle.items[item_type]), dtype=bool))
            mask[task.allowed.get(name, slice(None))] = True
        near = near_items(self.moment, tuple(masks), self.code, self.most, masks)
        near = near.at(best_places(bundle, near, -near.distances, self.most))
        agreeing = shares(near.distances, 8 * len(self.code))
        bonus = fixed_point(self.weight * agreeing).astype(np.int64)
        return Anchors(near.item_types, near.rows, agreeing, bonus)


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


def check_fhn(bundle: Bundle) -> None:
    """Raises QueryError for a bundle with scores that are not sums over items and pairs."""
    if not scoring_of(bundle).adds_up:
        raise QueryError(
            f"{bundle.path} scores outfits with an outfit encoder: outfits for a request need the bundle of an FHN "
            "run; search answers with items"
        )


def anchor_of(moment: Moment, code: Packed, items: np.ndarray, name: str | None = None) -> int:
    """The slot of an outfit, (S,), with the item that agrees best with a request, or the named slot.

    Raises:
        QueryError: the named slot does not exist or is empty.
    """
    snapshot = moment.snapshot
    names, slots = snapshot.bundle.slot_names, snapshot.bundle.slots
    filled = [slot for slot, row in enumerate(items.tolist()) if row != EMPTY]
    if name is None:
        codes = [moment.tower.items(snapshot, slots[slot], items[slot : slot + 1]).codes[0] for slot in filled]
        return filled[int(np.argmin(hamming(np.array(codes), code)))]
    if name not in names or names.index(name) not in filled:
        listed = ", ".join(names[slot] for slot in filled)
        raise QueryError(f"anchor must be a filled slot of this outfit, one of {listed}, got {name!r}")
    return names.index(name)
