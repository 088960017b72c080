"""Requests: items for words and a taste, out of the packed codes of all items (WhisperLite, arXiv 2207.12033).

A request becomes one code in the space of the items' codes. Its score with an item is the share of bits in
which the two agree: 1 where all do, 0.5 for chance. The search is exact: every allowed item is compared, the
best come first, ties by id and then by item type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fashion_hash.bundle.lookup import check_type
from fashion_hash.core.codes import Packed, hamming
from fashion_hash.errors import QueryError
from fashion_hash.index.nearest import Near, nearest, within
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.filters.shortfall import explain_shortfall
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.live_tower import LiveTower

SHORTLIST, SHORTLIST_LEAST = 10, 200  # a re-rank looks at so many times k, and at so many at least


def search(
    requests: LiveTower,
    columns: LiveColumns,
    snapshot: Snapshot,
    asked: SearchQuery,
    k: int,
    where: Mapping[str, Any] | None = None,
    item_type: str | None = None,
    rerank: bool = False,
) -> ItemHits:
    """The k best items for a request; see Recommender.search."""
    check_count("k", k)
    if not isinstance(rerank, bool):
        raise QueryError(f"rerank = {rerank!r}: True or False")
    bundle = snapshot.bundle
    kinds = bundle.types if item_type is None else (check_type(bundle, item_type),)
    chosen = columns.filter(snapshot, where)
    masks = dict(chosen.masks)
    for budget in chosen.budgets:  # an item by itself is an outfit of one item
        for kind in kinds:
            kept = budget.keeps(budget.amounts[kind])
            masks[kind] = masks[kind] & kept if kind in masks else kept
    count = max(SHORTLIST * k, SHORTLIST_LEAST) if rerank else int(k)
    found = [near_items(requests, snapshot, kind, asked.code, count, masks.get(kind)) for kind in kinds]
    numbers = np.repeat(np.arange(len(kinds)), [len(near.rows) for near in found])
    near = Near(*(np.concatenate(parts) for parts in zip(*found)))
    scores = shares(near.distances, 8 * len(asked.code))
    if rerank:
        first = best_places(bundle, kinds, numbers, near.rows, -near.distances, count)
        numbers, near = numbers[first], Near(near.rows[first], near.distances[first])
        scores = _float_scores(requests, snapshot, asked, kinds, numbers, near.rows)
    best = best_places(bundle, kinds, numbers, near.rows, scores, int(k))
    places = list(zip(numbers[best].tolist(), near.rows[best].tolist()))
    hits = ItemHits(np.array([bundle.items[kinds[n]].id(row) for n, row in places], dtype=np.str_), scores[best])
    hits.types = np.array([kinds[number] for number, _ in places], dtype=np.str_)
    hits.by, hits.note, hits.reranked = asked.by, asked.note, rerank
    hits.known_words, hits.unknown_words = asked.known_words, asked.unknown_words
    if where and len(best) < k:
        tables = columns.of(snapshot)
        hits.shortfall = explain_shortfall(
            int(k), len(best), chosen, {kind: tables[kind] for kind in kinds}, what="items"
        )
    return hits


def near_items(
    requests: LiveTower, snapshot: Snapshot, kind: str, code: Packed, k: int, allowed: np.ndarray | None
) -> Near:
    """The k nearest items of a type, and all that are as near as the k-th; `allowed`: (N,) bool."""
    exported, added = requests.parts(snapshot, kind)
    count = len(exported.codes)
    near = nearest(exported.codes, code, k, None if allowed is None else allowed[:count])
    if not len(added.codes):
        return near
    late = nearest(added.codes, code, k, None if allowed is None else allowed[count:])
    return within(
        Near(np.concatenate([near.rows, count + late.rows]), np.concatenate([near.distances, late.distances])), k
    )


def codes_of(requests: LiveTower, snapshot: Snapshot, kind: str, rows: np.ndarray) -> Packed:
    """The codes that requests are compared with, (R, D / 8) uint8."""
    exported, added = requests.parts(snapshot, kind)
    codes = np.empty((len(rows), exported.codes.shape[1]), dtype=np.uint8)
    late = rows >= len(exported.codes)
    codes[~late] = exported.codes[rows[~late]]
    codes[late] = added.codes[rows[late] - len(exported.codes)]
    return codes


def shares_of(requests: LiveTower, snapshot: Snapshot, kind: str, code: Packed, rows: np.ndarray) -> np.ndarray:
    """In how many bits items agree with a request, as shares of all: (R,) float64."""
    return shares(hamming(codes_of(requests, snapshot, kind, rows), code), 8 * len(code))


def shares(distances: np.ndarray, num_bits: int) -> np.ndarray:
    """Hamming distances as shares of agreeing bits, float64."""
    return (num_bits - distances) / num_bits


def best_places(
    bundle: Any, kinds: tuple[str, ...], numbers: np.ndarray, rows: np.ndarray, scores: np.ndarray, k: int
) -> np.ndarray:
    """Places of the k best: greatest score first, ties by id, then by item type."""
    if len(scores) > k:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    else:
        places = np.arange(len(scores))
    ids = np.empty(len(places), dtype=object)
    for number, kind in enumerate(kinds):
        here = numbers[places] == number
        ids[here] = bundle.items[kind].at(rows[places[here]])
    order = sorted(range(len(places)), key=lambda one: (-scores[places[one]], ids[one], numbers[places[one]]))
    return places[order[:k]]


def _float_scores(
    requests: LiveTower,
    snapshot: Snapshot,
    asked: SearchQuery,
    kinds: tuple[str, ...],
    numbers: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Scores of items by the values before their signs: (1 + inner product, at most 1) / 2."""
    tower = requests.tower
    largest = len(asked.floats) if tower.weights.output == "bits" else 1.0
    out = np.zeros(len(rows))
    for number, kind in enumerate(kinds):
        here = np.flatnonzero(numbers == number)
        exported, added = requests.parts(snapshot, kind)
        late = rows[here] >= len(exported.codes)
        vectors = np.empty((len(here), len(asked.floats)))
        vectors[~late] = exported.vectors[rows[here[~late]]]
        vectors[late] = added.vectors[rows[here[late]] - len(exported.codes)]
        out[here] = (1 + vectors @ asked.floats.astype(np.float64) / largest) / 2
    return out
