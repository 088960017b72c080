"""Lines and cells of the file of a live catalogue. What no program has written raises sqlite3.DatabaseError."""

from __future__ import annotations

import io
import sqlite3
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fashion_hash.core.arrays import NOT_AN_ARRAY
from fashion_hash.errors import shown

Op = Literal[
    "add_items",
    "remove_items",
    "update_items",
    "hide_items",
    "show_items",
    "add_outfits",
    "remove_outfits",
    "remove_users",
]
OPS = frozenset(get_args(Op))


class Entry(NamedTuple):
    """A line of the log.

    Attributes:
        seq: its number; numbers grow.
        op: the operation.
        item_type: the item type, for items; the column `kind`.
        ids: a JSON list of ids.
        data: rows of items or records, see snapshot.py and changes.py.
    """

    seq: int
    op: Op
    item_type: str | None
    ids: str
    data: bytes


def read_entry(line: tuple[Any, ...], last: int) -> Entry:
    """A line of the log, whose number is above `last`."""
    seq, op, item_type, ids, data = line
    texts = isinstance(op, str) and isinstance(ids, str) and isinstance(data, bytes)
    named = op not in OPS or isinstance(item_type, str if str(op).endswith("_items") else type(None))
    if not texts or not named or seq <= last:
        raise sqlite3.DatabaseError(f"line {shown(seq)} of its log, {shown(op)}, cannot be read")
    return Entry(seq, op, item_type, ids, data)


def cells(title: object, details: object) -> tuple[str | None, str]:
    """Title and details (JSON) of an item."""
    if not isinstance(title, str | None) or not isinstance(details, str):
        raise sqlite3.DatabaseError(f"an item has the title {shown(title)} and the details {shown(details)}")
    return title, details


def picture(cell: object) -> bytes | None:
    """A picture, or None."""
    if not isinstance(cell, bytes | None):
        raise sqlite3.DatabaseError("a picture is not bytes")
    return cell


def whole(row: object) -> int:
    """The number of a row."""
    if not isinstance(row, int):
        raise sqlite3.DatabaseError(f"{shown(row)} is not the number of a row")
    return row


_HEAD = 10  # bytes: the magic string, the version, and how long the header is


def to_npy(feature: np.ndarray) -> bytes:
    """An array as the content of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, feature, allow_pickle=False)
    return stream.getvalue()


@lru_cache(maxsize=64)
def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of an .npy file: the same for thousands of features, and slow to parse."""
    stream = io.BytesIO(head)
    np.lib.format.read_magic(stream)
    return np.lib.format.read_array_header_1_0(stream)


def from_npy(cell: object) -> np.ndarray:
    """The array of `to_npy`; its memory is not reserved before its size is known to be right."""
    try:
        if not isinstance(cell, bytes):
            raise TypeError(f"{type(cell).__name__} instead of bytes")
        head = cell[: _HEAD + int.from_bytes(cell[_HEAD - 2 : _HEAD], "little")]
        shape, fortran, dtype = _header(head)
        if dtype.hasobject or np.prod(shape, dtype=float) * dtype.itemsize != len(cell) - len(head):
            raise ValueError(f"{len(cell)} bytes for shape {shown(shape)} of {dtype}")
        values = np.frombuffer(cell, dtype, offset=len(head)).reshape(shape, order="F" if fortran else "C")
        return values.copy(order="K")
    except NOT_AN_ARRAY as error:
        raise sqlite3.DatabaseError(f"a feature of an item cannot be read: {error}") from None
