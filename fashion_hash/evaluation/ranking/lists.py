"""What a split asks of a full ranking: lists of candidates, the positives in them, and what is left out of them.

Known positives are no candidates: what a user liked in training, and for the test split in validation as well. A
positive that is known is not asked for again.

Shapes: L lists, N candidates, S slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items, concatenate
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import SPLITS, Dataset, Split
from fashion_hash.data.splits.pool_rows import ABSENT, pool_rows

Integers = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of candidates for each of L lists.

    Attributes:
        starts: (L + 1,) int64; list l has rows[starts[l]:starts[l + 1]], distinct and ascending.
        rows: int64.
    """

    starts: Integers
    rows: Integers

    @classmethod
    def of(cls, lists: npt.ArrayLike, rows: npt.ArrayLike, count: int) -> Rows:
        """The distinct rows of each of `count` lists, from pairs of a list and a row in any order."""
        row: Integers = np.asarray(rows, dtype=np.int64)
        width = int(row.max(initial=0)) + 1
        keys = np.unique(np.asarray(lists, dtype=np.int64) * width + row)
        return cls(np.searchsorted(keys // width, np.arange(count + 1)), keys % width)

    def of_lists(self, lists: Integers) -> Rows:
        """The rows of some of the lists, in the given order."""
        lengths = np.diff(self.starts)[lists]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[lists] - starts[:-1], lengths)
        return Rows(starts, self.rows[places])


@dataclass(frozen=True)
class Lists:
    """Lists over the same N candidates.

    Attributes:
        users: (L,) int64, whom each list is for.
        positives: in each list at least one.
        known: what is left out of each list.
        size: N, with what is left out.
        partial: the partial outfit that each list completes; None where whole outfits are ranked.
        slot: the open slot of the partial outfits, which is empty there.
    """

    users: Integers
    positives: Rows
    known: Rows
    size: int
    partial: Outfits | None = None
    slot: int = 0

    def __len__(self) -> int:
        return len(self.users)

    @property
    def scores(self) -> int:
        """How many scores a full ranking takes."""
        return len(self) * self.size

    @property
    def has_negatives(self) -> bool:
        """Whether any list holds a candidate that is no positive; where none does, every order is the best one."""
        taken = np.diff(self.positives.starts) + np.diff(self.known.starts)
        return bool((taken < self.size).any())

    def sample(self, most: int, seed: int) -> Lists:
        """As many of the lists, drawn with a seed, as take at most `most` scores, but at least one."""
        count = max(1, most // max(1, self.size))
        if count >= len(self):
            return self
        drawn = np.sort(generator(seed, "lists ranked fully").choice(len(self), count, replace=False))
        return self.of(drawn)

    def of(self, lists: Integers) -> Lists:
        """Some of the lists, by their numbers, in the given order."""
        return replace(
            self,
            users=self.users[lists],
            positives=self.positives.of_lists(lists),
            known=self.known.of_lists(lists),
            partial=None if self.partial is None else self.partial[lists],
        )


def known_names(dataset: Dataset, split: str) -> list[str]:
    """The splits whose positives are left out of a split's candidates: those that come before it."""
    split = "valid" if split == "val" else split
    return [name for name in SPLITS[: SPLITS.index(split)] if name in dataset.splits]


def known_parts(dataset: Dataset, split: str) -> list[Split]:
    """The splits of `known_names`."""
    return [dataset.splits[name] for name in known_names(dataset, split)]


def outfit_lists(dataset: Dataset, part: Split, known: Sequence[Split]) -> Lists:
    """A list of all outfits of the pool for each user with positives in a split.

    Args:
        dataset: its pool is ranked.
        part: the positives.
        known: the splits whose positives are left out, see `known_parts`; users are numbered as in `part`.
    """
    size = len(dataset.outfits)
    positive = _of_users(dataset, [part])
    left_out = _of_users(dataset, known)
    positive = positive[:, ~np.isin(_keys(positive, size), _keys(left_out, size))]
    users, lists = np.unique(positive[0], return_inverse=True)
    left_out = left_out[:, np.isin(left_out[0], users)]
    return Lists(
        users,
        Rows.of(lists, positive[1], len(users)),
        Rows.of(np.searchsorted(users, left_out[0]), left_out[1], len(users)),
        size,
    )


def item_lists(dataset: Dataset, part: Split, known: Sequence[Split], item_type: str) -> Lists:
    """A list of all items of a type for each user and partial outfit that lacks one.

    Every item of that type in an outfit of the split is asked for once; outfits of that item alone are passed over.
    Partial outfits that a user has several times make one list with several positives. Left out are the items that
    complete the partial outfit to a known outfit of the user, and those that it already holds.

    Args:
        dataset: its items are ranked.
        part: the outfits.
        known: the splits whose positives are left out, see `known_parts`; users are numbered as in `part`.
        item_type: of the open slot.
    """
    size = len(dataset.items[item_type])
    slots = [slot for slot, name in enumerate(dataset.slots) if name == item_type]
    asked, answers = _opened(part.positives, slots)
    told, given = _opened(concatenate([part.positives[:0], *(split.positives for split in known)]), slots)
    both = np.concatenate([asked, told])
    different, which = np.unique(both, axis=0, return_inverse=True)
    lists, of_told = np.split(which.reshape(-1), [len(asked)])
    held = different[:, 1:][:, slots]
    holding, place = np.nonzero(held != EMPTY)
    left_out = np.concatenate([np.stack([of_told, given]), np.stack([holding, held[holding, place]])], axis=1)
    positive = np.stack([lists, answers])
    positive = positive[:, ~np.isin(_keys(positive, size), _keys(left_out, size))]
    kept, numbers = np.unique(positive[0], return_inverse=True)
    left_out = left_out[:, np.isin(left_out[0], kept)]
    partial = Outfits(
        dataset.slots, different[kept, 0].astype(np.int32), _items_first(dataset, different[kept, 1:], slots)
    )
    return Lists(
        different[kept, 0],
        Rows.of(numbers, positive[1], len(kept)),
        Rows.of(np.searchsorted(kept, left_out[0]), left_out[1], len(kept)),
        size,
        partial,
        slots[0],
    )


def _of_users(dataset: Dataset, parts: Sequence[Split]) -> Integers:
    """(2, n) the users and the rows in the pool of the positives of splits; those outside the pool are passed over."""
    pairs = [np.zeros((2, 0), dtype=np.int64)]
    for part in parts:
        rows = pool_rows(dataset, part)
        inside = rows != ABSENT
        pairs.append(np.stack([part.positives.users[inside].astype(np.int64), rows[inside]]))
    return np.concatenate(pairs, axis=1)


def _opened(outfits: Outfits, slots: Sequence[int]) -> tuple[Integers, Integers]:
    """Outfits without one of their items in some slots of the same type.

    Returns:
        (n, 1 + S) users and canonical items, so that the first of the slots is empty, and (n,) the items taken out.
    """
    partial, taken = [np.zeros((0, 1 + len(outfits.slots)), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for slot in slots:
        rows = (outfits.items[:, slot] != EMPTY) & (outfits.mask.sum(axis=1) > 1)
        opened = outfits.items[rows]
        taken.append(opened[:, slot].astype(np.int64))
        opened[:, slot] = EMPTY
        items = canonical_items(outfits.slots, opened)
        partial.append(np.concatenate([outfits.users[rows, None], items], axis=1).astype(np.int64))
    return np.concatenate(partial), np.concatenate(taken)


def _items_first(dataset: Dataset, canonical: Integers, opened: Sequence[int]) -> npt.NDArray[np.int32]:
    """Canonical items whose slots are filled as in a data set: the items of a type first, after the open slot."""
    items = canonical.astype(np.int32)
    for item_type in dataset.types:
        slots = [slot for slot, name in enumerate(dataset.slots) if name == item_type]
        slots = slots[1:] if slots == list(opened) else slots
        items[:, slots] = np.sort(items[:, slots].view(np.uint32), axis=1).view(np.int32)  # EMPTY, -1, is the greatest
    return items


def _keys(pairs: Integers, size: int) -> Integers:
    """(n,) a number for each pair of a list and a row below `size`."""
    return np.asarray(pairs[0] * max(1, size) + pairs[1])
