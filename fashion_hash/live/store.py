"""The file of a live catalogue: all changes since the export, in SQLite.

bundle/live/
  live.sqlite           the tables below; -wal and -shm files are beside it while it is in use
  generation-N/         index and items after compaction N (generation.py); 0 is the bundle as exported

    meta           bundle, index: the fingerprints of the exported ones; generation: N; folded: the number of the
                   last log entry in its files; salt: see suppressed; erase: users were removed since compaction N;
                   anew: the users who were removed and came back
    log            the changes since generation N, in order
    users          the current state of every user who was added or updated after the export
    items          the catalogue lines of added items, in the same table as in catalogue.sqlite
    columns        the types of columns that came with them, in the same table as there
    revisions      later catalogue lines of exported and added items, each with the number of its log entry
    hidden         the items that are not offered at present
    removed_users  the rows of exported users who were removed
    suppressed     salted digests of the ids of removed users
    given          the raw features that items came with, so that another model can code them again

The first format has only the tables up to `columns`; a writer adds the others.

Each call is a single transaction, written ahead and synced before it returns (synchronous = FULL). It
survives a kill or a power cut after it returned, and readers never see half of it. The log refers to
outfits by id and to items by row; rows of items are never reused.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.bundle.sqlite_files import check_tables, connect, limited, size_of, write_ahead
from fashion_hash.core.files import sweep, sync_file, sync_folder
from fashion_hash.core.manifest import read_manifest
from fashion_hash.errors import BundleError, advice_for, shown, unreadable
from fashion_hash.index import pool
from fashion_hash.live.records.cells import OPS
from fashion_hash.live.records.tables import FORMAT_VERSION, GIVEN_SCHEMA, LATER_SCHEMA, SCHEMA, LogState, Records

FILE = "live.sqlite"
WAIT_SECONDS = 60.0  # for another writer's transaction: a long batch, or the switch of generations on a busy machine
LOOK_SECONDS = 0.001


class Store(Records):
    """A connection to the file, opened to read or to write."""

    def __init__(self, path: Path, connection: sqlite3.Connection, frozen: bool) -> None:
        super().__init__(connection)
        self.path = path
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
                store.first_row("SELECT 1 FROM sqlite_master")
            except sqlite3.OperationalError:
                # a read-only folder or a full disk, and nothing in a log: the file holds the complete state
                if write or _has_log(path) or not path.is_file():
                    raise
                store = cls(path, _connect(path, "ro&immutable=1"), True)
            with limited(store._connection, size_of(path)):
                if verify and (result := store.first_row("PRAGMA quick_check(1)")) != ("ok",):
                    raise sqlite3.DatabaseError(str(result))
            store._connection.execute("PRAGMA synchronous = FULL")
            store._check(bundle)
            if write:
                store._extend()
        return store

    def _check(self, bundle: Bundle) -> None:
        check_tables(self._connection, SCHEMA + GIVEN_SCHEMA, optional=("columns", "given"))
        with limited(self._connection):
            meta = dict(self._connection.execute("SELECT key, value FROM meta LIMIT 100"))
        if meta.get("format_version") not in ("1", str(FORMAT_VERSION)):
            raise BundleError(
                f"{self.path} has format version {shown(meta.get('format_version'))}, this program reads 1 and "
                f"{FORMAT_VERSION}"
            )
        if meta["format_version"] != "1":
            check_tables(self._connection, LATER_SCHEMA)
        ours = {"bundle": bundle.fingerprint, "index": index_fingerprint(bundle)}
        for what, fingerprint in ours.items():
            if meta.get(what) != fingerprint:
                raise BundleError(
                    f"{self.path} holds changes of {what} {meta.get(what)}, but the {what} beside it is "
                    f"{fingerprint}: put that {what} back, or move {self.path.parent} away to continue without the "
                    "changes"
                )

    def _extend(self) -> None:
        """Adds what a file of the first format lacks, and makes deleted content unreadable from now on."""
        self._connection.execute("PRAGMA secure_delete = ON")
        if self.meta("format_version") != str(FORMAT_VERSION):
            with self.transaction("IMMEDIATE"):
                if self.meta("format_version") != str(FORMAT_VERSION):
                    for statement in LATER_SCHEMA.split(";"):
                        self._connection.execute(statement)
                    self.put_meta("format_version", str(FORMAT_VERSION))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def read(self, after: int | None) -> LogState:
        """The state of the log, its entries after number `after` or all with None: of one moment."""
        with self.transaction("DEFERRED"), limited(self._connection, size_of(self.path)):
            state = self.log(after)
        if unknown := {entry.op for entry in state.entries} - OPS:
            raise BundleError(
                f"{self.path} holds changes of a later program ({shown(min(unknown))}): update fashion_hash"
            )
        return state

    def version(self) -> object:
        """A value that changes whenever another connection has written.

        Raises:
            BundleError: the file at its path is no longer the one that is open, so changes would be lost.
        """
        if self._frozen:
            return self._seen
        if _stamp(self.path)[0] != self._seen[0]:
            raise _gone(self.path)
        return self.first_row("PRAGMA data_version")

    def outdated(self) -> bool:
        """Whether the file must be opened again to see the latest changes."""
        return self._frozen and (_has_log(self.path) or _stamp(self.path) != self._seen)

    @contextmanager
    def transaction(self, mode: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
        """A transaction over several statements: IMMEDIATE to write (other writers wait), DEFERRED to read."""
        with sqlite_errors(self.path):
            self._begin(mode)
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _begin(self, mode: str) -> None:
        """Begins a transaction, and asks often meanwhile: SQLite by itself looks every tenth of a second."""
        until = time.monotonic() + WAIT_SECONDS
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    self._connection.execute(f"BEGIN {mode}")
                    return
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                        raise
                time.sleep(LOOK_SECONDS)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {int(1000 * WAIT_SECONDS)}")


def store_path(bundle_path: Path) -> Path:
    """The path of a bundle's live catalogue."""
    return bundle_path / LIVE_FOLDER / FILE


