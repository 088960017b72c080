"""Composition under an outfit encoder: a shortlist by items alone, ranked by the encoder, then improved by swaps.

The score of a whole outfit is no sum over its items, so that nothing proves the best of all outfits. But an
outfit lies near the mean of its items' own vectors, and with typical items in the other slots the nearness of
such a mean is a number an item: composition (compose.py) finds exactly the outfits whose numbers add up to
most, and the encoder ranks them. From the best it goes on by swaps: where an outfit would move if one item
were replaced is foretold for every item, the encoder ranks the most promising, until the best stay the best.
If the shortlist holds every possible outfit the answer is exact, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, fixed_point
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.outfit_vectors import encoder_of, outfit_vectors, real_vectors
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.composition.bounds import Clock
from fashion_hash.retrieval.composition.branch_and_bound import NO_LIMIT, SearchLimits
from fashion_hash.retrieval.composition.compose import Composition, compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.pool.diversity import Cap, item_keys, take_within_caps

# by recall on the sample (benchmarks/bench_encoder.py); how many are wanted times 4, and 500 at least
SHORTLIST, SHORTLIST_LEAST = 4, 500
SWAP_LEAST, SWAP_TO, ROUNDS = 30, 16, 5
AT_ONCE, ENCODING = 256, 1 << 18  # outfits encoded between two looks at the clock; one, in multiplications
MOST = 30_000.0  # a bias beyond does not fit its fixed point


def compose_encoded(
    task: CompositionTask, k: int, max_repeats: int | None = None, limits: SearchLimits = NO_LIMIT
) -> Composition:
    """The k outfits that are likely the best over the whole product of the allowed items.

    With max_repeats the items that are used up are dropped and the rest is searched again, until k are taken.

    Args:
        task: the outfits to compose.
        k: at most how many outfits.
        max_repeats: as for `compose`.
        limits: where to stop early.

    Returns:
        Scores are the encoder's. `proven` only where every outfit was encoded; else `gap` is what an outfit
        at no distance, of the most popular items, would score above the last. Fewer than k come where
        beside these there is no outfit, or none that max_repeats allows; or, with a gap of inf, where the
        limits were reached.

    Raises:
        QueryError: as for `compose`.
    """
    started = time.monotonic()
    check_count("k", k)
    if max_repeats is not None:
        check_count("max_repeats", max_repeats)
    left, by_items = task, _by_items(task)
    taken = _Scored(np.empty((0, len(task.bundle.slots)), dtype=np.int64), np.empty(0))
    expanded = scored = 0
    while True:
        spent = time.monotonic() - started
        remaining = limits._replace(seconds=limits.seconds - spent, partial_outfits=limits.partial_outfits - expanded)
        ranked = _search(left, replace(by_items, allowed=left.allowed), k, remaining)
        expanded, scored = expanded + ranked.expanded, scored + ranked.scored
        complete = ranked.complete and not len(taken.items)
        taken = _take(task, taken, ranked, k, max_repeats)
        if max_repeats is None or len(taken.items) == k or ranked.complete or ranked.cut:
            break
        left = replace(task, allowed=_not_used_up(task, taken.items, max_repeats))
    taken = _sorted(*taken)  # what a later search found may be better
    gap = 0.0 if complete else _gap(task.bundle, taken, k, ranked.cut)
    return Composition(*taken, complete, gap, expanded, scored, time.monotonic() - started)


class _Scored(NamedTuple):
    """Outfits, (N, S) rows of items by slot, and their scores, (N,) float64."""

    items: np.ndarray
    scores: np.ndarray


class _Ranked(NamedTuple):
    """Outfits, best first.

    Attributes:
        items, scores: see _Scored.
        complete: whether these are all that exist.
        cut: whether the limits cut the search short.
        expanded, scored: see Composition.
    """

    items: np.ndarray
    scores: np.ndarray
    complete: bool
    cut: bool
    expanded: int
    scored: int


def _search(task: CompositionTask, by_items: CompositionTask, k: int, limits: SearchLimits) -> _Ranked:
    """A shortlist by items alone, ranked by the encoder and improved by swaps: more than k outfits if they exist."""
    bundle, count, clock = task.bundle, max(SHORTLIST * k, SHORTLIST_LEAST), Clock(limits.seconds)
    shortlist = compose(by_items, count, limits=limits)
    complete = shortlist.proven and len(shortlist.items) < count
    items, scores = _ranked(task, shortlist.items, clock)
    complete &= len(items) == len(shortlist.items)
    scored = len(items)
    if not complete and len(items):
        open_slots = {bundle.slot_names.index(name): task.allowed.get(name) for name in task.open_slots}
        for _ in range(ROUNDS):
            if not clock.allows(0):
                break
            swapped = _swapped(task, items[: max(k, SWAP_LEAST)], open_slots, items)
            scored += len(swapped)
            kept = items[:k].tobytes()
            better = _ranked(task, swapped, clock)
            items, scores = _sorted(np.concatenate([items, better.items]), np.concatenate([scores, better.scores]))
            if items[:k].tobytes() == kept:
                break
    return _Ranked(items, scores, complete, not shortlist.proven or not clock.allows(0), shortlist.expanded, scored)


def _take(task: CompositionTask, taken: _Scored, ranked: _Ranked, k: int, max_repeats: int | None) -> _Scored:
    """The outfits taken already and those that a further search adds to them, at most k."""
    bundle = task.bundle
    new = _others(bundle, ranked.items, taken.items)
    if max_repeats is not None and not ranked.complete and not ranked.cut:
        new[np.flatnonzero(new)[max(k, SWAP_LEAST) :]] = False  # only these were improved by swaps
    items = np.concatenate([taken.items, ranked.items[new]])
    scores = np.concatenate([taken.scores, ranked.scores[new]])
    if max_repeats is None:
        return _Scored(items[:k], scores[:k])
    keys = item_keys(bundle.slots, items)
    keys[:, [bundle.slot_names.index(name) for name in task.fixed]] = -1  # every outfit holds these items
    places = take_within_caps([Cap(keys, int(max_repeats))], len(items), k)
    return _Scored(items[places], scores[places])


def _gap(bundle: Bundle, taken: _Scored, k: int, cut: bool) -> float:
    """How much better than the last an outfit at no distance, of the most popular items, would be."""
    if not len(taken.items) or (cut and len(taken.items) < k):
        return float("inf")
    most = max(int(np.max(bias, initial=0)) for bias in bundle.item_bias.values()) / WEIGHT_ONE
    return max(0.0, most - float(taken.scores[-1]))


def _others(bundle: Bundle, items: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(N,) bool: outfits that are not among those taken."""
    known = {outfit.tobytes() for outfit in canonical_items(bundle.slots, taken)}
    keys = (outfit.tobytes() for outfit in canonical_items(bundle.slots, items))
    return np.array([key not in known for key in keys], dtype=bool)


