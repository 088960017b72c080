"""The file of a live catalogue: all changes since the export, in SQLite.

bundle/live/
  live.sqlite           the tables below; -wal and -shm files are beside it while it is in use
  generation-N/         index and items after compaction N (generation.py); 0 is the bundle as exported

    meta    bundle, index: the fingerprints of the exported ones; generation: N
    log     the changes since generation N, in order
    users   the current state of every user who was added or updated after the export
    items   the catalogue lines of added items, in the same table as in catalogue.sqlite
    columns the types of columns that came with them, in the same table as there

Each call is a single transaction, written ahead and synced before it returns (synchronous = FULL). It
survives a kill or a power cut after it returned, and readers never see half of it. The log refers to
outfits by id and to items by row; rows of items are never reused.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.bundle.catalogue import COLUMNS_SCHEMA, Line, read_column_types
from fashion_hash.bundle.catalogue import SCHEMA as CATALOGUE_SCHEMA
from fashion_hash.core.files import sync_file, sync_folder
from fashion_hash.core.manifest import read_manifest
from fashion_hash.data.columns import ColumnType
from fashion_hash.errors import BundleError, unreadable
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
{COLUMNS_SCHEMA}
"""

Op = Literal["add_items", "remove_items", "add_outfits", "remove_outfits"]


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


class Store:
    """A connection to the file, opened to read or to write."""

    def __init__(self, path: Path, connection: sqlite3.Connection, frozen: bool) -> None:
        self.path = path
        self._connection = connection
        self._frozen = frozen  # opened as immutable: in a read-only folder, with no writer
        self._seen = _stamp(path)

    @classmethod
    def open(cls, bundle: Bundle, *, write: bool = False, verify: bool = False) -> Store:
        """Opens the existing file of a bundle.

        Raises:
            BundleError: the file is broken, or belongs to another bundle or index.
        """
        path = store_path(bundle.path)
        with sqlite_errors(path):
            try:
                store = cls(path, _connect(path, "rw"), False)
                store.first_row("SELECT 1 FROM meta")
            except sqlite3.OperationalError:
                # a read-only folder, and no writer has the file open: it holds the complete state
                if write or wal_path(path).exists() or not path.is_file():
                    raise
                store = cls(path, _connect(path, "ro&immutable=1"), True)
            if verify and (result := store.first_row("PRAGMA quick_check(1)")) != ("ok",):
                raise sqlite3.DatabaseError(str(result))
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
                    f"put that {what} back, or move {self.path.parent} away to continue without the changes"
                )

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def version(self) -> object:
        """A value that changes whenever another connection has written."""
        return self._seen if self._frozen else self.first_row("PRAGMA data_version")

    def outdated(self) -> bool:
        """Whether the file must be opened again to see the latest changes."""
        return self._frozen and (wal_path(self.path).exists() or _stamp(self.path) != self._seen)

    def first_row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The first row of a result, or () for an empty result."""
        return self._connection.execute(query, values).fetchone() or ()

    @contextmanager
    def transaction(self, mode: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
        """A transaction over several statements: IMMEDIATE to write (other writers wait), DEFERRED to read."""
        with sqlite_errors(self.path):
            self._connection.execute(f"BEGIN {mode}")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def read(self, after: int) -> tuple[int, list[Entry]]:
        """The number of the last compaction, and the log entries after number `after`."""
        query = "SELECT seq, op, kind, ids, data FROM log WHERE seq > ? ORDER BY seq"
        with self.transaction("DEFERRED"):
            generation = int(self.first_row("SELECT value FROM meta WHERE key = 'generation'")[0])
            return generation, [Entry(*row) for row in self._connection.execute(query, (after,))]

    def item(self, item_type: str, row: int) -> Line | None:
        """The catalogue line of an added item, or None."""
        query = "SELECT item_id, title, details, picture FROM items WHERE type = ? AND row = ?"
        line: Line | None = self._connection.execute(query, (item_type, row)).fetchone()
        return line

    def details(self, item_type: str, first: int) -> list[tuple[str | None, str]]:
        """Title and details (JSON) of the added items of a type in row `first` and above, in order of rows."""
        query = "SELECT title, details FROM items WHERE type = ? AND row >= ? ORDER BY row"
        return self._connection.execute(query, (item_type, first)).fetchall()

    def column_types(self) -> dict[str, ColumnType | None]:
        """The types of the columns that came with added items."""
        return read_column_types(self._connection)

    def put_column_types(self, types: Mapping[str, ColumnType | None]) -> None:
        """Adds the types of columns that no item had before."""
        self._connection.execute(COLUMNS_SCHEMA)
        self._connection.executemany("INSERT INTO columns VALUES (?, ?)", types.items())

    def append(self, op: Op, item_type: str | None, ids: str, data: bytes) -> None:
        """Adds an entry to the log."""
        query = "INSERT INTO log (op, kind, ids, data) VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (op, item_type, ids, data))

    def fold(self, generation: int, seq: int) -> None:
        """Records a finished compaction, whose files include the log up to number `seq`."""
        self._connection.execute("UPDATE meta SET value = ? WHERE key = 'generation'", (str(generation),))
        self._connection.execute("DELETE FROM log WHERE seq <= ?", (seq,))

    def user(self, user_id: str, num_slots: int) -> UserState | None:
        """The state of a user, or None for one who was not added or updated after the export."""
        try:
            columns = self.first_row("SELECT code, liked, disliked FROM users WHERE user_id = ?", (user_id,))
        except UnicodeEncodeError:
            return None  # an invalid byte from a command line cannot be part of an id
        if not columns:
            return None
        code, liked, disliked = columns
        outfits = (np.frombuffer(data, dtype="<i4").reshape(-1, num_slots) for data in (liked, disliked))
        return UserState(np.frombuffer(code, dtype=np.uint8), *outfits)

    def put_user(self, user_id: str, state: UserState) -> None:
        """Adds or replaces the state of a user."""
        liked, disliked = (outfits.astype("<i4").tobytes() for outfits in (state.liked, state.disliked))
        query = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (user_id, state.code.tobytes(), liked, disliked))

    def put_items(self, rows: Iterable[tuple[str, int, *Line]]) -> None:
        """Adds lines to the catalogue: type, row, item id, title, details as JSON, picture."""
        self._connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)


def store_path(bundle_path: Path) -> Path:
    """The path of a bundle's live catalogue."""
    return bundle_path / LIVE_FOLDER / FILE


