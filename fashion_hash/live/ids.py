"""Ids of a table that grows and shrinks: those of files, those that came later, without the removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.core.ids import IdTable


class LiveIds(IdTable):
    """An IdTable and what became of it; a view that stays as it is while others are made.

    Args:
        base: ids of the files, rows 0 to N - 1.
        added: ids of the rows from N on; only the first `count` belong to this view.
        rows: the last row of each added id.
        alive: (N + count,) bool, or None when nothing was removed.
    """

    def __init__(
        self, base: IdTable, added: Sequence[str], rows: Mapping[str, int], count: int, alive: np.ndarray | None
    ) -> None:
        self.kind = base.kind
        self.base = base
        self._added = added
        self._rows = rows
        self._count = count
        self._alive = alive

    def __len__(self) -> int:
        return len(self.base) + self._count

    def id(self, row: int) -> str:
        """The id of a row, removed or not."""
        return self.base.id(row) if row < len(self.base) else self._added[row - len(self.base)]

    def at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The ids of many rows, removed or not."""
        return [self.id(row) for row in np.asarray(rows).tolist()]

    def all(self) -> list[str]:
        """Every id that is found, in row order."""
        ids = self.base.encoded.tolist()
        found = np.flatnonzero(self.findable)
        return [ids[row].decode() if row < len(ids) else self._added[row - len(ids)] for row in found.tolist()]

    @property
    def findable(self) -> np.ndarray:
        """(N + count,) bool: rows that are found by their id."""
        found = np.ones(len(self), dtype=bool)
        found[: len(self.base)] = self.base.findable
        return found if self._alive is None else found & self._alive

    @property
    def encoded(self) -> np.ndarray:
        """(N + count,) numpy bytes, UTF-8, in row order."""
        added = [one.encode() for one in self._added[: self._count]]
        return np.concatenate([self.base.encoded, np.array(added, dtype=np.bytes_)]) if added else self.base.encoded

    def find(self, one: str) -> int:
        """The row of an id, or -1."""
        row = self._rows.get(str(one), -1)
        if not 0 <= row < len(self):
            row = self.base.find(one)
        return row if row >= 0 and (self._alive is None or self._alive[row]) else -1
