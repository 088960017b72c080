"""What the rows of a table say of events: when something happened, what it was, how much it counts."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.data.facts import KIND_WEIGHTS, NO_TIME
from fashion_hash.data.parsing.cells import number_of
from fashion_hash.data.parsing.tables import Row
from fashion_hash.data.parsing.times import column_times
from fashion_hash.data.shop.notes import Notes
from fashion_hash.data.shop.tables.names import EVENT_KINDS, Source, plain_name
from fashion_hash.errors import DataError

BY_STRENGTH = ("", *sorted(KIND_WEIGHTS, key=lambda kind: KIND_WEIGHTS[kind]))
"""The kinds of events from the weakest to the strongest; the first is for events whose kind is not said."""


class Event(NamedTuple):
    """The kind (a position in BY_STRENGTH), the weight (NaN if it is not given) and the given split ("" for none)."""

    strength: int
    weight: float
    split: str


class Events:
    """Events of one table, as they are read: arrays that grow, with times as they are written until the end.

    Args:
        source: the table.
        notes: rows that are left out are counted here.

    Attributes:
        weights: NaN where none is given.
        strengths: positions in BY_STRENGTH.
        splits: given splits, "" for none.
    """

    def __init__(self, source: Source, notes: Notes) -> None:
        self._source, self._notes = source, notes
        self._columns = {name: names[0] for name, names in source.mapped.items()}
        self._cells: dict[object, int] = {}  # distinct times as they are written
        self._lines: list[int] = []
        self._time_rows = array("i")
        self.weights = array("d")
        self.strengths = array("b")
        self.splits: list[str] = []

    def read(self, line: int, row: Row) -> Event | None:
        """The event of a row; None if the row is to be left out.

        Raises:
            DataError: the weight or the split cannot be read.
        """
        place = f"{self._source.path.name}:{line}"
        strength, weight = 0, float("nan")
        if (kind := self._cell(row, "kind")) is not None:
            name = EVENT_KINDS.get(plain_name(str(kind)))
            if name is None:
                self._notes.add(f"events of the unknown kind {str(kind)[:40]!r}, left out", place)
                return None
            strength = BY_STRENGTH.index(name)
        if (cell := self._cell(row, "weight")) is not None:
            weight = _weight(cell)
            if weight < 0:
                self._notes.add("rows of a negative weight, left out", f"{weight:g} ({place})")
                return None
        split = self._cell(row, "split")
        return Event(strength, weight, "" if split is None else _split(split))

    def keep(self, event: Event, line: int, row: Row) -> None:
        """Appends an event."""
        cell = self._cell(row, "timestamp")
        if cell is None and "timestamp" in self._columns:
            self._notes.add(f"rows of {self._source.path.name} without a time", f"line {line}")
        at = self._cells.setdefault(cell, len(self._cells))
        if at == len(self._lines):
            self._lines.append(line)
        self._time_rows.append(at)
        self.weights.append(event.weight)
        self.strengths.append(event.strength)
        self.splits.append(event.split)

    def times(self) -> np.ndarray:
        """(L,) int64 Unix seconds of the kept events, NO_TIME where none is given.

        Raises:
            DataError: a time cannot be read, or the column mixes formats.
        """
        rows = np.array(self._time_rows, dtype=np.int64)
        if "timestamp" not in self._columns or not self._cells:
            return np.full(len(rows), NO_TIME, dtype=np.int64)
        column = self._columns["timestamp"]
        return np.asarray(column_times(list(self._cells), column, self._source.path, self._lines)[rows])

    def _cell(self, row: Row, name: str) -> Any:
        return row.get(self._columns[name]) if name in self._columns else None


def _weight(cell: Any) -> float:
    try:
        weight = float(number_of(cell) if isinstance(cell, str) and "," in cell else cell)
    except (TypeError, ValueError):
        weight = float("nan")
    if not np.isfinite(weight):
        raise DataError(f"weight is {str(cell)[:60]!r}: expected a number of at least 0")
    return weight


def _split(cell: object) -> str:
    names = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "test": "test"}
    name = names.get(str(cell).strip().lower())
    if name is None:
        raise DataError(f"split is {str(cell)[:60]!r}: expected train, valid or test")
    return name
