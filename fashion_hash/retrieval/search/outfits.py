"""Outfits for a request: composed around the items that match it best.

    total = FHN score of the outfit + weight * request score of its anchor

The anchor is the item that the request is about: the one that comes first in the search, of those that were
not given beforehand. Every outfit holds one of the best items of the search; see anchors.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, fixed_point
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index.nearest import Near
from fashion_hash.index.partners import Partners
from fashion_hash.index.scoring import scoring_of
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import OutfitHit, OutfitsFor
from fashion_hash.retrieval.checks import check_count, check_weight
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
from fashion_hash.retrieval.composition.compose import Composition
from fashion_hash.retrieval.composition.composer import Composer, CompositionQuery
from fashion_hash.retrieval.scores import hits_of
from fashion_hash.retrieval.search.anchors import (
    AnchorProblem,
    Anchors,
    check_open,
    rank,
    rank_within_caps,
    total_scores,
)
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.items import best_places, near_items, shares, shares_of
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.users import User

VARIED_PER_ANCHOR = 10  # outfits of an anchor among those that a varied list is chosen of


def outfits_for(
    requests: LiveTower,
    composer: Composer,
    snapshot: Snapshot,
    person: User,
    asked: SearchQuery,
    wanted: CompositionQuery,
    weight: float,
    anchors: int,
    per_anchor: int | None,
) -> OutfitsFor:
    """See Recommender.outfits_for."""
    check_fhn(snapshot.bundle)
    check_weight(weight)
    check_count("k", wanted.k)
    check_count("anchors", anchors)
    if per_anchor is not None:
        check_count("per_anchor", per_anchor)
    if set(wanted.max_per) == {"item"} and not wanted.diversity:  # exactly, not out of a shortlist
        check_count("max_per['item']", wanted.max_per["item"])
        wanted = wanted._replace(max_per={}, max_repeats=wanted.max_per["item"])
    varied = bool(wanted.max_per or wanted.diversity)
    most_of_one = VARIED_PER_ANCHOR if varied else wanted.k if per_anchor is None else int(per_anchor)
    around = AnchoredComposer(
        requests, snapshot, asked.code, float(weight), max(int(anchors), int(wanted.k)), most_of_one
    )
    chosen = composer.choose(snapshot, person, wanted, around.best)
    bundle = person.bundle_of(snapshot)
    request, slots, bonus = around.of(chosen.items)
    totals = total_scores(bundle, person.code, chosen.items, bonus)
    hits = [
        OutfitHit(**vars(hit), request=share, total=total, anchor=bundle.slot_names[slot])
        for hit, share, total, slot in zip(
            hits_of(snapshot, person, chosen.items), request.tolist(), totals.tolist(), slots.tolist()
        )
    ]
    return OutfitsFor(
        hits,
        chosen.proven,
        chosen.gap,
        person.personal,
        asked.by,
        asked.note,
        asked.known_words,
        asked.unknown_words,
        around.weight,
        chosen.shortfall,
    )


class AnchoredComposer:
    """Composition around the best items for a request; `best` stands in the place of retrieval.compose.compose.

    Args:
        requests, snapshot, code: what is asked of what.
        weight: of the request.
        most: how many anchors.
        per_anchor: how many outfits of each.
    """

    def __init__(
        self,
        requests: LiveTower,
        snapshot: Snapshot,
        code: Packed,
        weight: float,
        most: int,
        per_anchor: int,
    ) -> None:
        self._requests = requests
        self._snapshot = snapshot
        self._code = code
        self.weight = weight
        self._most = most
        self._per_anchor = per_anchor
        self._names: Sequence[str] = ()
        self._anchors = Anchors([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        self._shares = np.zeros(0)

    def best(
        self,
        bundle: Bundle,
        user_code: Packed,
        count: int,
        names: Sequence[str],
        *,
        allowed: Mapping[str, np.ndarray],
        given: Mapping[str, int],
        max_repeats: int | None,
        partners: Partners | None,
        budget: SearchLimits,
    ) -> Composition:
        """The `count` best outfits by total that hold an anchor in one of the slots `names`; scores are totals."""
        started = time.monotonic()
        check_open(names)
        self._names = names
        self._choose_anchors(bundle, allowed)
        question = AnchorProblem(bundle, user_code, names, allowed, given, partners, started + budget.seconds)
        if max_repeats is None:
            found = rank(question, self._anchors, count, self._per_anchor)
        else:
            found = rank_within_caps(question, self._anchors, count, self._per_anchor, int(max_repeats))
        least = found.totals[-1] if len(found.items) == count else -np.inf
        proven = found.bound == -np.inf
        gap = 0.0 if proven else max(0.0, found.bound - least)
        return Composition(found.items, found.totals, proven, gap, 0, 0, time.monotonic() - started)

    def of(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of outfits, (R, S), that `best` answered: the anchor's request score, its slot and its bonus."""
        bundle, places = self._snapshot.bundle, np.full(items.shape, len(self._anchors.rows))
        for name in self._names:
            slot = bundle.slot_names.index(name)
            known = np.full(len(bundle.items[bundle.slots[slot]]) + 1, len(self._anchors.rows))  # EMPTY is the last
            mine = [place for place, kind in enumerate(self._anchors.kinds) if kind == bundle.slots[slot]]
            known[self._anchors.rows[mine]] = mine
            places[:, slot] = known[items[:, slot]]
        first = places.min(axis=1) if len(items) else np.zeros(0, dtype=np.int64)
        return self._shares[first], places.argmin(axis=1), self._anchors.bonus[first]

    def _choose_anchors(self, bundle: Bundle, allowed: Mapping[str, np.ndarray]) -> None:
        """The best items of the search that may fill one of the slots."""
        kinds = {name: bundle.slots[bundle.slot_names.index(name)] for name in self._names}
        types = tuple(dict.fromkeys(kinds.values()))
        found: list[Near] = []
        for kind in types:
            mask = np.zeros(len(bundle.items[kind]), dtype=bool)
            for name in self._names:
                if kinds[name] == kind:
                    mask[allowed.get(name, slice(None))] = True
            found.append(near_items(self._requests, self._snapshot, kind, self._code, self._most, mask))
        numbers = np.repeat(np.arange(len(types)), [len(near.rows) for near in found])
        near = Near(*(np.concatenate(parts) for parts in zip(*found)))
        best = best_places(bundle, types, numbers, near.rows, -near.distances, self._most)
        self._shares = shares(near.distances[best], 8 * len(self._code))
        bonus = fixed_point(self.weight * self._shares).astype(np.int64)
        self._anchors = Anchors([types[number] for number in numbers[best]], near.rows[best], bonus)


def check_fhn(bundle: Bundle) -> None:
    """Raises QueryError for a bundle whose scores are no sums over items and pairs."""
    if not scoring_of(bundle).adds_up:
        raise QueryError(
            f"{bundle.path} scores outfits with an outfit encoder: outfits for a request need the bundle of an FHN "
            "run; search answers with items"
        )


def anchor_of(requests: LiveTower, snapshot: Snapshot, code: Packed, items: np.ndarray, name: str | None = None) -> int:
    """The slot of an outfit, (S,), whose item agrees best with a request, or the one that is named.

    Raises QueryError when the named one does not exist or is empty.
    """
    bundle, names = snapshot.bundle, snapshot.bundle.slot_names
    filled = [slot for slot, row in enumerate(items.tolist()) if row != EMPTY]
    if name is None:
        shares = [shares_of(requests, snapshot, bundle.slots[slot], code, items[slot : slot + 1])[0] for slot in filled]
        return filled[int(np.argmax(shares))]
    if name not in names or names.index(name) not in filled:
        listed = ", ".join(names[slot] for slot in filled)
        raise QueryError(f"anchor = {name!r}: this outfit has items in the slots {listed}")
    return names.index(name)
