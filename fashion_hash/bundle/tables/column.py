"""One column of the items of a type, in memory or as a bundle keeps it in mapped files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.texts.mapped import GrowingTexts, MappedTexts
from fashion_hash.data.columns import microseconds
from fashion_hash.data.parsing.cells import is_date

ABSENT, NUMBER, TEXT, FLAG, OTHER, DATE, LIST = range(7)
Element = tuple[str | float, ...]


class KeptColumn(NamedTuple):
    """A column as a bundle keeps it; see Column.

    Attributes:
        kinds, values: (N,), see Column; read-only.
        held, elements: see Column.
        texts: the distinct texts.
        counts: (V,) int64, how many items hold each text.
        lists: the distinct lists as JSON.
    """

    kinds: np.ndarray
    values: np.ndarray
    held: frozenset[int]
    elements: frozenset[int]
    texts: MappedTexts | None = None
    counts: np.ndarray | None = None
    lists: Sequence[str] = ()


class Lists:
    """The distinct lists of a column, which are decoded when they are first asked for.

    Args:
        kept: lists as JSON, by place.
    """

    def __init__(self, kept: Sequence[str] = ()) -> None:
        """Decodes nothing yet."""
        self._kept = kept

    @cached_property
    def _tables(self) -> tuple[dict[Element, int], dict[str | float, list[int]]]:
        places: dict[Element, int] = {}
        having: dict[str | float, list[int]] = {}
        for text in self._kept:
            _add(places, having, json.loads(text))
        return places, having

    def __len__(self) -> int:
        """How many lists there are."""
        return len(self._tables[0])

    def all(self) -> list[Element]:
        """The lists, by place."""
        return list(self._tables[0])

    def as_json(self) -> list[str]:
        """The lists as JSON, by place."""
        return [json.dumps(elements, ensure_ascii=False) for elements in self._tables[0]]

    @property
    def having(self) -> dict[str | float, list[int]]:
        """By element, texts casefolded, the places of the lists that hold it."""
        return self._tables[1]

    def add(self, value: list[Any]) -> int:
        """The place of a list, which is added where it is new. One thread at a time may do so."""
        places, having = self._tables
        place = places.get(tuple(value))
        return _add(places, having, value) if place is None else place


def _add(places: dict[Element, int], having: dict[str | float, list[int]], value: list[Any]) -> int:
    place = places[tuple(value)] = len(places)
    for element in {element.casefold() if isinstance(element, str) else element for element in value}:
        having.setdefault(element, []).append(place)
    return place


class Column:
    """The values of one column, ABSENT for items that lack it.

    Attributes:
        kinds: (room,) int8, ABSENT, NUMBER, TEXT, FLAG, DATE, LIST (of texts and numbers), or OTHER.
        values: (room,) float64, as the module describes.
        held: the kinds that occur.
        texts: the distinct texts, in the order of their first item.
        elements: the kinds of elements that its lists hold, NUMBER and TEXT.
        lists: the distinct lists.
        dates: whether its texts are dates.
        kept: the column in the files of the bundle; None where there is none.
        changed: rows, ascending, whose values are not those of the files.
    """

    def __init__(self, room: int = 0, dates: bool = False, kept: KeptColumn | None = None) -> None:
        """A column in which `room` items lack a value, or that of a bundle."""
        self.kinds = np.zeros(room, dtype=np.int8) if kept is None else kept.kinds
        self.values = np.zeros(room) if kept is None else kept.values
        self.held: frozenset[int] = frozenset() if kept is None else kept.held
        self.texts = GrowingTexts(None if kept is None else kept.texts)
        self.elements: frozenset[int] = frozenset() if kept is None else kept.elements
        self.lists = Lists(() if kept is None else kept.lists)
        self.dates = dates
        self.kept = kept
        self.changed = np.zeros(0, dtype=np.int64)
        self._folded: list[str] = []

    def place(self, text: str) -> int:
        """The place of a text, or -1."""
        return self.texts.place(text)

    def folded(self) -> list[str]:
        """The texts casefolded, as `contains` compares them."""
        for text in self.texts[len(self._folded) :]:
            self._folded.append(text.casefold())
        return self._folded

    def lists_with(self, elements: Iterable[Any]) -> np.ndarray:
        """Which of the distinct lists hold at least one of the elements: (L,) bool."""
        keys = (element.casefold() if isinstance(element, str) else element for element in elements)
        places = [place for key in keys for place in tuple(self.lists.having.get(key, ()))]
        chosen = np.zeros(len(self.lists), dtype=bool)
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
        elif types == {str} and not self.dates:
            places = {value: self.texts.add(value) for value in dict.fromkeys(values)}  # type: ignore[arg-type]
            self.values[start:stop] = np.fromiter(map(places.__getitem__, values), np.float64, count=len(values))
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
        column.changed = np.union1d(self.changed, rows)
        column.held = frozenset(np.unique(column.kinds).tolist()) - {ABSENT}
        return column

    def _encode(self, value: object) -> tuple[int, float]:
        if value is None or value != value:  # null, and NaN, which JSON lacks
            return ABSENT, 0.0
        if isinstance(value, bool):
            return FLAG, float(value)
        if isinstance(value, str):
            if self.dates and is_date(value):
                return DATE, float(microseconds(value))
            return TEXT, self.texts.add(value)
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
        self.elements |= {TEXT if isinstance(element, str) else NUMBER for element in value}
        return LIST, self.lists.add(value)


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    out = np.zeros(room, dtype=array.dtype)
    out[: len(array)] = array
    return out
