"""The columns of the catalogue, as filter menus show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from fashion_hash.retrieval.filters.columns import FITTING, KINDS, NUMBER, TEXT, ItemColumns
from fashion_hash.retrieval.recommender import Recommender

MOST_VALUES = 50


def columns_of(recommender: Recommender) -> list[dict[str, Any]]:
    """Every column: the item types that have it, what it holds, its range and its commonest texts."""
    tables = recommender.columns()
    names = dict.fromkeys(name for table in tables.values() for name in table.names)
    return [_column(name, {kind: table for kind, table in tables.items() if name in table.names}) for name in names]


def _column(name: str, tables: Mapping[str, ItemColumns]) -> dict[str, Any]:
    held = sorted({kind for table in tables.values() for kind in table.held(name)})
    operators = dict.fromkeys(operator for kind in held for operator in FITTING.get(kind, ()))
    facts: dict[str, Any] = {
        "name": name,
        "types": list(tables),
        "holds": [KINDS[kind] for kind in held if kind in KINDS],
        "operators": list(operators),
    }
    numbers, counts = [], Counter[str]()
    for table in tables.values():
        kinds, values, texts = table.column(name)
        numbers.append(values[kinds == NUMBER])
        places = values[kinds == TEXT].astype(np.int64)
        for place, count in zip(*(part.tolist() for part in np.unique(places, return_counts=True))):
            counts[texts[place]] += count
    joined = np.concatenate(numbers)
    if len(joined):
        facts |= {"least": float(joined.min()), "greatest": float(joined.max())}
    if counts and name != "title":
        commonest = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_VALUES]
        facts |= {"values": [{"value": value, "items": count} for value, count in commonest], "distinct": len(counts)}
    return facts
