"""The columns of a catalogue, as far as requests are made from them, and which items have what.

Shapes: C items of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.data.requests.phrases import SPELLINGS, Fact, vocabulary
from fashion_hash.data.requests.table import RequestData

BRAND, PRICE = "brand", "price"

HARD = ("kind", "colour", BRAND, PRICE)
"""Columns whose facts are hard; an exclusion is hard whatever its column."""


class Condition(NamedTuple):
    """A fact that a request names: its words, the items that have it, (C,) bool, and whether it is hard."""

    words: str
    rows: np.ndarray
    hard: bool


class CatalogueColumns:
    """The columns of a catalogue, and which items have a value.

    Attributes:
        details: of each item of the whole catalogue, by our names of the columns.
        item_types: (C,) the type of each item.
        prices: (C,) float64, NaN where an item has none.
        words: every word of a value and of the tables of `phrases`, in lower case; no slip may look like one.
    """

    def __init__(self, data: RequestData) -> None:
        """Reads the details of every item."""
        self.details: list[Mapping[str, Any]] = [
            {SPELLINGS.get(column, column): value for column, value in known.get(item_id, {}).items()}
            for item_type in data.types
            for known in (data.details.get(item_type, {}),)
            for item_id in data.items[item_type].ids
        ]
        self.item_types = [item_type for item_type in data.types for _ in data.items[item_type].ids]
        prices = [known.get(PRICE) for known in self.details]
        self.prices = np.array([price if _is_price(price) else np.nan for price in prices], dtype=np.float64)
        self._of_type = {name: np.array([other == name for other in self.item_types]) for name in data.types}
        self._with: dict[tuple[str, str], np.ndarray] = {}
        for row, known in enumerate(self.details):
            for column, value in known.items():
                if isinstance(value, str) and column not in ("title", "description", "image"):
                    self._with.setdefault((column, value), np.zeros(len(self.details), dtype=bool))[row] = True
        values = {word for _, value in self._with for word in value.casefold().replace("-", " ").split()}
        self.words = values | vocabulary()

    def fact(self, fact: Fact) -> Condition:
        """The condition of a fact."""
        return Condition(fact.words, self.having(fact.attribute, *fact.values), fact.attribute in HARD)

    def having(self, column: str, *values: str) -> np.ndarray:
        """(C,) bool, the items with one of some values."""
        nothing = np.zeros(len(self.details), dtype=bool)
        rows: np.ndarray = np.any([self._with.get((column, value), nothing) for value in values] or [nothing], axis=0)
        return rows

    def without(self, column: str, value: str) -> np.ndarray:
        """(C,) bool, the items that an exclusion leaves: "not leather" excludes patent leather as well."""
        words = value.split()
        of_column = [other for name, other in self._with if name == column]
        return ~self.having(column, *(other for other in of_column if other.split()[-len(words) :] == words))

    def values(self, column: str, among: np.ndarray) -> list[str]:
        """The values of a column that items have among some, (C,) bool, in order."""
        return sorted(value for (name, value), rows in self._with.items() if name == column and (rows & among).any())

    def of_type(self, row: int) -> np.ndarray:
        """(C,) bool, the items of the type of an item."""
        return self._of_type[self.item_types[row]]


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
