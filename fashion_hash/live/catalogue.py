"""An open live catalogue: snapshots for readers, transactions for writers."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.catalogue import Line
from fashion_hash.core.arrays import MappedFiles
from fashion_hash.core.manifest import CURRENT, current_folder
from fashion_hash.data.columns import ColumnType
from fashion_hash.errors import BundleError, shown
from fashion_hash.index.engines.open import EngineName
from fashion_hash.live.generation import open_base
from fashion_hash.live.records.checks import check_user
from fashion_hash.live.records.tables import Records, UserState
from fashion_hash.live.snapshot import Base, Changes, Snapshot
from fashion_hash.live.store import Store, create_store, sqlite_errors, store_path, writable
from fashion_hash.live.updates.together import Together

Answer = TypeVar("Answer")


class Writing(NamedTuple):
    """An open transaction: the state before it, and the store."""

    snapshot: Snapshot
    store: Store


class ChangesFile:
    """The file of changes, opened to read when it exists, and again when that is needed to see the latest changes.

    What answers from a snapshot keeps this object, and not the catalogue, so that a generation that nobody answers from
    any more is let go at once.
    """

    def __init__(self, bundle: Bundle, verify: bool) -> None:
        self.lock = threading.RLock()
        self._bundle = bundle
        self._file = str(store_path(bundle.path))
        self._verify = verify
        self._store: Store | None = None

    def opened(self) -> Store | None:
        """The store; None while the file does not exist. The caller holds the lock."""
        if self._store is not None and self._store.outdated():
            self.close()
        if self._store is None and os.path.exists(self._file):
            self._store = Store.open(self._bundle, verify=self._verify)
        return self._store

    def line(self, item_type: str, row: int) -> Line | None:
        """See LaterLines.line."""
        return self.ask(lambda store: store.item(item_type, row))

    def revision(self, item_type: str, row: int, seq: int) -> tuple[str | None, str] | None:
        """See LaterLines.revision."""
        return self.ask(lambda store: store.revision(item_type, row, seq))

    def new_picture(self, item_type: str, row: int, seq: int) -> tuple[bytes | None] | None:
        """See LaterLines.new_picture."""
        return self.ask(lambda store: store.new_picture(item_type, row, seq))

    def lines(self, item_type: str, rows: Sequence[int], seq: int) -> dict[int, tuple[str | None, str]]:
        """See LaterLines.lines."""
        return self.ask(lambda store: store.lines(item_type, rows, seq)) or {}

    def reworded(self, item_type: str, after: int, until: int) -> list[int]:
        """See LaterLines.reworded."""
        return self.ask(lambda store: store.reworded(item_type, after, until)) or []

    def ask(self, question: Callable[[Records], Answer | None]) -> Answer | None:
        """What the store of changes answers; None without changes."""
        with self.lock:
            store = self.opened()
            if store is None:
                return None
            with sqlite_errors(store.path):
                return question(store)

    def close(self) -> None:
        """Closes the file; it is opened again on the next use."""
        with self.lock:
            if self._store is not None:
                self._store.close()
            self._store = None


def bundle_now(path: str | Path, *, verify: bool = True) -> Bundle:
    """A bundle with the items that were added since its export."""
    return LiveCatalogue(path, verify=verify).now().bundle


class LiveCatalogue:
    """The catalogue of one generation of a bundle. Threads may share an instance; every process opens its own.

    Args:
        path: the bundle folder; its current generation is opened.
        verify: compare the checksum of every file.
        engine: the engine that searches the files of the pool.

    Raises:
        BundleError: there is no bundle or index, files are broken, or the changes belong to another bundle or index.
    """

    def __init__(self, path: str | Path, *, verify: bool = True, engine: EngineName = "auto") -> None:
        if not isinstance(path, str | Path):
            raise TypeError(f"a bundle is opened by the path of its folder, got {shown(path)}")
        self.bundle = Bundle.open(path, verify=verify)
        self.bundle._reopen = bundle_now
        self._engine: EngineName = engine
        self._verify = verify
        self._root, self._folder = self.bundle.root, self.bundle.path
        self._mapped = MappedFiles(self._folder)
        self._file = ChangesFile(self.bundle, verify)
        self._lock = self._file.lock
        self._write_lock = threading.RLock()
        self.compacting = threading.Lock()
        self.told: Together[Any] = Together()  # states of users that threads write at the same time
        self.written: int | None = None  # the last generation that this process wrote
        self._writer: Store | None = None
        self._version: tuple[Store, object] | None = None  # of the file, when it was last read
        self._changes: Changes | None = None
        self.now()

    def now(self) -> Snapshot:
        """The current state, with the changes of all processes up to now."""
        with self._lock:
            return self._catch_up(self._file.opened()).snapshot

    def now_with(self, user_ids: Sequence[str]) -> tuple[Snapshot, list[UserState | None]]:
        """The current state, and the states of some users who changed after the export (None for others)."""
        with self._lock:
            while True:  # until there was no write between the two reads
                store = self._file.opened()
                snapshot = self._catch_up(store).snapshot
                if store is None:
                    return snapshot, [None] * len(user_ids)
                with sqlite_errors(store.path):
                    states = [store.user(user_id, len(self.bundle.slots)) for user_id in user_ids]
                    if (store, store.version()) == self._version:
                        self._check_users(snapshot, states)
                        return snapshot, states

    def _check_users(self, snapshot: Snapshot, states: Sequence[UserState | None]) -> None:
        for state in states:
            try:
                if state is not None:
                    check_user(snapshot.bundle, state)
            except ValueError as error:
                raise sqlite3.DatabaseError(f"a user does not fit the bundle: {error}") from None

    def details(self, item_type: str, first: int) -> list[tuple[str | None, str]]:
        """Title and details (JSON) of added items, see Records.details; empty without changes."""
        return self._file.ask(lambda store: store.details(item_type, first)) or []

    def revisions(self, item_type: str, after: int, until: int) -> list[tuple[int, str | None, str]]:
        """Rows, titles and details of updated items, see Records.revisions."""
        return self._file.ask(lambda store: store.revisions(item_type, after, until)) or []

    def column_types(self) -> dict[str, ColumnType | None]:
        """The type of each column of the catalogue, None for a column of several kinds."""
        return {**self.bundle.catalogue.column_types, **self._added_types()}

    def date_columns(self) -> frozenset[str]:
        """The columns of the catalogue that hold dates."""
        types = {**self.bundle.catalogue.stated_types, **self._added_types()}
        return frozenset(name for name, column_type in types.items() if column_type == "date")

    def _added_types(self) -> dict[str, ColumnType | None]:
        return self._file.ask(lambda store: store.column_types()) or {}

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction: other processes cannot write meanwhile, and either all of it or nothing is kept.

        Raises:
            BundleError: another generation of the bundle has become current, another process keeps writing, or the file
                cannot be written.
        """
        with self.writer() as store, store.transaction("IMMEDIATE"):
            self._check_current()  # whoever makes another generation current holds this transaction meanwhile
            yield Writing(self.now(), store)

    @contextmanager
    def reading(self) -> Iterator[Writing | None]:
        """A transaction that reads: one state, whatever others write meanwhile. None without changes.

        Raises:
            BundleError: another generation of the bundle has become current, or the file cannot be read.
        """
        with self._lock:
            self._check_current()
            store = self._file.opened()
            if store is None:
                yield None
                return
            while True:  # until there was no write before the transaction began
                snapshot = self._catch_up(store).snapshot
                with store.transaction("DEFERRED"):
                    if (store, store.version()) == self._version:  # the question begins the transaction
                        yield Writing(snapshot, store)
                        return

    @contextmanager
    def writer(self) -> Iterator[Store]:
        """The file of changes, opened to write, outside of a transaction; other threads wait."""
        with self._write_lock:
            self._check_current()
            if self._writer is None:
                with writable(self.bundle.path):
                    create_store(self.bundle)
                self._writer = Store.open(self.bundle, write=True)
            with sqlite_errors(self._writer.path):
                self._writer.version()  # refuses a file that was moved, removed or replaced
                yield self._writer

    def ask(self, question: Callable[[Records], Answer | None]) -> Answer | None:
        """What the file of changes answers; None without changes."""
        return self._file.ask(question)

    def close(self) -> None:
        """Closes the files; they are opened again on the next use."""
        with self._write_lock, self._lock:
            if self._writer is not None:
                self._writer.close()
            self._file.close()
            self._writer = self._version = None

    def has_moved(self) -> bool:
        """Whether another generation of the bundle has become current."""
        return current_folder(self._root) not in (self._folder, self._root)

    def _check_current(self) -> None:
        if self.has_moved():
            raise BundleError(
                f"{self._root}: another generation of the bundle is current, so nothing was written: open it again"
            )
        if self._folder != self._root and not (self._root / CURRENT).exists():
            raise BundleError(
                f"{self._root / CURRENT} is missing: the bundle was moved or removed after it was opened; open it "
                "where it is now"
            )

    def _catch_up(self, store: Store | None) -> Changes:
        """Reads the changes since the last call; before that, looks at the files that answers read."""
        self._mapped.check()
        if store is None:
            if self._changes is None:
                self._check_folder()
                self._changes = Changes(self._open_base(0))
            return self._changes
        with sqlite_errors(store.path):
            version = store, store.version()
            if self._changes is not None and version == self._version:
                return self._changes
            changes, self._changes = self._changes, None  # after an interrupt, the next call starts over
            state = store.read(None if changes is None else changes.snapshot.seq)
            while changes is None or changes.snapshot.base.generation != state.generation:
                state = store.read(None)
                try:
                    changes = Changes(self._open_base(state.generation), state.folded)
                except BundleError:
                    if store.read(None).generation == state.generation:
                        raise
                    # otherwise another compaction removed the folder before it was opened: try again
            try:
                changes.read(state)
            except ValueError as error:
                raise sqlite3.DatabaseError(f"its log does not fit the bundle: {error}") from None
        self._changes, self._version = changes, version
        return changes

    def _open_base(self, generation: int) -> Base:
        # files that this process has just written need no checksums
        verify = self._verify and generation != self.written
        return open_base(self.bundle, generation, engine=self._engine, verify=verify, later=self._file)

    def _check_folder(self) -> None:
        path = store_path(self.bundle.path)
        if any(path.parent.glob("generation-*")):
            raise BundleError(
                f"{path} is missing, but {path.parent} holds generations that belong to it: put the file back, or move "
                "the folder away"
            )
