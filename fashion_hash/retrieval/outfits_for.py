"""Outfits for a request: composed around the items that match it best.

    total = FHN score of the outfit + weight * request score of its anchor

The anchor is the item of the outfit that the request is about: the one that agrees with it in most bits, of
those that were not given beforehand. Every outfit holds at least one of the best items of the search. For
each slot in turn the anchors fill that slot, and composition ranks by score and bonus (`compose`, exactly);
the k best outfits by total are among the k best of the slots, whichever slot their anchor is in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Integers, Packed, fixed_point
from fashion_hash.data.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import Hit, hits_of
from fashion_hash.retrieval.compose import Composition, check_count, compose
from fashion_hash.retrieval.compose_search import Budget
from fashion_hash.retrieval.composing import Composer, Wanted
from fashion_hash.retrieval.living_requests import LivingRequests
from fashion_hash.retrieval.partners import Partners
from fashion_hash.retrieval.people import Person
from fashion_hash.retrieval.requests import Asked, By, best_places, near_items, shares_of
from fashion_hash.retrieval.shortfall import Shortfall

# a share of agreeing bits, times 20, spans as much as a term of FHN's score: 10 * (agreeing - differing) / all
REQUEST_WEIGHT, MOST_WEIGHT = 20.0, 10_000.0


@dataclass(frozen=True)
class OutfitHit(Hit):
    """An outfit for a request: a Hit, and what the request adds.

    Attributes:
        request: the share of bits in which the anchor agrees with the request, 0 to 1.
        total: score + weight * request; hits come in its order.
        anchor: name of the slot whose item the request is about.
    """

    request: float = 0.0
    total: float = 0.0
    anchor: str = ""


@dataclass(frozen=True)
class OutfitsFor:
    """Outfits for a request.

    Attributes:
        hits: best total first; ties by item row.
        proven, gap: as in Composed, of the totals of all outfits that hold an anchor.
        personal: False where nothing is known of who asks; compatibility alone decides the score then.
        by, note, known_words, unknown_words: see ItemHits.
        weight: of the request.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise.
    """

    hits: list[OutfitHit]
    proven: bool
    gap: float
    personal: bool
    by: By
    note: str
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    weight: float
    shortfall: Shortfall | None


def outfits_for(
    requests: LivingRequests,
    composer: Composer,
    snapshot: Snapshot,
    person: Person,
    asked: Asked,
    wanted: Wanted,
    weight: float,
    anchors: int,
) -> OutfitsFor:
    """See Recommender.outfits_for."""
    check_weight(weight)
    check_count("anchors", anchors)
    check_count("k", wanted.k)
    around = Around(requests, snapshot, asked.code, float(weight), max(int(anchors), int(wanted.k)))
    chosen = composer.choose(snapshot, person, wanted, around.best)
    bundle, given = person.bundle_of(snapshot), [name for name, one in wanted.include.items() if isinstance(one, str)]
    request, slots = anchors_in(
        requests, snapshot, asked.code, chosen.items, [name for name in bundle.slot_names if name not in given]
    )
    totals = total_scores(bundle, person.code, chosen.items, bonus_of(request, around.weight))
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


def check_weight(weight: float) -> None:
    """Raises QueryError unless a weight is a number from 0 to MOST_WEIGHT."""
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.floating) or not math.isfinite(weight):
        raise QueryError(f"weight = {weight!r}: a number from 0 (the score alone orders) to {MOST_WEIGHT:,.0f}")
    if not 0 <= weight <= MOST_WEIGHT:
        raise QueryError(f"weight = {weight}: a number from 0 (the score alone orders) to {MOST_WEIGHT:,.0f}")


def bonus_of(shares: np.ndarray, weight: float) -> Integers:
    """What request scores add to a total, in fixed point."""
    return fixed_point(weight * shares).astype(np.int64)


def total_scores(bundle: Bundle, user_code: Packed, items: np.ndarray, bonus: np.ndarray) -> np.ndarray:
    """FHN scores of outfits, (R, S), and a bonus each: one fraction of integers, rounded once."""
    terms = exact.terms(bundle, user_code, items)
    return exact.scores(bundle, replace(terms, bias=terms.bias + bonus * terms.num_items))


def anchors_in(
    requests: LivingRequests, snapshot: Snapshot, code: Packed, items: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The best request score of outfits' items, (R, S), in some slots, (R,) float64, and which slot it is of."""
    bundle = snapshot.bundle
    found = np.full(items.shape, -1.0)
    for name in names:
        slot = bundle.slot_names.index(name)
        here = np.flatnonzero(items[:, slot] != EMPTY)
        found[here, slot] = shares_of(requests, snapshot, bundle.slots[slot], code, items[here, slot])
    return found.max(axis=1), found.argmax(axis=1)


