"""The catalogue of a bundle: title, details and picture of every item, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_hash.errors import BundleError

SCHEMA = """
CREATE TABLE items (
    type TEXT NOT NULL,
    row INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    title TEXT,
    details TEXT NOT NULL,
    picture BLOB,
    PRIMARY KEY (type, row)
) WITHOUT ROWID;
CREATE INDEX items_by_id ON items (item_id);
"""


# item id, title, details as JSON, picture
Line = tuple[str, str | None, str, bytes | None]


@dataclass(frozen=True)
class Item:
    """What the catalogue knows of an item; `details` holds every column but the title."""

    type: str
    item_id: str
    title: str | None
    details: dict[str, Any]


def write_catalogue(
    path: Path,
    items: Mapping[str, Iterable[str]],
    details: Mapping[str, Mapping[str, Mapping[str, Any]]],
    pictures: Mapping[str, Mapping[str, bytes]],
) -> None:
    """Writes a new catalogue file: one row for each item, whatever is known of it."""

    def rows() -> Iterator[tuple[str, int, str, str | None, str, bytes | None]]:
        for kind, ids in items.items():
            known, seen = details.get(kind, {}), pictures.get(kind, {})
            for row, one in enumerate(ids):
                columns = dict(known.get(one, {}))
                title = columns.pop("title", None)
                yield kind, row, one, title, json.dumps(columns, ensure_ascii=False), seen.get(one)

    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executescript(SCHEMA)
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows())
    finally:
        connection.close()


class Catalogue:
    """Reads a catalogue file; one may serve many threads, and many processes may open the file at once.

    Args:
        path: the file of the bundle, which never changes.
        added: tells of an item that was added later, by type and row, what a line of the file holds
            (fashion_hash.live).
    """

    def __init__(self, path: Path, added: Callable[[str, int], Line | None] | None = None) -> None:
        self.path = path
        self._added = added
        try:
            # reading only, and SQLite guards a connection by a lock of its own: threads may share it
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        self._select("type", "", -1)

    def item(self, kind: str, row: int) -> Item:
        """What is known of the item in a row of a type."""
        found = self._select("item_id, title, details", kind, row) or self._line(kind, row)
        if found is None:
            raise BundleError(f"{self.path} has no {kind} in row {row}: export the bundle again")
        return Item(kind, found[0], found[1], json.loads(found[2]))

    def picture(self, kind: str, row: int) -> bytes | None:
        """The encoded picture of an item, or None when there is none."""
        found = self._select("picture", kind, row)
        if found is None:
            line = self._line(kind, row)
            return None if line is None else line[3]
        picture: bytes | None = found[0]
        return picture

    def _line(self, kind: str, row: int) -> Line | None:
        return None if self._added is None else self._added(kind, int(row))

    def _select(self, columns: str, kind: str, row: int) -> tuple[Any, ...] | None:
        query = f"SELECT {columns} FROM items WHERE type = ? AND row = ?"
        try:
            columns_of_row: tuple[Any, ...] | None = self._connection.execute(query, (kind, int(row))).fetchone()
            return columns_of_row
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: sqlite3.Error) -> BundleError:
        return BundleError(f"{self.path} is not a readable catalogue ({error}): export the bundle again")
