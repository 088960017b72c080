"""The catalogue of a bundle: title, details and picture of every item, in one SQLite file."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

from fashion_hash.bundle.sqlite_files import check_tables, connect, limited, size_of
from fashion_hash.core.ids import IdTable
from fashion_hash.data.columns import DESCRIBED, USABLE, ColumnType, typed, types_of
from fashion_hash.data.progress import progress
from fashion_hash.errors import BundleError, DataError, counted, shown, unreadable

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

COLUMNS_SCHEMA = "CREATE TABLE IF NOT EXISTS columns (name TEXT PRIMARY KEY, type TEXT) WITHOUT ROWID;"
"""The types of the columns of details, null for several kinds (data/columns.py). Older files lack the table."""

ROWS_OF_TYPE = "SELECT row, item_id FROM items WHERE type = ? ORDER BY row"
LINES_AT = "SELECT row, title, details FROM items WHERE type = ? AND row IN (SELECT value FROM json_each(?))"

# item id, title, details as JSON, picture
Line = tuple[str, str | None, str, bytes | None]


class LaterLines(Protocol):
    """What came after the export (fashion_hash.live)."""

    def line(self, item_type: str, row: int) -> Line | None:
        """The line of an added item, or None."""

    def revision(self, item_type: str, row: int, seq: int) -> tuple[str | None, str] | None:
        """Title and details (JSON) of an item that was updated, as of log entry `seq`, or None."""

    def new_picture(self, item_type: str, row: int, seq: int) -> tuple[bytes | None] | None:
        """The picture of an item whose picture was updated, as of log entry `seq`, or None."""

    def lines(self, item_type: str, rows: Sequence[int], seq: int) -> dict[int, tuple[str | None, str]]:
        """By row, title and details (JSON) of those of the items that were added or updated, as of log entry `seq`."""

    def reworded(self, item_type: str, after: int, until: int) -> list[int]:
        """Rows of the items whose words or picture were updated by log entries `after` < seq <= `until`, ascending."""


@dataclass(frozen=True)
class Item:
    """An item of the catalogue; `details` holds every column except the title."""

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
    """Writes a new catalogue file with one row per item, including items without details.

    The types of the columns are found from their values and written as well. Dates are written as UTC.

    Raises:
        DataError: a value cannot be written, such as NaN.
        OSError: the file cannot be written.
    """
    described = (columns for of_type in details.values() for columns in of_type.values())
    types = types_of({name: value for name, value in columns.items() if name != "title"} for columns in described)
    dates = [name for name, column_type in types.items() if column_type == "date"]

    def rows() -> Iterator[tuple[str, int, str, str | None, str, bytes | None]]:
        for item_type, ids in items.items():
            known, images = details.get(item_type, {}), pictures.get(item_type, {})
            for row, item_id in enumerate(ids):
                columns = dict(known.get(item_id, {}))
                title = columns.pop("title", None)
                columns |= {name: typed(name, columns[name], "date") for name in dates if name in columns}
                try:
                    text = json.dumps(columns, ensure_ascii=False, allow_nan=False)
                except (TypeError, ValueError) as error:
                    raise DataError(f"{item_type} {item_id!r}: {error}: {USABLE}") from None
                yield item_type, row, item_id, title, text, images.get(item_id)

    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executescript(SCHEMA + COLUMNS_SCHEMA)
            lines = progress(rows(), "writing the catalogue", "items")
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", lines)
            connection.executemany("INSERT INTO columns VALUES (?, ?)", sorted(types.items()))
    except sqlite3.OperationalError as error:
        raise _not_written(path, error) from None
    finally:
        connection.close()


def _not_written(path: Path, error: sqlite3.OperationalError) -> OSError:
    """SQLite's word for a full disk, or a limit on the size of files, as what the system says."""
    full = error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    number = errno.ENOSPC if full else errno.EIO
    return OSError(number, os.strerror(number) if full else str(error), str(path))