def _stamp(path: Path) -> tuple[int, int, int]:
    """Numbers that change whenever the file is replaced or written."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def wal_path(path: Path) -> Path:
    """The path of the write-ahead log, which exists while a process has the file open to write."""
    return path.with_name(path.name + "-wal")


def create_store(bundle: Bundle) -> None:
    """Creates the file of a bundle; if two processes do so at the same time, the first file is kept."""
    path = store_path(bundle.path)
    new = not path.parent.exists()
    try:
        path.parent.mkdir(exist_ok=True)
        _create(bundle, path)
    except BaseException as error:
        if new:  # or no other index could be built
            with suppress(OSError):
                path.parent.rmdir()
        if isinstance(error, OSError):
            raise BundleError(f"{path} cannot be made ({error.strerror}); nothing was changed") from None
        raise


def _create(bundle: Bundle, path: Path) -> None:
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
    """Turns errors of SQLite into BundleError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise BundleError(
                f"{path}: another process kept writing for {WAIT_SECONDS:.0f} seconds; nothing was changed: try again"
            ) from None
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            message = f"{path} cannot be written ({error}); nothing was changed: free some space and try again"
        else:
            message = f"{path} cannot be used ({error}); nothing was changed"
        raise unreadable(path, error, message) from None
    except sqlite3.DatabaseError as error:
        raise BundleError(
            f"{path} is not a readable live catalogue ({error}): restore it from a copy, or move {path.parent} "
            "away to use the bundle as exported"
        ) from None


@contextmanager
def writable(bundle_path: Path) -> Iterator[None]:
    """Turns what the system refuses (a read-only folder, a full disk) into BundleError."""
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"{bundle_path} cannot be changed: {error.filename or bundle_path}: {error.strerror or error}; nothing was "
            "changed: see that its folder and what is in it may be written, or copy the bundle to where they may"
        ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS)