def _not_used_up(task: CompositionTask, taken: np.ndarray, most: int) -> dict[str, np.ndarray]:
    """By open slot the allowed rows that occur in fewer than `most` of the outfits taken."""
    bundle, allowed = task.bundle, task.allowed
    places = {name: bundle.slot_names.index(name) for name in task.open_slots}
    uses = {item_type: np.zeros(len(bundle.items[item_type]), dtype=np.int64) for item_type in bundle.types}
    for slot in places.values():
        np.add.at(uses[bundle.slots[slot]], taken[:, slot], 1)
    left = {}
    for name, slot in places.items():
        free = np.flatnonzero(uses[bundle.slots[slot]] < most)
        left[name] = np.intersect1d(free, allowed[name]) if name in allowed else free
    return left


def _by_items(task: CompositionTask) -> CompositionTask:
    """The task in which an outfit's score is the mean of a number an item, written as the items' biases."""
    bundle = task.bundle
    encoder, user = encoder_of(bundle), encoded.asking(bundle, task.user_key)
    names = [*task.open_slots, *task.fixed]
    item_types = [task.type_of(name) for name in names if name in bundle.slot_names]
    vectors = {item_type: items[:, encoder.width :] for item_type, items in bundle.encoded_items.items()}
    typical = {
        item_type: vectors[item_type].mean(axis=0, dtype=np.float64)
        for item_type in item_types
        if len(vectors[item_type])
    }
    together = sum((typical.get(item_type, 0.0) for item_type in item_types), np.zeros(bundle.num_bits))
    item_bias = {}
    for item_type, item_vectors in vectors.items():
        query = 2.0 * user
        length = 0.0
        if encoder.output == "float" and encoder.distance == "euclidean":
            # |mean|^2 = sum over items of o.o / n^2 and of o.o' / n^2 with typical o' in the other slots
            query = query - 2.0 * (together - typical.get(item_type, 0.0)) / len(item_types)
            length = np.einsum("nd,nd->n", item_vectors, item_vectors, dtype=np.float64) / len(item_types)
        value = bundle.item_bias[item_type] / WEIGHT_ONE + encoder.factor * (
            item_vectors @ query.astype(np.float32) - length
        )
        item_bias[item_type] = fixed_point(np.clip(value, -MOST, MOST))
    alone = bundle.view(preference_scale=0, compatibility_scale=0, item_bias=item_bias)
    return replace(task, bundle=alone, user_key=np.zeros(bundle.num_bits // 8, dtype=np.uint8), partners=None)


def _ranked(task: CompositionTask, items: np.ndarray, clock: Clock) -> _Scored:
    """Outfits ranked by the encoder: the first of them at least, the others while there is time."""
    near, bias = encoded.parts(task.bundle, task.user_key, items[:AT_ONCE])
    scores = [near + bias]
    for start in range(AT_ONCE, len(items), AT_ONCE):
        if not clock.allows(ENCODING * AT_ONCE):
            break
        near, bias = encoded.parts(task.bundle, task.user_key, items[start : start + AT_ONCE])
        scores.append(near + bias)
    ranked = np.concatenate(scores)
    return _sorted(items[: len(ranked)], ranked)


def _sorted(items: np.ndarray, scores: np.ndarray) -> _Scored:
    """Best first, ties by rows of items."""
    order = np.lexsort((*items.T[::-1], -scores))
    return _Scored(items[order], scores[order])


def _swapped(
    task: CompositionTask, outfits: np.ndarray, open_slots: Mapping[int, np.ndarray | None], known: np.ndarray
) -> np.ndarray:
    """Outfits with one item replaced by a promising one; each once, and none of `known`.

    Args:
        task: the outfits to compose.
        outfits: (B, S), of the same slots each.
        open_slots: by slot with a replaceable item the allowed rows; None for all.
        known: (N, S) outfits to leave out.
    """
    bundle = task.bundle
    encoder, user = encoder_of(bundle), encoded.asking(bundle, task.user_key).astype(np.float64)
    vectors = real_vectors(bundle, outfit_vectors(bundle, outfits)).astype(np.float64)
    count = int((outfits[0] != EMPTY).sum())
    new = []
    for slot, allowed in open_slots.items():
        item_type = bundle.slots[slot]
        rows = np.arange(len(bundle.item_bias[item_type])) if allowed is None else np.unique(allowed).astype(np.int64)
        items = bundle.encoded_items[item_type]
        candidates = items[rows, encoder.width :]
        # without its item in the slot an outfit lies at remainder; with another one at remainder + o / n
        remainder = vectors - items[outfits[:, slot], encoder.width :] / count
        towards = np.concatenate([remainder, user[None]]).astype(np.float32) @ candidates.T / count  # (B + 1, N)
        lengths = np.einsum("nd,nd->n", candidates, candidates) / count**2
        squares = (remainder**2).sum(axis=1)[:, None] + 2 * towards[:-1] + lengths
        along = (remainder @ user)[:, None] + towards[-1]
        if encoder.output == "float" and encoder.distance == "euclidean":
            promise = 2 * along - squares
        else:  # only the direction counts
            promise = 2 * np.linalg.norm(user) * along / np.sqrt(np.maximum(squares, 1e-12))
        promise = encoder.factor * promise + bundle.item_bias[item_type][rows] / (WEIGHT_ONE * count)
        width = min(SWAP_TO, len(rows))
        best = np.argpartition(-promise, width - 1, axis=1)[:, :width] if width else np.zeros((len(outfits), 0), int)
        swapped = np.repeat(outfits, width, axis=0)
        swapped[:, slot] = rows[best].ravel()
        twins = [other for other, slot_type in enumerate(bundle.slots) if slot_type == item_type and other != slot]
        new.append(swapped[(swapped[:, twins] != swapped[:, [slot]]).all(axis=1)])
    fresh = np.concatenate([outfits[:0], *new])
    seen = {outfit.tobytes() for outfit in canonical_items(bundle.slots, known)}
    keys = [outfit.tobytes() for outfit in canonical_items(bundle.slots, fresh)]
    first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in seen}
    return fresh[sorted(first.values())]
