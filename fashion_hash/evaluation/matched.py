"""Negatives matched in time and popularity: another item of the same time, worn about as often.

Random negatives are mostly from another time and mostly rare, so that the age of items and their popularity tell them
apart without any taste. Here an item of a positive is replaced by one of the items nearest to it in time among those
with about as many training outfits. What is then still told apart is taste, or what goes together.

Shapes: N positives, K negatives for each, S slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.data.facts import needed_times
from fashion_hash.data.negatives import KnownOutfits, as_groups
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.baselines.plain import id_numbers

Clock = Literal["times", "ids"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)
KIND = "matched"
NEAREST = 50
"""How many items an item is drawn from."""
WIDER, ROUNDS = 10, 200
"""Rounds of redrawing what the user has, after which twice as many items are drawn from; rounds in all."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbourhoods:
    """The items of a type in an order in which those of the same band stand together, by time.

    Attributes:
        order: (M,) rows of items, band after band.
        place: (N,) where each item stands in `order`; EMPTY for an item without a time.
        first: (M,) the first place of the band of each place.
        last: (M,) the place behind that band.
    """

    order: Integers
    place: Integers
    first: Integers
    last: Integers

    @classmethod
    def of(cls, times: npt.NDArray[np.float64], counts: Integers, nearest: int = NEAREST) -> Neighbourhoods:
        """Neighbourhoods of N items.

        Args:
            times: (N,) of the items; NaN for an item without one, which is never drawn.
            counts: (N,) training outfits of each item. Items whose counts plus 1 have the same power of 2 are of one
                band; a band of fewer than `nearest` + 1 items is joined to the next less popular one, the least
                popular one to that above it.
            nearest: how many items an item is drawn from.
        """
        known = np.flatnonzero(~np.isnan(times))
        bands = np.log2(1.0 + counts[known]).astype(np.int64)
        sizes = np.bincount(bands, minlength=1)
        joined = np.arange(len(sizes))
        for band in range(len(sizes) - 1, 0, -1):
            if sizes[band] <= nearest:
                sizes[band - 1] += sizes[band]
                joined[joined == band] = band - 1
        more = np.flatnonzero(np.bincount(joined[bands], minlength=1))  # bands with items, the least popular first
        if len(more) > 1 and (joined[bands] == more[0]).sum() <= nearest:
            joined[joined == more[0]] = more[1]
        bands = joined[bands]
        order = np.lexsort((known, times[known], bands))
        bands = bands[order]
        place = np.full(len(times), EMPTY, dtype=np.int64)
        place[known[order]] = np.arange(len(order))
        return cls(known[order], place, np.searchsorted(bands, bands), np.searchsorted(bands, bands, side="right"))

    def draw(self, rng: np.random.Generator, items: Integers, nearest: int = NEAREST) -> Integers:
        """(n,) for each item one of the `nearest` items next to it in its band, never the item itself."""
        at = self.place[items]
        first, last = self.first[at], self.last[at]
        start = np.clip(at - nearest // 2, first, np.maximum(last - nearest - 1, first))
        count = np.minimum(last - start, nearest + 1)
        drawn = start + rng.integers(np.maximum(count - 1, 1))
        return np.asarray(self.order[drawn + (drawn >= at) * (count > 1)])


def matched_negatives(
    dataset: Dataset, part: Split, clock: Clock, swap: Sequence[str] | None, count: int, seed: int
) -> Groups:
    """Matched negatives of the positives of a split.

    Args:
        dataset: known positives, popularity and times come from it; nobody's positive is a negative of that user.
        part: its positives get negatives.
        clock: the time of an item: "times", the first time of an outfit with it, or "ids", its id, which must be a
            number. Whether ids grow with time is for the caller to know.
        swap: the item types that are replaced; all by default.
        count: K.
        seed: of the draws.

    Raises:
        QueryError: the clock is unknown, or ids are not numbers.
        DataError: outfits have no times, `swap` names no item type of the data, or nothing else can be drawn.
    """
    if clock not in CLOCKS:
        raise QueryError(f"matched must be one of {', '.join(CLOCKS)}, got {clock!r}")
    positives = part.positives
    swap = item_types(positives.slots) if swap is None else tuple(swap)
    rng, known = generator(seed, "matched negatives", clock), KnownOutfits(dataset.known)
    swapped = [slot for slot, item_type in enumerate(positives.slots) if item_type in swap]
    if not swapped:
        raise DataError(f"none of {list(swap)} is an item type of {dataset.name}, which has {list(dataset.types)}")
    near = {name: _neighbourhoods(dataset, name, clock) for name in dataset.types if name in swap}
    rows = np.repeat(np.arange(len(positives)), count)
    items = positives.items[rows]
    pending = np.arange(len(rows))
    for attempt in range(ROUNDS):
        nearest = NEAREST << (attempt // WIDER)
        drawn = positives.items[rows[pending]]
        for slot in swapped:
            filled = np.flatnonzero(drawn[:, slot] != EMPTY)
            drawn[filled, slot] = near[positives.slots[slot]].draw(rng, drawn[filled, slot].astype(np.int64), nearest)
        items[pending] = drawn
        pending = pending[known.contains(positives.users[rows[pending]], drawn)]
        if not pending.size:
            return as_groups(positives, items.reshape(-1, count, len(positives.slots)))
    row = int(rows[pending[0]])
    raise DataError(
        f"no matched negative for positive {row} (user row {positives.users[row]}) in {ROUNDS} tries: the user has all "
        f"combinations of items as popular; swap more types than {', '.join(swap)}"
    )


def matched_note(clock: Clock, swap: Sequence[str] | None) -> str:
    """What a statement says of matched negatives."""
    when = "the first outfit with it" if clock == "times" else "the number of its id"
    what = "every item" if swap is None else f"the {' and the '.join(swap)}"
    return (
        f"; {what} replaced by one of the {NEAREST} nearest in time ({when}) among those with about as many "
        "training outfits"
    )


def _neighbourhoods(dataset: Dataset, item_type: str, clock: Clock) -> Neighbourhoods:
    size = len(dataset.items[item_type])
    train = dataset.split("train").positives
    counts = np.bincount(_items_of(train, item_type)[1], minlength=size)
    if clock == "ids":
        return Neighbourhoods.of(id_numbers(dataset, item_type), counts)
    first = np.full(size, np.inf)
    for split in dataset.splits.values():
        times = needed_times(split.facts, "matching in time")
        rows, items = _items_of(split.positives, item_type)
        np.minimum.at(first, items, times[rows].astype(np.float64))
    return Neighbourhoods.of(np.where(np.isinf(first), np.nan, first), counts)


def _items_of(outfits: Outfits, item_type: str) -> tuple[Integers, Integers]:
    """Rows of outfits and their items of a type."""
    slots = [slot for slot, name in enumerate(outfits.slots) if name == item_type]
    rows, which = np.nonzero(outfits.items[:, slots] != EMPTY)
    return rows, outfits.items[:, slots][rows, which].astype(np.int64)