def _stamp(path: Path) -> tuple[int, int, int]:
    """Numbers that change whenever the file is replaced or written."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _gone(path) from None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _gone(path: Path) -> BundleError:
    return BundleError(
        f"{path} was moved, removed or replaced while it was open; nothing was changed: open the bundle again, where "
        "it is now"
    )


def wal_path(path: Path) -> Path:
    """The path of the write-ahead log, which exists while a process has the file open to write."""
    return path.with_name(path.name + "-wal")


def _has_log(path: Path) -> bool:
    """Whether changes stand in the write-ahead log that may be missing in the file."""
    try:
        return wal_path(path).stat().st_size > 0
    except FileNotFoundError:
        return False


def create_store(bundle: Bundle) -> None:
    """Creates the file of a bundle where there is none; of two processes that do so, the first one's file is kept."""
    path = store_path(bundle.path)
    new = not path.parent.exists()
    if not path.exists():
        try:
            path.parent.mkdir(exist_ok=True)
            _create(bundle, path)
        except BaseException as error:
            if new:  # an empty folder says nothing
                with suppress(OSError):
                    path.parent.rmdir()
            # whoever was faster removed what this process was writing
            if not (isinstance(error, OSError | BundleError) and path.exists()):
                raise
    sweep(path.parent, FILE)  # what killed processes left; whoever is creating the file now finds this one


def _create(bundle: Bundle, path: Path) -> None:
    meta = {
        "format_version": str(FORMAT_VERSION),
        "bundle": bundle.fingerprint,
        "index": index_fingerprint(bundle),
        "generation": "0",
    }
    with tempfile.TemporaryDirectory(prefix=f".{FILE}.", suffix=".partial", dir=path.parent) as scratch:
        temporary = Path(scratch) / FILE
        with sqlite_errors(path), closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.executescript(f"BEGIN; {SCHEMA} {LATER_SCHEMA} COMMIT;")
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            # last: what stands in a log is copied into the file by close(), which is silent about a full disk
            write_ahead(connection)
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
        raise unreadable_changes(path.parent.parent, str(error)) from None


def unreadable_changes(bundle_path: Path, problem: str) -> BundleError:
    """The error for a file of changes that holds what no program has written."""
    path = store_path(bundle_path)
    return BundleError(
        f"{path} is not a readable live catalogue ({problem}): restore it from a copy, or move {path.parent} away to "
        "use the bundle as exported"
    )


@contextmanager
def writable(bundle_path: Path) -> Iterator[None]:
    """Turns what the system refuses (a read-only folder, a full disk) into BundleError."""
    try:
        yield
    except OSError as error:
        advice = advice_for(error) or (
            "see that its folder and what is in it may be written, or copy the bundle to where they may"
        )
        raise BundleError(
            f"{bundle_path} cannot be changed: {error.filename or bundle_path}: {error.strerror or error}; nothing was "
            f"changed: {advice}"
        ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return connect(path, mode, isolation_level=None, timeout=WAIT_SECONDS)
