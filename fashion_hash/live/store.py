"""The file of a live catalogue: every change since the export, in SQLite.

bundle/live/
  live.sqlite           the tables below; with -wal and -shm beside it while it is in use
  generation-N/         index and items as of compaction N (generation.py); 0 is the bundle as exported

    meta    bundle and index: fingerprints of what was exported; generation: N
    log     changes that the generation does not hold, in the order in which they were made
    users   everyone who came or whose likes were changed after the export, as of now
    items   what the catalogue knows of items that were added: the table of catalogue.sqlite

A call is one transaction, written ahead and synced before it returns (synchronous = FULL): what
returned survives a kill and a power cut, and no reader sees half of it. Changes of the log name
outfits by id and items by row; rows of items are never used twice.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.bundle.catalogue import SCHEMA as CATALOGUE_SCHEMA
from fashion_hash.bundle.catalogue import Line
from fashion_hash.core.files import sync_file, sync_folder
from fashion_hash.core.manifest import read_manifest
from fashion_hash.errors import BundleError
from fashion_hash.index import pool

FILE = "live.sqlite"
FORMAT_VERSION = 1
WAIT_SECONDS = 20.0  # for another writer's transaction
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL, kind TEXT, ids TEXT NOT NULL, data BLOB);
CREATE TABLE users (user_id TEXT PRIMARY KEY, code BLOB NOT NULL, liked BLOB NOT NULL, disliked BLOB NOT NULL)
WITHOUT ROWID;
{CATALOGUE_SCHEMA}
"""

Op = Literal["add_items", "remove_items", "add_outfits", "remove_outfits"]


class Entry(NamedTuple):
    """A line of the log.

    Attributes:
        seq: its number; numbers grow.
        op: what was done.
        kind: the item type, for items.
        ids: JSON list of ids.
        data: what snapshot.py and changes.py know to read; rows of items, or records.
    """

    seq: int
    op: Op
    kind: str | None
    ids: str
    data: bytes


class UserState(NamedTuple):
    """Someone who came or changed after the export.

    Attributes:
        code: (D / 8,) uint8, packed; of an outfit encoder the bytes of the vector, (4 D,) uint8.
        liked, disliked: (L, S) int32, items by slot; of a user of the bundle what came on top of
            their history.
    """

    code: np.ndarray
    liked: np.ndarray
    disliked: np.ndarray


