"""Ids of a bundle: strings in row order, found by binary search, straight from mapped files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.errors import BundleError, DataError, counted, shown, unknown_id

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

AT_ONCE = 1 << 16
MANY = 64  # for at least this many ids, one search for all of them is faster


def encode(kind: str, name: object, row: int) -> bytes:
    """An id as it is stored. Raises DataError when it is empty, is not UTF-8 or contains a NUL character."""
    key = _encode(name)
    if not key or b"\0" in key:  # numpy drops trailing NULs: two ids could become one
        raise DataError(
            f"{kind} id {shown(name)} in row {row}: an id must be UTF-8 text, not empty, without NUL characters"
        )
    return key


def given_id(kind: str, value: object, place: int) -> str:
    """The text of an id that a caller gives.

    Args:
        kind: what it names, for messages.
        value: a text, or a whole number, which stands for its digits.
        place: of what it names, in the list that was given.

    Raises:
        DataError: the value is something else: True, 1.5, bytes, a list.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
        raise DataError(f"{kind} id {shown(value)} in row {place}: an id must be a text or a whole number")
    try:
        return str(value)
    except ValueError as error:  # Python writes no whole number of more than 4,300 digits
        raise DataError(f"{kind} id {shown(value)} in row {place} is too long ({error})") from None


def new_id(kind: str, value: object, place: int) -> str:
    """The text of an id that a caller gives to something new; see `given_id`.

    Raises:
        DataError: as there, or the id is empty or blank, or holds a control character.
    """
    text = given_id(kind, value, place)
    encode(kind, text, place)
    if not text.strip():
        raise DataError(f"{kind} id {text!r} in row {place} is blank: an id must be a text with letters or digits")
    if bad := _CONTROL.search(text):
        raise DataError(f"{kind} id {shown(text)} in row {place} holds the control character {bad[0]!r}: leave it out")
    return text


def _encode(name: object) -> bytes | None:
    """UTF-8, or None where that is impossible (a stray byte of a command line)."""
    try:
        return str(name).encode()
    except UnicodeEncodeError:
        return None


def encoded_ids(kind: str, ids: Iterable[str]) -> np.ndarray:
    """(N,) numpy bytes, the ids as they are stored; in parts, since a bytes object for each would be the most of it.

    Raises:
        DataError: as `encode`.
    """
    parts, rows = [], enumerate(ids)
    while part := [encode(kind, name, row) for row, name in islice(rows, AT_ONCE)]:
        parts.append(np.array(part, dtype=np.bytes_))
    return np.concatenate(parts) if parts else np.zeros(0, dtype="S1")


