"""Varied lists from a ranking: caps on items and brands, and maximal marginal relevance (MMR) over codes.

Both choose from candidates in the order of the exact ranking, and both are deterministic: ties go to
the better ranked. Caps alone go down the ranking and take what is allowed, so the answer does not
depend on the length of the shortlist; `choose_from` asks for longer ones until k are chosen. MMR
(Carbonell and Goldstein, SIGIR 1998) does depend on its shortlist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from fashion_hash.core.codes import Packed
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError, shown, suggest
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.columns import ABSENT, KINDS, LIST, OTHER, TEXT, ItemColumns


class Cap(NamedTuple):
    """No value may occur in more than `most` of the outfits.

    Attributes:
        keys: (K', S) int64, a number for the value that the item in each slot has; -1 for none.
        most: at least 1.
    """

    keys: np.ndarray
    most: int


class Candidates(NamedTuple):
    """Outfits that a varied list is chosen from.

    Attributes:
        scores: (K',) float64, best first.
        codes: (K', S, M, D / 8) uint8, of the items; anything in an empty slot.
        present: (K', S) bool, whether a slot is filled.
    """

    scores: np.ndarray
    codes: Packed
    present: np.ndarray


def read_caps(
    max_per: Mapping[str, int], slots: Sequence[str], items: np.ndarray, columns: Mapping[str, ItemColumns]
) -> list[Cap]:
    """The caps on candidates.

    Args:
        max_per: by "item", or by a column of the catalogue, in how many outfits one item, or one value
            of the column, may occur. A value counts once an outfit, whatever the types of its items.
        slots: item type of each slot.
        items: (K', S) rows of items by slot, EMPTY in an empty slot.
        columns: by item type.

    Raises:
        QueryError: no item has the column, its values cannot be counted, or a cap is not a whole number
            of at least 1.
    """
    caps = []
    for name, most in max_per.items():
        check_count(f"max_per[{shown(name)}]", most)
        keys = item_keys(slots, items) if name == "item" else _column_keys(name, slots, items, columns)
        caps.append(Cap(keys, int(most)))
    return caps


def item_keys(slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """A number for every item, the same in all slots: (K', S) int64, -1 in an empty slot."""
    items = np.asarray(items, dtype=np.int64)
    types = list(dict.fromkeys(slots))
    place = np.array([types.index(item_type) for item_type in slots])
    return np.where(items == EMPTY, -1, items * len(types) + place)


def take_within_caps(caps: Sequence[Cap], count: int, k: int) -> np.ndarray:
    """Goes down a ranking and takes each candidate that the caps still allow.

    Args:
        caps: on the candidates.
        count: how many candidates there are, best first.
        k: how many to take.

    Returns:
        (k',) int64 places, ascending; k' <= k.
    """
    check_count("k", k)
    uses: list[dict[int, int]] = [{} for _ in caps]
    keys_of = [[set(row) - {-1} for row in cap.keys.tolist()] for cap in caps]
    taken: list[int] = []
    for place in range(count):
        if len(taken) == k:
            break
        if all(used.get(key, 0) < cap.most for cap, used, keys in zip(caps, uses, keys_of) for key in keys[place]):
            taken.append(place)
            for used, keys in zip(uses, keys_of):
                for key in keys[place]:
                    used[key] = used.get(key, 0) + 1
    return np.array(taken, dtype=np.int64)


def mmr(
    candidates: Candidates,
    k: int,
    diversity: float,
    caps: Sequence[Cap] = (),
    begun: Sequence[int] = (),
) -> np.ndarray:
    """Chooses candidates one by one, each with the greatest (1 - diversity) * score - diversity * likeness.

    Scores are scaled to 0 (the least of the candidates) .. 1 (the best). The likeness is the one to the
    most similar outfit chosen so far: the share of the bits of all slots in which the two agree. A slot
    that only one of them fills agrees in no bit; a slot that neither fills does not count.

    Args:
        candidates: the outfits.
        k: how many to choose; fewer are chosen if there are fewer, or caps allow fewer.
        diversity: 0 keeps the ranking, 1 looks only for variety (after the best outfit).
        caps: what the choice must keep to.
        begun: the places that earlier pages chose, in order of choice: the choice begins with them.

    Returns:
        (k',) int64 places of the candidates, in order of choice.

    Raises:
        QueryError: k is below 1, or the diversity is not from 0 to 1.

    Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
    producing summaries", SIGIR 1998.
    """
    check_count("k", k)
    check_diversity(diversity)
    of_score = 1 - diversity  # and 1 - of_score, not diversity itself, weighs the likeness: both add up to 1
    scores, codes, present = candidates
    scores, count = np.asarray(scores, dtype=np.float64), len(scores)
    spread = scores[0] - scores[-1] if count else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0 else np.zeros(count)
    words, worn, bits = _words(codes), np.ascontiguousarray(present.T), 8 * int(np.prod(codes.shape[2:]))
    alike, free = np.full(count, -np.inf), np.ones(count, dtype=bool)
    uses = [np.zeros(int(cap.keys.max(initial=-1)) + 1, dtype=np.int64) for cap in caps]
    chosen: list[int] = []
    while len(chosen) < k and free.any():
        if len(chosen) < len(begun):
            best = int(begun[len(chosen)])
        else:
            value = of_score * relevance - (1 - of_score) * (alike if chosen else 0.0)
            best = int(np.argmax(np.where(free, value, -np.inf)))
        chosen.append(best)
        free[best] = False
        np.maximum(alike, likeness(words, worn, best, bits), out=alike)
        for cap, used in zip(caps, uses):
            keys = np.unique(cap.keys[best][cap.keys[best] >= 0])
            used[keys] += 1
            for full in keys[used[keys] >= cap.most]:
                free &= ~(cap.keys == full).any(axis=1)
    return np.array(chosen, dtype=np.int64)


def check_diversity(diversity: object) -> None:
    """Raises QueryError unless a diversity is a number from 0 to 1."""
    is_number = isinstance(diversity, int | float | np.integer | np.floating) and not isinstance(diversity, bool)
    if is_number and 0 <= cast(float, diversity) <= 1:
        return
    raise QueryError(f"diversity must be a number from 0 (scores only) to 1 (variety only), got {shown(diversity)}")


def likeness(words: np.ndarray, present: np.ndarray, place: int, bits: int) -> np.ndarray:
    """How similar each outfit is to the outfit at a place, 0 .. 1: (K',) float64; see `mmr`.

    Args:
        words: (S, W, K') unsigned integers, the codes of the items.
        present: (S, K') bool, whether a slot is filled.
        place: which outfit they are compared with.
        bits: how many bits the codes of an item have.
    """
    differing = np.bitwise_count(words ^ words[:, :, place, None]).sum(axis=1, dtype=np.int32)  # (S, K')
    filled = present[:, place, None]
    agreeing = ((bits - differing) * (present & filled)).sum(axis=0)
    return np.asarray(agreeing / np.maximum((present | filled).sum(axis=0) * bits, 1))


def choose_from(
    search: Callable[[int], int], choose: Callable[[int], np.ndarray], k: int, first: int, most: int = 1 << 16
) -> np.ndarray:
    """Searches longer shortlists until k candidates are chosen, or no more exist.

    Args:
        search: searches for the best candidates of a given number and returns how many exist.
        choose: chooses places from that many candidates.
        k: how many must be chosen.
        first: the length of the first shortlist; each further one is four times as long.
        most: the length of the longest shortlist.
    """
    length = min(max(first, k), most)
    while True:
        count = search(length)
        chosen = choose(count)
        if len(chosen) >= k or count < length or length >= most:
            return chosen
        length = min(4 * length, most)


def _words(codes: Packed) -> np.ndarray:
    """Codes (K', S, M, D / 8) as (S, W, K'), in words of eight bytes if they divide evenly."""
    flat = np.ascontiguousarray(codes).reshape(*codes.shape[:2], int(np.prod(codes.shape[2:])))
    words = flat.view(np.uint64) if flat.shape[2] % 8 == 0 and flat.size else flat
    return np.ascontiguousarray(words.transpose(1, 2, 0))


def _column_keys(name: str, slots: Sequence[str], items: np.ndarray, columns: Mapping[str, ItemColumns]) -> np.ndarray:
    """A number for every value of a column among the candidates, the same for all types."""
    if not any(table.held(name) for table in columns.values()):
        known = sorted({"item", *(column for table in columns.values() for column in table.names)})
        raise QueryError(
            f"max_per[{shown(name)}]: no column {shown(name)}{suggest(str(name), known)}; "
            f"what can be capped: {', '.join(known[:20])}"
        )
    numbers: dict[tuple[int, float | str], int] = {}
    keys = np.full(items.shape, -1, dtype=np.int64)
    for slot, item_type in enumerate(slots):
        kinds, values, texts = columns[item_type].column(name)
        places = np.flatnonzero(items[:, slot] != EMPTY)
        rows = items[places, slot]
        for place, kind, value in zip(places.tolist(), kinds[rows].tolist(), values[rows].tolist()):
            if kind in (OTHER, LIST):
                raise QueryError(f"max_per[{shown(name)}]: the column holds {KINDS[kind]}, which cannot be counted")
            if kind != ABSENT:
                plain_value = texts[int(value)] if kind == TEXT else value
                keys[place, slot] = numbers.setdefault((kind, plain_value), len(numbers))
    return keys
