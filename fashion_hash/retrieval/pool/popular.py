"""What is popular: outfits whose items many users like, newer likes more than older ones.

An item's popularity is the sum over the users who like an outfit with it; each counts 1, or with a half-life
2 ** -(age / half-life), the age of their newest like against the newest like of the whole history. An outfit's
popularity is the mean over its items. Likes are those of the bundle's history, without users who were removed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.facts import NO_TIME
from fashion_hash.errors import QueryError, shown
from fashion_hash.index.engines.contract import Ranking
from fashion_hash.index.pool import CHUNK
from fashion_hash.live.snapshot import Base, Snapshot

DAY = 86_400
# by half-life and number of users left: the popularity of items and of the outfits in the files
_Key = tuple[float | None, int]
_KEPT: WeakKeyDictionary[Base, dict[_Key, tuple[dict[str, np.ndarray], np.ndarray]]] = WeakKeyDictionary()


def check_half_life(half_life: object) -> float | None:
    """Returns a half-life in days. Raises QueryError unless it is None or a number above 0."""
    if half_life is None:
        return None
    is_number = isinstance(half_life, int | float | np.integer | np.floating) and not isinstance(half_life, bool)
    if not is_number or not math.isfinite(half_life) or not half_life > 0:  # type: ignore[arg-type, operator]
        raise QueryError(f"half_life must be a number of days above 0, or None, got {shown(half_life)}")
    return float(half_life)  # type: ignore[arg-type]


def popular_rankings(
    snapshot: Snapshot,
    k: int,
    half_life: float | None = None,
    *,
    known: Sequence[np.ndarray],
    allowed: np.ndarray | None = None,
) -> list[Ranking]:
    """The k most popular outfits for each of many users, ties by id.

    Args:
        snapshot: N outfits in files and A that were added since.
        k: at most how many for each.
        half_life: in days; None counts every like alike.
        known: for each user the rows to leave out.
        allowed: (N + A,) bool; None for all outfits.

    Raises:
        QueryError: a half-life, and the bundle does not say when its users liked.
    """
    popularity = outfit_popularity(snapshot, half_life)
    ranked = []
    for rows in known:
        choices = np.ones(len(popularity), dtype=bool) if allowed is None else allowed.copy()
        if snapshot.offered is not None:
            choices &= snapshot.offered
        choices[rows] = False
        places = np.flatnonzero(choices)
        if len(places) > k:
            scores = popularity[places]
            places = places[scores >= np.partition(scores, len(scores) - k)[len(scores) - k]]
        ids = snapshot.ids.at(places)
        order = sorted(range(len(places)), key=lambda at: (-popularity[places[at]], ids[at]))[:k]
        ranked.append(Ranking(places[order], popularity[places[order]]))
    return ranked


def outfit_popularity(snapshot: Snapshot, half_life: float | None = None) -> np.ndarray:
    """The popularity of each outfit of the pool: (N + A,) float64; see the module."""
    by_item, of_files = _kept(snapshot, check_half_life(half_life))
    if not len(snapshot.added):
        return of_files
    return np.concatenate([of_files, _means(snapshot.bundle.slots, snapshot.added.items, by_item)])


def item_popularity(snapshot: Snapshot) -> Mapping[str, np.ndarray]:
    """By item type, how many users like an outfit with each item: (N,) float64 of the N items of the export."""
    return _kept(snapshot, None)[0]


def _kept(snapshot: Snapshot, half_life: float | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The popularity of the items and of the outfits of the files, worked out once."""
    key = half_life, int(np.count_nonzero(snapshot.bundle.users.findable))
    kept = _KEPT.setdefault(snapshot.base, {})
    if key not in kept:
        by_item = _item_popularity(snapshot, half_life)
        kept[key] = by_item, _means(snapshot.bundle.slots, snapshot.base.pool.items, by_item)
    return kept[key]


def _item_popularity(snapshot: Snapshot, half_life: float | None) -> dict[str, np.ndarray]:
    """By item type, (N,) float64."""
    bundle = snapshot.base.bundle
    lines = np.flatnonzero(snapshot.bundle.users.findable[bundle.history.users])
    users, items = bundle.history.users[lines].astype(np.int64), bundle.history.items[lines]
    weights = _weights(snapshot, lines, half_life)
    popularity = {}
    for item_type in bundle.types:
        slots = [slot for slot, other in enumerate(bundle.slots) if other == item_type]
        rows = items[:, slots].reshape(-1).astype(np.int64)
        filled = rows != EMPTY
        count = len(bundle.items[item_type])
        pairs, place = np.unique(
            np.repeat(users, len(slots))[filled] * max(count, 1) + rows[filled], return_inverse=True
        )
        best = np.zeros(len(pairs))  # a user counts once, by the newest like
        np.maximum.at(best, place, np.repeat(weights, len(slots))[filled])
        popularity[item_type] = np.bincount(pairs % max(count, 1), best, minlength=count)
    return popularity


def _weights(snapshot: Snapshot, lines: np.ndarray, half_life: float | None) -> np.ndarray:
    """What each line of the history counts: (L,) float64. A like without a time counts as the oldest."""
    if half_life is None:
        return np.ones(len(lines))
    times = snapshot.base.bundle.history_times
    if times is None or not (times != NO_TIME).any():
        raise QueryError(
            f"half_life {half_life:g}: the bundle does not say when its users liked their outfits: leave half_life "
            "out, or export a bundle of data with times"
        )
    known = times[times != NO_TIME]
    age = (known.max() - np.where(times == NO_TIME, known.min(), times)[lines]) / (DAY * half_life)
    return np.asarray(np.exp2(-age))


def _means(slots: Sequence[str], items: np.ndarray, by_item: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mean over the items of each outfit, (N, S): (N,) float64. Items that came later have no likes."""
    tables = {item_type: np.append(values, 0.0) for item_type, values in by_item.items()}  # the last: none
    out = np.zeros(len(items))
    for start in range(0, len(items), CHUNK):
        part = items[start : start + CHUNK]
        total = np.zeros(len(part))
        for slot, item_type in enumerate(slots):
            rows, last = part[:, slot], len(tables[item_type]) - 1
            total += tables[item_type][np.where((rows == EMPTY) | (rows >= last), last, rows)]
        out[start : start + CHUNK] = total / np.maximum((part != EMPTY).sum(axis=1), 1)
    return out
