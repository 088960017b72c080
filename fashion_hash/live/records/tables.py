"""The tables of the file of a live catalogue: what each holds, and how it is read and written.

A Records works on an open connection, in whatever transaction is open there; fashion_hash.live.store opens the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.catalogue import COLUMNS_SCHEMA, LINES_AT, Line, read_column_types
from fashion_hash.bundle.catalogue import SCHEMA as CATALOGUE_SCHEMA
from fashion_hash.data.columns import ColumnType
from fashion_hash.errors import shown
from fashion_hash.live.records.cells import Entry, Op, cells, from_npy, picture, read_entry, to_npy, whole

FORMAT_VERSION = 2
SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL, kind TEXT, ids TEXT NOT NULL, data BLOB);
CREATE TABLE users (user_id TEXT PRIMARY KEY, code BLOB NOT NULL, liked BLOB NOT NULL, disliked BLOB NOT NULL)
WITHOUT ROWID;
{CATALOGUE_SCHEMA}
{COLUMNS_SCHEMA}
"""
# since format version 2
LATER_SCHEMA = """
CREATE TABLE revisions (type TEXT NOT NULL, row INTEGER NOT NULL, seq INTEGER NOT NULL, title TEXT,
details TEXT NOT NULL, picture BLOB, has_picture INTEGER NOT NULL, reworded INTEGER NOT NULL,
PRIMARY KEY (type, row, seq)) WITHOUT ROWID;
CREATE INDEX revisions_by_seq ON revisions (type, seq);
CREATE TABLE hidden (type TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (type, row)) WITHOUT ROWID;
CREATE TABLE removed_users (row INTEGER PRIMARY KEY);
CREATE TABLE suppressed (digest BLOB PRIMARY KEY) WITHOUT ROWID;
"""

GIVEN_SCHEMA = """CREATE TABLE IF NOT EXISTS given (type TEXT NOT NULL, row INTEGER NOT NULL, modality TEXT NOT NULL,
feature BLOB, PRIMARY KEY (type, row, modality)) WITHOUT ROWID;"""
"""What items came with: raw features by modality as .npy, a line without one for a code. Older files lack the table."""


class LogState(NamedTuple):
    """What `Store.read` returns.

    Attributes:
        generation: the number of the last compaction.
        folded: the number of the last log entry that its files include.
        entries: the entries of the log after a number.
        hidden: by item type, rows of the items that are not offered, (n,) int64; None when `entries` do not change it.
        removed_users: rows of the exported users who were removed, (n,) int64; None when `entries` do not change it.
    """

    generation: int
    folded: int
    entries: list[Entry]
    hidden: dict[str, np.ndarray] | None
    removed_users: np.ndarray | None


class Revision(NamedTuple):
    """A later line of an item.

    Attributes:
        item_type: its type.
        row: its row.
        seq: the number of the log entry that made it.
        title: the title.
        details: all other columns, as JSON.
        picture: the encoded picture; only meaningful with `has_picture`.
        has_picture: whether the picture is new.
        reworded: whether the words that requests read, or the picture, are new.
    """

    item_type: str
    row: int
    seq: int
    title: str | None
    details: str
    picture: bytes | None
    has_picture: bool
    reworded: bool


class UserState(NamedTuple):
    """The state of a user who was added or updated after the export.

    Attributes:
        code: (D / 8,) uint8, packed; for an outfit encoder the bytes of the vector, (4 D,) uint8.
        liked: (L, S) int32, items by slot; for a user of the bundle, without their exported history.
        disliked: the same for disliked outfits.
    """

    code: np.ndarray
    liked: np.ndarray
    disliked: np.ndarray


