"""The ids of a table that grows and shrinks: ids from files and added ids, without removed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.core.ids import IdTable


class LiveIds(IdTable):
    """An IdTable with later additions and removals. It is a view that does not change with later ones.

    Args:
        base: the ids from files, rows 0 to N - 1.
        added: the ids of rows N and above; only the first `count` belong to this view.
        rows: the last row of each added id.
        count: the number of added ids.
        alive: (N + count,) bool, False for removed rows, or None when nothing was removed.
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
        """The id of a row, even if it was removed."""
        return self.base.id(row) if row < len(self.base) else self._added[row - len(self.base)]

    def at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The ids of many rows, even if they were removed."""
        return [self.id(row) for row in np.asarray(rows).tolist()]

    def all(self) -> list[str]:
        """All ids that exist, in row order."""
        ids = self.base.encoded.tolist()
        rows = np.flatnonzero(self.findable)
        return [ids[row].decode() if row < len(ids) else self._added[row - len(ids)] for row in rows.tolist()]

    @property
    def findable(self) -> np.ndarray:
        """(N + count,) bool: the rows that `find` can return."""
        findable = np.ones(len(self), dtype=bool)
        findable[: len(self.base)] = self.base.findable
        return findable if self._alive is None else findable & self._alive

    @property
    def encoded(self) -> np.ndarray:
        """The ids of all rows, (N + count,) numpy bytes, UTF-8."""
        added = [added_id.encode() for added_id in self._added[: self._count]]
        return np.concatenate([self.base.encoded, np.array(added, dtype=np.bytes_)]) if added else self.base.encoded

    def find(self, name: str) -> int:
        """The row of an id, or -1 when it does not exist."""
        row = self._rows.get(str(name), -1)
        if not 0 <= row < len(self):
            row = self.base.find(name)
        return row if row >= 0 and (self._alive is None or self._alive[row]) else -1
