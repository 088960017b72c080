"""Tables that change: arrays that grow, and ids from files with added ids and without removed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.core.ids import IdTable


class Growing:
    """An array that grows at its end; earlier views do not change."""

    def __init__(self, start: np.ndarray) -> None:
        self._buffer, self._count = start, len(start)

    def __len__(self) -> int:
        return self._count

    @property
    def view(self) -> np.ndarray:
        """The current rows."""
        return self._buffer[: self._count]

    def replace(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Replaces some rows, in a copy."""
        self._buffer = self.view.copy()
        self._buffer[rows] = values

    def extend(self, rows: np.ndarray) -> None:
        """Adds rows."""
        count = self._count + len(rows)
        if count > len(self._buffer):
            bigger = np.empty((count + max(256, count // 2), *self._buffer.shape[1:]), dtype=self._buffer.dtype)
            bigger[: self._count] = self.view
            self._buffer = bigger
        self._buffer[self._count : count] = rows
        self._count = count


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
        findable, size = self.findable, len(self.base)
        added = [self._added[row] for row in np.flatnonzero(findable[size:]).tolist()]
        return [*self.base.at(np.flatnonzero(findable[:size])), *added]

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

    def find_many(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of many ids, int64, -1 where there is none."""
        rows = np.array([self._rows.get(str(name), -1) for name in ids], dtype=np.int64)
        rows[rows >= len(self)] = -1
        if (missing := np.flatnonzero(rows < 0)).size:
            rows[missing] = self.base.find_many([str(ids[place]) for place in missing.tolist()])
        if self._alive is not None:
            rows[(rows >= 0) & ~self._alive[rows]] = -1
        return rows

    def find(self, name: str) -> int:
        """The row of an id, or -1 when it does not exist."""
        row = self._rows.get(str(name), -1)
        if not 0 <= row < len(self):
            row = self.base.find(name)
        return row if row >= 0 and (self._alive is None or self._alive[row]) else -1


class Names:
    """The ids of a table while it changes; `view` gives the current LiveIds."""

    def __init__(self, base: IdTable) -> None:
        self.base = base
        self.added: list[str] = []
        self.rows: dict[str, int] = {}
        self.alive: np.ndarray | None = None
        self.num_removed = 0

    def add(self, ids: Sequence[str]) -> None:
        """Appends rows."""
        if not self.rows.keys().isdisjoint(ids):  # a removed id is added again: earlier views keep its old row
            self.rows = dict(self.rows)
        first = len(self.base) + len(self.added)
        self.added.extend(ids)
        self.rows.update(zip(ids, range(first, first + len(ids))))

    def remove(self, rows: Sequence[int]) -> None:
        """Removes rows. This makes a new array `alive`, so that earlier views do not change."""
        total = len(self.base) + len(self.added)
        if not rows and (self.alive is None or len(self.alive) == total):
            return
        alive = np.ones(total, dtype=bool)
        if self.alive is not None:
            alive[: len(self.alive)] = self.alive
        alive[list(rows)] = False
        self.alive = alive
        self.num_removed += len(rows)

    @property
    def view(self) -> LiveIds:
        """The ids as they are now."""
        return LiveIds(self.base, self.added, self.rows, len(self.added), self.alive)
