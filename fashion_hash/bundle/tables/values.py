"""What requests may name in the columns of a catalogue, and what of it changed since the files of the bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from fashion_hash.bundle.tables.column import FLAG, NUMBER, TEXT, Column, KeptColumn, Lists
from fashion_hash.bundle.tables.table import ColumnTable
from fashion_hash.understanding.phrases.build import CatalogueValues
from fashion_hash.understanding.phrases.kept import ValueChange

Value = TypeVar("Value")


def values_of(tables: Mapping[str, ColumnTable], terms: Mapping[str, int]) -> CatalogueValues:
    """What requests may name in the columns of a catalogue; texts and numbers are collected when they are asked for.

    Args:
        tables: the columns, by item type.
        terms: see CatalogueValues.
    """
    sizes = {item_type: len(table) for item_type, table in tables.items()}
    columns = list(dict.fromkeys(name for table in tables.values() for name in table.names))

    def holding(kind: int) -> list[str]:
        return [name for name in columns if any(kind in table.held(name) for table in tables.values())]

    lists = [name for name in columns if any(TEXT in table.elements(name) for table in tables.values())]
    texts = [name for name in columns if name in {*holding(TEXT), *lists}]
    return CatalogueValues(
        types=tuple(tables),
        texts=_Lazily(texts, lambda name: _texts(tables, sizes, name)),
        numbers=_Lazily(holding(NUMBER), lambda name: _numbers(tables, sizes, name)),
        flags=tuple(holding(FLAG)),
        lists=frozenset(lists),
        terms=terms,
        num_items=sum(sizes.values()),
    )


def text_changes(
    tables: Mapping[str, ColumnTable], kept: Mapping[str, Mapping[str, KeptColumn]]
) -> dict[str, ValueChange]:
    """By column, how its texts differ from those in the files of the bundle; only columns that changed.

    Args:
        tables: the columns now, by item type.
        kept: by item type and name those of the files.
    """
    steps: dict[str, Counter[str]] = {}
    for item_type, table in tables.items():
        columns = table.columns()
        for name in dict.fromkeys([*columns, *kept[item_type]]):
            if step := _steps(columns.get(name), kept[item_type].get(name), len(table)):
                steps.setdefault(name, Counter()).update(step)
    changes = {}
    for name, step in steps.items():
        files = [(of_type[name], Lists(of_type[name].lists)) for of_type in kept.values() if name in of_type]
        before = {text: sum(_kept_count(column, lists, text) for column, lists in files) for text in step}
        changes[name] = ValueChange(
            [text for text in step if not before[text] and step[text] > 0],
            [text for text in step if before[text] and before[text] + step[text] <= 0],
            sum(step.values()),
        )
    return changes


def _texts(tables: Mapping[str, ColumnTable], sizes: Mapping[str, int], name: str) -> Mapping[str, int]:
    texts: Counter[str] = Counter()
    for item_type, table in tables.items():
        kinds, values, known = table.column(name)
        size = sizes[item_type]
        counts = np.bincount(values[:size][kinds[:size] == TEXT].astype(np.int64), minlength=0)
        for place in np.flatnonzero(counts).tolist():
            texts[known[place]] += int(counts[place])
        texts.update(table.listed(name))
    return texts


def _numbers(tables: Mapping[str, ColumnTable], sizes: Mapping[str, int], name: str) -> np.ndarray:
    parts = []
    for item_type, table in tables.items():
        kinds, values, _ = table.column(name)
        parts.append(values[: sizes[item_type]][kinds[: sizes[item_type]] == NUMBER])
    return np.sort(np.concatenate(parts))


def _steps(column: Column | None, kept: KeptColumn | None, size: int) -> Counter[str]:
    """By text how many more items of a type hold it than in the files: updated items and those that came later."""
    step = Counter[str]()
    if kept is not None and (column is None or column.kept is not kept):  # every item lost it
        if kept.texts is not None and kept.counts is not None:
            step.subtract(dict(zip(kept.texts, kept.counts.tolist())))
        step.subtract(_listed(Lists(kept.lists), 0))
        kept = None
    if column is None:
        return step
    first, lists = (0, 0) if kept is None else (len(kept.kinds), len(kept.lists))
    rows = column.changed[column.changed < first]
    if kept is not None and rows.size:
        _count(step, kept.texts, kept.kinds[rows], kept.values[rows], -1)
    _count(step, column.texts, column.kinds[rows], column.values[rows], 1)
    _count(step, column.texts, column.kinds[first:size], column.values[first:size], 1)
    if TEXT in column.elements and (size > first or column.changed.size):
        step.update(_listed(column.lists, lists))
    return step


def _listed(lists: Lists, start: int) -> Counter[str]:
    """The texts in lists, casefolded, and how many of the lists from a place on hold each."""
    held = Counter[str]()
    for elements in lists.all()[start:]:
        held.update({element.casefold() for element in elements if isinstance(element, str)})
    return held


def _count(step: Counter[str], texts: Sequence[str] | None, kinds: np.ndarray, values: np.ndarray, sign: int) -> None:
    places, counts = np.unique(values[kinds == TEXT].astype(np.int64), return_counts=True)
    for place, count in zip(places.tolist() if texts is not None else (), counts.tolist()):
        step[texts[place]] += sign * count  # type: ignore[index]


def _kept_count(kept: KeptColumn, lists: Lists, text: str) -> int:
    """How many items hold a text, and how many distinct lists, in the files."""
    place = -1 if kept.texts is None or kept.counts is None else kept.texts.place(text)
    count = int(kept.counts[place]) if place >= 0 and kept.counts is not None else 0
    return count + (len(lists.having.get(text, ())) if len(kept.lists) else 0)


class _Lazily(Mapping[str, Value]):
    """Values by name, each made when it is first asked for."""

    def __init__(self, names: list[str], make: Callable[[str], Value]) -> None:
        self._names, self._make = dict.fromkeys(names), make
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
