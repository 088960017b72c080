"""Requests: items for words and a taste, out of the packed codes of all items (WhisperLite, arXiv 2207.12033).

A request becomes one code in the space of the items' codes. Its score with an item is the share of bits in
which the two agree: 1 where all do, 0.5 for chance. The search is exact: every allowed item is compared, the
best come first, ties by id and then by item type. In a bundle without a request tower no bits are compared; what
facts, words and the user's code add is the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type
from fashion_hash.core.codes import Packed
from fashion_hash.errors import QueryError, shown
from fashion_hash.index.nearest import Near, distances_to, nearest, within
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.checks import check_count, check_skip
from fashion_hash.retrieval.filters.apply import Filter
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.filters.excluded import excluded_items
from fashion_hash.retrieval.filters.shortfall import explain_shortfall
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.beside import Added, UserCode
from fashion_hash.retrieval.users import LikesInCall
from fashion_hash.understanding.said import Understanding
from fashion_hash.understanding.satisfaction import complete, missing

SHORTLIST, SHORTLIST_LEAST = 10, 200  # a re-rank looks at so many times k, and at so many at least


class Candidates(NamedTuple):
    """Items that may be the best for a request.

    Attributes:
        types: the item types searched.
        numbers: (C,) int64, the place of each item's type in `types`.
        rows: (C,) int64, rows of items within their type.
        distances: (C,) int, bits in which an item differs from the request.
    """

    types: tuple[str, ...]
    numbers: np.ndarray
    rows: np.ndarray
    distances: np.ndarray

    def at(self, places: np.ndarray) -> Candidates:
        """The candidates at some places, in that order."""
        return Candidates(self.types, self.numbers[places], self.rows[places], self.distances[places])

    @property
    def item_types(self) -> list[str]:
        """The item type of each."""
        return [self.types[number] for number in self.numbers.tolist()]


class SearchOptions(LikesInCall, total=False):
    """The options of Recommender.search; ItemQuery holds their defaults and meaning."""

    where: Mapping[str, Any] | None
    item_type: str | None
    rerank: bool
    exclude: Mapping[str, Sequence[str]] | None
    skip: int
    facts: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class ItemQuery:
    """Which items to search for.

    Attributes:
        k: at most how many.
        where: which items: see retrieval/filters/language.py.
        item_type: only items of this type.
        rerank: order a shortlist by the values before their signs.
        exclude: by item type the ids of items that are left out.
        skip: leave out so many of the first items: k more follow.
        facts: what the words are to mean: see search/given.py.
    """

    k: int
    where: Mapping[str, Any] | None = None
    item_type: str | None = None
    rerank: bool = False
    exclude: Mapping[str, Sequence[str]] | None = None
    skip: int = 0
    facts: Sequence[Mapping[str, Any]] | None = None

    def check(self) -> None:
        """Raises QueryError for options without meaning."""
        check_count("k", self.k)
        check_skip(self.skip)
        if not isinstance(self.rerank, bool):
            raise QueryError(f"rerank must be True or False, got {shown(self.rerank)}")
        if self.rerank and self.skip:
            raise QueryError(
                "skip does not go with rerank, whose shortlist belongs to one page: exclude the items of earlier pages"
            )


def search_items(moment: Moment, request: SearchQuery, query: ItemQuery) -> ItemHits:
    """The k best items for a request; see Recommender.search."""
    query.check()
    k, where, rerank = int(query.skip) + int(query.k), query.where, query.rerank
    if rerank and not request.has_code:
        raise QueryError("rerank needs a request model, which this bundle does not have: leave it out")
    bundle = moment.snapshot.bundle
    types = bundle.types if query.item_type is None else (check_type(bundle, query.item_type),)
    chosen, masks = allowed_items(moment, types, where, query.exclude)
    count = max(SHORTLIST * k, SHORTLIST_LEAST) if rerank else k
    ranking = rank_items(moment, types, request, count, masks)
    if rerank:
        ranking = ranking.at(best_places(bundle, ranking.near, ranking.scores, count, ranking.tiers))
        changed = _float_scores(moment, request, ranking.near) - shares(ranking.near.distances, 8 * len(request.code))
        ranking = ranking._replace(scores=ranking.scores + changed)
    ranking = ranking.at(best_places(bundle, ranking.near, ranking.scores, k, ranking.tiers))
    ranking = ranking.at(np.arange(query.skip, len(ranking.scores))) if query.skip else ranking
    near = ranking.near
    ids = [bundle.items[type_name].id(row) for type_name, row in zip(near.item_types, near.rows.tolist())]
    hits = ItemHits(np.array(ids, dtype=np.str_), ranking.scores)
    hits.types = np.array(near.item_types, dtype=np.str_)
    hits.by, hits.note, hits.reranked = request.by, request.note, rerank
    hits.known_words, hits.unknown_words = request.known_words, request.unknown_words
    hits.complete = np.ones(len(ids), dtype=bool)
    hits.by_bits = counts_bits_alone(request, ranking.scores)
    if request.said is not None:
        hits.understood, hits.goes_with = request.said.facts, request.said.partner
        hits.complete = complete(request.said, ranking.tiers)
        hits.note = "; ".join(filter(None, [hits.note, relaxed(request.said, ranking.tiers)]))
    if where and len(ids) < query.k:
        tables = moment.columns.of(moment.snapshot)
        searched = {type_name: tables[type_name] for type_name in types}
        hits.shortfall = explain_shortfall(query.k, len(ids), chosen, searched, what="items")
    return hits


def allowed_items(
    moment: Moment,
    types: Sequence[str],
    where: Mapping[str, Any] | None,
    exclude: Mapping[str, Sequence[str]] | None,
) -> tuple[Filter, dict[str, np.ndarray]]:
    """The filter of a search, and by item type the items that may be answered, (N,) bool; all of a missing type."""
    bundle = moment.snapshot.bundle
    chosen = moment.columns.filter(moment.snapshot, where)
    counts = {item_type: len(bundle.items[item_type]) for item_type in bundle.types}
    chosen = chosen.without(excluded_items(bundle, exclude), counts)
    masks = dict(chosen.masks)
    for bound in chosen.total_bounds:  # an item by itself is an outfit of one item
        for item_type in types:
            kept = bound.keeps(bound.amounts[item_type])
            masks[item_type] = masks[item_type] & kept if item_type in masks else kept
    return chosen, masks


def counts_bits_alone(request: SearchQuery, scores: np.ndarray) -> bool:
    """Whether scores are shares of bits, to which nothing is added."""
    said = request.said is not None and bool(request.said.facts)
    return request.has_code and not said and not bool((scores > 1).any())


class Ranking(NamedTuple):
    """Items that may be the best for a request.

    Attributes:
        near: the items.
        scores: (C,) float64.
        tiers: (C,) int64, of hard facts; they decide before the scores. 0 for all where no facts are read.
    """

    near: Candidates
    scores: np.ndarray
    tiers: np.ndarray

    def at(self, places: np.ndarray) -> Ranking:
        """The items at some places, in that order."""
        return Ranking(self.near.at(places), self.scores[places], self.tiers[places])


def rank_items(
    moment: Moment, types: tuple[str, ...], request: SearchQuery, count: int, allowed: Mapping[str, np.ndarray]
) -> Ranking:
    """The `count` best items at least, by bits and, where the bundle reads them, by facts."""
    if request.said is None and request.beside is None:
        near = near_items(moment, types, request.code, count, allowed)
        return Ranking(near, shares(near.distances, 8 * len(request.code)), np.zeros(len(near.rows), dtype=np.int64))
    tables = moment.columns.of(moment.snapshot)
    kept: Mapping[str, np.ndarray | None] = {
        item_type: None if allowed.get(item_type) is None else np.flatnonzero(allowed[item_type]) for item_type in types
    }
    if request.said is not None:
        kept = moment.tower.facts.narrowed(moment.snapshot, tables, request.said, kept, count)
    of_types = [_tiers(moment, tables, request, item_type, kept[item_type]) for item_type in types]
    least = _least_tier(request, of_types, count)
    parts = []
    for number, (item_type, tier) in enumerate(zip(types, of_types)):
        places, rows = np.flatnonzero(tier >= least) if least else np.arange(len(tier)), kept[item_type]
        rows = places if rows is None else rows[places]
        scores, distances = _added(moment, tables, request, item_type, rows), np.zeros(len(rows), dtype=np.int64)
        if request.has_code:
            distances = _distances(moment, item_type, request.code, rows)
            scores = shares(distances, 8 * len(request.code)) + scores
        tier = tier[places]
        first = _leading(scores, tier, least, count)
        parts.append((np.full(len(first), number), rows[first], distances[first], scores[first], tier[first]))
    numbers, rows, distances, scores, tiers = (np.concatenate(part) for part in zip(*parts))
    return Ranking(Candidates(types, numbers, rows, distances), scores, tiers)


def _least_tier(request: SearchQuery, of_types: Sequence[np.ndarray], count: int) -> int:
    """The tier of the `count`-th item by tiers; 0, which every item has, where no fact decides."""
    size = sum(map(len, of_types))
    if size <= count or request.said is None or not request.said.hard:
        return 0
    tiers = np.concatenate(of_types)
    return int(np.partition(tiers, size - count)[size - count])


def _leading(scores: np.ndarray, tiers: np.ndarray, least: int, count: int) -> np.ndarray:
    """Places of items among which the `count` best are, ties included; of most items few are left.

    The greatest scores of `count` parts are `count` scores: what is below all of them is not among the best.

    Args:
        scores: (n,) of the items.
        tiers: (n,) of the items, each at least `least`.
        least: the tier in which scores decide.
        count: how many.
    """
    width = len(scores) // count
    if width < 2:
        return np.arange(len(scores))
    of_least = tiers == least
    decided = scores if of_least.all() else np.where(of_least, scores, -np.inf)
    bound = decided[: width * count].reshape(count, width).max(axis=1).min()
    return np.flatnonzero((scores >= bound) | ~of_least)


def _tiers(
    moment: Moment, tables: Mapping[str, ItemColumns], request: SearchQuery, item_type: str, rows: np.ndarray | None
) -> np.ndarray:
    """(n,) int64 tiers of some rows, None for all; zeros where no fact decides."""
    if request.said is None or not request.said.hard:
        return np.zeros(len(moment.snapshot.bundle.items[item_type] if rows is None else rows), dtype=np.int64)
    return moment.tower.facts.tiers(moment.snapshot, tables, item_type, request.said, rows)


def _added(
    moment: Moment, tables: Mapping[str, ItemColumns], request: SearchQuery, item_type: str, rows: np.ndarray
) -> np.ndarray:
    """(n,) float64, what facts and what else counts beside the bits add; rows ascend."""
    beside = added_beside(moment, request, item_type, rows)
    added = np.zeros(len(rows))
    if request.said is not None:
        added = moment.tower.facts.added(moment.snapshot, tables, item_type, request.said, rows)
    return added if beside is None else added + beside.total


def added_beside(moment: Moment, request: SearchQuery, item_type: str, rows: np.ndarray) -> Added | None:
    """What counts beside the bits for items of a type; None where nothing else does.

    Args:
        moment: the catalogue.
        request: what is asked.
        item_type: of the items.
        rows: (n,) their rows, ascending.
    """
    if request.beside is None:
        return None
    if isinstance(request.beside, UserCode):
        return request.beside.of_rows(moment.snapshot, item_type, rows)
    parts = [(items.codes, items.encoded) for items in moment.tower.parts(moment.snapshot, item_type)]
    return moment.tower.beside.of_rows(moment.tower.tower, request.beside, item_type, rows, parts)


def _distances(moment: Moment, item_type: str, code: Packed, rows: np.ndarray) -> np.ndarray:
    """(n,) bits in which items differ from a request; rows ascend."""
    exported, added = moment.tower.parts(moment.snapshot, item_type)
    first = len(exported.codes)
    count = int(np.searchsorted(rows, first))
    early = exported.codes if count == first else exported.codes[rows[:count]]
    parts = [distances_to(early, code), distances_to(added.codes[rows[count:] - first], code)]
    return np.concatenate(parts).astype(np.int64)


def relaxed(said: Understanding, tiers: np.ndarray, what: str = "item") -> str:
    """What the items lack that do not have every hard fact; "" where all have.

    Args:
        said: the request.
        tiers: of the answers, greatest first.
        what: the answers are: items or outfits.
    """
    short = tiers[~complete(said, tiers)]
    if not len(short):
        return ""
    lacking = [f"{fact.words!r}" for fact in missing(said, int(short[0]))]
    every = dict.fromkeys(f"{fact.words!r}" for tier in dict.fromkeys(short.tolist()) for fact in missing(said, tier))
    others = " or ".join(words for words in every if words not in lacking)
    have = len(tiers) - len(short)
    count = f"no {what} has" if not have else f"one {what} has" if have == 1 else f"{have} {what}s have"
    later = f", later ones also without {others}" if others else ""
    return f"{count} all that is asked; the next is without {' and '.join(lacking)}{later}"


def near_items(
    moment: Moment, types: tuple[str, ...], code: Packed, k: int, allowed: Mapping[str, np.ndarray]
) -> Candidates:
    """The k nearest items of each type, and all that are as near as the k-th.

    Args:
        moment: the catalogue.
        types: item types.
        code: (D / 8,) uint8, packed, of the request.
        k: how many of each type.
        allowed: by item type (N,) bool, the items that may be answered; all of a type that is missing.
    """
    by_type = [_nearest_of_type(moment, item_type, code, k, allowed.get(item_type)) for item_type in types]
    numbers = np.repeat(np.arange(len(types)), [len(near.rows) for near in by_type])
    return Candidates(types, numbers, *(np.concatenate(parts) for parts in zip(*by_type)))


def _nearest_of_type(moment: Moment, item_type: str, code: Packed, k: int, allowed: np.ndarray | None) -> Near:
    exported, added = moment.tower.parts(moment.snapshot, item_type)
    count = len(exported.codes)
    near = nearest(exported.codes, code, k, None if allowed is None else allowed[:count])
    if not len(added.codes):
        return near
    late = nearest(added.codes, code, k, None if allowed is None else allowed[count:])
    both = Near(np.concatenate([near.rows, count + late.rows]), np.concatenate([near.distances, late.distances]))
    return within(both, k)


def shares(distances: np.ndarray, num_bits: int) -> np.ndarray:
    """Hamming distances as shares of agreeing bits, float64."""
    return (num_bits - distances) / num_bits


def best_places(
    bundle: Bundle, near: Candidates, scores: np.ndarray, k: int, tiers: np.ndarray | None = None
) -> np.ndarray:
    """Places of the k best: greatest tier first, then greatest score, ties by id, then by item type."""
    tiers = np.zeros(len(scores), dtype=np.int64) if tiers is None else tiers
    places = np.arange(len(scores))
    if len(scores) > k:
        last = np.partition(tiers, len(tiers) - k)[len(tiers) - k]  # the tier of the k-th
        above, of_last = np.flatnonzero(tiers > last), np.flatnonzero(tiers == last)
        left = k - len(above)
        least = np.partition(scores[of_last], len(of_last) - left)[len(of_last) - left]
        places = np.concatenate([above, of_last[scores[of_last] >= least]])
    numbers, rows = near.numbers[places], near.rows[places]
    ids = np.empty(len(places), dtype=object)
    for number, item_type in enumerate(near.types):
        mask = numbers == number
        ids[mask] = bundle.items[item_type].at(rows[mask])
    order = sorted(
        range(len(places)),
        key=lambda at: (-tiers[places[at]], -scores[places[at]], ids[at], numbers[at]),
    )
    return places[order[:k]]


def _float_scores(moment: Moment, request: SearchQuery, near: Candidates) -> np.ndarray:
    """Scores of items by the values before their signs: (1 + inner product, at most 1) / 2."""
    floats = request.floats.astype(np.float64)
    largest = len(floats) if moment.tower.tower.weights.output == "bits" else 1.0
    scores = np.zeros(len(near.rows))
    for number, item_type in enumerate(near.types):
        mask = near.numbers == number
        vectors = moment.tower.items(moment.snapshot, item_type, near.rows[mask]).vectors.astype(np.float64)
        scores[mask] = (1 + vectors @ floats / largest) / 2
    return scores
