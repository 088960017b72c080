"""The file of feedback: one event a row, in SQLite.

    FOLDER/feedback.sqlite

Events are appended in transactions that are synced before they return (WAL, synchronous = FULL), so that what was
acknowledged survives kill -9 and a power cut. Threads of a process share a transaction where they come at the same
time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from fashion_hash.bundle.sqlite_files import check_tables, write_ahead
from fashion_hash.errors import BundleError, naming

FILE, FOLDER = "feedback.sqlite", "service"
WAIT_SECONDS = 20.0
Kind = Literal["shown", "liked", "disliked", "bought", "undone"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    time REAL NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    outfit_id TEXT,
    items TEXT,
    item_type TEXT,
    item_id TEXT,
    recommendation_id TEXT,
    model TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_user ON events (user_id);
"""
_INSERT = "INSERT OR IGNORE INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Event(NamedTuple):
    """Something that a user did with an outfit or with an item.

    Attributes:
        event_id: the same event twice is kept once.
        time: seconds since 1970.
        user_id: who.
        kind: what; "undone" takes a like or dislike back.
        outfit_id: the id of an outfit of the pool; None for an outfit that was put together, and for an item.
        items: item ids by slot name; an item is in the first slot of its type.
        item_type, item_id: of an item; None for an outfit.
        recommendation_id: of the answer that it came from.
        model: the model that answered, or that answers this user.
    """

    event_id: str
    time: float
    user_id: str
    kind: Kind
    outfit_id: str | None
    items: Mapping[str, str] | None
    item_type: str | None
    item_id: str | None
    recommendation_id: str | None
    model: str


class FeedbackStore:
    """An open file of feedback. Threads share an instance; every process opens its own.

    Args:
        folder: where the file is; it is created when the first event comes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._pending: list[tuple[list[Event], Future[int]]] = []
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def append(self, events: Sequence[Event]) -> int:
        """Adds events, all or none of them; what returned is on the disk.

        Returns:
            How many are new.

        Raises:
            OSError: the disk is full.
            BundleError: the file cannot be written.
        """
        mine: Future[int] = Future()
        with self._lock:
            self._pending.append((list(events), mine))
        with self._writing:  # whoever comes first writes for all who wait
            if not mine.done():
                self._write_pending()
        return mine.result()

    def _write_pending(self) -> None:
        with self._lock:
            batch, self._pending = self._pending, []
        try:
            with self._transaction() as connection:
                counts = [_insert(connection, events) for events, _ in batch]
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), count in zip(batch, counts):
            future.set_result(count)

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Those of some ids that events have already.

        Raises:
            BundleError: the file cannot be read.
        """
        if not self.path.exists():
            return set()
        ids = json.dumps(list(event_ids))
        with _errors(self.path), closing(_connect(self.path)) as connection:
            query = "SELECT event_id FROM events WHERE event_id IN (SELECT value FROM json_each(?))"
            return {event_id for (event_id,) in connection.execute(query, (ids,))}

    def forget(self, user_ids: Sequence[str]) -> int:
        """Erases the events of users from the file; returns how many there were."""
        if not self.path.exists():
            return 0
        with self._writing:
            with self._transaction() as connection:
                found = [connection.execute("DELETE FROM events WHERE user_id = ?", (user,)) for user in user_ids]
                count = sum(cursor.rowcount for cursor in found)
            if count and self._connection is not None:
                with _errors(self.path):  # the deleted rows are also in the write-ahead log
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    def events(self) -> Iterator[Event]:
        """All events, in the order in which they came."""
        if not self.path.exists():
            return
        with _errors(self.path), closing(_connect(self.path)) as connection:
            for row in connection.execute(f"SELECT {', '.join(Event._fields)} FROM events ORDER BY number"):
                event = Event(*row)
                yield event._replace(items=None if event.items is None else json.loads(str(event.items)))

    def close(self) -> None:
        """Closes the file."""
        with self._writing:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with naming(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with _errors(self.path):
            if self._connection is None:
                self._connection = _connect(self.path)
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")


def feedback_folder(bundle: Path) -> Path:
    """Where the feedback of a bundle is kept, unless the service was told another place."""
    return bundle / FOLDER


def _insert(connection: sqlite3.Connection, events: Sequence[Event]) -> int:
    count = 0
    for event in events:
        items = None if event.items is None else json.dumps(dict(event.items), ensure_ascii=False)
        count += connection.execute(_INSERT, event._replace(items=items)).rowcount  # type: ignore[arg-type]
    return count


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=WAIT_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.executescript(SCHEMA)
    check_tables(connection, SCHEMA.replace("IF NOT EXISTS ", ""))
    return connection


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            import errno

            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise BundleError(
            f"{path} cannot be used ({error}); nothing was changed: restore it, or move it away"
        ) from error