class Records:
    """The records of an open file.

    Args:
        connection: to the file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._extended = False

    def first_row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The first row of a result, or () for an empty result."""
        return self._connection.execute(query, values).fetchone() or ()

    def meta(self, key: str) -> str | None:
        """A value of the table meta, or None."""
        row = self.first_row("SELECT value FROM meta WHERE key = ?", (key,))
        return str(row[0]) if row else None

    def put_meta(self, key: str, value: str | None) -> None:
        """Replaces a value of the table meta; None deletes it."""
        self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))
        if value is not None:
            self._connection.execute("INSERT INTO meta VALUES (?, ?)", (key, value))

    def _number(self, key: str, otherwise: str | None = None) -> int:
        value = self.meta(key) or otherwise
        if value is None or not value.isascii() or not value.isdigit() or len(value) > 18:
            raise sqlite3.DatabaseError(f"its {key} is {shown(value)}, expected a whole number")
        return int(value)

    @property
    def extended(self) -> bool:
        """Whether the file has the tables of format version 2."""
        if not self._extended:
            self._extended = self.meta("format_version") == str(FORMAT_VERSION)
        return self._extended

    def log(self, after: int | None) -> LogState:
        """The state of the log: its entries after number `after`, and what they refer to; within a transaction.

        With None it is all of them, and all that they may refer to.
        """
        query = "SELECT seq, op, kind, ids, data FROM log WHERE seq > ? ORDER BY seq"
        generation, folded = self._number("generation"), self._number("folded", "0")
        entries, last = [], after or 0
        for line in self._connection.execute(query, (last,)):
            entries.append(read_entry(line, last))
            last = entries[-1].seq
        ops = {entry.op for entry in entries}
        hidden = self.hidden() if after is None or ops & {"hide_items", "show_items"} else None
        removed = self.removed_users() if after is None or "remove_users" in ops else None
        return LogState(generation, folded, entries, hidden, removed)

    def hidden(self) -> dict[str, np.ndarray]:
        """By item type, rows of the items that are not offered, (n,) int64."""
        rows: dict[str, list[int]] = {}
        if self.extended:
            for item_type, row in self._connection.execute("SELECT type, row FROM hidden"):
                rows.setdefault(item_type, []).append(whole(row))
        return {item_type: np.array(of_type, dtype=np.int64) for item_type, of_type in rows.items()}

    def removed_users(self) -> np.ndarray:
        """Rows of the exported users who were removed, (n,) int64."""
        rows = self._connection.execute("SELECT row FROM removed_users").fetchall() if self.extended else []
        return np.array([row for (row,) in rows], dtype=np.int64)

    def item(self, item_type: str, row: int) -> Line | None:
        """The catalogue line of an added item, or None."""
        query = "SELECT item_id, title, details, picture FROM items WHERE type = ? AND row = ?"
        line: Line | None = self._connection.execute(query, (item_type, row)).fetchone()
        if line is not None:
            cells(line[1], line[2])
            picture(line[3])
        return line

    def details(self, item_type: str, first: int) -> list[tuple[str | None, str]]:
        """Title and details (JSON) of the added items of a type in row `first` and above, in order of rows."""
        query = "SELECT row, title, details FROM items WHERE type = ? AND row >= ? ORDER BY row"
        lines = []
        for number, (row, title, text) in enumerate(self._connection.execute(query, (item_type, first)), first):
            if row != number:  # damaged pages could name rows without end
                raise sqlite3.DatabaseError(f"it lacks the {item_type} item of row {number}")
            lines.append(cells(title, text))
        return lines

    def column_types(self) -> dict[str, ColumnType | None]:
        """The types of the columns that came with added items."""
        return read_column_types(self._connection)

    def put_column_types(self, types: Mapping[str, ColumnType | None]) -> None:
        """Adds the types of columns that no item had before."""
        self._connection.execute(COLUMNS_SCHEMA)
        self._connection.executemany("INSERT INTO columns VALUES (?, ?)", types.items())

    def revision(self, item_type: str, row: int, seq: int) -> tuple[str | None, str] | None:
        """Title and details (JSON) of an item that was updated, as of log entry `seq`, or None."""
        if not self.extended:
            return None
        query = "SELECT title, details FROM revisions WHERE type = ? AND row = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
        line = self.first_row(query, (item_type, row, seq))
        return cells(*line) if line else None

    def lines(self, item_type: str, rows: Sequence[int], seq: int) -> dict[int, tuple[str | None, str]]:
        """By row, title and details (JSON) of those of the items that were added or updated, as of log entry `seq`."""
        places = json.dumps(rows)
        lines = {
            row: cells(title, text) for row, title, text in self._connection.execute(LINES_AT, (item_type, places))
        }
        if self.extended:
            query = (
                "SELECT row, title, details, max(seq) FROM revisions WHERE type = ? AND seq <= ? "
                "AND row IN (SELECT value FROM json_each(?)) GROUP BY row"
            )
            latest = self._connection.execute(query, (item_type, seq, places))
            lines |= {row: cells(title, text) for row, title, text, _ in latest}
        return lines

    def new_picture(self, item_type: str, row: int, seq: int) -> tuple[bytes | None] | None:
        """The picture of an item whose picture was updated, as of log entry `seq`, or None."""
        if not self.extended:
            return None
        query = (
            "SELECT picture FROM revisions WHERE type = ? AND row = ? AND seq <= ? AND has_picture "
            "ORDER BY seq DESC LIMIT 1"
        )
        line = self.first_row(query, (item_type, row, seq))
        return (picture(line[0]),) if line else None

    def revisions(self, item_type: str, after: int, until: int) -> list[tuple[int, str | None, str]]:
        """Rows, titles and details of the items that were updated by log entries `after` < seq <= `until`, in order."""
        if not self.extended:
            return []
        query = "SELECT row, title, details FROM revisions WHERE type = ? AND seq > ? AND seq <= ? ORDER BY seq, row"
        lines = self._connection.execute(query, (item_type, after, until))
        return [(whole(row), *cells(title, text)) for row, title, text in lines]

    def put_given(self, item_type: str, rows: Sequence[int], given: Sequence[Mapping[str, np.ndarray] | None]) -> None:
        """Keeps the raw features that items came with, by modality; None for an item that is only a code."""
        lines: list[tuple[str, int, str, bytes | None]] = []
        for row, features in zip(rows, given):
            lines += [(item_type, row, "", None)] if features is None else []
            lines += [(item_type, row, name, to_npy(feature)) for name, feature in (features or {}).items()]
        if lines:
            self._connection.execute(GIVEN_SCHEMA)
            self._connection.executemany("INSERT OR REPLACE INTO given VALUES (?, ?, ?, ?)", lines)

    def given(self, item_type: str, row: int) -> dict[str, np.ndarray] | None:
        """The raw features that an item came with, by modality; None for one that is only a code."""
        if not self.first_row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'given'"):
            return {}
        query = "SELECT modality, feature FROM given WHERE type = ? AND row = ?"
        lines = dict(self._connection.execute(query, (item_type, row)))
        only_code = "" in lines
        lines.pop("", None)
        features = {name: from_npy(feature) for name, feature in lines.items()}
        return None if only_code and not features else features

    def updated(self, item_type: str, below: int) -> list[int]:
        """Rows under `below` of the items that were updated or got features, ascending."""
        if not self.extended:
            return []
        query = "SELECT DISTINCT row FROM revisions WHERE type = ? AND row < ?"
        rows = {whole(row) for (row,) in self._connection.execute(query, (item_type, below))}
        if self.first_row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'given'"):
            query = "SELECT DISTINCT row FROM given WHERE type = ? AND row < ? AND feature IS NOT NULL"
            rows |= {whole(row) for (row,) in self._connection.execute(query, (item_type, below))}
        return sorted(rows)

    def users(self) -> list[str]:
        """The ids of all users who were added or updated after the export."""
        return [user_id for (user_id,) in self._connection.execute("SELECT user_id FROM users ORDER BY user_id")]

    def append(self, op: Op, item_type: str | None, ids: str, data: bytes) -> int:
        """Adds an entry to the log. Returns its number."""
        query = "INSERT INTO log (op, kind, ids, data) VALUES (?, ?, ?, ?)"
        return int(self._connection.execute(query, (op, item_type, ids, data)).lastrowid or 0)

    def fold(self, generation: int, seq: int) -> None:
        """Records a finished compaction, whose files include the log up to number `seq`.

        Lines of items that a later line had replaced before the last compaction are deleted: no snapshot reads them.
        """
        before = int(self.meta("folded") or 0)
        self.put_meta("generation", str(generation))
        self.put_meta("folded", str(seq))
        self._connection.execute("DELETE FROM log WHERE seq <= ?", (seq,))
        later = (
            "SELECT 1 FROM revisions AS r WHERE r.type = o.type AND r.row = o.row AND r.seq > o.seq AND r.seq <= ? "
            "AND r.has_picture >= o.has_picture AND r.reworded >= o.reworded"
        )
        self._connection.execute(f"DELETE FROM revisions AS o WHERE EXISTS ({later})", (before,))

    def user(self, user_id: str, num_slots: int) -> UserState | None:
        """The state of a user, or None for one who was not added or updated after the export."""
        try:
            columns = self.first_row("SELECT code, liked, disliked FROM users WHERE user_id = ?", (user_id,))
        except UnicodeEncodeError:
            return None  # an invalid byte from a command line cannot be part of an id
        if not columns:
            return None
        code, liked, disliked = columns
        try:
            outfits = (np.frombuffer(data, dtype="<i4").reshape(-1, num_slots) for data in (liked, disliked))
            return UserState(np.frombuffer(code, dtype=np.uint8), *outfits)
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError(f"the record of user {shown(user_id)}: {error}") from None

    def put_user(self, user_id: str, state: UserState) -> None:
        """Adds or replaces the state of a user."""
        liked, disliked = (outfits.astype("<i4").tobytes() for outfits in (state.liked, state.disliked))
        query = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (user_id, state.code.tobytes(), liked, disliked))

    def delete_user(self, user_id: str) -> None:
        """Deletes the state of a user."""
        self._connection.execute("DELETE FROM users WHERE user_id = ?", (user_id,))

    def reworded(self, item_type: str, after: int, until: int) -> list[int]:
        """Rows of the items whose words or picture were updated by log entries `after` < seq <= `until`, ascending."""
        if not self.extended:
            return []
        query = "SELECT DISTINCT row FROM revisions WHERE type = ? AND seq > ? AND seq <= ? AND reworded ORDER BY row"
        return [whole(row) for (row,) in self._connection.execute(query, (item_type, after, until))]

    def put_revisions(self, rows: Iterable[Revision]) -> None:
        """Adds later lines of items."""
        self._connection.executemany("INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def set_hidden(self, item_type: str, rows: Iterable[int], hidden: bool) -> None:
        """Hides or shows items."""
        query = (
            "INSERT OR IGNORE INTO hidden VALUES (?, ?)" if hidden else "DELETE FROM hidden WHERE type = ? AND row = ?"
        )
        self._connection.executemany(query, ((item_type, row) for row in rows))

    def remove_user_row(self, row: int) -> None:
        """Records that an exported user was removed."""
        self._connection.execute("INSERT OR IGNORE INTO removed_users VALUES (?)", (row,))

    def is_suppressed(self, digest: bytes) -> bool:
        """Whether a digest is in the list of removed users."""
        return self.extended and bool(self.first_row("SELECT 1 FROM suppressed WHERE digest = ?", (digest,)))

    def suppress(self, digest: bytes, suppressed: bool = True) -> None:
        """Adds a digest to the list of removed users, or takes it off."""
        query = (
            "INSERT OR IGNORE INTO suppressed VALUES (?)" if suppressed else "DELETE FROM suppressed WHERE digest = ?"
        )
        self._connection.execute(query, (digest,))

    def suppressed(self) -> list[bytes]:
        """All digests, ascending."""
        if not self.extended:
            return []
        return [digest for (digest,) in self._connection.execute("SELECT digest FROM suppressed ORDER BY digest")]

    def rewrite(self) -> bool:
        """Writes the file anew, so that nothing that was deleted is left in it or beside it.

        Returns False when another process was reading meanwhile, so that old pages may be left.
        """
        self._connection.execute("VACUUM")
        busy, _, _ = self.first_row("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy

    def put_items(self, rows: Iterable[tuple[str, int, *Line]]) -> None:
        """Adds lines to the catalogue: type, row, item id, title, details as JSON, picture."""
        self._connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)
