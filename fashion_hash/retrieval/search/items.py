"""Requests: items for words and a taste, out of the packed codes of all items (WhisperLite, arXiv 2207.12033).

A request becomes one code in the space of the items' codes. Its score with an item is the share of bits in
which the two agree: 1 where all do, 0.5 for chance. The search is exact: every allowed item is compared, the
best come first, ties by id and then by item type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import check_type
from fashion_hash.core.codes import Packed
from fashion_hash.errors import QueryError
from fashion_hash.index.nearest import Near, nearest, within
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.shortfall import explain_shortfall
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.ask import SearchQuery

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


def search_items(
    moment: Moment,
    request: SearchQuery,
    k: int,
    where: Mapping[str, Any] | None = None,
    item_type: str | None = None,
    rerank: bool = False,
) -> ItemHits:
    """The k best items for a request; see Recommender.search."""
    k = check_count("k", k)
    if not isinstance(rerank, bool):
        raise QueryError(f"rerank must be True or False, got {rerank!r}")
    bundle = moment.snapshot.bundle
    types = bundle.types if item_type is None else (check_type(bundle, item_type),)
    chosen = moment.columns.filter(moment.snapshot, where)
    masks = dict(chosen.masks)
    for bound in chosen.total_bounds:  # an item by itself is an outfit of one item
        for type_name in types:
            kept = bound.keeps(bound.amounts[type_name])
            masks[type_name] = masks[type_name] & kept if type_name in masks else kept
    count = max(SHORTLIST * k, SHORTLIST_LEAST) if rerank else k
    near = near_items(moment, types, request.code, count, masks)
    scores = shares(near.distances, 8 * len(request.code))
    if rerank:
        near = near.at(best_places(bundle, near, -near.distances, count))
        scores = _float_scores(moment, request, near)
    best = best_places(bundle, near, scores, k)
    near = near.at(best)
    ids = [bundle.items[type_name].id(row) for type_name, row in zip(near.item_types, near.rows.tolist())]
    hits = ItemHits(np.array(ids, dtype=np.str_), scores[best])
    hits.types = np.array(near.item_types, dtype=np.str_)
    hits.by, hits.note, hits.reranked = request.by, request.note, rerank
    hits.known_words, hits.unknown_words = request.known_words, request.unknown_words
    if where and len(best) < k:
        tables = moment.columns.of(moment.snapshot)
        searched = {type_name: tables[type_name] for type_name in types}
        hits.shortfall = explain_shortfall(k, len(best), chosen, searched, what="items")
    return hits


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


def best_places(bundle: Bundle, near: Candidates, scores: np.ndarray, k: int) -> np.ndarray:
    """Places of the k best: greatest score first, ties by id, then by item type."""
    if len(scores) > k:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    else:
        places = np.arange(len(scores))
    numbers, rows = near.numbers[places], near.rows[places]
    ids = np.empty(len(places), dtype=object)
    for number, item_type in enumerate(near.types):
        mask = numbers == number
        ids[mask] = bundle.items[item_type].at(rows[mask])
    order = sorted(range(len(places)), key=lambda place: (-scores[places[place]], ids[place], numbers[place]))
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
