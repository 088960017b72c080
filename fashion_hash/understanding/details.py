"""A catalogue as plain details, item by item: what requests may name in it, and which items have it.

The plain way, for training and as the referee of the columns that answer (retrieval/filters/columns.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.understanding.lexicon import CatalogueValues
from fashion_hash.understanding.satisfaction import Where

Details = Sequence[Mapping[str, Any]]

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": lambda value, other: _is_number(value) and value <= other,
    ">=": lambda value, other: _is_number(value) and value >= other,
    "in": lambda value, others: isinstance(value, str) and value in others,
    "overlaps": lambda value, others: isinstance(value, list) and any(element in others for element in value),
}


def catalogue_values(details: Mapping[str, Details], terms: Mapping[str, int]) -> CatalogueValues:
    """What requests may name in a catalogue.

    Args:
        details: by item type, the columns of each item, its title among them.
        terms: the words of titles and descriptions, and how many items hold each, see terms.Terms.
    """
    texts: dict[str, Counter[str]] = {}
    numbers: dict[str, list[float]] = {}
    flags: dict[str, None] = {}
    lists: dict[str, None] = {}
    for item in (item for of_type in details.values() for item in of_type):
        for column, value in item.items():
            if isinstance(value, bool):
                flags[column] = None
            elif isinstance(value, str):
                texts.setdefault(column, Counter())[value] += 1
            elif _is_number(value):
                numbers.setdefault(column, []).append(float(value))
            elif isinstance(value, list) and all(isinstance(element, str) for element in value):
                lists[column] = None
                texts.setdefault(column, Counter()).update(set(value))
    return CatalogueValues(
        types=tuple(details),
        texts=texts,
        numbers={column: np.sort(values) for column, values in numbers.items()},
        flags=tuple(flags),
        lists=frozenset(lists),
        terms=terms,
        num_items=sum(map(len, details.values())),
    )


class DetailMasks:
    """Which items match what facts ask, item by item; every answer is kept."""

    def __init__(self, details: Details, holding: Callable[[str], np.ndarray]) -> None:
        """The items of one type, and what tells which of them hold a word."""
        self._details, self._holding = details, holding
        self._kept: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._details)

    def __call__(self, where: Where) -> np.ndarray:
        """(N,) bool for a filter that `satisfaction.where` made."""
        if "word" in where:
            return self._holding(where["word"])
        key = repr(where)
        if key not in self._kept:
            count = len(self._details)
            self._kept[key] = np.fromiter((_matches(item, where) for item in self._details), dtype=bool, count=count)
        return self._kept[key]


def _matches(item: Mapping[str, Any], where: Where) -> bool:
    [(column, test)] = where["columns"].items()
    value = item.get(column)
    if isinstance(test, bool):
        return value is test
    return value is not None and all(_TESTS[op](value, other) for op, other in test.items())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
