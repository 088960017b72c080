"""Composition and completion over a live catalogue: filters, given items, caps, variety, and why fewer came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import _slot, check_type, find_item, slots_of_types
from fashion_hash.errors import DataError, QueryError
from fashion_hash.live.partners import LivePartners
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import Composed
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition
from fashion_hash.retrieval.filters.apply import Filter, allowed_rows, first_passing, within_budgets
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.filters.shortfall import Shortfall, explain_shortfall
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.pool.variety import Variety
from fashion_hash.retrieval.scores import hits_of
from fashion_hash.retrieval.users import User


class CompositionQuery(NamedTuple):
    """What is asked for; see Recommender.compose."""

    k: int
    types: Sequence[str] | None
    where: Mapping[str, Any] | None
    include: Mapping[str, str | Sequence[str]]
    exclude: Mapping[str, Sequence[str]]
    max_repeats: int | None
    max_per: Mapping[str, int]
    diversity: float
    seconds: float | None


class Selection(NamedTuple):
    """Outfits, (K', S) rows of items by slot, best first; the rest as in answers.Composed."""

    items: np.ndarray
    proven: bool
    gap: float
    shortfall: Shortfall | None


class Composer:
    """Composes outfits out of the items of a bundle and those that were added.

    Args:
        exported: the bundle, whose partner lists make composition fast.
        columns: of the catalogue.
    """

    def __init__(self, exported: Bundle, columns: LiveColumns) -> None:
        self._partners = LivePartners(exported)
        self._columns = columns

    def compose(self, snapshot: Snapshot, person: User, wanted: CompositionQuery) -> Composed:
        """See Recommender.compose."""
        method = METHODS[snapshot.bundle.scoring]
        chosen = self.choose(snapshot, person, wanted, method.compose, method.exhaustive)
        hits = hits_of(snapshot, person, chosen.items)
        return Composed(hits, chosen.proven, chosen.gap, person.personal, chosen.shortfall)

    def choose(
        self,
        snapshot: Snapshot,
        person: User,
        wanted: CompositionQuery,
        how: Callable[..., Composition],
        exhaustive: bool = True,
    ) -> Selection:
        """The outfits that are wanted; `how` ranks the allowed ones, see retrieval.methods.Methods."""
        check_count("k", wanted.k)
        variety = Variety(wanted.diversity, wanted.max_per, self._columns)
        variety.check()
        chosen = self._columns.filter(snapshot, wanted.where)
        bundle = person.bundle_of(snapshot)
        given, narrowed = _included(bundle, wanted.include)
        names = _open_slots(bundle, wanted, given)
        allowed = _allowed(snapshot, chosen, names, given, narrowed, wanted.exclude)
        partners = self._partners.of(bundle)
        budget = NO_LIMIT if wanted.seconds is None else SearchLimits(seconds=_seconds(wanted.seconds))
        found: Composition | None = None

        def best(count: int) -> tuple[np.ndarray, bool]:
            nonlocal found
            found = how(
                bundle,
                person.code,
                count,
                names,
                allowed=allowed,
                given=given,
                max_repeats=wanted.max_repeats,
                partners=partners,
                budget=budget,
            )
            # a re-ranked shortlist is not proven however long it gets; a longer one may hold more that pass
            return found.items, found.proven or not exhaustive

        def passes(items: np.ndarray) -> np.ndarray:
            return within_budgets(chosen, bundle.slots, items)

        # one open slot: allowed_rows has left out whatever exceeds a total
        tested = bool(chosen.budgets) and len(names) > 1
        varied = bool(wanted.max_per or wanted.diversity)
        count = variety.first(wanted.k) if varied else wanted.k
        if tested:
            places, proven = first_passing(best, passes, count)
        else:
            items, proven = best(count)
            places = np.arange(len(items))
        assert found is not None
        proven = proven and found.proven
        gap = found.gap if not found.proven else 0.0 if proven else np.inf
        if varied:
            places = places[variety.choose(snapshot, found.items[places], found.scores[places], wanted.k)]
        missing = None
        if wanted.where and proven and len(places) < wanted.k:
            missing = explain_shortfall(wanted.k, len(places), chosen, self._columns.of(snapshot))
        return Selection(found.items[places], proven, gap, missing)


def _included(
    bundle: Bundle, include: Mapping[str, str | Sequence[str]]
) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """By slot name the row that it holds, and the rows of which it holds one."""
    given: dict[str, int] = {}
    narrowed: dict[str, np.ndarray] = {}
    for name, ids in include.items():
        kind = bundle.slots[_slot(bundle, name)]
        if isinstance(ids, str):
            given[name] = find_item(bundle, kind, ids)
            twins = [other for other in given if other != name and bundle.slots[_slot(bundle, other)] == kind]
            if any(given[other] == given[name] for other in twins):
                raise DataError(f"{kind} {ids!r} is given twice: leave one of the slots out")
        else:
            narrowed[name] = np.unique([find_item(bundle, kind, one) for one in ids]).astype(np.int64)
    return given, narrowed


def _open_slots(bundle: Bundle, wanted: CompositionQuery, given: Mapping[str, int]) -> list[str]:
    if wanted.types is None:
        return [name for name in bundle.slot_names if name not in given]
    names = slots_of_types(bundle, wanted.types)
    for name in wanted.include:
        _slot(bundle, name)
        if name not in given and name not in names:
            raise QueryError(f"include narrows slot {name!r}, which is not among the slots {names}")
    return [name for name in names if name not in given]


def _allowed(
    snapshot: Snapshot,
    chosen: Filter,
    names: Sequence[str],
    given: Mapping[str, int],
    narrowed: Mapping[str, np.ndarray],
    exclude: Mapping[str, Sequence[str]],
) -> dict[str, np.ndarray]:
    """By open slot name the rows that may fill it; all where it says nothing."""
    bundle = snapshot.bundle
    places = {name: _slot(bundle, name) for name in names}
    held = {_slot(bundle, name): row for name, row in given.items()}
    by_slot = allowed_rows(chosen, bundle.slots, list(places.values()), held)
    allowed = {name: by_slot[slot] for name, slot in places.items() if slot in by_slot}
    for name, rows in narrowed.items():
        allowed[name] = np.intersect1d(allowed[name], rows) if name in allowed else rows
    for kind, ids in exclude.items():
        check_type(bundle, kind)
        if isinstance(ids, str):
            raise QueryError(f"exclude.{kind}: a list of item ids, not the text {ids!r}")
        out = [find_item(bundle, kind, one) for one in ids]
        for name, slot in places.items():
            if bundle.slots[slot] == kind:
                every = allowed.get(name, np.arange(len(bundle.items[kind])))
                allowed[name] = np.setdiff1d(every, out)
    return allowed


def _seconds(seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise QueryError(f"seconds = {seconds!r}: a number above 0")
    return float(seconds)
