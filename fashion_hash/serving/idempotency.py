"""Replies by idempotency key: a change that is sent again is not made again, and gets the reply of the first time."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from fashion_hash.bundle.sqlite_files import write_ahead
from fashion_hash.errors import BundleError, naming

FILE = "replies.sqlite"
KEPT_SECONDS = 7 * 24 * 3600.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    time REAL NOT NULL,
    status INTEGER NOT NULL,
    reply BLOB NOT NULL
) WITHOUT ROWID;
"""


class Kept(NamedTuple):
    """A reply that was given before."""

    status: int
    content: bytes


class Replies:
    """An open file of replies. Threads share an instance; every process opens its own.

    Changes are idempotent themselves, so that a process which is killed between a change and its reply does no harm.

    Args:
        folder: where the file is; it is created at the first key.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._turn = threading.Condition()
        self._making: set[str] = set()  # keys of the changes that are being made

    def once(self, key: str, digest: str, change: Callable[[], Kept]) -> Kept | None:
        """Makes a change unless it was made under this key, and returns its reply; None for the key of another change.

        Args:
            key: what names the change; only its digest is kept.
            digest: of what was sent, with its path.
            change: makes it; when it raises, nothing is kept.

        Raises:
            BundleError: the file cannot be used.
        """
        name = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        with self._alone(name):
            with self._opened() as connection:
                query = "SELECT body, status, reply FROM replies WHERE key = ?"
                row = connection.execute(query, (name,)).fetchone()
            if row is not None:
                return Kept(row[1], row[2]) if row[0] == digest else None
            kept = change()
            with self._opened() as connection:
                now = time.time()
                connection.execute("DELETE FROM replies WHERE time < ?", (now - KEPT_SECONDS,))
                values = (name, digest, now, kept.status, kept.content)
                connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", values)
            return kept

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Lets changes of other keys be made meanwhile, but none of this key."""
        with self._turn:
            self._turn.wait_for(lambda: name not in self._making)
            self._making.add(name)
        try:
            yield
        finally:
            with self._turn:
                self._making.discard(name)
                self._turn.notify_all()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with naming(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(_connect(self._path)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise BundleError(f"{self._path} cannot be used ({error})") from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=20.0)
    write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(SCHEMA)
    return connection