class Catalogue:
    """Reads a catalogue file. Threads may share an instance, and several processes may open the file.

    Args:
        path: the file in the bundle, which never changes.
        later: the items that were added or updated later.
    """

    def __init__(self, path: Path, later: LaterLines | None = None) -> None:
        self.path = path
        self._later = later
        self._seq = 0
        try:
            # threads may share the connection: it only reads, and SQLite locks it internally
            self._connection = connect_catalogue(path, "ro&immutable=1")
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        self._select("type", "", -1)

    def check_ids(self, tables: Mapping[str, IdTable]) -> None:
        """Compares the ids of the rows with the id tables of the bundle, which no checksum ties to each other.

        Raises:
            BundleError: a row has another id, or there is a row without one in the tables, or none for an id.
        """
        try:
            with limited(self._connection, size_of(self.path)):
                count = self._connection.execute("SELECT count(*) FROM items").fetchone()[0]
                rows = {
                    item_type: self._connection.execute(ROWS_OF_TYPE, (item_type,)).fetchall() for item_type in tables
                }
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        for item_type, ids in tables.items():
            expected = list(enumerate(ids.at(range(len(ids)))))
            for row, (found, named) in enumerate(zip_longest(rows[item_type], expected)):
                if found != named:
                    raise BundleError(
                        f"{self.path}: row {row} of type {item_type} holds {shown(found and found[1])}, but the ids of "
                        f"the bundle say {shown(named and named[1])}: export the bundle again"
                    )
        if count != (named := sum(map(len, tables.values()))):
            raise BundleError(
                f"{self.path} holds {counted(count, 'item')}, but the bundle {named}: export the bundle again"
            )

    def at(self, seq: int) -> Catalogue:
        """The catalogue as of log entry `seq`; it shares the open file."""
        later = copy(self)
        later._seq = seq
        return later

    def item(self, item_type: str, row: int) -> Item:
        """The item in a row of a type."""
        columns = self._select("item_id, title, details", item_type, row) or self._line(item_type, row)
        if columns is None:
            raise BundleError(f"{self.path} has no item of type {item_type} in row {row}: export the bundle again")
        item_id, title, details = columns[:3]
        revision = self._later and self._later.revision(item_type, int(row), self._seq)
        title, details = revision or (title, details)
        try:
            if not isinstance(item_id, str) or not isinstance(title, str | None):
                raise TypeError("an id or a title that is not a text")
            return Item(item_type, item_id, title, read_object(details))
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unreadable(ValueError(f"{item_type} row {row}: {error}")) from None

    def picture(self, item_type: str, row: int) -> bytes | None:
        """The encoded picture of an item (JPEG or PNG), or None when it has none."""
        if self._later and (revision := self._later.new_picture(item_type, int(row), self._seq)):
            return revision[0]
        columns = self._select("picture", item_type, row)
        if columns is None:
            line = self._line(item_type, row)
            return None if line is None else line[3]
        picture: bytes | None = columns[0]
        if not isinstance(picture, bytes | None):
            raise self._unreadable(ValueError(f"the picture of {item_type} row {row} is not bytes"))
        return picture

    def lines(self, item_type: str, rows: Sequence[int]) -> dict[int, tuple[str | None, str]]:
        """By row, title and details (JSON) of many items of a type."""
        try:
            with limited(self._connection, size_of(self.path)):
                exported = self._connection.execute(LINES_AT, (item_type, json.dumps(rows))).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        if any(not isinstance(title, str | None) or not isinstance(text, str) for _, title, text in exported):
            raise self._unreadable(ValueError(f"the title or the details of a {item_type} are not a text"))
        lines = {row: (title, text) for row, title, text in exported}
        return lines if self._later is None else {**lines, **self._later.lines(item_type, rows, self._seq)}

    def details(self, item_type: str, first: int = 0) -> list[dict[str, Any]]:
        """The details of all exported items of a type, "title" among them, in row order.

        Args:
            item_type: the type of the items.
            first: the row of the first item in the file: 0, or where it continues another file.

        Raises:
            BundleError: the file cannot be read, or rows are missing.
        """
        query = "SELECT row, title, details FROM items WHERE type = ? AND row >= ? ORDER BY row"
        details = []
        try:
            with limited(self._connection, size_of(self.path)):
                for number, (row, title, text) in enumerate(self._connection.execute(query, (item_type, first)), first):
                    if row != number:  # damaged pages could name rows without end
                        raise ValueError(f"it lacks the {item_type} item of row {number}")
                    if not isinstance(title, str | None):
                        raise TypeError(f"the title of {item_type} row {row} is not a text")
                    details.append(read_object(text) | ({} if title is None else {"title": title}))
        except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
            raise self._unreadable(error) from None
        return details

    def reworded(self, item_type: str, after: int) -> list[int]:
        """Rows of the items whose words or picture were updated after log entry `after`, ascending."""
        return [] if self._later is None else self._later.reworded(item_type, after, self._seq)

    @cached_property
    def stated_types(self) -> dict[str, ColumnType | None]:
        """The types of the columns as the file states them; an older catalogue states none."""
        try:
            return read_column_types(self._connection)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    @cached_property
    def column_types(self) -> dict[str, ColumnType | None]:
        """The type of each column of the details, None for a column of several kinds.

        An older catalogue, which states none, is read through: seconds for a million items. Its dates are texts.
        """
        if self.stated_types:
            return self.stated_types
        try:
            with limited(self._connection, size_of(self.path)):
                lines = self._connection.execute("SELECT details FROM items")
                older = types_of(read_object(text) for (text,) in lines)
        except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
            raise self._unreadable(error) from None
        return {name: "text" if column_type == "date" else column_type for name, column_type in older.items()}

    def _line(self, item_type: str, row: int) -> Line | None:
        return None if self._later is None else self._later.line(item_type, int(row))

    def _select(self, columns: str, item_type: str, row: int) -> tuple[Any, ...] | None:
        query = f"SELECT {columns} FROM items WHERE type = ? AND row = ?"
        try:
            with limited(self._connection):
                selected = self._connection.execute(query, (item_type, int(row)))
                columns_of_row: tuple[Any, ...] | None = selected.fetchone()
            return columns_of_row
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> BundleError:
        return unreadable(
            self.path, error, f"{self.path} is not a readable catalogue ({error}): export the bundle again"
        )


def connect_catalogue(path: Path, mode: str) -> sqlite3.Connection:
    """Opens a catalogue file whose tables are the declared ones. Raises sqlite3.Error."""
    connection = connect(path, mode)
    check_tables(connection, SCHEMA + COLUMNS_SCHEMA, optional=("columns",))
    return connection


def read_object(text: object) -> dict[str, Any]:
    """A cell of details: a JSON object. Raises ValueError, TypeError or RecursionError for anything else."""
    if not isinstance(text, str):
        raise TypeError(f"details are {type(text).__name__}, not text")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError(f"details are a {type(value).__name__}, not an object")
    return value


def read_column_types(connection: sqlite3.Connection) -> dict[str, ColumnType | None]:
    """The types of the columns as a catalogue file states them; none where the table is absent."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'columns'").fetchone() is None:
        return {}
    types = dict(connection.execute("SELECT name, type FROM columns"))
    if any(not isinstance(name, str) or types[name] not in (*DESCRIBED, None) for name in types):
        raise sqlite3.DatabaseError("its table of columns holds an unknown type")
    return types