class IdTable:
    """Row i of the table is the i-th id; nothing is read until it is asked for.

    Args:
        kind: what the ids name, for messages ("user", "top", "outfit").
        ids: (N,) numpy bytes ("S"), UTF-8, in row order.
        order: integers that sort `ids`. Rows that are missing here cannot be found by their id any more, such as
            the row of a removed item that is still in use.
    """

    def __init__(self, kind: str, ids: np.ndarray, order: np.ndarray) -> None:
        self.kind = kind
        self._ids = ids
        self._order = order

    @classmethod
    def of(cls, kind: str, ids: Iterable[str]) -> IdTable:
        """From text. Raises DataError when an id is empty, occurs twice, is not UTF-8 or contains a NUL character."""
        return cls.of_encoded(kind, encoded_ids(kind, ids))

    @classmethod
    def of_encoded(cls, kind: str, array: np.ndarray, findable: np.ndarray | None = None) -> IdTable:
        """From ids that are encoded already.

        Args:
            kind: what the ids name.
            array: (N,) numpy bytes.
            findable: (N,) bool, which rows can be found by their id; by default all.

        Raises:
            DataError: the id of a findable row occurs twice.
        """
        if findable is None and (array[:-1] < array[1:]).all():
            return cls(kind, array, np.arange(len(array), dtype=np.int32))
        rows = np.arange(len(array)) if findable is None else np.flatnonzero(findable)
        order = rows[np.argsort(array[rows], kind="stable")].astype(np.int32)
        ordered = array[order]
        if (same := np.flatnonzero(ordered[1:] == ordered[:-1])).size:
            raise DataError(f"{kind} id {ordered[same[0]].decode()!r} occurs twice")
        return cls(kind, array, order)

    @classmethod
    def open(cls, kind: str, folder: Path, name: str) -> IdTable:
        """From the two files that `save` wrote, memory-mapped.

        Raises BundleError when one cannot be read, or they do not fit each other.
        """
        ids = open_array(folder / f"{name}.ids.npy", "ids/*.ids.npy")
        order = open_array(folder / f"{name}.order.npy", "ids/*.order.npy")
        if len(order) > len(ids):
            raise BundleError(
                f"{folder / name}.order.npy sorts {counted(len(order), 'row')} of {counted(len(ids), 'id')}: export "
                "it again"
            )
        check_rows(folder / f"{name}.order.npy", order, 0, len(ids))
        return cls(kind, ids, order)

    def save(self, folder: Path, name: str) -> None:
        """Writes `name.ids.npy` and `name.order.npy` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.ids.npy", self._ids)
        np.save(folder / f"{name}.order.npy", self._order)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, name: object) -> bool:
        return self.find(str(name)) >= 0

    def id(self, row: int) -> str:
        """The id of a row."""
        return self._decoded([bytes(self._ids[row])])[0]

    @property
    def encoded(self) -> np.ndarray:
        """(N,) numpy bytes, UTF-8, in row order."""
        return self._ids

    @property
    def order(self) -> np.ndarray:
        """The rows that can be found by their id, in the order of the ids: int32."""
        return self._order

    @property
    def findable(self) -> np.ndarray:
        """(N,) bool: the rows that can be found by their id."""
        mask = np.zeros(len(self._ids), dtype=bool)
        mask[self._order] = True
        return mask

    def at(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The ids of many rows."""
        return self._decoded(self._ids[np.asarray(rows, dtype=np.int64)].tolist())

    def all(self) -> list[str]:
        """Every id that can be found, in row order."""
        names = self._ids if len(self._order) == len(self._ids) else self._ids[self.findable]
        return self._decoded(names.tolist())

    def _decoded(self, names: list[bytes]) -> list[str]:
        try:
            return [name.decode() for name in names]
        except UnicodeDecodeError as error:
            raise BundleError(
                f"a {self.kind} id is not UTF-8 text ({error.object[:80]!r}): export the bundle again"
            ) from None

    def find(self, name: str) -> int:
        """The row of an id, or -1."""
        key = _encode(name)
        if key is None:
            return -1
        low, high = 0, len(self._order)
        while low < high:
            middle = (low + high) // 2
            if bytes(self._ids[self._order[middle]]) < key:
                low = middle + 1
            else:
                high = middle
        if low < len(self._order) and bytes(self._ids[self._order[low]]) == key:
            return int(self._order[low])
        return -1

    def find_many(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of many ids, int64, -1 where there is none."""
        if len(ids) < MANY or not len(self._order):
            return np.array([self.find(name) for name in ids], dtype=np.int64)
        keys = [_encode(name) or b"" for name in ids]
        cut = np.array(keys, dtype=self._ids.dtype)  # longer keys lose their end
        places = np.minimum(np.searchsorted(self._sorted, cut), len(self._order) - 1)
        fits = np.array([0 < len(key) <= self._ids.dtype.itemsize for key in keys])
        return np.where(fits & (self._sorted[places] == cut), self._order[places], -1).astype(np.int64)

    @cached_property
    def _sorted(self) -> np.ndarray:
        """The ids that can be found, ascending."""
        return self._ids if self._in_order else self._ids[self._order]

    @cached_property
    def _in_order(self) -> bool:
        return len(self._ids) > 0 and np.array_equal(self._order, np.arange(len(self._ids)))

    def row(self, name: str) -> int:
        """The row of an id. Raises UnknownIdError, with the nearest known ids."""
        row = self.find(name)
        if row < 0:
            raise unknown_id(self.kind, str(name), self.all)
        return row

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of many ids: int64."""
        return np.array([self.row(name) for name in ids], dtype=np.int64)
