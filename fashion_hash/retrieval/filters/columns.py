"""The catalogue by column, in memory; here filters are evaluated, in a fraction of a millisecond.

A column holds, for every item of a type, the kind of its value and the value as a float64: a number, 0 or 1 for false
and true, the microseconds of a date since 1970, or the place of a text or a list among those of the column. Items may
be appended while other threads read: an item becomes visible only when all its columns are written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.catalogue import Catalogue
from fashion_hash.data.columns import microseconds
from fashion_hash.data.parsing.cells import is_date
from fashion_hash.errors import QueryError, shown
from fashion_hash.retrieval.filters.language import ORDER, AllOf, AnyOf, Compare, Condition, Not, Value

ABSENT, NUMBER, TEXT, FLAG, OTHER, DATE, LIST = range(7)
STEPS = 10**6  # amounts are millionths, in integers: their sums are exact, and the same in any order
MOST_AMOUNT = 10**11
KINDS = {
    NUMBER: "numbers",
    TEXT: "texts",
    FLAG: "true and false",
    OTHER: "mappings and nested lists",
    DATE: "dates",
    LIST: "lists",
}
EQUALITY = ("=", "!=", "in", "not in", "exists")
FITTING = {  # the operators that a value of each kind can pass
    NUMBER: (*EQUALITY, *ORDER),
    TEXT: (*EQUALITY, *ORDER, "contains"),
    FLAG: EQUALITY,
    DATE: (*EQUALITY, *ORDER),
    LIST: ("contains", "overlaps", "exists"),
    OTHER: ("exists",),
}
ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Column:
    """The values of one column, ABSENT for items that lack it.

    Attributes:
        kinds: (room,) int8, ABSENT, NUMBER, TEXT, FLAG, DATE, LIST (of texts and numbers), or OTHER.
        values: (room,) float64, as the module describes.
        held: the kinds that occur.
        texts: the distinct texts, in the order of their first item.
        elements: the kinds of elements that its lists hold, NUMBER and TEXT.
    """

    def __init__(self, room: int = 0, dates: bool = False) -> None:
        """A column in which `room` items lack a value; `dates` says that its texts are dates."""
        self.kinds = np.zeros(room, dtype=np.int8)
        self.values = np.zeros(room)
        self.held: frozenset[int] = frozenset()
        self.texts: list[str] = []
        self.elements: frozenset[int] = frozenset()
        self._dates = dates
        self._places: dict[str, int] = {}
        self._folded: list[str] = []
        self._lists: dict[tuple[str | float, ...], int] = {}
        self._lists_with: dict[str | float, list[int]] = {}  # by element, texts casefolded

    def place(self, text: str) -> int:
        """The place of a text, or -1."""
        return self._places.get(text, -1)

    def folded(self) -> list[str]:
        """The texts casefolded, as `contains` compares them."""
        for text in self.texts[len(self._folded) :]:
            self._folded.append(text.casefold())
        return self._folded

    def lists_with(self, elements: Iterable[Value]) -> np.ndarray:
        """Which of the distinct lists hold at least one of the elements: (L,) bool."""
        keys = (element.casefold() if isinstance(element, str) else element for element in elements)
        places = [place for key in keys for place in tuple(self._lists_with.get(key, ()))]  # type: ignore[arg-type]
        chosen = np.zeros(len(self._lists), dtype=bool)
        chosen[np.array(places, dtype=np.int64)] = True
        return chosen

    def write(self, start: int, values: Sequence[object]) -> None:
        """Writes the values of consecutive items, the first of them at row `start`."""
        stop = start + len(values)
        if stop > len(self.kinds):
            room = max(stop, 2 * len(self.kinds))
            self.kinds, self.values = _grown(self.kinds, room), _grown(self.values, room)
        types = set(map(type, values))
        if types == {float} and not np.isnan(numbers := np.array(values)).any():
            self.values[start:stop], self.kinds[start:stop] = numbers, NUMBER
            self.held |= {NUMBER}
        elif types == {str} and not self._dates:
            for value in dict.fromkeys(values):
                self._encode(value)
            places = map(self._places.__getitem__, values)  # type: ignore[arg-type]
            self.values[start:stop] = np.fromiter(places, dtype=np.float64, count=len(values))
            self.kinds[start:stop] = TEXT
            self.held |= {TEXT}
        elif values:
            kinds, encoded = zip(*map(self._encode, values))
            self.values[start:stop], self.kinds[start:stop] = encoded, kinds
            self.held |= set(kinds) - {ABSENT}

    def replaced(self, rows: np.ndarray, values: Sequence[object]) -> Column:
        """The column with other values in some rows: itself where they are the same, else a copy (texts are shared)."""
        kinds, encoded = zip(*map(self._encode, values))
        if (self.kinds[rows] == kinds).all() and (self.values[rows] == encoded).all():
            return self
        column = copy(self)
        column.kinds, column.values = self.kinds.copy(), self.values.copy()
        column.kinds[rows], column.values[rows] = kinds, encoded
        column.held = frozenset(np.unique(column.kinds).tolist()) - {ABSENT}
        return column

    def _encode(self, value: object) -> tuple[int, float]:
        if value is None or value != value:  # null, and NaN, which JSON lacks
            return ABSENT, 0.0
        if isinstance(value, bool):
            return FLAG, float(value)
        if isinstance(value, str):
            if self._dates and is_date(value):
                return DATE, float(microseconds(value))
            place = self._places.get(value)
            if place is None:
                self.texts.append(value)
                place = self._places[value] = len(self.texts) - 1
            return TEXT, place
        if isinstance(value, int | float):
            try:
                return NUMBER, float(value)
            except OverflowError:
                return NUMBER, float("inf") if value > 0 else float("-inf")
        return self._encode_list(value) if isinstance(value, list) else (OTHER, 0.0)

    def _encode_list(self, value: list[Any]) -> tuple[int, float]:
        kinds = {
            FLAG if isinstance(element, bool) else TEXT if isinstance(element, str) else NUMBER for element in value
        }
        if FLAG in kinds or not all(isinstance(element, str | int | float) for element in value):
            return OTHER, 0.0
        key = tuple(value)
        if key not in self._lists:
            place = self._lists[key] = len(self._lists)
            for element in {element.casefold() if isinstance(element, str) else element for element in value}:
                self._lists_with.setdefault(element, []).append(place)
            self.elements |= {TEXT if isinstance(element, str) else NUMBER for element in value}
        return LIST, self._lists[key]


class ItemColumns:
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

    def __len__(self) -> int:
        """How many items there are."""
        return self._size

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

    def replaced(
        self, rows: Sequence[int], details: Sequence[Mapping[str, Any]], dates: Collection[str] = ()
    ) -> ItemColumns:
        """The columns with other values of some items, as a table of its own. Columns that do not change are shared."""
        table = ItemColumns()
        table._size, table._columns = self._size, dict(self._columns)
        places = np.array(rows, dtype=np.int64)
        for name in dict.fromkeys(chain(self._columns, *details)) if rows else ():
            column = self._columns.get(name) or Column(self._size, name in dates)
            table._columns[name] = column.replaced(places, [item.get(name) for item in details])
            if not table._columns[name].held:
                del table._columns[name]
        return table

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
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
        held = self._columns[name]._lists_with if name in self._columns else {}
        return {element: len(places) for element, places in held.items() if isinstance(element, str)}

    def mask(self, condition: Condition, rows: np.ndarray | None = None) -> np.ndarray:
        """Which items match a condition: (N,) bool, or (n,) of some rows."""
        size = self._size if rows is None else len(rows)
        return self._mask(condition, slice(size) if rows is None else rows, size)

    def _mask(self, condition: Condition, rows: slice | np.ndarray, size: int) -> np.ndarray:
        if isinstance(condition, Compare):
            return self._compare(condition, rows, size)
        if isinstance(condition, Not):
            return ~self._mask(condition.part, rows, size)
        masks = (self._mask(part, rows, size) for part in condition.parts)
        if isinstance(condition, AnyOf):
            return _combined(np.logical_or, masks, np.zeros(size, dtype=bool))
        assert isinstance(condition, AllOf)
        return _combined(np.logical_and, masks, np.ones(size, dtype=bool))

    def _compare(self, test: Compare, rows: slice | np.ndarray, size: int) -> np.ndarray:
        column = self._columns.get(test.column)
        if column is None:
            return np.full(size, test.op == "exists" and test.values == (False,))
        kinds, values = column.kinds[rows], column.values[rows]
        if test.op == "exists":
            return np.asarray((kinds != ABSENT) == test.values[0])
        if test.op in ("=", "in"):
            return _equal(column, kinds, values, test.values)
        if test.op in ("!=", "not in"):
            return np.asarray(~_equal(column, kinds, values, test.values) & (kinds != ABSENT))
        if test.op == "contains":
            return _contains(column, kinds, values, test.values[0])
        if test.op == "overlaps":
            return _at_places(LIST, kinds, values, column.lists_with(test.values))
        other, order = test.values[0], ORDERS[test.op]
        if isinstance(other, str):
            texts = np.array([order(text, other) for text in column.texts], dtype=bool)
            return _at_places(TEXT, kinds, values, texts)
        if isinstance(other, datetime):
            return np.asarray(order(values, float(microseconds(other))) & (kinds == DATE))
        return np.asarray(order(values, other) & (kinds == NUMBER))


def _contains(column: Column, kinds: np.ndarray, values: np.ndarray, part: Value) -> np.ndarray:
    """Which texts have a part, and which lists an element: (N,) bool."""
    out = _at_places(LIST, kinds, values, column.lists_with([part])) if LIST in column.held else None
    if not isinstance(part, str) or (TEXT not in column.held and out is not None):
        return np.zeros(len(kinds), dtype=bool) if out is None else out
    needle = part.casefold()
    texts = _at_places(TEXT, kinds, values, np.array([needle in text for text in column.folded()], dtype=bool))
    return texts if out is None else out | texts


def _equal(column: Column, kinds: np.ndarray, values: np.ndarray, allowed: Iterable[Value]) -> np.ndarray:
    """Which values are among the allowed ones, kind included: (N,) bool."""
    by_kind: dict[int, list[float]] = {}
    for value in allowed:
        if isinstance(value, str):
            if (place := column.place(value)) >= 0:
                by_kind.setdefault(TEXT, []).append(place)
        else:
            kind = DATE if isinstance(value, datetime) else FLAG if isinstance(value, bool) else NUMBER
            by_kind.setdefault(kind, []).append(float(microseconds(value) if isinstance(value, datetime) else value))
    out = np.zeros(len(kinds), dtype=bool)
    for kind, places in by_kind.items():
        if len(places) == 1:
            out |= (values == places[0]) & (kinds == kind)
        elif kind == TEXT:
            chosen = np.zeros(len(column.texts), dtype=bool)
            chosen[np.array(places, dtype=np.int64)] = True
            out |= _at_places(TEXT, kinds, values, chosen)
        else:
            out |= np.isin(values, places) & (kinds == kind)
    return out


def _at_places(kind: int, kinds: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The items with one of the chosen texts or lists of a column, (V,) bool."""
    if not chosen.any():
        return np.zeros(len(kinds), dtype=bool)
    # the values of other kinds are not places: any place will do, since their kind excludes them; a text
    # that was appended meanwhile belongs to none of these items
    places = np.where(kinds == kind, values, 0.0).astype(np.int64)
    return np.asarray(np.take(chosen, places, mode="clip") & (kinds == kind))


def _combined(how: np.ufunc, masks: Iterable[np.ndarray], first: np.ndarray) -> np.ndarray:
    """All masks combined, in the memory of the first."""
    for mask in masks:
        how(first, mask, out=first)
    return first


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    out = np.zeros(room, dtype=array.dtype)
    out[: len(array)] = array
    return out


def read_details(path: Path, item_type: str, first: int = 0) -> list[dict[str, Any]]:
    """The details of the items of a type in a catalogue file, see Catalogue.details."""
    return Catalogue(path).details(item_type, first)


def read_columns(path: Path, item_type: str, dates: Collection[str] = ()) -> ItemColumns:
    """The columns of a type from a catalogue file; about half a second for 100,000 items of six columns.

    Args:
        path: the file.
        item_type: the type of the items.
        dates: the columns whose texts are dates.

    Raises:
        BundleError: as for Catalogue.details.
    """
    return ItemColumns(read_details(path, item_type), dates)