class Store:
    """One connection to the file. Reading or writing is decided when it is opened."""

    def __init__(self, path: Path, connection: sqlite3.Connection, frozen: bool) -> None:
        self.path = path
        self._connection = connection
        self._frozen = frozen  # opened where nothing may be written, and nobody was writing
        self._seen = _looks(path)

    @classmethod
    def open(cls, bundle: Bundle, *, write: bool = False, verify: bool = False) -> Store:
        """Opens the file of a bundle, which must exist.

        Raises:
            BundleError: the file is broken, or belongs to another bundle or index.
        """
        path = store_path(bundle.path)
        with sqlite_errors(path):
            try:
                store = cls(path, _connect(path, "rw"), False)
                store.one("SELECT 1 FROM meta")
            except sqlite3.OperationalError:
                # a folder where we may not write, and nobody who writes has it open: the file is all there is
                if write or wal_path(path).exists() or not path.is_file():
                    raise
                store = cls(path, _connect(path, "ro&immutable=1"), True)
            if verify and (found := store.one("PRAGMA quick_check(1)")) != ("ok",):
                raise sqlite3.DatabaseError(str(found))
            store._connection.execute("PRAGMA synchronous = FULL")
            store._check(bundle)
        return store

    def _check(self, bundle: Bundle) -> None:
        meta = dict(self._connection.execute("SELECT key, value FROM meta"))
        if meta.get("format_version") != str(FORMAT_VERSION):
            raise BundleError(
                f"{self.path} has format version {meta.get('format_version')}, this program reads {FORMAT_VERSION}"
            )
        ours = {"bundle": bundle.fingerprint, "index": index_fingerprint(bundle)}
        for what, fingerprint in ours.items():
            if meta[what] != fingerprint:
                raise BundleError(
                    f"{self.path} holds changes of {what} {meta[what]}, but the {what} beside it is {fingerprint}: "
                    f"put that {what} back, or move {self.path.parent} away to go on without the changes"
                )

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def version(self) -> object:
        """Something that differs whenever another connection has written."""
        return self._seen if self._frozen else self.one("PRAGMA data_version")

    def outdated(self) -> bool:
        """Whether the file must be opened again to see what was changed."""
        return self._frozen and (wal_path(self.path).exists() or _looks(self.path) != self._seen)

    def one(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The first row of an answer; () when there is none."""
        return self._connection.execute(query, values).fetchone() or ()

    @contextmanager
    def transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
        """Several statements as one: IMMEDIATE to write (one at a time, others wait), DEFERRED to read."""
        with sqlite_errors(self.path):
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def read(self, after: int) -> tuple[int, list[Entry]]:
        """The number of the last compaction, and the log behind a line."""
        query = "SELECT seq, op, kind, ids, data FROM log WHERE seq > ? ORDER BY seq"
        with self.transaction("DEFERRED"):
            generation = int(self.one("SELECT value FROM meta WHERE key = 'generation'")[0])
            return generation, [Entry(*row) for row in self._connection.execute(query, (after,))]

    def item(self, kind: str, row: int) -> Line | None:
        """The catalogue's line of an item that was added, or None."""
        query = "SELECT item_id, title, details, picture FROM items WHERE type = ? AND row = ?"
        found: Line | None = self._connection.execute(query, (kind, row)).fetchone()
        return found

    def details(self, kind: str, first: int) -> list[tuple[str | None, str]]:
        """Title and details (JSON) of the items of a type from a row on, in order of rows."""
        query = "SELECT title, details FROM items WHERE type = ? AND row >= ? ORDER BY row"
        return self._connection.execute(query, (kind, first)).fetchall()

    def append(self, op: Op, kind: str | None, ids: str, data: bytes) -> None:
        """Adds a line to the log."""
        query = "INSERT INTO log (op, kind, ids, data) VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (op, kind, ids, data))

    def fold(self, generation: int, seq: int) -> None:
        """A compaction is done: the log up to `seq` is in its files."""
        self._connection.execute("UPDATE meta SET value = ? WHERE key = 'generation'", (str(generation),))
        self._connection.execute("DELETE FROM log WHERE seq <= ?", (seq,))

    def user(self, user_id: str, num_slots: int) -> UserState | None:
        """Someone who came or changed after the export, or None."""
        try:
            found = self.one("SELECT code, liked, disliked FROM users WHERE user_id = ?", (user_id,))
        except UnicodeEncodeError:
            return None  # a stray byte of a command line: no id
        if not found:
            return None
        code, liked, disliked = found
        outfits = (np.frombuffer(one, dtype="<i4").reshape(-1, num_slots) for one in (liked, disliked))
        return UserState(np.frombuffer(code, dtype=np.uint8), *outfits)

    def put_user(self, user_id: str, state: UserState) -> None:
        """Adds or replaces someone."""
        liked, disliked = (one.astype("<i4").tobytes() for one in (state.liked, state.disliked))
        query = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (user_id, state.code.tobytes(), liked, disliked))

    def put_items(self, rows: Iterable[tuple[str, int, *Line]]) -> None:
        """Adds lines to the catalogue: type, row, item id, title, details as JSON, picture."""
        self._connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)


def store_path(bundle_path: Path) -> Path:
    """Where a bundle's live catalogue is."""
    return bundle_path / LIVE_FOLDER / FILE


def _looks(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def wal_path(path: Path) -> Path:
    """The write-ahead log of a file: it exists while a process has the file open to write."""
    return path.with_name(path.name + "-wal")


def create_store(bundle: Bundle) -> None:
    """Makes the file of a bundle that has none yet; where two do so at once, the first one's counts."""
    path = store_path(bundle.path)
    path.parent.mkdir(exist_ok=True)
    meta = {
        "format_version": str(FORMAT_VERSION),
        "bundle": bundle.fingerprint,
        "index": index_fingerprint(bundle),
        "generation": "0",
    }
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as scratch:
        temporary = Path(scratch) / FILE
        with sqlite_errors(path), closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        sync_file(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
    sync_folder(path.parent)


def index_fingerprint(bundle: Bundle) -> str:
    """The fingerprint of the exported index."""
    manifest = read_manifest(bundle.path / pool.FOLDER, pool.FORMAT, pool.FORMAT_VERSION, verify=False)
    return str(manifest["fingerprint"])


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise BundleError(
                f"{path}: another process wrote for {WAIT_SECONDS:.0f} seconds; nothing was changed, try again"
            ) from None
        raise BundleError(f"{path} cannot be used ({error}); nothing was changed") from None
    except sqlite3.DatabaseError as error:
        raise BundleError(
            f"{path} is not a readable live catalogue ({error}): put back a copy of it, or move {path.parent} "
            "away to answer from the bundle as it was exported"
        ) from None


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS)
