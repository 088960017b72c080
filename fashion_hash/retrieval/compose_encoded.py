"""Composition under an outfit encoder: a shortlist that falls apart into items, re-ranked by the encoder.

The score of a whole outfit is no sum over its items, so that nothing proves the best of all outfits. Each item
has a score as an outfit of its own; composition (compose.py) finds exactly the outfits whose mean of these is
highest, and the encoder ranks them. From the best it then goes on by swaps: one item at a time is replaced by
others that score well alone, until the best stay the best. Where all outfits there are fit into the shortlist
the answer is exact, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import WEIGHT_ONE, fixed_point
from fashion_hash.data.outfits import EMPTY, canonical_items
from fashion_hash.index import encoded
from fashion_hash.index.outfit_vectors import encoder_of
from fashion_hash.retrieval.compose import Composition, check_count, compose
from fashion_hash.retrieval.compose_search import NO_LIMIT, Budget
from fashion_hash.retrieval.diversity import Cap, item_keys, walk
from fashion_hash.retrieval.partners import Partners

SHORTLIST, SHORTLIST_LEAST = 4, 1000
SWAP_FROM, SWAP_TO, ROUNDS = 10, 24, 3
MOST = 30_000.0  # a bias beyond does not fit its fixed point


def compose_encoded(
    bundle: Bundle,
    taste: np.ndarray,
    k: int,
    slots: Sequence[str] | None = None,
    *,
    allowed: Mapping[str, np.ndarray] | None = None,
    given: Mapping[str, int] | None = None,
    max_repeats: int | None = None,
    partners: Partners | None = None,
    budget: Budget = NO_LIMIT,
) -> Composition:
    """k outfits that are likely the best over the whole product of the allowed items.

    Args: those of `compose`; `taste` as Bundle.tastes, and partners are not looked at.

    Returns:
        Scores are the encoder's. `proven` only where every outfit was encoded; else `gap` is what an outfit
        at no distance, of the most popular items, would score above the last.

    Raises: as `compose`.
    """
    started = time.monotonic()
    check_count("k", k)
    if max_repeats is not None:
        check_count("max_repeats", max_repeats)
    alone = _by_single_items(bundle, taste)
    wanted = max(SHORTLIST * k, SHORTLIST_LEAST)
    nobody = np.zeros(bundle.num_bits // 8, dtype=np.uint8)
    found = compose(alone, nobody, wanted, slots, allowed=allowed, given=given, budget=budget)
    complete = found.proven and len(found.items) < wanted
    items, scores = _ranked(bundle, taste, found.items)
    encoded_count = len(items)
    if not complete and len(items):
        open_slots = [
            slot
            for slot, name in enumerate(bundle.slot_names)
            if name not in (given or {}) and (items[0, slot] != EMPTY)
        ]
        candidates = _candidates(alone, open_slots, allowed or {})
        for _ in range(ROUNDS):
            new = _swapped(bundle, items, candidates, max(k, SWAP_FROM))
            encoded_count += len(new)
            kept = items[:k].tobytes()
            more, more_scores = _ranked(bundle, taste, new)
            items, scores = _sorted(np.concatenate([items, more]), np.concatenate([scores, more_scores]))
            if items[:k].tobytes() == kept:
                break
    if max_repeats is None:
        places = np.arange(min(k, len(items)))
    else:
        keys = item_keys(bundle.slots, items)
        for name in given or {}:
            keys[:, bundle.slot_names.index(name)] = -1  # every outfit holds what is given
        places = walk([Cap(keys, int(max_repeats))], len(items), k)
    gap = 0.0
    if not complete:
        most = max(int(np.max(bias, initial=0)) for bias in bundle.item_bias.values()) / WEIGHT_ONE
        gap = max(0.0, most - float(scores[places[-1]])) if len(places) == k else np.inf
    seconds = time.monotonic() - started
    return Composition(items[places], scores[places], complete, gap, found.expanded, encoded_count, seconds)


def _by_single_items(bundle: Bundle, taste: np.ndarray) -> Bundle:
    """The bundle in which an item's bias is its score as an outfit of its own, and nothing else counts."""
    encoder, user = encoder_of(bundle), encoded.asking(bundle, taste)
    alone = copy(bundle)
    alone.preference_scale = alone.compatibility_scale = 0
    alone.item_bias = {}
    length = float((user.astype(np.float64) ** 2).sum())
    for kind, items in bundle.encoded_items.items():
        vectors = items[:, encoder.width :]
        distances = length + np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64) - 2.0 * (vectors @ user)
        own = bundle.item_bias[kind] / WEIGHT_ONE - encoder.factor * distances
        alone.item_bias[kind] = fixed_point(np.clip(own, -MOST, MOST))
    return alone


def _ranked(bundle: Bundle, taste: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    near, bias = encoded.parts(bundle, taste, items)
    return _sorted(items, near + bias)


def _sorted(items: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best first, ties by rows of items."""
    order = np.lexsort((*items.T[::-1], -scores))
    return items[order], scores[order]


def _candidates(alone: Bundle, open_slots: Sequence[int], allowed: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
    """By open slot the allowed items that score best alone, at most SWAP_TO of them."""
    found = {}
    for slot in open_slots:
        bias = alone.item_bias[alone.slots[slot]]
        rows = np.unique(np.asarray(allowed.get(alone.slot_names[slot], np.arange(len(bias))), dtype=np.int64))
        found[slot] = rows[np.argsort(-bias[rows], kind="stable")[:SWAP_TO]]
    return found


def _swapped(bundle: Bundle, items: np.ndarray, candidates: Mapping[int, np.ndarray], count: int) -> np.ndarray:
    """Outfits that differ in one item from one of the first `count`, and are not among `items`: each once."""
    new = []
    for slot, rows in candidates.items():
        outfits = np.repeat(items[:count], len(rows), axis=0)
        outfits[:, slot] = np.tile(rows, len(outfits) // max(1, len(rows)))
        twins = [other for other, kind in enumerate(bundle.slots) if kind == bundle.slots[slot] and other != slot]
        new.append(outfits[(outfits[:, twins] != outfits[:, [slot]]).all(axis=1)])
    outfits = np.concatenate(new)
    known = {one.tobytes() for one in canonical_items(bundle.slots, items)}
    keys = [one.tobytes() for one in canonical_items(bundle.slots, outfits)]
    first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in known}
    return outfits[sorted(first.values())]
