"""Composition and completion over a live catalogue: filters, fixed items, caps, variety, and shortfalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import find_item, outfit_rows, slot_of, slots_of_types
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.errors import DataError, QueryError
from fashion_hash.retrieval.answers import Composed
from fashion_hash.retrieval.checks import (
    check_count,
    check_list,
    check_mapping,
    check_seconds,
    check_skip,
    check_types,
)
from fashion_hash.retrieval.composition.bounds import Clock
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Compose, Composition
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.filters.apply import Filter, allowed_rows, first_passing, within_total_bounds
from fashion_hash.retrieval.filters.excluded import excluded_items
from fashion_hash.retrieval.filters.shortfall import Shortfall, explain_shortfall
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.pool.variety import Variety
from fashion_hash.retrieval.scores import hits_of
from fashion_hash.retrieval.users import LikesInCall

LONGEST_CAPPED = 1 << 12  # the longest ranking that is searched for outfits within `max_per`


class OutfitOptions(LikesInCall, total=False):
    """Options of every composition; CompositionQuery holds their defaults and meaning."""

    types: Sequence[str] | None
    where: Mapping[str, Any] | None
    include: Mapping[str, str | Sequence[str]] | None
    exclude: Mapping[str, Sequence[str]] | None
    max_per: Mapping[str, int] | None
    diversity: float
    seconds: float | None
    skip: int


class CompositionOptions(OutfitOptions, total=False):
    """The options of Recommender.compose; CompositionQuery holds their defaults and meaning."""

    max_repeats: int | None
    taste: float


@dataclass(frozen=True)
class CompositionQuery:
    """Which outfits to compose.

    Attributes:
        k: at most how many.
        types: the item types of the outfits, ["top", "top", "bottom"] for two tops, or slot names; None
            for all slots.
        where: which items, and which totals, are allowed: see retrieval/filters/language.py.
        include: by slot name the item it must hold, or a list of items of which it must hold one.
        exclude: by item type the ids of items that must not be used.
        max_repeats: no item, other than the fixed ones, in more than this many of the outfits.
        max_per: in how many of the outfits one "item", or one value of a column such as "brand", may occur.
        diversity: from 0, the best outfits, to 1, the most varied.
        seconds: stop after about this time; the answer may then not be proven.
        skip: leave out so many of the first outfits: k more follow.
        taste: the weight of taste against compatibility: see Recommender.recommend.
    """

    k: int
    types: Sequence[str] | None = None
    where: Mapping[str, Any] | None = None
    include: Mapping[str, str | Sequence[str]] | None = None
    exclude: Mapping[str, Sequence[str]] | None = None
    max_repeats: int | None = None
    max_per: Mapping[str, int] | None = None
    diversity: float = 0.0
    seconds: float | None = None
    skip: int = 0
    taste: float = AS_TRAINED


class Posed(NamedTuple):
    """A query that was read and checked against one state of the catalogue.

    Attributes:
        query: what was asked.
        chosen: its filter.
        variety: its caps and diversity.
        task: the outfits to form, for one user.
        limits: where to stop early.
    """

    query: CompositionQuery
    chosen: Filter
    variety: Variety
    task: CompositionTask
    limits: SearchLimits

    def of(self, moment: Moment) -> Posed:
        """The same query of another user at the same moment."""
        return self._replace(task=replace(self.task, bundle=moment.bundle, user_key=moment.user.user_key))


def completion(bundle: Bundle, items_by_slot: Mapping[str, str], query: CompositionQuery) -> CompositionQuery:
    """The query whose outfits all hold the given items: see Recommender.complete."""
    if isinstance(items_by_slot, Mapping) and not items_by_slot:
        raise QueryError("no item is given: give at least one, or use compose to form whole outfits")
    outfit_rows(bundle, items_by_slot)
    include = check_mapping("include", query.include, '{"top": "item-1"}')
    slots = [] if query.types is None else slots_of_types(bundle, check_types(query.types))
    for slot_names, option in ((slots, "types"), (include, "include")):
        if both := [name for name in slot_names if name in items_by_slot]:
            raise QueryError(f"slot {both[0]!r} is given an item and also named in {option}: leave one out")
    return replace(query, include={**include, **items_by_slot})


def compose_outfits(moment: Moment, query: CompositionQuery) -> Composed:
    """See Recommender.compose."""
    [composed] = compose_for_each([moment], [query])
    return composed


def compose_for_each(moments: Sequence[Moment], queries: Sequence[CompositionQuery]) -> list[Composed]:
    """See Recommender.compose_many: the answers to several users, read from one state of the catalogue.

    Args:
        moments: one for each user, all with the same snapshot.
        queries: what each user asks; they differ in nothing but `include`. A query is read once for all neighbours
            in the list that ask the same.
    """
    composed: list[Composed] = []
    posed: Posed | None = None
    for moment, query in zip(_with_taste(moments, queries), queries, strict=True):
        posed = pose_query(moment, query) if posed is None or posed.query is not query else posed.of(moment)
        method = METHODS[moment.bundle.scoring]
        best, shortfall = choose_posed(moment, posed, method.compose, method.exhaustive)
        outfits = hits_of(moment, best.items)
        composed.append(Composed(outfits, best.proven, best.gap, moment.user.personal, shortfall))
    return composed


def _with_taste(moments: Sequence[Moment], queries: Sequence[CompositionQuery]) -> list[Moment]:
    """The moments with the weight of taste that the queries ask for, weighed once."""
    if not moments:
        return []
    snapshot = moments[0].with_taste(queries[0].taste).snapshot
    return [replace(moment, snapshot=snapshot) for moment in moments]


def choose_outfits(
    moment: Moment, query: CompositionQuery, compose_best: Compose, exhaustive: bool = True
) -> tuple[Composition, Shortfall | None]:
    """The outfits that a query asks for, chosen from the ranking of `compose_best`, and the shortfall.

    Best first, varied lists in order of choice; `proven` and `gap` are those of the choice. See
    methods.Methods for `exhaustive`.
    """
    return choose_posed(moment, pose_query(moment, query), compose_best, exhaustive)


def pose_query(moment: Moment, query: CompositionQuery) -> Posed:
    """Reads and checks a query. Raises QueryError and UnknownIdError as Recommender.compose."""
    check_count("k", query.k)
    check_skip(query.skip)
    variety = Variety(query.diversity, {} if query.max_per is None else query.max_per, moment.columns)
    variety.check()
    chosen = moment.columns.filter(moment.snapshot, query.where)
    task = _task(moment, query, chosen)
    limits = NO_LIMIT if query.seconds is None else SearchLimits(seconds=check_seconds(query.seconds))
    return Posed(query, chosen, variety, task, limits)


def choose_posed(
    moment: Moment, posed: Posed, compose_best: Compose, exhaustive: bool
) -> tuple[Composition, Shortfall | None]:
    """See `choose_outfits`."""
    query, chosen, variety, task, limits = posed
    k, skip = query.k, query.skip
    slots = task.bundle.slots
    composition: Composition | None = None
    clock = Clock(limits.seconds)  # of all searches together

    def best(count: int) -> tuple[np.ndarray, bool]:
        nonlocal composition
        composition = compose_best(task, count, query.max_repeats, limits._replace(seconds=clock.left))
        # a re-ranked shortlist is not proven however long it gets; a longer one may hold more that pass
        return composition.items, composition.proven or not exhaustive

    varied = bool(variety.max_per or variety.diversity)
    count = skip + k
    if varied:
        # with diversity, the shortlist of the page before and as many outfits as it holds
        count = variety.first(k) + -(-skip // k) * k if variety.diversity else variety.first(count)
    while True:
        # with one open slot `allowed_rows` has left out whatever exceeds a total
        if chosen.total_bounds and len(task.open_slots) > 1:
            places, proven = first_passing(best, lambda items: within_total_bounds(chosen, slots, items), count)
        else:
            items, proven = best(count)
            places = np.arange(len(items))
        assert composition is not None
        proven = proven and composition.proven
        ended = len(places) < count  # there are no more outfits, or none was found in time
        places = places[_page(moment, variety, composition.at(places), query)] if varied else places[skip:]
        short = bool(variety.max_per) and len(places) < k and not ended
        if not short or not proven or query.seconds is not None or count >= LONGEST_CAPPED:
            break
        count = min(4 * count, LONGEST_CAPPED)  # the caps left out too many: longer rankings may hold more
    proven = proven and not short
    gap = composition.gap if not composition.proven else 0.0 if proven else np.inf
    shortfall = None
    if proven and (len(places) < k if query.where else not (len(places) or skip)):
        shortfall = explain_shortfall(k, len(places), chosen, moment.columns.of(moment.snapshot))
    return composition.at(places)._replace(proven=proven, gap=gap), shortfall


def _page(moment: Moment, variety: Variety, ranking: Composition, query: CompositionQuery) -> np.ndarray:
    """The places in a ranking of the outfits of a page."""
    length = 0

    def search(count: int) -> int:
        nonlocal length
        length = min(count, len(ranking.items))
        return length

    def choose(count: int, begun: Sequence[int]) -> np.ndarray:
        return variety.choose(moment.snapshot, ranking.items[:length], ranking.scores[:length], count, begun)

    return variety.page(search, choose, query.k, query.skip)


def _task(moment: Moment, query: CompositionQuery, chosen: Filter) -> CompositionTask:
    """The slots to fill, and the rows that may fill them."""
    bundle = moment.bundle
    include = check_mapping("include", query.include, '{"top": "item-1"}')
    fixed, narrowed = _included(bundle, include)
    slots = _open_slots(bundle, query.types, fixed, list(narrowed))
    places = {name: slot_of(bundle, name) for name in slots}
    held = {slot_of(bundle, name): row for name, row in fixed.items()}
    by_slot = allowed_rows(chosen, bundle.slots, list(places.values()), held)
    allowed = {name: by_slot[slot] for name, slot in places.items() if slot in by_slot}
    for name, rows in narrowed.items():
        allowed[name] = np.intersect1d(allowed[name], rows) if name in allowed else rows
    for item_type, excluded in excluded_items(bundle, query.exclude).items():
        for name, slot in places.items():
            if bundle.slots[slot] == item_type:
                rows = allowed.get(name, np.arange(len(bundle.items[item_type])))
                allowed[name] = np.setdiff1d(rows, excluded)
    return CompositionTask(bundle, moment.user.user_key, slots, allowed, fixed, moment.partners.of(bundle))


def _included(
    bundle: Bundle, include: Mapping[str, str | Sequence[str]]
) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """By slot name the row of its fixed item; and for other slots the rows to choose from."""
    fixed: dict[str, int] = {}
    narrowed: dict[str, np.ndarray] = {}
    for name, ids in include.items():
        item_type = bundle.slots[slot_of(bundle, name)]
        if isinstance(ids, str):
            fixed[name] = find_item(bundle, item_type, ids)
            twins = [other for other in fixed if other != name and bundle.slots[slot_of(bundle, other)] == item_type]
            if any(fixed[other] == fixed[name] for other in twins):
                raise DataError(f"{item_type} {ids!r} is given twice: leave one of the slots out")
        else:
            item_ids = check_list(f"include[{name!r}]", ids, "item ids, or one item id")
            narrowed[name] = np.unique([find_item(bundle, item_type, item_id) for item_id in item_ids]).astype(np.int64)
    return fixed, narrowed


def _open_slots(
    bundle: Bundle, types: Sequence[str] | None, fixed: Mapping[str, int], narrowed: Sequence[str]
) -> list[str]:
    """Names of the slots to fill: those of `types`, or all, without those that hold a fixed item."""
    if types is None:
        return [name for name in bundle.slot_names if name not in fixed]
    names = slots_of_types(bundle, check_types(types))
    for name in narrowed:
        if name not in names:
            raise QueryError(f"include narrows slot {name!r}, which is not among the slots {names}")
    return [name for name in names if name not in fixed]
