"""Varied lists out of a ranking: caps on items and brands, and maximal marginal relevance over codes.

Both choose among candidates, best first (a shortlist of the exact ranking), and both are
deterministic: ties go to the better ranked. Caps alone take_within_caps down the ranking and take what they
allow, so that the answer is the same however long the shortlist; `choose_from` asks for more until k
are found. MMR (Carbonell and Goldstein, SIGIR 1998) depends on its shortlist: say how long it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import Packed
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, suggest
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.columns import ABSENT, KINDS, OTHER, TEXT, ItemColumns


class Cap(NamedTuple):
    """No value in more than `most` of the outfits.

    Attributes:
        keys: (K', S) int64, the value that an outfit's item has, by slot; -1 for none.
        most: at least 1.
    """

    keys: np.ndarray
    most: int


def read_caps(
    caps: Mapping[str, int], slots: Sequence[str], items: np.ndarray, columns: Mapping[str, ItemColumns]
) -> list[Cap]:
    """Caps of candidates.

    Args:
        caps: by "item", or a column of the catalogue, in how many outfits one may occur. A value
            counts once an outfit, whatever the types of the items that have it.
        slots: item type of each slot.
        items: (K', S) rows of items by slot, EMPTY where there is none.
        columns: by item type.

    Raises:
        QueryError: no such column, or a cap that is no whole number from 1 on.
    """
    out = []
    for name, most in caps.items():
        check_count(f"caps[{name!r}]", most)
        keys = item_keys(slots, items) if name == "item" else _column_keys(name, slots, items, columns)
        out.append(Cap(keys, int(most)))
    return out


def item_keys(slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """A number for every item, the same in whichever slot: (K', S) int64, -1 where there is none."""
    items = np.asarray(items, dtype=np.int64)
    types = list(dict.fromkeys(slots))
    place = np.array([types.index(own) for own in slots])
    return np.where(items == EMPTY, -1, items * len(types) + place)


def take_within_caps(caps: Sequence[Cap], count: int, k: int) -> np.ndarray:
    """The first k candidates of a ranking that caps allow, each taken if it can be: (k',) int64 places."""
    check_count("k", k)
    uses: list[dict[int, int]] = [{} for _ in caps]
    keys = [[set(row) - {-1} for row in cap.keys.tolist()] for cap in caps]
    taken: list[int] = []
    for place in range(count):
        if len(taken) == k:
            break
        if all(used.get(key, 0) < cap.most for cap, used, own in zip(caps, uses, keys) for key in own[place]):
            taken.append(place)
            for used, own in zip(uses, keys):
                for key in own[place]:
                    used[key] = used.get(key, 0) + 1
    return np.array(taken, dtype=np.int64)


def mmr(
    scores: np.ndarray,
    codes: Packed,
    present: np.ndarray,
    k: int,
    trade_off: float,
    caps: Sequence[Cap] = (),
) -> np.ndarray:
    """Chooses k candidates one by one, each the best of trade_off * score - (1 - trade_off) * likeness.

    The score is scaled to 0 (the least of the candidates) .. 1 (the best). The likeness is that to
    the most alike outfit chosen so far: the share of the bits of all slots in which both agree, where
    a slot that only one of them fills agrees in none, and one that neither fills does not count.

    Args:
        scores: (K',) float64, best first.
        codes: (K', S, M, D / 8) uint8, of the items; anything where a slot is empty.
        present: (K', S) bool.
        k: at most how many; fewer where there are fewer, or caps allow fewer.
        trade_off: 1 keeps the ranking, 0 looks for variety only (after the best).
        caps: what the choice must keep to.

    Returns:
        (k',) int64 places of the candidates, in order of choice.

    Raises:
        QueryError: k below 1, or a trade-off outside 0 .. 1.
    """
    check_count("k", k)
    if isinstance(trade_off, bool) or not 0 <= trade_off <= 1:
        raise QueryError(f"trade_off = {trade_off!r}: a number from 0 (variety only) to 1 (scores only)")
    scores, count = np.asarray(scores, dtype=np.float64), len(scores)
    spread = scores[0] - scores[-1] if count else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0 else np.zeros(count)
    words, worn, bits = _words(codes), np.ascontiguousarray(present.T), 8 * int(np.prod(codes.shape[2:]))
    alike, free = np.full(count, -np.inf), np.ones(count, dtype=bool)
    uses = [np.zeros(int(cap.keys.max(initial=-1)) + 1, dtype=np.int64) for cap in caps]
    chosen: list[int] = []
    while len(chosen) < k and free.any():
        value = trade_off * relevance - (1 - trade_off) * (alike if chosen else 0.0)
        one = int(np.argmax(np.where(free, value, -np.inf)))
        chosen.append(one)
        free[one] = False
        np.maximum(alike, likeness(words, worn, one, bits), out=alike)
        for cap, used in zip(caps, uses):
            mine = np.unique(cap.keys[one][cap.keys[one] >= 0])
            used[mine] += 1
            for full in mine[used[mine] >= cap.most]:
                free &= ~(cap.keys == full).any(axis=1)
    return np.array(chosen, dtype=np.int64)


def likeness(words: np.ndarray, present: np.ndarray, one: int, bits: int) -> np.ndarray:
    """How alike each outfit is to one of them, 0 .. 1: (K',) float64; see `mmr`.

    Args:
        words: (S, W, K') unsigned integers, the codes of the items.
        present: (S, K') bool.
        one: the place of the one.
        bits: of an item's codes.
    """
    differing = np.bitwise_count(words ^ words[:, :, one, None]).sum(axis=1, dtype=np.int32)  # (S, K')
    mine = present[:, one, None]
    agreeing = ((bits - differing) * (present & mine)).sum(axis=0)
    return agreeing / np.maximum((present | mine).sum(axis=0) * bits, 1)


def choose_from(
    search: Callable[[int], int], choose: Callable[[int], np.ndarray], k: int, first: int, most: int = 1 << 16
) -> np.ndarray:
    """Asks for longer shortlists until k are chosen, or there are no more candidates.

    Args:
        search: fetches the best candidates, as many as it is told, and says how many there were.
        choose: the places chosen among so many candidates.
        k: how many are wanted.
        first: the first shortlist's length; each further one is four times as long.
        most: none is longer than this.
    """
    wanted = min(max(first, k), most)
    while True:
        count = search(wanted)
        chosen = choose(count)
        if len(chosen) >= k or count < wanted or wanted >= most:
            return chosen
        wanted = min(4 * wanted, most)


def _words(codes: Packed) -> np.ndarray:
    """Codes (K', S, M, D / 8) as (S, W, K'), eight bytes a word where they fit."""
    flat = np.ascontiguousarray(codes).reshape(*codes.shape[:2], int(np.prod(codes.shape[2:])))
    words = flat.view(np.uint64) if flat.shape[2] % 8 == 0 and flat.size else flat
    return np.ascontiguousarray(words.transpose(1, 2, 0))


def _column_keys(name: str, slots: Sequence[str], items: np.ndarray, columns: Mapping[str, ItemColumns]) -> np.ndarray:
    """A number for every value of a column among the candidates, the same for all types."""
    if not any(table.held(name) for table in columns.values()):
        known = sorted({"item", *(one for table in columns.values() for one in table.names)})
        raise QueryError(f"caps[{name!r}]: no such column{suggest(name, known)}: cap one of {', '.join(known[:20])}")
    numbers: dict[tuple[int, float | str], int] = {}
    keys = np.full(items.shape, -1, dtype=np.int64)
    for slot, own in enumerate(slots):
        kinds, values, texts = columns[own].column(name)
        here = np.flatnonzero(items[:, slot] != EMPTY)
        rows = items[here, slot]
        for place, kind, value in zip(here.tolist(), kinds[rows].tolist(), values[rows].tolist()):
            if kind == OTHER:
                raise QueryError(f"caps[{name!r}]: the column holds {KINDS[OTHER]}: they cannot be counted")
            if kind != ABSENT:
                known_value = texts[int(value)] if kind == TEXT else value
                keys[place, slot] = numbers.setdefault((kind, known_value), len(numbers))
    return keys
