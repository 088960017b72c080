"""Click matrices: which user liked which outfit of the pool, or wore which item, in training.

Shapes: U users, C columns, E events, B users of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.splits.pool_rows import ABSENT, pool_rows

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

ScoreColumns = Callable[[Integers], Floats]
"""(B,) user rows -> (B, C) scores of all columns of a click matrix, higher is better."""


@dataclass(frozen=True)
class Clicks:
    """The events of the training split as users by columns.

    Attributes:
        users: (E,) int64 user rows.
        columns: (E,) int64, the column of each event.
        shape: (U, C).
        times: (E,) int64 Unix seconds, or None where an event has none.
    """

    users: Integers
    columns: Integers
    shape: tuple[int, int]
    times: Integers | None = None

    @cached_property
    def matrix(self) -> csr_matrix:
        """(U, C) float32: 1 where a user has a column, however often."""
        matrix = csr_matrix((np.ones(len(self.users), np.float32), (self.users, self.columns)), shape=self.shape)
        matrix.data[:] = 1.0  # the constructor has added up what occurs several times
        return matrix

    @cached_property
    def counts(self) -> npt.NDArray[np.float64]:
        """(C,) the number of events of each column."""
        return np.bincount(self.columns, minlength=self.shape[1]).astype(np.float64)


@dataclass(frozen=True)
class ItemColumns:
    """Where the items of each type stand among the columns of a click matrix of all items.

    Attributes:
        first: the first column of each item type; an item's column is that plus its row.
        count: the number of items of each type.
    """

    first: Mapping[str, int]
    count: Mapping[str, int]

    @classmethod
    def of(cls, dataset: Dataset) -> ItemColumns:
        """The columns of the items of a data set, type by type."""
        first, total = {}, 0
        for item_type in dataset.types:
            first[item_type] = total
            total += len(dataset.items[item_type])
        return cls(first, {item_type: len(dataset.items[item_type]) for item_type in dataset.types})

    @property
    def total(self) -> int:
        """The number of columns."""
        return sum(self.count.values())

    def slice(self, item_type: str) -> slice:
        """The columns of one type."""
        return slice(self.first[item_type], self.first[item_type] + self.count[item_type])

    def columns(self, slots: tuple[str, ...], items: npt.NDArray[np.int32]) -> Integers:
        """(N, S) the columns of the items of outfits, (N, S) rows; EMPTY stays EMPTY."""
        offsets = np.array([self.first[slot] for slot in slots])
        return np.where(items == EMPTY, EMPTY, items + offsets)


def outfit_clicks(dataset: Dataset) -> Clicks:
    """Users by outfits of the pool (`Dataset.outfits`), from the training split."""
    train, times = dataset.split("train"), _times(dataset)
    rows = pool_rows(dataset, train)
    known = rows != ABSENT
    shape = (len(dataset.users), len(dataset.outfits))
    users = train.positives.users[known].astype(np.int64)
    return Clicks(users, rows[known], shape, None if times is None else times[known])


def item_clicks(dataset: Dataset) -> Clicks:
    """Users by items of all types (`ItemColumns`), from the training split: each item of an outfit is one event."""
    train, columns = dataset.split("train").positives, ItemColumns.of(dataset)
    of_items, times = columns.columns(train.slots, train.items), _times(dataset)
    rows, slots = np.nonzero(of_items != EMPTY)
    shape = (len(dataset.users), columns.total)
    return Clicks(
        train.users[rows].astype(np.int64), of_items[rows, slots], shape, None if times is None else times[rows]
    )


def _times(dataset: Dataset) -> Integers | None:
    """(N,) the times of the training outfits; None unless all have one."""
    facts = dataset.split("train").facts
    if facts is None or facts.times is None or (facts.times == NO_TIME).any():
        return None
    return facts.times
