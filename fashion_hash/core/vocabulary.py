"""Translates between the ids of a data set (text) and the rows of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fashion_hash.errors import DataError, unknown_id


class Vocabulary:
    """An ordered set of ids: row i is the i-th id.

    Args:
        ids: the ids in row order: text, or anything whose `str` is the id.
        kind: what the ids name, for messages ("user", "top", ...).

    Raises:
        DataError: an id occurs twice or is empty.

    Example:
        >>> shirts = Vocabulary(["oxford", "linen"], "top")
        >>> shirts.row("linen"), shirts.find("silk"), len(shirts)
        (1, -1, 2)
    """

    def __init__(self, ids: Iterable[object], kind: str = "id") -> None:
        self.kind = kind
        self.ids: tuple[str, ...] = tuple(str(name) for name in ids)
        self._rows: dict[str, int] = {}
        for row, name in enumerate(self.ids):
            if not name:
                raise DataError(f"{kind} vocabulary: the id in row {row} is empty")
            if name in self._rows:
                raise DataError(f"{kind} vocabulary: {name!r} occurs twice, in rows {self._rows[name]} and {row}")
            self._rows[name] = row

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        return str(name) in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids == other.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} x {self.kind})"

    def row(self, name: object) -> int:
        """The row of an id. Raises UnknownIdError, with the nearest known ids."""
        try:
            return self._rows[str(name)]
        except KeyError:
            raise unknown_id(self.kind, str(name), self.all) from None

    def find(self, name: object) -> int:
        """The row of an id, or -1 when it is not known."""
        return self._rows.get(str(name), -1)

    def all(self) -> Sequence[str]:
        """Every id, in row order."""
        return self.ids

    def rows(self, ids: Sequence[object]) -> np.ndarray:
        """The rows of many ids: (len(ids),) int32. Raises UnknownIdError at the first unknown one."""
        return np.fromiter((self.row(name) for name in ids), dtype=np.int32, count=len(ids))
