"""The columns of the items of one type: the values of filters, caps and facts.

A column holds, for every item of a type, the kind of its value and the value as a float64: a number, 0 or 1 for false
and true, the microseconds of a date since 1970, or the place of a text or a list among those of the column. Items may
be appended while other threads read: an item becomes visible only when all its columns are written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np

from fashion_hash.bundle.tables.column import NUMBER, Column
from fashion_hash.errors import QueryError, shown

STEPS = 10**6  # amounts are millionths, in integers: their sums are exact, and the same in any order
MOST_AMOUNT = 10**11


class ColumnTable:
    """The columns of the items of one type, in row order.

    Args:
        details: for every item its values by column; "title" is a column like any other.
        dates: the columns whose texts are dates.
    """

    def __init__(self, details: Sequence[Mapping[str, Any]] = (), dates: Collection[str] = ()) -> None:
        """The columns of the first items."""
        self._columns: dict[str, Column] = {}
        self._amounts: dict[str, np.ndarray] = {}
        self._size = 0
        self.append(details, dates)

    @classmethod
    def of(cls, columns: dict[str, Column], size: int) -> Self:
        """The columns of `size` items, as a bundle keeps them."""
        table = cls()
        table._columns, table._size = columns, size
        return table

    def __len__(self) -> int:
        """How many items there are."""
        return self._size

    def columns(self) -> Mapping[str, Column]:
        """The columns by name; each may have room for more items than there are."""
        return self._columns

    @property
    def names(self) -> list[str]:
        """The columns that at least one item has."""
        return list(self._columns)

    def append(self, details: Sequence[Mapping[str, Any]], dates: Collection[str] = ()) -> None:
        """Adds items after the last. One thread at a time may do so; others may read meanwhile.

        Args:
            details: of the items.
            dates: the columns whose texts are dates; said of a column when its first value comes.
        """
        start, stop = self._size, self._size + len(details)
        columns = dict(self._columns)
        for name in dict.fromkeys(chain(columns, *details)):
            values = [item.get(name) for item in details]
            if name not in columns and all(value is None for value in values):
                continue
            if name not in columns:
                columns[name] = Column(start, name in dates)
            columns[name].write(start, values)
        self._columns = columns
        self._size = stop

    def replaced(self, rows: Sequence[int], details: Sequence[Mapping[str, Any]], dates: Collection[str] = ()) -> Self:
        """The columns with other values of some items, as a table of its own. Columns that do not change are shared."""
        table = type(self)()
        table._size, table._columns = self._size, dict(self._columns)
        places = np.array(rows, dtype=np.int64)
        for name in dict.fromkeys(chain(self._columns, *details)) if rows else ():
            column = self._columns.get(name) or Column(self._size, name in dates)
            table._columns[name] = column.replaced(places, [item.get(name) for item in details])
            if not table._columns[name].held:
                del table._columns[name]
        return table

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
        """Kinds (N,), values (N,) and texts of a column as it is now; every kind is ABSENT if no item has it."""
        size = self._size
        column = self._columns.get(name) or Column(size)
        return column.kinds[:size], column.values[:size], column.texts

    def amounts(self, name: str) -> np.ndarray:
        """The numbers of a column in millionths, 0 where the value is not a number: (N,) int64.

        They are kept for the next call.

        Raises:
            QueryError: a number beyond 10^11; sums of such numbers would not be exact.
        """
        size = self._size
        amounts = self._amounts.get(name)
        if amounts is None or len(amounts) != size:
            kinds, values, _ = self.column(name)
            numbers = np.where(kinds[:size] == NUMBER, values[:size], 0.0)
            if np.abs(numbers).max(initial=0.0) > MOST_AMOUNT:
                raise QueryError(
                    f"column {shown(name)} holds numbers beyond {MOST_AMOUNT:,}: their totals would not be exact"
                )
            amounts = self._amounts[name] = np.rint(numbers * STEPS).astype(np.int64)
        return amounts

    def held(self, name: str) -> frozenset[int]:
        """The kinds of values that a column holds; none if no item has it."""
        column = self._columns.get(name)
        return column.held if column else frozenset()

    def elements(self, name: str) -> frozenset[int]:
        """The kinds of elements that the lists of a column hold: NUMBER, TEXT, none if there are no lists."""
        column = self._columns.get(name)
        return column.elements if column else frozenset()

    def listed(self, name: str) -> dict[str, int]:
        """The texts in the lists of a column, casefolded, and how many distinct lists hold each."""
        held = self._columns[name].lists.having if name in self._columns else {}
        return {element: len(places) for element, places in held.items() if isinstance(element, str)}