def anchor_of(
    requests: LivingRequests, snapshot: Snapshot, code: Packed, items: np.ndarray, name: str | None = None
) -> int:
    """The slot of an outfit, (S,), whose item the request is about: the best, unless it is named.

    Raises QueryError when the named one does not exist or is empty.
    """
    names = snapshot.bundle.slot_names
    if name is None:
        return int(anchors_in(requests, snapshot, code, items[None], names)[1][0])
    if name not in names or items[names.index(name)] == EMPTY:
        filled = [one for one, row in zip(names, items) if row != EMPTY]
        raise QueryError(f"anchor = {name!r}: this outfit has items in the slots {', '.join(filled)}")
    return names.index(name)


class Around:
    """Composition around the best items for a request; `best` stands in the place of retrieval.compose.compose.

    Args:
        requests, snapshot, code: what is asked of what.
        weight: of the request.
        most: how many anchors.
    """

    def __init__(self, requests: LivingRequests, snapshot: Snapshot, code: Packed, weight: float, most: int) -> None:
        self._requests = requests
        self._snapshot = snapshot
        self._code = code
        self.weight = weight
        self._most = most

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
        budget: Budget,
    ) -> Composition:
        """The `count` best outfits by total that hold an anchor in one of the slots `names`; scores are totals."""
        if not names:
            raise QueryError("nothing is left to choose: leave at least one slot open")
        assert max_repeats is None  # not offered with requests
        started = time.monotonic()
        found: list[Composition] = []
        beyond: list[float] = []  # no outfit that was left out has a greater total
        anchors = self._anchors(bundle, names, allowed)
        for number, (name, rows) in enumerate(anchors.items()):
            kind = bundle.slots[bundle.slot_names.index(name)]
            bonus = np.zeros(len(bundle.items[kind]), dtype=np.int64)
            bonus[rows] = bonus_of(shares_of(self._requests, self._snapshot, kind, self._code, rows), self.weight)
            # an outfit comes once for each item of the type that may be its anchor
            times = sum(bundle.slots[bundle.slot_names.index(other)] == kind for other in names)
            left = (budget.seconds - (time.monotonic() - started)) / (len(anchors) - number)
            one = compose(
                bundle,
                user_code,
                count * times,
                names,
                allowed={**allowed, name: rows},
                given=given,
                partners=partners,
                budget=budget._replace(seconds=left),
                bonus={name: bonus},
            )
            found.append(one)
            if not one.proven:
                last, slot = one.items[-1:], bundle.slot_names.index(name)
                full = len(one.items) == count * times
                least = total_scores(bundle, user_code, last, bonus[last[:, slot]])[0] if full else np.inf
                beyond.append(float(least) + one.gap)
        items = np.concatenate([np.zeros((0, len(bundle.slots)), dtype=np.int64), *(one.items for one in found)])
        items = np.unique(_in_order(bundle, items, names, allowed), axis=0)
        totals = total_scores(
            bundle,
            user_code,
            items,
            bonus_of(anchors_in(self._requests, self._snapshot, self._code, items, names)[0], self.weight),
        )
        best = exact.top(totals, count)  # rows of `items` are in order
        worst = totals[best[-1]] if len(best) == count else -np.inf
        return Composition(
            items[best],
            totals[best],
            not beyond,
            max(0.0, max(beyond) - worst) if beyond else 0.0,
            sum(one.expanded for one in found),
            sum(one.scored for one in found),
            time.monotonic() - started,
        )

    def _anchors(
        self, bundle: Bundle, names: Sequence[str], allowed: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """By name of a slot the anchors that may fill it; slots without one are left out."""
        kinds = {name: bundle.slots[bundle.slot_names.index(name)] for name in names}
        types = tuple(dict.fromkeys(kinds.values()))
        rows, scores, numbers = [], [], []
        for number, kind in enumerate(types):
            mask = np.zeros(len(bundle.items[kind]), dtype=bool)
            for name in names:
                if kinds[name] == kind:
                    mask[allowed.get(name, slice(None))] = True
            near = near_items(self._requests, self._snapshot, kind, self._code, self._most, mask)
            rows.append(near.rows)
            scores.append(-near.distances.astype(np.float64))
            numbers.append(np.full(len(near.rows), number))
        of, row = np.concatenate(numbers), np.concatenate(rows)
        best = best_places(bundle, types, of, row, np.concatenate(scores), self._most)
        found = {}
        for name, kind in kinds.items():
            mine = np.sort(row[best[of[best] == types.index(kind)]])
            found[name] = np.intersect1d(mine, allowed[name]) if name in allowed else mine
        return {name: rows for name, rows in found.items() if len(rows)}


def _in_order(bundle: Bundle, items: np.ndarray, names: Sequence[str], allowed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Outfits with the smaller row in the first of two slots of one type, where both ways are allowed.

    As `compose` has it. Where an empty slot repeats an item the ways differ, and stay.
    """
    items = items.copy()
    slots = [bundle.slot_names.index(name) for name in bundle.slot_names if name in names]
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
